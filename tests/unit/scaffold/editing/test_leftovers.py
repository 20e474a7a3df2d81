"""What is left to do in AWS: the stacks in promotion order, by exact commands, and what is kept."""

import re
from typing import Any

from helpers.assembly import Assembly
from nova_infra.config import Config, parse_config
from nova_infra.scaffold.editing.leftovers import after_removal, after_renaming


def acme(raw: dict[str, Any]) -> Config:
    raw["platform"]["name"] = "acme"
    raw["toolchain"]["region"] = "eu-central-1"
    for environment, region in zip(raw["environments"], ("eu-west-1", "eu-west-2", "eu-west-3"), strict=True):
        environment["region"] = region
    return parse_config(raw)


def commands(lines: list[str]) -> list[str]:
    return [line.strip().removeprefix("aws ") for line in lines if line.strip().startswith("aws ")]


def test_stacks_are_deleted_in_promotion_order_protection_first_and_the_repository_last(raw: dict[str, Any]) -> None:
    config = acme(raw)
    name = config.services[1].name
    lines = list(after_removal(config, name))
    expected = []
    for environment, region in (("dev", "eu-west-1"), ("staging", "eu-west-2"), ("prod", "eu-west-3")):
        there = f"--stack-name acme-{environment}-{name} --region {region}"
        if environment == "prod":
            expected += [f"cloudformation update-termination-protection --no-enable-termination-protection {there}"]
        expected += [f"cloudformation delete-stack {there}", f"cloudformation wait stack-delete-complete {there}"]
    expected += [f"ecr delete-repository --force --repository-name acme/{name} --region eu-central-1"]
    assert commands(lines) == expected
    accounts = re.findall(r"credentials of (\d+)", "\n".join(lines))
    assert accounts == [*(each.account for each in config.environments), config.toolchain.account]


def test_the_stacks_that_are_named_are_those_that_are_synthesized(config: Config, assembly: Assembly) -> None:
    for service in config.services:
        named = set(re.findall(r"--stack-name (\S+)", "\n".join(after_removal(config, service.name))))
        assert named <= assembly.templates.keys()
        assert named & assembly.protected == {f"nova-prod-{service.name}"}
        [repository] = re.findall(r"--repository-name (\S+)", "\n".join(after_removal(config, service.name)))
        repositories = assembly.properties("NovaRegistryStack", "AWS::ECR::Repository")
        assert repository in {each["RepositoryName"] for each in repositories}


def test_a_new_name_says_which_addresses_move_and_which_are_shared(raw: dict[str, Any]) -> None:
    name = raw["services"][0]["name"]
    raw["services"][0]["paths"] = ["/front/*", f"/{name}/*"]
    config = acme(raw)
    lines = list(after_renaming(config, name, "fresh"))
    assert any(f"callers of /{name}/* reach" in line and "/fresh/" in line for line in lines)
    assert any(line.strip().startswith("URLs    /front/* may stay") for line in lines)
    assert commands(lines) == commands(list(after_removal(config, name)))

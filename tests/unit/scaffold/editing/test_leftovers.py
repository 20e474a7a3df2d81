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
        groups = f"--log-group-name-prefix acme-{environment}-{name}-Logs-"
        expected += [
            f"logs describe-log-groups --region {region} {groups} --query 'logGroups[].[logGroupName]' --output text | "
            f"xargs -n1 aws logs delete-log-group --region {region} --log-group-name"
        ]
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


WORKER = {"name": "packer", "kind": "worker"}


def packer(raw: dict[str, Any], **keys: Any) -> Config:
    raw["services"].append({**WORKER, "queue": {}, **keys})
    return acme(raw)


def deleted_queues(lines: list[str]) -> list[str]:
    return re.findall(r"sqs delete-queue --region \S+ .* --queue-name (\S+) ", "\n".join(lines))


def test_the_queues_of_a_worker_stay_with_the_commands_that_delete_them(raw: dict[str, Any]) -> None:
    named = {"name": "orders-{environment}", "dead": "lost-{environment}"}
    made = deleted_queues(list(after_removal(packer(raw), "packer")))
    assert made == [f"acme-{each}-packer{end}" for each in ("dev", "staging", "prod") for end in ("", "-dead")]
    raw["services"].pop()
    config = packer(raw, queue=named)
    assert deleted_queues(list(after_removal(config, "packer")))[-2:] == ["orders-prod", "lost-prod"]
    raw["services"].pop()
    assert deleted_queues(list(after_removal(packer(raw, queue={**named, "existing": True}), "packer"))) == []


def test_a_renamed_worker_takes_queues_over_that_keep_their_name(raw: dict[str, Any]) -> None:
    config = packer(raw, queue={"name": "orders-{environment}"})
    lines = list(after_renaming(config, "packer", "wrapper"))
    [told] = [line for line in lines if line.startswith("  queues")]
    assert "orders-dev, orders-dev-dead, orders-prod" in told
    assert "existing = true" in told
    assert deleted_queues(lines) == []
    raw["services"].pop()
    lines = list(after_renaming(packer(raw), "packer", "wrapper"))
    assert any(line.startswith("  queues  wrapper gets its own") for line in lines)
    assert deleted_queues(lines)[-1] == "acme-prod-packer-dead"


def test_what_before_deploy_remembers_goes_with_a_command_and_runs_again_under_another_name(
    raw: dict[str, Any],
) -> None:
    name = raw["services"][0]["name"]
    raw["services"][0]["before_deploy"] = ["migrate"]
    config = acme(raw)
    lines = commands(list(after_removal(config, name)))
    assert f"ssm delete-parameter --name /acme/prod/before-deploy/{name} --region eu-west-3" in lines
    assert any("before_deploy runs once more" in line for line in after_renaming(config, name, "fresh"))


def test_secrets_that_another_service_reads_are_not_among_those_to_delete(raw: dict[str, Any]) -> None:
    first, second, *_ = raw["services"]
    first["secrets"] = {"A": "acme/own-{environment}:field", "B": "acme/both", "C": "ssm:/acme/c"}
    second["secrets"] = {"B": "acme/both"}
    config = acme(raw)
    lines = [each for each in commands(list(after_removal(config, first["name"]))) if "--secret-id" in each]
    assert lines == [
        f"secretsmanager delete-secret --secret-id acme/own-{name} --region {region}"
        for name, region in (("dev", "eu-west-1"), ("staging", "eu-west-2"), ("prod", "eu-west-3"))
    ]
    assert "ssm delete-parameter --name /acme/c --region eu-west-1" in commands(
        list(after_removal(config, first["name"]))
    )
    assert not any("--secret-id" in line for line in after_renaming(config, first["name"], "fresh"))


def test_both_repositories_go_where_an_early_branch_has_its_own(raw: dict[str, Any]) -> None:
    name = raw["services"][0]["name"]
    raw["delivery"] = {"engine": "github-actions", "early_branch": "develop"}
    lines = commands(list(after_removal(acme(raw), name)))
    repositories = [each.split()[4] for each in lines if each.startswith("ecr delete-repository")]
    assert repositories == [f"acme/{name}", f"acme-early/{name}"]


def test_what_holds_data_of_its_own_is_listed_before_the_stack_goes(raw: dict[str, Any]) -> None:
    config = acme(raw)
    name = config.services[0].name
    lines = commands(list(after_removal(config, name, own_resources=True)))
    listed = lines.index(f"cloudformation list-stack-resources --stack-name acme-prod-{name} --region eu-west-3")
    assert listed < lines.index(f"cloudformation delete-stack --stack-name acme-prod-{name} --region eu-west-3")

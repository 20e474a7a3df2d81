import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.config import parse_config
from nova_infra.errors import ConfigError

ROOT = Path(__file__).parents[4]


def test_two_environments_of_one_name(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][1]["name"] = "dev"
    assert "environments[1].name: 'dev' is used twice" in refused()


def test_accounts_with_a_provider_may_be_those_of_others_as_well(raw: dict[str, Any]) -> None:
    accounts = ["111111111111", "999999999999"]
    raw["delivery"] = {"engine": "github-actions", "existing_oidc_providers": accounts}
    assert [*parse_config(raw).delivery.existing_oidc_providers] == accounts


def test_two_environments_of_one_domain(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][2]["domain"]["name"] = raw["environments"][1]["domain"]["name"]
    assert "environments[2].domain.name: 'staging.nova.example.com' is also the domain of staging" in refused()


def test_an_environment_named_as_a_stage_of_the_pipeline(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][0]["name"] = "build"
    assert "environments[0].name: 'build' is already the name of a stage" in refused()


CONSTRUCTS = re.findall(r'\(\s*self,\s*"([A-Z]\w+)"', (ROOT / "nova_infra" / "stacks" / "pipeline.py").read_text())
"""What the pipeline's stack has beside the stages of the environments."""


@pytest.mark.parametrize("construct", one_of_each([*CONSTRUCTS, "Default", "Resource", "Role"]))
def test_an_environment_whose_stage_would_have_the_id_of_another_construct(
    raw: dict[str, Any], refused: Callable[[], str], construct: str
) -> None:
    raw["environments"][0]["name"] = name = re.sub(r"(?<=.)(?=[A-Z])", "-", construct).lower()
    assert f"environments[0].name: {name!r} is already the name of a" in refused()


def test_with_github_actions_no_construct_of_a_pipeline_takes_a_name(
    raw: dict[str, Any], refused: Callable[[], str]
) -> None:
    raw["environments"][0]["name"] = "logs"
    raw["delivery"] = {**raw.get("delivery", {}), "engine": "github-actions"}
    raw["environments"][1]["name"] = "dev"
    raw["environments"][2]["name"] = "dev"
    assert "is already the name of" not in refused()


def test_an_environment_named_as_the_approval_of_another(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][1]["name"] = "approve-prod"
    assert "environments[1].name: 'approve-prod' is already the name of a stage" in refused()


def test_a_service_of_one_environment_with_the_stack_name_of_another_environment(
    raw: dict[str, Any], refused: Callable[[], str]
) -> None:
    raw["environments"][1]["name"] = "dev-eu"
    raw["services"] += [{"name": "eu-radio"}, {"name": "radio"}]
    assert (
        "environments[1].name: 'dev-eu' gives radio the stack dev-eu-radio, which also belongs to eu-radio" in refused()
    )


def test_a_network_without_addresses_for_all_tasks_at_once(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][1]["network"]["cidr"] = "10.20.0.0/24"  # two private subnets of 32 - 5 addresses
    raw["environments"][1]["scaling"]["max_tasks"] = 7
    assert "environments[1].network.cidr: '10.20.0.0/24' has room for 54 tasks, but 4 services may run 56" in refused()


def test_a_network_with_addresses_for_all_tasks_at_once(raw: dict[str, Any]) -> None:
    raw["environments"][1]["network"]["cidr"] = "10.20.0.0/24"
    raw["environments"][1]["scaling"]["max_tasks"] = 6
    assert parse_config(raw)


def test_an_approval_on_the_first_environment(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][0]["approval"] = True
    assert "environments[0].approval: true is set on the first environment" in refused()


def test_no_approval_on_the_last_environment(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][2]["approval"] = False
    assert "environments[2].approval: false lets every push into the last environment" in refused()


def test_one_environment_alone_needs_no_approval(raw: dict[str, Any]) -> None:
    del raw["environments"][1:]
    assert len(parse_config(raw).environments) == 1


def test_an_environment_without_tests_before_another(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    del raw["environments"][1]["tests"]
    assert "environments[1].tests: is missing, so nothing would test a release here" in refused()


def test_neither_a_domain_nor_plain_http(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    del raw["environments"][0]["allow_plain_http"]
    assert "environments[0].domain: is missing, so nothing could be served over TLS" in refused()


def test_overlapping_networks(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][2]["network"]["cidr"] = "10.10.128.0/20"
    assert "environments[2].network.cidr: '10.10.128.0/20' overlaps that of dev" in refused()


def test_no_nat_and_no_endpoints(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][0]["network"]["nat_gateways"] = 0
    assert "0 leaves tasks without ecr.api, ecr.dkr, logs" in refused()


def test_no_nat_and_no_endpoint_for_secrets_and_shells(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][0]["network"] |= {"nat_gateways": 0, "interface_endpoints": ["ecr.api", "ecr.dkr", "logs"]}
    raw["environments"][0]["exec"] = True
    raw["services"][0]["secrets"] = {"TOKEN": "token"}
    assert "0 leaves tasks without secretsmanager, ssmmessages" in refused()


def test_no_nat_and_images_in_another_region(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][0] |= {"region": "eu-west-1"}
    raw["environments"][0]["network"] |= {"nat_gateways": 0, "interface_endpoints": ["ecr.api", "ecr.dkr", "logs"]}
    assert "0 leaves tasks without images, which are in us-east-1" in refused()


def test_two_services_of_one_name(raw: dict[str, Any]) -> None:
    raw["services"].append({"name": "carts-service", "paths": ["/other"], "priority": 1})
    with pytest.raises(ConfigError, match=r"services\[4\].name: 'carts-service' is used twice"):
        parse_config(raw)


def test_two_services_on_one_path(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["services"][3]["paths"] = ["/"]
    assert "services[3].paths: '/' is also a path of bills-service" in refused()


def test_one_path_twice_in_one_service(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["services"][3]["paths"] = ["/x", "/x"]
    assert "services[3].paths: has '/x' twice: write it once" in refused()


def test_two_services_on_one_priority(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["services"][0]["priority"] = raw["services"][1]["priority"] = 5
    assert "services[1].priority: 5 is also the priority of carts-service" in refused()


@pytest.mark.parametrize("name", ["platform", "overview", "kit", "tests"])
def test_a_service_whose_stack_or_directory_exists_already(
    raw: dict[str, Any], refused: Callable[[], str], name: str
) -> None:
    raw["services"][0]["name"] = name
    assert f"services[0].name: {name!r} is already the name of a" in refused()


def _services(count: int) -> list[dict[str, Any]]:
    return [{"name": f"service-{number}", "priority": 2 * number} for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("besides", "most"), one_of_each([({}, 46), ({"tests": "e2e"}, 45), ({"tests": "e2e", "gate": "suite"}, 44)])
)
@pytest.mark.parametrize("kind", one_of_each(["web", "worker"]))
def test_as_many_services_as_a_stage_has_actions_for(
    raw: dict[str, Any], refused: Callable[[], str], besides: dict[str, str], most: int, kind: str
) -> None:
    gate, tests = {"gate": "suite"} if "gate" in besides else {}, besides.get("tests")
    last = raw["environments"][-1]
    last.pop("tests", None)
    last |= {"rollout": {"strategy": "canary", "percent": 7, **gate}, **({"tests": tests} if tests else {})}
    raw["services"] = _services(most)
    assert len(parse_config(raw).services) == most
    more = {"kind": "worker"} if kind == "worker" else {"priority": 102}
    raw["services"].append({"name": "more", **more})
    assert f"services: has {most + 1} entries, but the stage of " in refused()
    assert f"keep at most {most} services" in refused()


def test_a_pipeline_without_a_way_to_its_source(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    del raw["source"]["connection_arn"]
    assert "source: needs exactly one way to authenticate: set connection_arn or token_secret, or set" in refused()


def test_github_actions_needs_no_way_to_its_source(raw: dict[str, Any]) -> None:
    del raw["source"]["connection_arn"]
    raw["delivery"]["engine"] = "github-actions"
    assert parse_config(raw).source.connection_arn is None


def test_a_window_that_github_actions_would_not_keep(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["delivery"]["engine"] = "github-actions"
    raw["environments"][2]["window"] = {"cron": "* * 9-17 ? * MON-THU"}
    raw["environments"][2]["on_failure"] = "stop"
    assert "environments[2].window: works only with CodePipeline" in refused()


def test_github_has_an_environment_of_its_own_for_the_image_repositories(
    raw: dict[str, Any], refused: Callable[[], str]
) -> None:
    raw["environments"][0]["name"] = "registry"
    said = "environments[0].name: 'registry' is GitHub's environment for the image repositories: choose another name"
    raw["delivery"]["engine"] = "github-actions"
    assert said in refused()
    raw["delivery"]["engine"] = "codepipeline"
    assert parse_config(raw).environments[0].name == "registry"


def test_a_window_together_with_a_stage_rollback_which_aws_does_not_document(
    raw: dict[str, Any], refused: Callable[[], str]
) -> None:
    raw["environments"][2] |= {"window": {"cron": "* * 9-17 ? * MON-THU"}, "on_failure": "rollback"}
    assert 'environments[2].window: may keep on_failure = "rollback" from rolling back outside of it' in refused()
    for behaviour in ("stop", "retry"):
        raw["environments"][2]["on_failure"] = behaviour
        assert parse_config(raw).environments[2].window is not None


def test_an_early_branch_that_goes_to_production(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["delivery"]["early_branch"] = "main"
    assert "delivery.early_branch: 'main' is the branch that goes to production" in refused()


VPC = {
    "vpc": "vpc-0123456789abcdef0",
    "cidr": "10.10.0.0/16",
    "public_subnets": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"],
    "private_subnets": ["subnet-0123456789abcdef3", "subnet-0123456789abcdef4"],
}


def test_a_network_that_exists_is_used_as_it_is(raw: dict[str, Any]) -> None:
    raw["environments"][0]["network"] = VPC
    assert parse_config(raw).environments[0].network.vpc == VPC["vpc"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"nat_gateways": 1}, "network.nat_gateways: nothing is added to an existing VPC: remove it"),
        ({"vpc": None}, "network.public_subnets: belongs to an existing VPC: add vpc = …, or remove it"),
        ({"cidr": None}, "network.cidr: is missing: write the address range of vpc-0123456789abcdef0"),
        ({"private_subnets": ["subnet-0123456789abcdef3"]}, "network.private_subnets: names 1 subnets for 2 zones"),
        ({"vpc": "shared"}, "network.vpc: 'shared' is not a VPC: write its id, as in vpc-"),
    ],
)
def test_what_does_not_go_with_a_network_that_exists(raw: dict[str, Any], change: dict[str, Any], fault: str) -> None:
    network = {key: value for key, value in {**VPC, **change}.items() if value is not None}
    raw["environments"][0]["network"] = network
    with pytest.raises(ConfigError) as raised:
        parse_config(raw)
    assert f"nova.toml: environments[0].{fault}" in str(raised.value)


def test_two_environments_may_share_a_network_that_exists(raw: dict[str, Any]) -> None:
    for environment in raw["environments"][:2]:
        environment["network"] = VPC
    parse_config(raw)


def test_a_permissions_boundary_needs_a_pipeline_and_an_account_that_is_the_toolchains_alone(
    raw: dict[str, Any],
) -> None:
    raw["toolchain"]["permissions_boundary"] = True
    assert parse_config(raw).toolchain.permissions_boundary
    raw["environments"][0]["account"] = raw["toolchain"]["account"]
    raw["delivery"]["engine"] = "github-actions"
    with pytest.raises(ConfigError) as raised:
        parse_config(raw)
    assert "toolchain.permissions_boundary: true limits the pipeline's roles, and GitHub Actions" in str(raised.value)
    assert "from creating roles for dev, which shares it: give the environment an account of its own" in str(
        raised.value
    )

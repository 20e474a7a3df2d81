from pathlib import Path

import pytest

from nova_infra.config import MAX_SERVICES, Service, parse_config
from nova_infra.config.resolved import suite_gated
from nova_infra.config.services.smoke import is_reachable
from nova_infra.errors import ConfigError

ROOT = Path(__file__).parents[4]


@pytest.fixture
def raw(raw):
    """The project's own nova.toml with four services, however many there are: what is refused may count them."""
    return {**raw, "services": raw["services"][:4]}


def test_two_environments_of_one_name(raw, refused):
    raw["environments"][1]["name"] = "dev"
    assert "environments[1].name: 'dev' is used twice" in refused()


def test_two_environments_of_one_domain(raw, refused):
    raw["environments"][2]["domain"]["name"] = raw["environments"][1]["domain"]["name"]
    assert "environments[2].domain.name: 'staging.nova.example.com' is also the domain of staging" in refused()


def test_an_environment_named_as_a_stage_of_the_pipeline(raw, refused):
    raw["environments"][0]["name"] = "build"
    assert "environments[0].name: 'build' is already the name of a stage" in refused()


def test_an_environment_named_as_the_approval_of_another(raw, refused):
    raw["environments"][1]["name"] = "approve-prod"
    assert "environments[1].name: 'approve-prod' is already the name of a stage" in refused()


def test_a_service_of_one_environment_with_the_stack_name_of_another_environment(raw, refused):
    raw["environments"][1]["name"] = "dev-eu"
    raw["services"] += [{"name": "eu-radio"}, {"name": "radio"}]
    assert (
        "environments[1].name: 'dev-eu' gives radio the stack dev-eu-radio, which also belongs to eu-radio" in refused()
    )


def test_a_network_without_addresses_for_all_tasks_at_once(raw, refused):
    raw["environments"][1]["network"]["cidr"] = "10.20.0.0/24"  # two private subnets of 32 - 5 addresses
    raw["environments"][1]["scaling"]["max_tasks"] = 7
    assert "environments[1].network.cidr: '10.20.0.0/24' has room for 54 tasks, but 4 services may run 56" in refused()


def test_a_network_with_addresses_for_all_tasks_at_once(raw):
    raw["environments"][1]["network"]["cidr"] = "10.20.0.0/24"
    raw["environments"][1]["scaling"]["max_tasks"] = 6
    assert parse_config(raw)


def test_an_approval_on_the_first_environment(raw, refused):
    raw["environments"][0]["approval"] = True
    assert "environments[0].approval: true is set on the first environment" in refused()


def test_no_approval_on_the_last_environment(raw, refused):
    raw["environments"][2]["approval"] = False
    assert "environments[2].approval: false lets every push into the last environment" in refused()


def test_one_environment_alone_needs_no_approval(raw):
    del raw["environments"][1:]
    assert len(parse_config(raw).environments) == 1


def test_an_environment_without_tests_before_another(raw, refused):
    del raw["environments"][1]["tests"]
    assert "environments[1].tests: is missing, so nothing would test a release here" in refused()


def test_neither_a_domain_nor_plain_http(raw, refused):
    del raw["environments"][0]["allow_plain_http"]
    assert "environments[0].domain: is missing, so nothing could be served over TLS" in refused()


@pytest.mark.parametrize(
    "rollout",
    [
        {"strategy": "canary", "percent": 10, "step_bake_minutes": 1000, "bake_minutes": 1000},
        {"strategy": "linear", "percent": 3, "step_bake_minutes": 61, "bake_minutes": 5},
    ],
)
def test_a_bake_that_outlasts_cloudformation(raw, refused, rollout):
    raw["environments"][1]["rollout"] = rollout
    assert "environments[1].rollout: bakes" in (line := refused())
    assert "longer than CloudFormation waits" in line


@pytest.mark.parametrize("strategy", ["rolling", None])
def test_a_gate_where_no_traffic_is_shifted(raw, refused, strategy):
    raw["environments"][1]["rollout"] = {"gate": "person"} | ({"strategy": strategy} if strategy else {})
    assert "environments[1].rollout.gate: needs a strategy that shifts traffic" in refused()


def test_a_gate_of_one_service_where_no_traffic_is_shifted(raw, refused):
    raw["services"][0]["rollout"] = {"gate": "person"}
    assert "services[0].rollout.gate: needs a strategy that shifts traffic, and this one is rolling in dev" in refused()


def test_a_suite_where_the_environment_has_none(raw, refused):
    raw["environments"][2].pop("tests", None)
    raw["environments"][2]["rollout"] |= {"gate": "suite"}
    assert "environments[2].rollout.gate: prod has no suite that could answer: write tests =" in refused()


def test_a_suite_that_an_override_asks_for_where_the_environment_has_none(raw, refused):
    raw["environments"][2].pop("tests", None)
    raw["services"][0]["environments"] = {"prod": {"rollout": {"gate": "suite"}}}
    assert "services[0].environments.prod.rollout.gate: prod has no suite that could answer" in refused()


def test_a_suite_is_not_asked_for_what_it_cannot_reach(raw, refused):
    assert is_reachable(Service(name="shop"))
    assert not is_reachable(Service(name="shop", protocol="grpc"))
    assert not is_reachable(Service(name="shop", hosts=("*.example.com",)))
    raw["environments"][2] |= {"tests": "e2e"}
    del raw["services"][0]["kit"]
    raw["services"][0]["internal"] = True
    raw["environments"][2]["rollout"] |= {"gate": "suite"}
    config = parse_config(raw)
    assert raw["services"][0]["name"] not in suite_gated(config.services, config.environments[2])
    assert raw["services"][1]["name"] in suite_gated(config.services, config.environments[2])
    raw["services"][0]["environments"] = {"prod": {"rollout": {"gate": "suite"}}}
    assert "rollout.gate: no suite can ask for the new revision, because of internal: " in refused()


def test_a_suite_needs_room_for_the_rule_of_the_tests(raw, refused):
    raw["environments"][2] |= {"tests": "e2e"}
    raw["environments"][2]["rollout"] |= {"gate": "suite"}
    raw["services"][0]["priority"], raw["services"][1]["priority"] = 8, 7
    assert "services[0].priority: 8 leaves no room for the rule of its tests: 7 is that of" in refused()


@pytest.mark.parametrize(
    ("key", "value"), [("gate", "nobody"), ("gate_minutes", 0), ("gate_minutes", 1441), ("gate_minutes", "an hour")]
)
def test_a_gate_that_is_none(raw, refused, key, value):
    raw["environments"][2]["rollout"] |= {"gate": "person", key: value}
    assert f"environments[2].rollout.{key}: " in refused()


@pytest.mark.parametrize("key", [{"gate_before": "steps"}, {"gate_minutes": 7}])
def test_how_a_gate_waits_without_a_gate(raw, refused, key):
    raw["environments"][1]["rollout"] |= key
    assert f"environments[1].rollout.{next(iter(key))}: has no effect without a gate" in refused()


@pytest.mark.parametrize(
    ("rollout", "minutes"),
    [
        ({"strategy": "canary", "gate_before": "traffic"}, 1440),
        ({"strategy": "canary", "gate_before": "steps"}, 2 * 1440),
        ({"strategy": "blue-green", "gate_before": "steps"}, 1440),
        ({"strategy": "linear", "percent": 30, "gate_before": "steps"}, 4 * 1440),
    ],
)
def test_gates_count_against_cloudformations_hours(raw, rollout, minutes):
    settings = {"gate": "person", "gate_minutes": 1440, "bake_minutes": 6, "step_bake_minutes": 7}
    raw["environments"][1]["rollout"] = settings | rollout
    if minutes > 1440:
        with pytest.raises(ConfigError, match=r"environments\[1\].rollout: bakes and waits .* CloudFormation waits"):
            parse_config(raw)
        raw["environments"][1]["rollout"] |= {"gate_minutes": 60}
    assert parse_config(raw).environments[1].rollout.waiting_minutes() == (minutes if minutes == 1440 else minutes / 24)


def test_gates_count_against_a_jobs_hours(raw, refused):
    raw["delivery"]["engine"] = "github-actions"
    raw["environments"][2]["rollout"] |= {"gate": "person", "gate_minutes": 300}
    assert "environments[2].rollout: bakes and waits 314 minutes in total, but a GitHub Actions job ends" in refused()


def test_a_services_own_rollout_that_outlasts_cloudformation(raw, refused):
    raw["services"][1]["environments"] = {"prod": {"rollout": {"bake_minutes": 1440, "step_bake_minutes": 1440}}}
    assert "services[1].environments.prod.rollout: bakes 2880 minutes in total in prod" in refused()


@pytest.mark.parametrize(
    ("service", "fault"),
    [
        ({"priority": 1}, "services[0].priority: 1 leaves no room for the rule of its tests: 0 does not exist"),
        (
            {"priority": 8},
            "priority: 8 leaves no room for the rule of its tests: 7 is that of store-service",
        ),
        ({"paths": [f"/{n}/*" for n in range(5)]}, "services[0].paths: 5 values leave no room for the header"),
    ],
)
def test_smoke_paths_that_could_not_be_asked(raw, refused, service, fault):
    raw["services"][0] |= {"smoke": ["/carts-service/version"], "priority": 20} | service
    raw["services"][1]["priority"] = 7
    assert fault in refused()


def test_a_smoke_path_that_is_none(raw, refused):
    raw["services"][0]["smoke"] = ["carts-service/version"]
    assert "services[0].smoke[0]: 'carts-service/version' is not a path: start it with /" in refused()


def test_the_longest_bake_that_cloudformation_waits_for(raw):
    raw["environments"][1]["rollout"] = {"strategy": "canary", "step_bake_minutes": 1000, "bake_minutes": 980}
    assert parse_config(raw).environments[1].rollout.minutes() == 1980


def test_overlapping_networks(raw, refused):
    raw["environments"][2]["network"]["cidr"] = "10.10.128.0/20"
    assert "environments[2].network.cidr: '10.10.128.0/20' overlaps that of dev" in refused()


def test_no_nat_and_no_endpoints(raw, refused):
    raw["environments"][0]["network"]["nat_gateways"] = 0
    assert "0 leaves tasks without ecr.api, ecr.dkr, logs" in refused()


def test_no_nat_and_no_endpoint_for_secrets_and_shells(raw, refused):
    raw["environments"][0]["network"] |= {"nat_gateways": 0, "interface_endpoints": ["ecr.api", "ecr.dkr", "logs"]}
    raw["environments"][0]["exec"] = True
    raw["services"][0]["secrets"] = {"TOKEN": "token"}
    assert "0 leaves tasks without secretsmanager, ssmmessages" in refused()


def test_no_nat_and_images_in_another_region(raw, refused):
    raw["environments"][0] |= {"region": "eu-west-1"}
    raw["environments"][0]["network"] |= {"nat_gateways": 0, "interface_endpoints": ["ecr.api", "ecr.dkr", "logs"]}
    assert "0 leaves tasks without images, which are in us-east-1" in refused()


def test_two_services_of_one_name(raw):
    raw["services"].append({"name": "carts-service", "paths": ["/other"], "priority": 1})
    with pytest.raises(ConfigError, match=r"services\[4\].name: 'carts-service' is used twice"):
        parse_config(raw)


def test_two_services_on_one_path(raw, refused):
    raw["services"][3]["paths"] = ["/"]
    assert "services[3].paths: '/' is also a path of bills-service" in refused()


def test_one_path_twice_in_one_service(raw, refused):
    raw["services"][3]["paths"] = ["/x", "/x"]
    assert "services[3].paths: has '/x' twice: write it once" in refused()


def test_two_services_on_one_priority(raw, refused):
    raw["services"][0]["priority"] = raw["services"][1]["priority"] = 5
    assert "services[1].priority: 5 is also the priority of carts-service" in refused()


@pytest.mark.parametrize("name", ["platform", "overview", "kit", "tests"])
def test_a_service_whose_stack_or_directory_exists_already(raw, refused, name):
    raw["services"][0]["name"] = name
    assert f"services[0].name: {name!r} is already the name of a" in refused()


def _services(count: int):
    return [{"name": f"service-{number}", "priority": number} for number in range(1, count + 1)]


def test_as_many_services_as_one_load_balancer_takes(raw):
    raw["services"] = _services(MAX_SERVICES)
    assert len(parse_config(raw).services) == MAX_SERVICES == 45


def test_one_service_more_than_a_load_balancer_takes_names_the_quota(raw, refused):
    raw["services"] = _services(46)
    assert "services: has 46 entries, but one load balancer has 100 target groups" in refused()


def test_a_pipeline_without_a_way_to_its_source(raw, refused):
    del raw["source"]["connection_arn"]
    assert "source: needs exactly one way to authenticate: set connection_arn or token_secret, or set" in refused()


def test_github_actions_needs_no_way_to_its_source(raw):
    del raw["source"]["connection_arn"]
    raw["delivery"]["engine"] = "github-actions"
    assert parse_config(raw).source.connection_arn is None


def test_a_window_that_github_actions_would_not_keep(raw, refused):
    raw["delivery"]["engine"] = "github-actions"
    raw["environments"][2]["window"] = {"cron": "* * 9-17 ? * MON-THU"}
    raw["environments"][2]["on_failure"] = "stop"
    assert "environments[2].window: works only with CodePipeline" in refused()


def test_a_window_beside_a_rollback_whose_meeting_aws_does_not_document(raw, refused):
    raw["environments"][2] |= {"window": {"cron": "* * 9-17 ? * MON-THU"}, "on_failure": "rollback"}
    assert 'environments[2].window: may keep on_failure = "rollback" from rolling back outside of it' in refused()
    for behaviour in ("stop", "retry"):
        raw["environments"][2]["on_failure"] = behaviour
        assert parse_config(raw).environments[2].window is not None


def test_a_rollout_that_outlasts_a_job(raw, refused):
    raw["delivery"]["engine"] = "github-actions"
    raw["environments"][2]["rollout"] |= {"bake_minutes": 296}
    assert "environments[2].rollout: bakes 301 minutes in total, but a GitHub Actions job ends" in refused()


def test_an_early_branch_that_goes_to_production(raw, refused):
    raw["delivery"]["early_branch"] = "main"
    assert "delivery.early_branch: 'main' is the branch that goes to production" in refused()


VPC = {
    "vpc": "vpc-0123456789abcdef0",
    "cidr": "10.10.0.0/16",
    "public_subnets": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"],
    "private_subnets": ["subnet-0123456789abcdef3", "subnet-0123456789abcdef4"],
}


def test_a_network_that_exists_is_used_as_it_is(raw):
    raw["environments"][0]["network"] = VPC
    assert parse_config(raw).environments[0].network.vpc == VPC["vpc"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"nat_gateways": 1}, "network.nat_gateways: nothing is added to a VPC that exists: remove it"),
        ({"vpc": None}, "network.public_subnets: belongs to a VPC that exists: add vpc = …, or remove it"),
        ({"cidr": None}, "network.cidr: is missing: write the address range of vpc-0123456789abcdef0"),
        ({"private_subnets": ["subnet-0123456789abcdef3"]}, "network.private_subnets: names 1 subnets for 2 zones"),
        ({"vpc": "shared"}, "network.vpc: 'shared' is not a VPC: write its id, as in vpc-"),
    ],
)
def test_what_does_not_go_with_a_network_that_exists(raw, change, fault):
    network = {key: value for key, value in {**VPC, **change}.items() if value is not None}
    raw["environments"][0]["network"] = network
    with pytest.raises(ConfigError) as raised:
        parse_config(raw)
    assert f"nova.toml: environments[0].{fault}" in str(raised.value)


def test_two_environments_may_share_a_network_that_exists(raw):
    for environment in raw["environments"][:2]:
        environment["network"] = VPC
    parse_config(raw)


def test_a_permissions_boundary_needs_a_pipeline_and_an_account_that_is_the_toolchains_alone(raw):
    raw["toolchain"]["permissions_boundary"] = True
    assert parse_config(raw).toolchain.permissions_boundary
    raw["environments"][0]["account"] = raw["toolchain"]["account"]
    raw["delivery"]["engine"] = "github-actions"
    with pytest.raises(ConfigError) as raised:
        parse_config(raw)
    assert "toolchain.permissions_boundary: true limits the pipeline's roles, and GitHub Actions" in str(raised.value)
    assert "from making roles for dev, which shares it: give the environment an account of its own" in str(raised.value)

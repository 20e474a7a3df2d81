"""A cluster and a load balancer that exist: what may be said of them, and what contradicts itself."""

from typing import Any

import pytest

from helpers.existing import existing_network
from nova_infra.config import parse_config
from nova_infra.config.resolved import resolved
from nova_infra.config.services.smoke import asked_at
from nova_infra.errors import ConfigError

STAGING = "222222222222"
ELB = f"arn:aws:elasticloadbalancing:us-east-1:{STAGING}"


@pytest.fixture
def shared(raw: dict[str, Any]) -> dict[str, Any]:
    """The example, whose staging environment makes none of its own."""
    raw["environments"][1]["network"] = existing_network(STAGING)
    del raw["environments"][1]["waf"]
    return raw


def faults(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse_config(raw)
    return [line.removeprefix("nova.toml: ") for line in str(raised.value).splitlines()]


def test_services_without_hosts_are_at_the_environments_own_name_on_a_listener_that_others_use(
    shared: dict[str, Any],
) -> None:
    config = parse_config(shared)
    service, (dev, staging, _) = config.services[0], config.environments
    assert resolved(service, dev).service.hosts == ()
    found = resolved(service, staging).service
    assert found.hosts == ("staging.nova.example.com",)
    assert (found.paths, found.priority) == (service.paths, service.priority)


def test_hosts_that_are_written_and_internal_services_stay_as_they_are(shared: dict[str, Any]) -> None:
    shared["services"][0]["hosts"] = ["carts.staging.nova.example.com"]
    shared["services"][0]["environments"] = {name: {"hosts": [f"{name}.nova.example.com"]} for name in ("dev", "prod")}
    shared["services"][1]["internal"] = True
    config = parse_config(shared)
    first, second = (resolved(service, config.environments[1]).service for service in config.services[:2])
    assert first.hosts == ("carts.staging.nova.example.com",)
    assert second.hosts == ()


def test_without_a_domain_services_are_at_the_load_balancers_own_name(raw: dict[str, Any]) -> None:
    raw["environments"][0]["network"] = existing_network("111111111111")
    config = parse_config(raw)
    found = resolved(config.services[0], config.environments[0]).service
    assert found.hosts == ("shared-1234567890.us-east-1.elb.amazonaws.com",)


@pytest.mark.parametrize("cluster", ["everybodys", f"arn:aws:ecs:us-east-1:{STAGING}:cluster/everybodys"])
def test_a_cluster_is_given_by_its_name_or_its_arn(shared: dict[str, Any], cluster: str) -> None:
    shared["environments"][1]["network"]["cluster"] = cluster
    assert parse_config(shared).environments[1].network.cluster_name == "everybodys"


def test_a_cluster_needs_no_network_that_exists(raw: dict[str, Any]) -> None:
    raw["environments"][0]["network"] = {"cluster": "everybodys"}
    assert parse_config(raw).environments[0].network.cluster_name == "everybodys"


NETWORK = "environments[1].network"
OWN = f"{NETWORK}.load_balancer"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"cluster": "a/b"}, f"{NETWORK}.cluster: 'a/b' is not an ECS cluster: write its name or its ARN"),
        ({"cluster": "arn:aws:ecs:eu-west-1:222222222222:cluster/x"}, "is in eu-west-1, and staging is in us-east-1"),
        ({"cluster": "arn:aws:ecs:us-east-1:999999999999:cluster/x"}, "belongs to the account 999999999999"),
        ({"cluster": "arn:aws-cn:ecs:us-east-1:222222222222:cluster/x"}, "is in aws-cn, and us-east-1 is in aws"),
        ({"cluster": "arn:aws:ecs:us-east-1:222222222222:service/x/y"}, "is not an ECS cluster"),
        ({"arn": f"{ELB}:loadbalancer/old"}, f"{OWN}.arn: '{ELB}:loadbalancer/old' is a classic load balancer"),
        ({"arn": f"{ELB}:loadbalancer/net/x/50dc6c495c0c9188"}, "is not an application load balancer, and only those"),
        (
            {"arn": f"{ELB}:listener/app/shared/50dc6c495c0c9188/f2f7dc8efc522ab2"},
            "is a listener: write it as listener",
        ),
        ({"arn": "shared"}, f"{OWN}.arn: 'shared' is not the ARN of an application load balancer"),
        ({"listener": f"{ELB}:loadbalancer/app/shared/50dc6c495c0c9188"}, "is not the ARN of a listener"),
        (
            {"listener": f"{ELB}:listener/app/other/60dc6c495c0c9188/f2f7dc8efc522ab2"},
            "is not a listener of app/shared/50dc6c495c0c9188: name one of those that",
        ),
        ({"security_group": "web"}, f"{OWN}.security_group: 'web' is not a security group"),
        ({"dns_name": "shared.example.com"}, "is not the DNS name of an application load balancer"),
        ({"dns_name": "shared-1.eu-west-1.elb.amazonaws.com"}, "is not in us-east-1: write DNSName as"),
        ({"zone_id": "shared"}, f"{OWN}.zone_id: 'shared' is not a Route 53 hosted zone: write CanonicalHostedZoneId"),
        ({"public_subnets": ["subnet-0123456789abcdef1"]}, "public_subnets: names 1 subnets for 2 zones"),
    ],
)
def test_what_is_not_the_environments_own_is_refused_in_one_line(
    shared: dict[str, Any], change: dict[str, Any], fault: str
) -> None:
    network = shared["environments"][1]["network"]
    for key, value in change.items():
        (network["load_balancer"] if key in network["load_balancer"] else network)[key] = value
    [line] = faults(shared)
    assert fault in line


def test_a_load_balancer_of_another_place_is_refused_by_its_arn(shared: dict[str, Any]) -> None:
    elsewhere = existing_network("999999999999", "eu-west-1")["load_balancer"]
    shared["environments"][1]["network"]["load_balancer"] = elsewhere
    region, account, name = faults(shared)
    assert "is in eu-west-1, and staging is in us-east-1: name one there" in region
    assert "belongs to the account 999999999999, and staging is in 222222222222: name one there" in account
    assert name.startswith(f"{OWN}.dns_name: ")


@pytest.mark.parametrize("key", ["arn", "listener", "security_group", "dns_name", "zone_id"])
def test_nothing_of_a_load_balancer_is_looked_up_so_all_of_it_is_needed(shared: dict[str, Any], key: str) -> None:
    del shared["environments"][1]["network"]["load_balancer"][key]
    [line] = faults(shared)
    assert line.startswith(f"{OWN}.{key}: is missing")


def test_a_load_balancer_that_exists_is_in_a_network_that_exists(raw: dict[str, Any]) -> None:
    network = existing_network(STAGING)
    raw["environments"][1]["network"] = {"load_balancer": network["load_balancer"]}
    del raw["environments"][1]["waf"]
    assert faults(raw) == [
        f"{OWN}: is in an existing VPC, but this environment creates its own: add network.vpc = …, or remove it"
    ]


INTERNAL = "Internal-shared-1234567890.us-east-1.elb.amazonaws.com"


def test_an_internal_load_balancer_has_no_place_where_tests_are_needed(shared: dict[str, Any]) -> None:
    shared["environments"][1]["network"]["load_balancer"]["dns_name"] = INTERNAL
    assert faults(shared) == [
        f"{OWN}: is internal, but the e2e tests after the deployment call it from outside its VPC, where it does not "
        "answer: every deployment would fail: name one with the scheme internet-facing"
    ]


def test_an_internal_load_balancer_fits_the_last_environment_where_nothing_asks_it(shared: dict[str, Any]) -> None:
    del shared["environments"][2]
    staging = shared["environments"][1]
    staging["network"]["load_balancer"]["dns_name"] = INTERNAL
    staging["approval"] = True
    del staging["tests"]
    [line] = faults(shared)
    names = ", ".join(each["name"] for each in shared["services"])
    assert f"the smoke tests of {names} call it" in line
    assert line.endswith('internet-facing, or write smoke = [] with untested_reason = "…" in [[services]]')
    for service in shared["services"]:
        service |= {"smoke": [], "untested_reason": "its clients alone reach it"}
    parse_config(shared)


def test_nova_puts_no_firewall_before_a_load_balancer_of_others(shared: dict[str, Any]) -> None:
    shared["environments"][1]["waf"] = True
    [line] = faults(shared)
    assert line.startswith("environments[1].waf: true puts a firewall in front of a load balancer that is not this")


def test_the_hosts_that_a_shared_listener_asks_for_count_as_values_of_the_rule(shared: dict[str, Any]) -> None:
    shared["services"][0]["paths"] = [f"/{number}/*" for number in range(5)]
    [line] = faults(shared)
    assert "are 6 values together with hosts, staging.nova.example.com on the existing load balancer included," in line


@pytest.fixture
def twice(shared: dict[str, Any]) -> dict[str, Any]:
    """Two environments of one account on one listener."""
    shared["environments"][0] |= {"account": STAGING, "network": existing_network(STAGING)}
    return shared


def test_two_environments_on_one_listener_need_a_priority_each(twice: dict[str, Any]) -> None:
    found = faults(twice)
    assert len(found) == len(twice["services"])
    assert "is also that of carts-service in dev, on one listener: write priority = …" in found[0]


@pytest.mark.parametrize(
    ("staging", "why"),
    [
        (300, "is also that of carts-service in dev"),
        (301, "is right after that of carts-service in dev, where its tests have theirs"),
        (299, "is also that of the tests of carts-service in dev"),
        (302, None),
        (298, None),
    ],
)
def test_the_rule_of_a_services_tests_needs_a_priority_of_its_own_as_well(
    twice: dict[str, Any], staging: int, why: str | None
) -> None:
    del twice["services"][1:]
    canary = {"strategy": "canary", "percent": 20, "step_bake_minutes": 6, "bake_minutes": 8}
    twice["environments"][0]["rollout"] = canary  # a rolling deployment has no tests
    twice["services"][0] |= {
        "smoke": ["/carts-service/x"],
        "priority": 300,
        "environments": {"staging": {"priority": staging}},
    }
    if why is None:
        assert parse_config(twice)
        return
    [line] = faults(twice)
    assert line.startswith(f"services[0].priority: {staging} of carts-service in staging {why}, on one listener: ")


def test_without_tests_two_rules_stand_next_to_each_other(twice: dict[str, Any]) -> None:
    del twice["services"][1:]
    twice["services"][0] |= {
        "smoke": [],
        "untested_reason": "it only counts visits",
        "priority": 300,
        "environments": {"staging": {"priority": 301}},
    }
    assert parse_config(twice)


def test_a_service_may_have_another_priority_in_an_environment(twice: dict[str, Any]) -> None:
    for number, service in enumerate(twice["services"]):
        service.setdefault("environments", {})["staging"] = {"priority": 100 + 10 * number}
    config = parse_config(twice)
    assert resolved(config.services[1], config.environments[1]).service.priority == 110
    assert resolved(config.services[1], config.environments[0]).service.priority == config.services[1].priority


def test_priorities_that_are_alike_in_one_environment_are_refused_there(raw: dict[str, Any]) -> None:
    for service in raw["services"][:2]:
        service["environments"] = {"staging": {"priority": 70}}
    [line] = faults(raw)
    assert line.startswith("services[1].environments.staging.priority: 70 is also the priority of ")


def test_the_place_of_the_tests_rule_is_looked_for_in_every_environment(raw: dict[str, Any]) -> None:
    raw["services"][0]["environments"] = {"staging": {"priority": 70}}
    raw["services"][1] |= {"smoke": ["/store-service/x"], "environments": {"staging": {"priority": 71}}}
    [line] = faults(raw)
    assert line.startswith("services[1].environments.staging.priority: 71 leaves no room for the rule of its tests: 70")


def test_tests_ask_a_service_where_its_users_do(raw: dict[str, Any]) -> None:
    raw["environments"][0]["network"] = existing_network("111111111111")
    raw["services"][0]["hosts"] = ["carts.example.com"]
    raw["services"][0]["environments"] = {name: {"hosts": []} for name in ("staging", "prod")}
    raw["services"][0]["paths"] = ["/carts-service/*"]
    config = parse_config(raw)
    carts, stock = (resolved(service, config.environments[0]) for service in config.services[:2])
    plain, tls = "http://shared-1234567890.us-east-1.elb.amazonaws.com", "https://staging.nova.example.com"
    assert asked_at(carts.service, carts.environment, plain) == (plain, "carts.example.com"), "no record leads there"
    assert asked_at(stock.service, stock.environment, plain) == (plain, "")
    staging = resolved(config.services[0], config.environments[1])
    assert asked_at(staging.service, staging.environment, tls) == (tls, "")
    own = staging.service.model_copy(update={"hosts": ("carts.nova.example.com",)})
    assert asked_at(own, staging.environment, tls) == ("https://carts.nova.example.com", "")

"""``nova doctor`` compares a cluster and a load balancer of others with what nova.toml says of them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from helpers.existing import BALANCER, GROUP, existing_network
from helpers.pages import Paged
from nova_infra.config import Config, parse_config
from nova_infra.deployed.aws.client.errors import DeniedError, ServiceError
from nova_infra.errors import NovaError
from nova_infra.operations.doctor.check import Check
from nova_infra.operations.doctor.existing import existing_cluster, existing_load_balancer
from nova_infra.operations.doctor.existing import existing_network as network_checks
from nova_infra.operations.doctor.quotas import environment_quotas

STAGING = "222222222222"
OWN = "arn:aws:elasticloadbalancing:us-east-1:222222222222:listener-rule/app/shared/1/2/"


def configured(*, service: dict[str, Any] | None = None, last: bool = False, **staging: Any) -> Config:
    raw = tomllib.loads((Path(__file__).parents[2] / "nova.toml").read_text())
    raw["environments"][1] |= {"network": existing_network(STAGING), **staging}
    if last:
        del raw["environments"][2:]
        raw["environments"][1] = {"approval": True, **raw["environments"][1]}
        if "tests" not in staging:
            del raw["environments"][1]["tests"]
    del raw["environments"][1]["waf"]
    both = {"kit": True, **(service or {})}
    raw["services"] = [{"name": "carts", "priority": 70, **both}, {"name": "stock", "port": 9000, **both}]
    return parse_config(raw)


BALANCERS = {
    "VpcId": "vpc-0123456789abcdef0",
    "SecurityGroups": ["sg-11111111", GROUP],
    "DNSName": "Shared-1234567890.us-east-1.elb.amazonaws.com",
    "CanonicalHostedZoneId": "Z35SXDOTRQ7X7K",
    "State": {"Code": "active"},
}
CLUSTER = {"status": "ACTIVE", "settings": [{"name": "containerInsights", "value": "enhanced"}]}


def rule(arn: str, priority: int, *, hosts: tuple[str, ...] = (), paths: tuple[str, ...] = ()) -> dict[str, Any]:
    conditions = [{"Field": "host-header", "HostHeaderConfig": {"Values": list(hosts)}}] if hosts else []
    conditions += [{"Field": "path-pattern", "PathPatternConfig": {"Values": list(paths)}}] if paths else []
    return {"RuleArn": arn, "Priority": str(priority), "Conditions": conditions, "IsDefault": False}


def group(name: str, *egress: dict[str, Any]) -> dict[str, Any]:
    return {"GroupId": name, "IpPermissionsEgress": list(egress)}


def tcp(first: int, last: int, **destination: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": first, "ToPort": last, **destination}


class Account(Paged):
    """An account in which all is as nova.toml says, but for what a test says."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "describe_clusters": {"clusters": [CLUSTER]},
            "describe_load_balancers": {"LoadBalancers": [BALANCERS]},
            "describe_listeners": {"Listeners": [{"Protocol": "HTTPS", "Port": 443}]},
            "describe_load_balancer_attributes": {"Attributes": []},
            "describe_security_groups": {
                "SecurityGroups": [group(GROUP, {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]})]
            },
            "describe_rules": {"Rules": [{"IsDefault": True, "Priority": "default", "RuleArn": "d"}]},
            "describe_stack_resources": ServiceError("does not exist", "ValidationError"),
            **answers,
        }

    def call(self, _service: str, operation: str, /, **_: Any) -> dict[str, Any]:
        found = self.answers[operation]
        if isinstance(found, list):  # pages
            found = found.pop(0)
        if isinstance(found, NovaError):
            raise found
        assert isinstance(found, dict)
        return found


def balancer_checks(config: Config | None = None, **answers: Any) -> list[Check]:
    config = config or configured()
    return list(existing_load_balancer(config, config.environments[1], Account(**answers)))


def cluster_checks(config: Config | None = None, **cluster: Any) -> list[Check]:
    config = config or configured()
    account = Account(describe_clusters={"clusters": [{**CLUSTER, **cluster}]})
    return list(existing_cluster(config, config.environments[1], account))


def test_an_environment_of_its_own_cluster_and_load_balancer_is_asked_nothing_about_them() -> None:
    config = configured()
    account = Account()
    account.answers.clear()
    for checks in (existing_cluster, existing_load_balancer):
        assert list(checks(config, config.environments[0], account)) == []


def test_what_is_as_written_is_right() -> None:
    assert cluster_checks() == [Check(True, "cluster everybodys, with Container Insights")]
    assert balancer_checks() == [Check(True, f"load balancer {BALANCER}, with 0 rules of others on its listener")]


def test_a_cluster_that_is_not_there_or_counts_no_tasks() -> None:
    [gone] = cluster_checks(status="INACTIVE")
    assert (gone.right, gone.what) == (False, "no cluster everybodys")
    [silent] = cluster_checks(settings=[{"name": "containerInsights", "value": "disabled"}])
    assert "so the alarm on too few tasks would always be red" in silent.what
    assert "--cluster everybodys --settings name=containerInsights,value=enabled" in silent.remedy


def test_spot_needs_the_clusters_capacity_providers_and_the_remedy_keeps_those_that_are_there() -> None:
    spot = configured(scaling={"min_tasks": 1, "max_tasks": 4, "spot": {"percent": 50}})
    [missing] = cluster_checks(
        spot,
        capacityProviders=["theirs"],
        defaultCapacityProviderStrategy=[{"capacityProvider": "theirs", "weight": 3, "base": 2}],
    )
    assert "has no capacity provider FARGATE and FARGATE_SPOT, and carts, stock would run on Spot" in missing.what
    assert "--capacity-providers theirs FARGATE FARGATE_SPOT" in missing.remedy
    assert missing.remedy.endswith("capacityProvider=theirs,weight=3,base=2")
    assert cluster_checks(spot, capacityProviders=["FARGATE_SPOT", "FARGATE"])[0].right


@pytest.mark.parametrize(
    ("answers", "fault", "remedy"),
    [
        (
            {"describe_load_balancers": {"LoadBalancers": [BALANCERS | {"VpcId": "vpc-other"}]}},
            "is in vpc-other, not in vpc-0123456789abcdef0",
            "or correct network.vpc",
        ),
        (
            {"describe_load_balancers": {"LoadBalancers": [BALANCERS | {"SecurityGroups": ["sg-1"]}]}},
            f"does not have the security group {GROUP}: it has sg-1",
            "network.load_balancer.security_group of staging",
        ),
        (
            {"describe_load_balancers": {"LoadBalancers": [BALANCERS | {"DNSName": "b2.us-east-1.elb.amazonaws.com"}]}},
            "has the DNSName b2.us-east-1.elb.amazonaws.com",
            'dns_name = "b2.us-east-1.elb.amazonaws.com"',
        ),
        (
            {"describe_load_balancers": {"LoadBalancers": [BALANCERS | {"CanonicalHostedZoneId": "Z1"}]}},
            "has the CanonicalHostedZoneId Z1",
            'zone_id = "Z1"',
        ),
        (
            {"describe_load_balancers": {"LoadBalancers": [BALANCERS | {"State": {"Code": "provisioning"}}]}},
            "is provisioning",
            "wait",
        ),
        (
            {"describe_listeners": {"Listeners": [{"Protocol": "HTTP", "Port": 80}]}},
            "the listener speaks HTTP, and the domain is served over TLS",
            "network.load_balancer.listener of staging",
        ),
        (
            {"describe_listeners": {"Listeners": [{"Protocol": "HTTPS", "Port": 8443}]}},
            "the listener is on port 8443, but users call 443",
            "network.load_balancer.listener of staging",
        ),
        (
            {"describe_listeners": ServiceError("no such listener", "ListenerNotFound")},
            "no such listener",
            "correct network.load_balancer.listener of staging in nova.toml",
        ),
        (
            {"describe_load_balancers": ServiceError("no such balancer", "LoadBalancerNotFound")},
            "no such balancer",
            "correct network.load_balancer.arn of staging in nova.toml",
        ),
    ],
)
def test_what_differs_from_the_configuration_is_reported_with_what_to_write(
    answers: Any, fault: str, remedy: str
) -> None:
    [check] = balancer_checks(**answers)
    assert check.right is False
    assert fault in check.what
    assert remedy in check.remedy


@pytest.mark.parametrize(
    ("seconds", "rollout", "remedy"),
    [
        ("60", {}, ""),
        ("121", {"step_bake_minutes": 7, "bake_minutes": 8}, ""),  # 5 minutes, and two more to wait
        ("181", {"step_bake_minutes": 7, "bake_minutes": 8}, "raise step_bake_minutes to 8 or more, or have"),
        ("300", {}, "raise step_bake_minutes and bake_minutes to 9 or more, or have"),
        ("300", {"strategy": "blue-green", "bake_minutes": 6}, "raise bake_minutes to 9 or more, or have"),
        ("4000", {"step_bake_minutes": 90, "bake_minutes": 71}, ""),
    ],
)
def test_bakes_are_as_long_as_the_load_balancer_waits_for_an_answer(
    seconds: str, rollout: dict[str, Any], remedy: str
) -> None:
    config = configured(rollout={"strategy": "canary", "step_bake_minutes": 5, "bake_minutes": 6, **rollout})
    attributes = {"Attributes": [{"Key": "idle_timeout.timeout_seconds", "Value": seconds}]}
    [check] = balancer_checks(config, describe_load_balancer_attributes=attributes)
    assert check.right is not bool(remedy)
    assert remedy in check.remedy
    assert not remedy or f"waits {seconds} s for an answer, so a bake of carts, stock ends before" in check.what


VPC = {"IpRanges": [{"CidrIp": "10.40.0.0/16"}]}
TASKS = "sg-0aaaaaaaaaaaaaaaa"


@pytest.mark.parametrize(
    ("groups", "closed"),
    [
        ([group(GROUP, tcp(8000, 8999, **VPC))], "9000"),
        ([group(GROUP)], "8080, 9000"),
        ([group(GROUP), group("sg-11111111", tcp(8000, 9999, **VPC))], ""),
        ([group(GROUP, tcp(8080, 8080, **VPC)), group("sg-11111111", tcp(9000, 9000, **VPC))], ""),
        ([group(GROUP, tcp(8000, 9999, IpRanges=[{"CidrIp": "10.41.0.0/16"}]))], "8080, 9000"),
        ([group(GROUP, tcp(8000, 9999, IpRanges=[{"CidrIp": "10.40.128.0/17"}]))], ""),
        ([group(GROUP, tcp(8000, 9999, UserIdGroupPairs=[{"GroupId": "sg-of-others"}]))], "8080, 9000"),
        ([group(GROUP, tcp(8000, 9999, UserIdGroupPairs=[{"GroupId": TASKS}]))], ""),
    ],
)
def test_what_any_group_of_the_load_balancer_lets_out_to_tasks_is_open(groups: list[Any], closed: str) -> None:
    resources = [{"ResourceType": "AWS::EC2::SecurityGroup", "PhysicalResourceId": TASKS}]
    [check] = balancer_checks(
        describe_security_groups={"SecurityGroups": groups}, describe_stack_resources={"StackResources": resources}
    )
    assert check.right is not bool(closed)
    if closed:
        names = " and ".join(each["GroupId"] for each in groups)
        assert f"{names} lets nothing out to port {closed} of tasks" in check.what
        assert f"let TCP {closed} out to 10.40.0.0/16" in check.remedy


INTERNAL = {"LoadBalancers": [BALANCERS | {"Scheme": "internal"}]}


UNTESTED = {"smoke": [], "untested_reason": "clients alone reach it"}
NAMED = "name one with the scheme internet-facing"


@pytest.mark.parametrize(
    ("last", "staging", "service", "asking", "remedy"),
    [
        (False, {"tests": "e2e"}, {}, "the e2e tests after the deployment call", NAMED),
        (True, {"tests": "e2e"}, UNTESTED, "the e2e tests after the deployment call", "or remove tests of staging"),
        (
            True,
            {"rollout": {"strategy": "canary", "gate": "suite"}, "tests": "integration"},
            {},
            "the integration tests after the deployment, the suite that carts, stock wait for, the smoke tests of "
            "carts, stock call",
            'or remove tests and rollout.gate of staging, and write smoke = [] with untested_reason = "…" in '
            "[[services]]",
        ),
        (
            True,
            {"rollout": {"strategy": "canary", "load": "suite"}, "tests": "integration"},
            UNTESTED,
            "the integration tests after the deployment, the suite that sends carts, stock requests call",
            "or remove tests and rollout.load of staging",
        ),
        (True, {}, {}, "the smoke tests of carts, stock call", "in [[services]]"),
    ],
)
def test_an_internal_load_balancer_is_refused_where_something_asks_it_from_outside(
    *, last: bool, staging: dict[str, Any], service: dict[str, Any], asking: str, remedy: str
) -> None:
    config = configured(service=service, last=last, **staging)
    [check] = balancer_checks(config, describe_load_balancers=INTERNAL)
    assert check.right is False
    assert f"is internal, but {asking} it from outside its VPC" in check.what
    assert check.remedy.startswith(NAMED)
    assert check.remedy.endswith(remedy)
    facing = {"LoadBalancers": [BALANCERS | {"Scheme": "internet-facing"}]}
    assert balancer_checks(config, describe_load_balancers=facing)[0].right


def test_an_internal_load_balancer_is_right_where_nothing_asks_it_from_outside() -> None:
    [check] = balancer_checks(configured(service=UNTESTED, last=True), describe_load_balancers=INTERNAL)
    assert check.right


def test_a_role_that_may_not_look_makes_nothing_right() -> None:
    [check] = balancer_checks(describe_rules=DeniedError("denied"))
    assert check.right is None


def test_rules_of_others_that_hold_a_priority_or_take_the_requests_are_found_on_every_page() -> None:
    resources = [{"ResourceType": "AWS::ElasticLoadBalancingV2::ListenerRule", "PhysicalResourceId": f"{OWN}mine"}]
    first = {"Rules": [rule(f"{OWN}mine", 70, hosts=("x",)), rule(f"{OWN}a", 3, hosts=("other.example.com",))]}
    second = {"Rules": [rule(f"{OWN}b", 4, paths=("/stock/*",)), rule(f"{OWN}c", 70, hosts=("theirs",))]}
    found = balancer_checks(
        describe_rules=[{**first, "NextMarker": "m"}, second],
        describe_stack_resources={"StackResources": resources},
    )
    said = sorted(f"{check.what}: {check.remedy}" for check in found)
    assert len(said) == 2
    assert said[0].startswith("carts: its priority 70 is that of the rule of somebody else on the listener: write")
    assert said[1].startswith("stock: its path /stock/* goes to an earlier rule, of somebody else on the listener")
    assert said[1].endswith("with a free number below 4 under [services.environments.staging]")


def test_a_network_without_public_subnets_is_right_where_the_load_balancer_exists() -> None:
    config = configured()
    private = [
        {"SubnetId": subnet, "VpcId": "vpc-0123456789abcdef0", "AvailabilityZone": f"us-east-1{zone}"}
        for subnet, zone in zip(config.environments[1].network.private_subnets, "ab", strict=True)
    ]
    account = Account(describe_vpcs={"Vpcs": [{"CidrBlock": "10.40.0.0/16"}]}, describe_subnets={"Subnets": private})
    [check] = network_checks(config.environments[1], account)
    assert check.right


def test_a_network_that_exists_needs_no_elastic_addresses_and_no_other_vpc() -> None:
    config = configured()
    account = Account(
        get_service_quota={"Quota": {"Value": 500.0}}, describe_addresses={"Addresses": []}, describe_vpcs={"Vpcs": []}
    )
    for number, told in ((0, 3), (1, 1)):
        assert len(list(environment_quotas(config, config.environments[number], account))) == told

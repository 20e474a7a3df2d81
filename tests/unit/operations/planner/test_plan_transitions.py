"""Every edit of nova.toml is a transition: what AWS does with a deployed environment, judged on synthesized templates.

Each case edits the templates as the edit of nova.toml does, so that one synthesis serves all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.transitions import (
    CARTS,
    ELB,
    OVERVIEW,
    PLATFORM,
    STORE,
    Templates,
    lead,
    nothing,
    of_type,
    only,
    paths,
    renamed,
    rules,
    spot,
    transition,
    worker,
)
from nova_infra.operations.planner import Action


def put_at(template: dict[str, Any], place: int) -> None:
    tests, own = rules(template)
    tests["Priority"], own["Priority"] = place - 1, place


def add(after: Templates) -> None:
    after["nova-prod-fresh-service"] = renamed(after[CARTS], "carts-service", "fresh-service")
    put_at(after["nova-prod-fresh-service"], 4711)


def remove(after: Templates) -> None:
    del after[STORE]


def rename(after: Templates) -> None:
    made = renamed(after.pop(STORE), "store-service", "shop-service")
    put_at(made, 50_000)
    lead(made, "/store-service/*")
    after["nova-prod-shop-service"] = made


def priority(after: Templates) -> None:
    put_at(after[CARTS], 4711)


def swapped_priorities(after: Templates) -> None:
    first, second = (rules(after[name])[1]["Priority"] for name in (CARTS, STORE))
    put_at(after[CARTS], second)
    put_at(after[STORE], first)


def domain_off(after: Templates) -> None:
    resources = after[PLATFORM]["Resources"]
    for key, each in of_type(after[PLATFORM], f"{ELB}::Listener"):
        if each["Properties"]["Port"] == 80:
            del resources[key]
        else:
            each["Properties"] |= {"Port": 80, "Protocol": "HTTP"}
            del each["Properties"]["Certificates"], each["Properties"]["SslPolicy"]


def other_range(after: Templates) -> None:
    after[PLATFORM] = renamed(after[PLATFORM], "10.30.", "10.40.")


def other_zone(after: Templates) -> None:
    """Subnets of another zone: their ranges follow from their number, so each is replaced in place."""
    for _, each in of_type(after[PLATFORM], "AWS::EC2::Subnet"):
        if each["Properties"]["AvailabilityZone"].endswith("c"):
            each["Properties"]["AvailabilityZone"] = each["Properties"]["AvailabilityZone"][:-1] + "d"


def fewer_gateways(after: Templates) -> None:
    gateways = [key for key, _ in of_type(after[PLATFORM], "AWS::EC2::NatGateway")]
    for _, each in of_type(after[PLATFORM], "AWS::EC2::Route"):
        if "NatGatewayId" in each["Properties"]:
            each["Properties"]["NatGatewayId"] = {"Ref": gateways[0]}
    for key in gateways[1:]:
        del after[PLATFORM]["Resources"][key]


def no_gateway(after: Templates) -> None:
    resources = after[PLATFORM]["Resources"]
    for key, each in [*resources.items()]:
        if each["Type"] in ("AWS::EC2::NatGateway", "AWS::EC2::EIP") or "NatGatewayId" in each.get("Properties", {}):
            del resources[key]


def another_zone_of_names(after: Templates) -> None:
    after[PLATFORM] = renamed(after[PLATFORM], "Z00000000000000PROD", "Z00000000000OTHER")


def environment_renamed(after: Templates) -> None:
    """All stacks get other names, and so does everything in them that is named after the environment."""
    for name in (PLATFORM, CARTS, STORE, OVERVIEW):
        after[name.replace("nova-prod-", "nova-live-")] = renamed(after.pop(name), "nova-prod", "nova-live")


def rolling(after: Templates) -> None:
    configuration = only(after[CARTS], "AWS::ECS::Service")["DeploymentConfiguration"]
    configuration["Strategy"] = "ROLLING"
    del configuration["CanaryConfiguration"]


def architecture(after: Templates) -> None:
    only(after[CARTS], "AWS::ECS::TaskDefinition")["RuntimePlatform"]["CpuArchitecture"] = "ARM64"


def internal(after: Templates) -> None:
    for key, rule in of_type(after[CARTS], f"{ELB}::ListenerRule"):
        rule["Properties"]["ListenerArn"] = f"arn:aws:elasticloadbalancing:us-east-1:333333333333:listener/{key}"


def http2(after: Templates) -> None:
    for _, group in of_type(after[CARTS], f"{ELB}::TargetGroup"):
        group["Properties"]["ProtocolVersion"] = "HTTP2"


def grpc(after: Templates) -> None:
    for _, group in of_type(after[CARTS], f"{ELB}::TargetGroup"):
        check = {"HealthCheckPath": "/grpc.health.v1.Health/Check", "Matcher": {"GrpcCode": "0"}}
        group["Properties"] |= {"ProtocolVersion": "GRPC", **check}


def suite_gate(after: Templates) -> None:
    """The suite answers a hook, by a role of its own in the platform's stack."""
    hook = {"TargetType": "PAUSE", "LifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"]}
    only(after[CARTS], "AWS::ECS::Service")["DeploymentConfiguration"]["LifecycleHooks"] = [hook]
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    role = {"RoleName": "nova-prod-gate", "AssumeRolePolicyDocument": trust}
    after[PLATFORM]["Resources"]["ReleaseGate"] = {"Type": "AWS::IAM::Role", "Properties": role}


@dataclass(frozen=True)
class Case:
    """An edit with its judgement.

    Attributes:
        refused: What AWS would refuse, each by some of its words, its remedy among them.
        told: What else somebody should know, each by some of its words.
        replaced: Types of what is replaced, certainly or perhaps.
    """

    edit: Callable[[Templates], None]
    refused: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    replaced: frozenset[str] = frozenset()


WEIGHTS = "resets the weights that ECS set"
MATRIX = {
    "add": Case(add),
    "remove": Case(remove, told=(f"{STORE}: is no longer part of the release",)),
    "rename": Case(
        rename,
        told=(
            f"{STORE}: is no longer part of the release",
            f"its path /store-service/* goes to an earlier rule, of {STORE}",
        ),
    ),
    "paths": Case(paths, told=(WEIGHTS, "no rule takes")),
    "priority": Case(priority, told=(WEIGHTS,)),
    "swapped priorities": Case(
        swapped_priorities,
        refused=("belongs to nova-prod-", "free it in an earlier release"),
        told=(WEIGHTS, WEIGHTS),
    ),
    "domain off": Case(
        domain_off,
        refused=("port 80 belongs to", "delete that listener by hand first"),
        told=("port 443 of its load balancer closes: clients that use it get no answer",),
    ),
    "CIDR": Case(other_range, refused=("what it exports is in use by", "create a second environment")),
    "zones": Case(other_zone, refused=("overlaps", "create a new environment")),
    "NAT": Case(fewer_gateways),
    "NAT removed": Case(
        no_gateway,
        told=(
            *(f"PublicSubnet{number}EIP" for number in (1, 2, 3)),
            "3 private subnets lose their way to the internet",
            "services that call each other through it get no answer",
        ),
    ),
    "another hosted zone": Case(
        another_zone_of_names,
        told=("the name nova.example.com moves to another hosted zone",),
        replaced=frozenset({"AWS::CertificateManager::Certificate", "AWS::Route53::RecordSet"}),
    ),
    "environment renamed": Case(
        environment_renamed,
        refused=("RecordSet 'nova.example.com.' belongs to nova-prod-platform", "free it in an earlier release"),
        told=(
            *(f"{name}: is no longer part of the release" for name in (PLATFORM, CARTS, STORE, OVERVIEW)),
            "would hold 6 Elastic IP addresses, but the default quota is 5",
        ),
    ),
    "suite gate": Case(suite_gate),
    "gRPC": Case(
        grpc,
        refused=("ProtocolVersion cannot be changed in place", "add it as a service of another name"),
        told=(WEIGHTS, "users get 503 until the service is deployed"),
    ),
    "strategy back to rolling": Case(rolling, told=("goes back to rolling",)),
    "architecture": Case(architecture, replaced=frozenset({"AWS::ECS::TaskDefinition"})),
    "engine": Case(nothing),
    "spot": Case(spot),
    "kind": Case(
        worker,
        refused=("becomes one of another kind", "add it as a service of another name, deliver, then remove this one"),
        told=("no rule takes",),
    ),
    "internal": Case(
        internal,
        refused=("a target group serves only one", "add it as a service of another name, move its callers"),
        told=(WEIGHTS,),
    ),
    "protocol": Case(
        http2,
        refused=("ProtocolVersion cannot be changed in place", "add it as a service of another name"),
        told=(WEIGHTS, "users get 503 until the service is deployed"),
    ),
}


@pytest.mark.parametrize("name", one_of_each(MATRIX))
def test_an_edit_is_judged_before_it_is_deployed(deployed: Templates, name: str) -> None:
    case = MATRIX[name]
    result = transition(deployed, case.edit)
    refused = "\n".join(map(str, result.refusals))
    assert bool(refused) is bool(case.refused), refused
    for words in case.refused:
        assert words in refused
    of_stacks = [each for planned in result.stacks for each in planned.consequences]
    told = [str(each) for each in (*of_stacks, *result.consequences)]
    assert len(told) == len(case.told), told
    for words in case.told:
        assert any(words in each for each in told), told
    replaced = {
        action.type
        for planned in result.stacks
        for action in planned.actions
        if action.action in (Action.REPLACE, Action.MAY_REPLACE)
    }
    assert replaced == case.replaced or case.refused


def several(*edits: Callable[[Templates], None]) -> Callable[[Templates], None]:
    def edit(after: Templates) -> None:
        for each in edits:
            each(after)

    return edit


# Edits of one push, none of which undoes what another one needs.
TOGETHER = [
    ("add", "paths", "NAT"),
    ("remove", "strategy back to rolling", "architecture"),
    ("rename", "CIDR"),
    ("spot", "architecture", "domain off"),
    ("kind", "zones"),
    ("protocol", "add", "remove"),
]


@pytest.mark.parametrize("names", one_of_each(map(pytest.param, TOGETHER)), ids=" and ".join)
def test_edits_of_one_push_are_judged_like_each_alone(deployed: Templates, names: tuple[str, ...]) -> None:
    cases = [MATRIX[name] for name in names]
    result = transition(deployed, several(*(case.edit for case in cases)))
    refused = "\n".join(map(str, result.refusals))
    assert bool(refused) is any(case.refused for case in cases), refused
    for words in (words for case in cases for words in case.refused):
        assert words in refused
    told = "\n".join(
        map(str, (*(each for planned in result.stacks for each in planned.consequences), *result.consequences))
    )
    for words in (words for case in cases for words in case.told):
        assert words in told

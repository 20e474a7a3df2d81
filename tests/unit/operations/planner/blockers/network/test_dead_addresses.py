"""Addresses that lead nowhere, and users who get no answer while a release is deployed."""

from typing import Any

import pytest

from nova_infra.operations.planner import plan
from nova_infra.operations.planner.blockers.network.dead_addresses import unreachable_siblings
from nova_infra.operations.planner.model import StackKey, StackTemplate

ELB = "AWS::ElasticLoadBalancingV2"
BALANCER = f"{ELB}::LoadBalancer"


def network(scheme: str, *types: str) -> StackTemplate:
    resources = {f"R{number}": {"Type": each, "Properties": {}} for number, each in enumerate(types)}
    resources["Balancer"] = {"Type": BALANCER, "Properties": {"Scheme": scheme}}
    return StackTemplate(StackKey("111122223333", "eu-west-1", "shop-live-platform"), {"Resources": resources})


@pytest.mark.parametrize(
    ("stack", "found"),
    [
        (network("internet-facing", "AWS::EC2::VPC"), True),
        (network("internet-facing", "AWS::EC2::VPC", "AWS::EC2::NatGateway"), False),
        (network("internal", "AWS::EC2::VPC"), False),
        (network("internet-facing"), False),
    ],
    ids=["no way out", "a NAT gateway", "a private load balancer", "another stack's network"],
)
def test_services_without_a_way_out_do_not_reach_each_other_by_a_public_address(
    stack: StackTemplate, found: bool
) -> None:
    said = [str(each) for each in unreachable_siblings([stack])]
    assert [each.startswith("shop-live-platform.Balancer: has public addresses only") for each in said] == [
        True
    ] * found


def told(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What a plan says of resources that change."""
    key = StackKey("111122223333", "eu-west-1", "shop-live-carts")
    stacks = [StackTemplate(key, {"Resources": each}) for each in (before, after)]
    return [str(each) for planned in plan(stacks[:1], [stacks[1:]]).stacks for each in planned.consequences]


def forward(*weights: object) -> list[dict[str, Any]]:
    """Actions that lead to Blue and Green with two weights, or to Blue alone."""
    groups = [{"TargetGroupArn": {"Ref": name}} for name in ("Blue", "Green")]
    if not weights:
        return [{"Type": "forward", **groups[0]}]
    weighed = [
        each | ({} if weight is None else {"Weight": weight}) for each, weight in zip(groups, weights, strict=True)
    ]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": weighed}}]


def colours(
    actions: list[dict[str, Any]],
    *,
    blue: dict[str, Any] | None = None,
    green: dict[str, Any] | None = None,
    **advanced: Any,
) -> dict[str, Any]:
    """A service with two target groups and a rule, with changes of the groups."""
    group = {"Protocol": "HTTP", "Port": 80, "TargetType": "ip", "VpcId": "vpc-1"}
    balancer = {
        "ContainerName": "app",
        "ContainerPort": 8080,
        "TargetGroupArn": {"Ref": "Blue"},
        "AdvancedConfiguration": {"AlternateTargetGroupArn": {"Ref": "Green"}, **advanced},
    }
    conditions = [{"Field": "path-pattern", "Values": ["/carts"]}]
    rule = {"ListenerArn": "listener", "Priority": 7, "Conditions": conditions, "Actions": actions}
    return {
        "Blue": {"Type": f"{ELB}::TargetGroup", "Properties": group | (blue or {})},
        "Green": {"Type": f"{ELB}::TargetGroup", "Properties": group | (green or {})},
        "Rule": {"Type": f"{ELB}::ListenerRule", "Properties": rule},
        "Carts": {"Type": "AWS::ECS::Service", "Properties": {"LoadBalancers": [balancer]}},
    }


OTHER_PORT = {"Port": 9999}
TO_NOBODY = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]


@pytest.mark.parametrize(
    ("before", "after", "emptied"),
    [
        (colours(forward(), blue={}), colours(forward(), blue=OTHER_PORT), ["Blue"]),
        (colours(forward(100, 0)), colours(forward(100, 0), blue=OTHER_PORT), ["Blue"]),
        (colours(forward(100, 0)), colours(forward(100, 0), green=OTHER_PORT), []),
        (colours(forward(100, "0")), colours(forward(100, "0"), green=OTHER_PORT), []),
        (colours(forward(0, 100)), colours(forward(0, 100), green=OTHER_PORT), ["Green"]),
        (colours(forward(None, 1)), colours(forward(None, 1), blue=OTHER_PORT, green=OTHER_PORT), ["Blue", "Green"]),
        (colours(forward()), colours(forward(), blue={"HealthCheckPath": "/up"}), []),
        (colours(TO_NOBODY), colours(TO_NOBODY, blue=OTHER_PORT), []),
        (
            colours(forward(), TestListenerRule={"Ref": "Rule"}),
            colours(forward(), blue=OTHER_PORT, TestListenerRule={"Ref": "Rule"}),
            [],
        ),
        (
            colours(forward(), blue={"Targets": [{"Id": "10.0.1.9"}]}),
            colours(forward(), blue={"Targets": [{"Id": "10.0.1.9"}], **OTHER_PORT}),
            [],
        ),
    ],
    ids=[
        *("the only group", "the live colour", "the idle colour", "the idle colour, as text", "the other colour lives"),
        *(
            "both without a weight",
            "changed in place",
            "nothing leads to it",
            "only tests lead to it",
            "its own targets",
        ),
    ],
)
def test_users_of_a_target_group_that_is_made_again_get_no_answer(
    before: dict[str, Any], after: dict[str, Any], emptied: list[str]
) -> None:
    found = [each for each in told(before, after) if "users get 503 until the service is deployed" in each]
    assert [each.partition(":")[0].rpartition(".")[2] for each in found] == emptied


def test_a_target_group_that_no_service_fills_is_never_empty() -> None:
    def function(name: str) -> dict[str, Any]:
        resources = colours(forward(), blue={"TargetType": "lambda", "Name": name})
        del resources["Carts"]
        return resources

    assert [each for each in told(function("first"), function("second")) if "503" in each] == []


@pytest.mark.parametrize(
    ("balancer", "warned"),
    [
        ({"Subnets": ["subnet-1"]}, True),
        ({"SubnetMappings": [{"SubnetId": "subnet-1"}]}, True),
        ({"Subnets": [{"Fn::If": ["Small", "subnet-1", {"Ref": "AWS::NoValue"}]}]}, False),
        ({"Subnets": ["subnet-1", "subnet-2"]}, False),
        ({"Subnets": {"Ref": "Given"}}, False),
        ({"Subnets": ["subnet-1"], "Type": "network"}, False),
    ],
)
def test_one_subnet_is_enough_only_in_some_places(balancer: dict[str, Any], *, warned: bool) -> None:
    found = told({}, {"Balancer": {"Type": BALANCER, "Properties": balancer}})
    assert ["unless this one is on an Outpost" in each for each in found] == [True] * warned


def ways_out(**targets: str) -> dict[str, Any]:
    """Route tables with a route to the internet each, by the logical id of its table: what the route names."""
    names = {"nat": "NatGatewayId", "transit": "TransitGatewayId", "internet": "GatewayId"}
    made: dict[str, Any] = {}
    for table, target in targets.items():
        made[table] = {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": "vpc-1"}}
        if target in names:
            way = {"RouteTableId": {"Ref": table}, "DestinationCidrBlock": "0.0.0.0/0", names[target]: "x-1"}
            made[f"{table}Route"] = {"Type": "AWS::EC2::Route", "Properties": way}
    return made


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"A": "nat", "B": "nat"}, {"A": "closed", "B": "closed"}, "A: 2 private subnets lose their way"),
        ({"A": "nat", "B": "nat"}, {"A": "nat", "B": "closed"}, "B: 1 private subnet loses its way"),
        ({"A": "nat", "B": "closed"}, {"A": "transit", "B": "closed"}, ""),
        ({"A": "nat", "B": "internet"}, {"A": "nat", "B": "closed"}, ""),
        ({"A": "nat", "B": "nat"}, {"A": "nat"}, ""),
    ],
    ids=["no gateway any more", "one route less", "by a transit gateway", "a public subnet", "a subnet less"],
)
def test_tasks_that_lose_their_way_to_the_internet_are_told_of(
    before: dict[str, str], after: dict[str, str], said: str
) -> None:
    found = [each for each in told(ways_out(**before), ways_out(**after)) if "private subnet" in each]
    assert [each.partition(f"shop-live-carts.{said}")[1] for each in found] == (
        [f"shop-live-carts.{said}"] if said else []
    )

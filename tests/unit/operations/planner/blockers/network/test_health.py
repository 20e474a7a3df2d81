"""Health checks that change under the tasks that run now."""

from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

ALB, NLB = {"Protocol": "HTTP"}, {"Protocol": "TCP"}
GRPC = {**ALB, "ProtocolVersion": "GRPC"}
NO_VALUE = {"Ref": "AWS::NoValue"}


def changed(group: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> str:
    """What a plan says of a target group that gets other properties, without what follows from it."""
    key = StackKey("111122223333", "eu-west-1", "shop-live-carts")
    stacks = [
        StackTemplate(
            key,
            {"Resources": {"Group": {"Type": "AWS::ElasticLoadBalancingV2::TargetGroup", "Properties": group | each}}},
        )
        for each in (before, after)
    ]
    [planned] = plan(stacks[:1], [stacks[1:]]).stacks
    return "".join(
        str(each).partition("gets another ")[2].partition(" before the new")[0] for each in planned.consequences
    )


@pytest.mark.parametrize(
    ("group", "default"),
    [
        (ALB, {"HealthCheckPath": "/"}),
        (ALB, {"HealthCheckPort": "traffic-port"}),
        (ALB, {"HealthCheckProtocol": "HTTP"}),
        ({"Protocol": "HTTPS"}, {"HealthCheckProtocol": "HTTP"}),
        (ALB, {"Matcher": {"HttpCode": "200"}}),
        (ALB, {"HealthCheckPath": NO_VALUE}),
        (NLB, {"HealthCheckProtocol": "TCP"}),
        ({**NLB, "HealthCheckProtocol": "HTTP"}, {"Matcher": {"HttpCode": "200-399"}}),
        (GRPC, {"HealthCheckPath": "/AWS.ALB/healthcheck", "Matcher": {"GrpcCode": "12"}}),
    ],
)
def test_a_default_that_is_written_out_is_the_same_check(group: dict[str, Any], default: dict[str, Any]) -> None:
    assert changed(group, {}, default) == changed(group, default, {}) == ""


@pytest.mark.parametrize(
    ("group", "after", "said"),
    [
        (ALB, {"HealthCheckPath": "/up"}, "path"),
        (ALB, {"HealthCheckPort": "9090"}, "port"),
        (ALB, {"Matcher": {"HttpCode": "200-399"}}, "expected answer"),
        (NLB, {"HealthCheckProtocol": "HTTP"}, "protocol"),
        (GRPC, {"HealthCheckPath": "/", "Matcher": {"GrpcCode": "0"}}, "path, expected answer"),
    ],
)
def test_another_value_than_the_default_is_another_check(
    group: dict[str, Any], after: dict[str, Any], said: str
) -> None:
    assert changed(group, {}, after) == changed(group, after, {}) == said

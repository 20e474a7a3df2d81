"""How a load balancer finds out that a container is healthy."""

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk.assertions import Template

from nova_infra.config import Service
from nova_infra.constructs.web.target_group import target_group


@pytest.mark.parametrize(
    ("health", "path", "code"),
    [
        ({}, "/grpc.health.v1.Health/Check", "0"),
        ({"path": "/acme.Quotes/Alive"}, "/acme.Quotes/Alive", "0"),
        ({"path": "/AWS.ALB/healthcheck"}, "/AWS.ALB/healthcheck", "12"),
    ],
)
def test_a_check_of_grpc_is_passed_by_an_answer_or_without_a_health_service_by_none(
    health: dict[str, str], path: str, code: str
) -> None:
    stack = cdk.Stack()
    vpc = ec2.Vpc.from_vpc_attributes(stack, "Vpc", vpc_id="vpc-1", availability_zones=["a"])
    service = Service.model_validate({"name": "quotes", "protocol": "grpc", "health": health})
    target_group(stack, "blue", vpc=vpc, service=service)
    [group] = Template.from_stack(stack).find_resources("AWS::ElasticLoadBalancingV2::TargetGroup").values()
    assert (group["Properties"]["HealthCheckPath"], group["Properties"]["Matcher"]) == (path, {"GrpcCode": code})

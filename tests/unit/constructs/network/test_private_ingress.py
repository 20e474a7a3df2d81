"""The private load balancer: who reaches it, and that it is as protected as the environment is."""

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3 as s3

from nova_infra.constructs.network.private_ingress import PrivateIngress

ELB = "AWS::ElasticLoadBalancingV2"


@pytest.mark.parametrize("protected", [True, False])
def test_it_is_internal_open_to_the_vpc_alone_and_protected_where_the_environment_is(protected: bool) -> None:
    place = cdk.Environment(account="111111111111", region="us-east-1")
    stack = cdk.Stack(cdk.App(), "Own", env=place)
    PrivateIngress(
        stack,
        "Private",
        vpc=ec2.Vpc(stack, "Vpc"),
        cidr="10.7.0.0/16",
        name="nova-prod",
        subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
        deletion_protection=protected,
        log_bucket=s3.Bucket(stack, "Logs"),
    )
    template = assertions.Template.from_stack(stack)
    [load_balancer] = template.find_resources(f"{ELB}::LoadBalancer").values()
    [group] = template.find_resources("AWS::EC2::SecurityGroup").values()
    attributes = {each["Key"]: each["Value"] for each in load_balancer["Properties"]["LoadBalancerAttributes"]}
    assert load_balancer["Properties"]["Scheme"] == "internal"
    assert attributes["deletion_protection.enabled"] == str(protected).lower()
    assert [rule["CidrIp"] for rule in group["Properties"]["SecurityGroupIngress"]] == ["10.7.0.0/16"]

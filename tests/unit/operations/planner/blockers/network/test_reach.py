import pytest

from nova_infra.operations.planner.blockers.network.reach import unreachable_siblings
from nova_infra.operations.planner.model import StackKey, StackTemplate

BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"


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

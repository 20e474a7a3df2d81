"""Networks without a way out, in which services cannot reach each other by the load balancer's public address.

See https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html: an internet-facing load balancer has public
addresses, and a subnet without a route to the internet reaches none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nova_infra.operations.planner.model import Consequence, StackTemplate

_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
_WAYS_OUT = ("AWS::EC2::NatGateway", "AWS::EC2::TransitGatewayAttachment", "AWS::EC2::VPNGateway")


def unreachable_siblings(stacks: Iterable[StackTemplate]) -> Iterator[Consequence]:
    """Say where services that call each other over the public load balancer would wait in vain.

    Args:
        stacks: The stacks of the release.
    """
    for stack in stacks:
        if not any(stack.of_type("AWS::EC2::VPC")) or any(any(stack.of_type(way)) for way in _WAYS_OUT):
            continue
        for logical_id, properties in stack.of_type(_BALANCER):
            if properties.get("Scheme") == "internet-facing":
                yield Consequence(
                    stack.key.name,
                    logical_id,
                    "has public addresses only, and the network has no NAT gateway: services that call each other "
                    "through it get no answer; make those that are called internal, or add a NAT gateway",
                )

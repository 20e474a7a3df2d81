"""Address ranges that overlap while old and new subnets exist in one VPC.

For a VPC that is replaced, see ``cloudformation/exports``.
"""

import ipaddress
from collections.abc import Iterator
from typing import Any

from nova_infra.operations.planner.model import Action, Refusal, StackTemplate
from nova_infra.operations.planner.step import Step

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def overlapping_subnets(step: Step) -> Iterator[Refusal]:
    """Refuse a new subnet whose range overlaps that of one that is deleted later.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html, InvalidSubnet.Conflict.
    """
    if step.before is None:
        return
    made = {action.logical_id for action in step.actions if action.makes_new and action.type == "AWS::EC2::Subnet"}
    replaced = {action.logical_id for action in step.actions if action.action is Action.REPLACE}
    old = _subnets(step.before)
    for logical_id, (vpc, network) in _subnets(step.after).items():
        if logical_id not in made or vpc in replaced:
            continue
        for other_id, (other_vpc, other) in old.items():
            if other_vpc == vpc and type(other) is type(network) and network.overlaps(other):
                yield step.refuse(
                    f"{logical_id}.CidrBlock",
                    f"{network} overlaps {other} of {other_id}, which is deleted only after this one is created",
                    "choose ranges that do not overlap those in use, or create a new environment and move to it",
                )
                break


def _subnets(stack: StackTemplate) -> dict[str, tuple[str, _Network]]:
    """Logical id to the VPC's logical id and the range, of the subnets that state theirs."""
    found = {}
    for logical_id, properties in stack.of_type("AWS::EC2::Subnet"):
        network, vpc = _network(properties.get("CidrBlock")), properties.get("VpcId")
        if network is not None and isinstance(vpc, dict) and isinstance(vpc.get("Ref"), str):
            found[logical_id] = (vpc["Ref"], network)
    return found


def _network(value: Any) -> _Network | None:
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        return None

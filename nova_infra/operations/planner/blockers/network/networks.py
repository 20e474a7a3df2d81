"""Refuses subnets whose CIDRs overlap while both exist, or of unsuited zones (a replaced VPC: ``exports``)."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.operations.changes.stated_values import values_at
from nova_infra.operations.changes.template_values import shown
from nova_infra.operations.planner.model import Action, Refusal, StackTemplate
from nova_infra.operations.planner.step import Step

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Type to the path of its subnets, how many zones they need, and whether each needs a zone of its own. From
# CreateLoadBalancer, CreateVpcEndpoint, CreateDBSubnetGroup (of RDS and its kin) and CreateCluster (MSK).
_ZONES: Mapping[str, tuple[str, int, bool]] = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("Subnets", 2, True),
    "AWS::EC2::VPCEndpoint": ("SubnetIds", 1, True),
    "AWS::RDS::DBSubnetGroup": ("SubnetIds", 2, False),
    "AWS::DocDB::DBSubnetGroup": ("SubnetIds", 2, False),
    "AWS::Neptune::DBSubnetGroup": ("SubnetIds", 2, False),
    "AWS::MSK::Cluster": ("BrokerNodeGroupInfo.ClientSubnets", 2, True),
}
_MOUNT = "AWS::EFS::MountTarget"
_USUAL = re.compile(r"[a-z]+(-[a-z]+)+-\d[a-z]")
"""The name of an Availability Zone; those of Local Zones, such as us-west-2-lax-1a, go on."""


def overlapping_subnets(step: Step) -> Iterator[Refusal]:
    """Refuse a new subnet that overlaps one that is deleted later (CreateSubnet: InvalidSubnet.Conflict)."""
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


def unsuited_zones(step: Step) -> Iterator[Refusal]:
    """Refuse subnets of too few zones, or two of one zone, where the templates have all of them."""
    for logical_id, resource in step.given.items():
        properties = resource.get("Properties", {})
        path, least, apart = _ZONES.get(resource["Type"], ("", 0, False))
        # Load balancers of type network and gateway are content with one zone.
        least = 1 if properties.get("Type", "application") != "application" and "Subnets" in path else least
        subnets = [each for found in values_at(properties, path) for each in as_list(found)] if path else []
        zones = [_zone(step, each) for each in subnets]
        if not zones or "" in zones:
            continue
        if (count := len(set(zones))) < least:
            yield step.refuse(
                f"{logical_id}.{path}", f"are all in one zone, and it needs {least}", "add another zone's"
            )
        elif apart and count < len(zones):
            yield step.refuse(f"{logical_id}.{path}", "has two subnets of one zone", "name one of each zone")
    taken: dict[tuple[str, str], str] = {}
    for name, each in step.after.of_type(_MOUNT):
        if zone := _zone(step, each.get("SubnetId")):
            other = taken.setdefault((shown(each.get("FileSystemId")), zone), name)
            if other != name and {name, other} & step.given.keys():
                yield step.refuse(name, f"is in the zone of {other}, of the same file system", "make one for each zone")


def _zone(step: Step, subnet: Any) -> str:
    """A subnet's zone; empty if no template has it, or for a Local Zone, Wavelength Zone or Outpost."""
    owner = step.world.named(step.after, subnet)
    if owner is None:
        return ""
    stack, logical_id = owner
    properties = stack.resources[logical_id].get("Properties", {})
    zone = properties.get("AvailabilityZone")
    is_special = "OutpostArn" in properties or (isinstance(zone, str) and not _USUAL.fullmatch(zone))
    return "" if zone is None or is_special else f"{stack.key}/{shown(zone)}"


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

"""Finds network access that a new template opens: security groups, network ACLs, public addresses.

A rule that an older one covers (a part of its addresses, a part of its ports) opens nothing; what cannot be compared
(a CIDR that is an intrinsic function) counts as open unless it is the same.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nova_infra.operations.changes.template_values import properties, references, shown, value_at

_SOURCES = {
    "CidrIp": "",
    "CidrIpv6": "",
    "SourcePrefixListId": "prefix list ",
    "DestinationPrefixListId": "prefix list ",
    "SourceSecurityGroupId": "security group ",
    "SourceSecurityGroupName": "security group ",
    "DestinationSecurityGroupId": "security group ",
}

# Inbound and outbound rules, inside a group's own properties and as resources.
_DIRECTIONS = {
    "AWS::EC2::SecurityGroup": ("SecurityGroupIngress", "SecurityGroupEgress"),
    "AWS::EC2::SecurityGroupIngress": ("in",),
    "AWS::EC2::SecurityGroupEgress": ("out",),
}


@dataclass(frozen=True)
class SecurityGroupRule:
    """One permission of a security group.

    Attributes:
        protocol: Name or number; ``-1`` for all.
        peer: A CIDR, prefix list or group, in words.
    """

    inbound: bool
    protocol: str
    ports: tuple[int, int]
    peer: str

    def covers(self, other: SecurityGroupRule) -> bool:
        """Whether all traffic that the other lets through passes by this one, too."""
        if self.inbound != other.inbound or not _covers(self.peer, other.peer):
            return False
        if self.protocol == "-1":
            return True
        return (
            self.protocol == other.protocol
            and self.ports[0] <= other.ports[0]
            and other.ports[1] <= self.ports[1]
        )  # fmt: skip

    def __str__(self) -> str:
        first, last = self.ports
        ports = "all ports" if (first, last) == _ALL_PORTS else f"port {first}" if first == last else f"{first}-{last}"
        what = "all traffic" if self.protocol == "-1" else f"{self.protocol} {ports}"
        who = {"0.0.0.0/0": "everyone (0.0.0.0/0)", "::/0": "everyone (::/0)"}.get(self.peer, self.peer)
        return f"lets {what} in from {who}" if self.inbound else f"lets {what} out to {who}"


_ALL_PORTS = (0, 65535)
_EVERYWHERE_OUT = (
    SecurityGroupRule(False, "-1", _ALL_PORTS, "0.0.0.0/0"),
    SecurityGroupRule(False, "-1", _ALL_PORTS, "::/0"),
)


def opened(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Logical id and a sentence for everything that the second set of resources opens."""
    yield from _opened_by_security_groups(before, after)
    for logical_id, resource in after.items():
        openings = _OPENINGS.get(resource["Type"])
        if openings is None:
            continue
        old = before.get(logical_id)
        known = openings(properties(old)) if old is not None and old["Type"] == resource["Type"] else []
        yield from ((logical_id, sentence) for sentence in openings(properties(resource)) if sentence not in known)
    for logical_id, resource in before.items():
        if logical_id not in after and resource["Type"] == "AWS::WAFv2::WebACLAssociation":
            yield logical_id, "no longer filters requests by firewall rules"
        if resource["Type"] == "AWS::EC2::NetworkAclEntry" and _denies(resource) and not _denies(after.get(logical_id)):
            yield logical_id, "no longer denies what it did"


def closed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Security group and a sentence for every removed rule that no other rule covers."""
    for group, sentence in _opened_by_security_groups(after, before):
        if group in after or group not in before:
            yield group, f"no longer {sentence}"


def security_rules(resources: Mapping[str, Any]) -> dict[str, list[SecurityGroupRule]]:
    """Security group, as logical id or text, to its rules, wherever the template states them."""
    rules: dict[str, list[SecurityGroupRule]] = defaultdict(list)
    for logical_id, resource in resources.items():
        kind, values = resource["Type"], properties(resource)
        if kind == "AWS::EC2::SecurityGroup":
            inbound, outbound = _DIRECTIONS[kind]
            rules[logical_id] += [_rule(raw, inbound=True) for raw in values.get(inbound, [])]
            if outbound in values:
                rules[logical_id] += [_rule(raw, inbound=False) for raw in values[outbound]]
            else:
                # https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html: a new group lets all out.
                rules[logical_id] += _EVERYWHERE_OUT
        elif kind in _DIRECTIONS:
            group = values.get("GroupId", values.get("GroupName"))
            name = next(iter(references(group)), None) or shown(group)
            rules[name].append(_rule(values, inbound=kind == "AWS::EC2::SecurityGroupIngress"))
    return rules


def _opened_by_security_groups(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    old, new = security_rules(before), security_rules(after)
    for group, rules in new.items():
        for rule in dict.fromkeys(rules):
            if not any(other.covers(rule) for other in old.get(group, [])):
                yield group, str(rule)


def _rule(raw: Any, *, inbound: bool) -> SecurityGroupRule:
    if not isinstance(raw, dict) or "Fn::If" in raw:
        return SecurityGroupRule(inbound, "-1", _ALL_PORTS, shown(raw))
    peer = next((f"{words}{shown(raw[key])}" for key, words in _SOURCES.items() if key in raw), "everyone")
    protocol = shown(raw.get("IpProtocol", "-1")).lower()
    return SecurityGroupRule(inbound, {"6": "tcp", "17": "udp", "1": "icmp"}.get(protocol, protocol), _ports(raw), peer)


def _ports(raw: Mapping[str, Any]) -> tuple[int, int]:
    try:
        first, last = int(raw.get("FromPort", -1)), int(raw.get("ToPort", -1))
    except (TypeError, ValueError):
        return _ALL_PORTS
    return _ALL_PORTS if first < 0 or last < 0 else (first, last)


def _covers(peer: str, other: str) -> bool:
    if peer == other:
        return True
    try:
        mine, theirs = ipaddress.ip_network(peer, strict=False), ipaddress.ip_network(other, strict=False)
    except ValueError:
        return False
    if isinstance(mine, ipaddress.IPv4Network) and isinstance(theirs, ipaddress.IPv4Network):
        return theirs.subnet_of(mine)
    if isinstance(mine, ipaddress.IPv6Network) and isinstance(theirs, ipaddress.IPv6Network):
        return theirs.subnet_of(mine)
    return False


def _set_to(path: str, value: str, says: str) -> Callable[[Mapping[str, Any]], list[str]]:
    return lambda values: [says] if shown(value_at(values, path)) == value else []


def _load_balancer(values: Mapping[str, Any]) -> list[str]:
    # Internet-facing is what a load balancer without a scheme becomes.
    return ["can be reached from the internet"] if values.get("Scheme", "internet-facing") != "internal" else []


def _listener(values: Mapping[str, Any]) -> list[str]:
    actions = values.get("DefaultActions", [])
    if (
        isinstance(actions, list)
        and actions
        and all(isinstance(a, dict) and a.get("Type") == "redirect" for a in actions)
    ):
        return []
    return [f"answers {shown(values.get('Protocol', 'HTTP'))} on port {shown(values.get('Port', ''))}"]


def _route(values: Mapping[str, Any]) -> list[str]:
    to = shown(next((values[k] for k in values if k.startswith("Destination")), ""))
    ways = {
        "GatewayId": "an internet gateway",
        "VpcPeeringConnectionId": "another VPC",
        "TransitGatewayId": "a transit",
    }
    return [f"routes {to} through {what}" for key, what in ways.items() if key in values]


def _acl_entry(values: Mapping[str, Any]) -> list[str]:
    if values.get("RuleAction") != "allow":
        return []
    ports = values.get("PortRange", {})
    where = shown(values.get("CidrBlock", values.get("Ipv6CidrBlock", "")))
    way = "out to" if shown(values.get("Egress", False)) == "true" else "in from"
    first, last = (
        shown(value_at(ports, key)) if isinstance(ports, dict) and key in ports else "*" for key in ("From", "To")
    )
    return [f"lets protocol {shown(values.get('Protocol', -1))} ports {first}-{last} {way} {where}"]


_OPENINGS: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _load_balancer,
    "AWS::ElasticLoadBalancing::LoadBalancer": _load_balancer,
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
    "AWS::EC2::Route": _route,
    "AWS::EC2::NetworkAclEntry": _acl_entry,
    "AWS::EC2::VPCPeeringConnection": lambda values: [f"joins the VPC {shown(values.get('PeerVpcId', ''))}"],
    "AWS::EC2::Subnet": _set_to("MapPublicIpOnLaunch", "true", "gives what starts in it a public address"),
    "AWS::ECS::Service": _set_to(
        "NetworkConfiguration/AwsvpcConfiguration/AssignPublicIp", "ENABLED", "gives its tasks public addresses"
    ),
    "AWS::RDS::DBInstance": _set_to("PubliclyAccessible", "true", "can be reached from the internet"),
    "AWS::Redshift::Cluster": _set_to("PubliclyAccessible", "true", "can be reached from the internet"),
    "AWS::Lambda::Url": _set_to("AuthType", "NONE", "can be called by everyone"),
}
"""Type to the ways in which its resources can be open. A way that a resource did not have before is an opening."""


def _denies(resource: Mapping[str, Any] | None) -> bool:
    return resource is not None and properties(resource).get("RuleAction") == "deny"

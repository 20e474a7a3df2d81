"""Turns ``connects_to`` into rules of a security group: ports beyond HTTP and HTTPS that tasks may connect to."""

import functools
from collections.abc import Sequence
from ipaddress import IPv4Network

from aws_cdk import aws_ec2 as ec2


@functools.cache
def anywhere() -> ec2.IPeer:
    """Every IPv4 address. Made once, because making one costs a message to CDK's Node process."""
    return ec2.Peer.any_ipv4()


@functools.cache
def tcp(port: int) -> ec2.Port:
    """A TCP port, made once as well."""
    return ec2.Port.tcp(port)


def open_connections(group: ec2.SecurityGroup, connections: Sequence[str]) -> None:
    """Let a security group's members connect to each ``host:port``, and to no other port.

    A security group knows addresses only, so the port is open to every address, unless the host is an address or a
    range of them.
    """
    ports: dict[tuple[str, int], list[str]] = {}
    for connection in connections:
        host, _, port = connection.rpartition(":")
        try:
            reach = str(IPv4Network(host))
        except ValueError:
            reach = ""
        if int(port) not in (80, 443):  # those are open everywhere already
            ports.setdefault((reach, int(port)), []).append(host)
    for (reach, number), hosts in ports.items():
        peer = ec2.Peer.ipv4(reach) if reach else anywhere()
        # https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html: at most 255 of a few characters
        group.add_egress_rule(peer, tcp(number), ", ".join(hosts)[:255])

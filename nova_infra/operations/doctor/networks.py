"""Checks an existing VPC against ``nova.toml``, because no template creates it."""

from collections.abc import Iterator

from nova_infra.config import Environment
from nova_infra.deployed.protocol import Account
from nova_infra.errors import NovaError
from nova_infra.operations.doctor.check import Check, not_known

_FEWEST_ADDRESSES = 8
"""What a load balancer needs in each subnet:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#subnets-load-balancer."""


def existing_network(environment: Environment, access: Account) -> Iterator[Check]:
    """The VPC and the subnets that an environment names; nothing where it makes its own."""
    network, name = environment.network, environment.name
    if network.vpc is None:
        return
    try:
        [vpc] = access.call("ec2", "describe_vpcs", VpcIds=[network.vpc])["Vpcs"]
        wanted = [*network.public_subnets, *network.private_subnets]
        subnets = {
            each["SubnetId"]: each for each in access.call("ec2", "describe_subnets", SubnetIds=wanted)["Subnets"]
        }
    except NovaError as error:
        if error.code in ("InvalidVpcID.NotFound", "InvalidSubnetID.NotFound"):
            yield Check(False, f"network: {error}", f"correct network of {name} in nova.toml")
        else:
            yield not_known(f"the network {network.vpc}", error)
        return
    faults = []
    ranges = {str(each["CidrBlock"]) for each in vpc.get("CidrBlockAssociationSet", ()) or [vpc]}
    if network.cidr not in ranges:
        faults.append((f"{network.vpc} has {', '.join(sorted(ranges))}, not {network.cidr}", "correct network.cidr"))
    for key in ("public_subnets", "private_subnets"):
        for letter, subnet in zip(network.zones, getattr(network, key), strict=False):
            found, zone = subnets[subnet], f"{environment.region}{letter}"
            if found["VpcId"] != network.vpc:
                faults.append((f"{subnet} is in {found['VpcId']}, not in {network.vpc}", f"correct network.{key}"))
            elif found["AvailabilityZone"] != zone:
                faults.append(
                    (
                        f"{subnet} is in {found['AvailabilityZone']}, not in {zone}",
                        f"put network.{key} in the order of zones",
                    )
                )
            elif found.get("AvailableIpAddressCount", _FEWEST_ADDRESSES) < _FEWEST_ADDRESSES:
                left = found["AvailableIpAddressCount"]
                faults.append((f"{subnet} has {left} free addresses", f"name another one in network.{key}"))
    for fault, remedy in faults:
        yield Check(False, f"network: {fault}", f"{remedy} of {name} in nova.toml")
    if not faults:
        yield Check(True, f"network {network.vpc} with {len(wanted)} subnets")

"""The network that an environment's tasks and load balancer live in."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from constructs import Construct


class Network(Construct):
    """A VPC with public subnets for the load balancer and private ones, reaching out through NAT, for the tasks.

    Attributes:
        vpc: The VPC.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, region: str, cidr: str, zones: int, nat_gateways: int
    ) -> None:
        """Lay out the subnets.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            region: Region whose first zones are used. They are named, not looked up, so that synthesis needs no
                credentials and gives the same template everywhere.
            cidr: Address range of the VPC.
            zones: Number of availability zones.
            nat_gateways: Number of NAT gateways; fewer than zones saves money and shares their fate.
        """
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=[f"{region}{letter}" for letter in "abc"[:zones]],
            nat_gateways=nat_gateways,
            # The custom resource that would empty the default group needs a Lambda function and a role for each VPC.
            # Nothing here uses that group.
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="Public", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False),
                ec2.SubnetConfiguration(name="Private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            ],
        )

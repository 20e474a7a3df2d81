"""An environment's VPC: subnets, NAT gateways, endpoints and flow logs; or an existing VPC."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from nova_infra.checks.acknowledge import NIST, acknowledge

MAX_ZONES = 3
_FLOW_LOGS = "flow-logs"

PRIVATE = "Private"
"""Name of the subnets that tasks run in."""


class EnvironmentNetwork(Construct):
    """A VPC with public subnets for the load balancer and private ones for the tasks."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        region: str,
        cidr: str,
        zones: Sequence[str],
        nat_gateways: int,
        interface_endpoints: Sequence[str],
        log_bucket: s3.IBucket,
    ) -> None:
        """Lay out the subnets, the ways out of them, and the flow logs.

        Args:
            name: Prefix of the Name tags. CDK would take the construct path, which differs between a direct deployment
                and one through the pipeline.
            zones: Letters of the availability zones.
            nat_gateways: Number of NAT gateways; with none, private subnets reach only this VPC and its endpoints.
            interface_endpoints: Short names of the AWS services to reach privately, such as ``ecr.api``.
        """
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=name,
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=[f"{region}{letter}" for letter in zones],
            # Room for a third zone, so that one that is added later moves no subnet.
            reserved_azs=MAX_ZONES - len(zones),
            nat_gateways=nat_gateways,
            # The custom resource that would empty the default group needs a Lambda function and a role for each VPC.
            # Nothing here uses that group.
            restrict_default_security_group=False,
            subnet_configuration=_subnets(with_egress=nat_gateways > 0),
        )
        self._acknowledge()
        self._name_subnets(name, zones)
        self._log_flows(name, log_bucket)
        # Image layers come from S3; through NAT each gigabyte would be paid for.
        self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        if interface_endpoints:
            self._interface_endpoints(name, cidr, interface_endpoints)

    def _log_flows(self, name: str, log_bucket: s3.IBucket) -> None:
        flow_log = self.vpc.add_flow_log(
            "FlowLog",
            destination=ec2.FlowLogDestination.to_s3(log_bucket, _FLOW_LOGS),
            traffic_type=ec2.FlowLogTrafficType.ALL,
        )
        cdk.Tags.of(flow_log).add("Name", name)
        _let_logs_be_delivered(log_bucket)

    def _acknowledge(self) -> None:
        acknowledge(
            self.vpc,
            "Zones are chosen in the configuration: looked up, they would take credentials, and a new one move subnets",
            "CloudFormation-Validate::W3010",
        )
        acknowledge(self.vpc, "Nothing uses the default group", f"{NIST}-VPCDefaultSecurityGroupClosed")
        acknowledge(
            self.vpc,
            "The load balancer and the NAT gateways are there to be reached from, or to reach, the internet",
            f"{NIST}-VPCNoUnrestrictedRouteToIGW",
        )

    def _name_subnets(self, name: str, zones: Sequence[str]) -> None:
        for kind, subnets in (
            ("public", self.vpc.public_subnets),
            ("private", self.vpc.private_subnets or self.vpc.isolated_subnets),
        ):
            for letter, subnet in zip(zones, subnets, strict=True):
                cdk.Tags.of(subnet).add("Name", f"{name}-{kind}-{letter}")

    def _interface_endpoints(self, name: str, cidr: str, services: Sequence[str]) -> None:
        group = ec2.SecurityGroup(
            self,
            "EndpointGroup",
            vpc=self.vpc,
            description=f"{name}: HTTPS from the VPC to the interface endpoints",
            allow_all_outbound=False,
        )
        group.add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(443), "HTTPS from the VPC")
        for service in services:
            self.vpc.add_interface_endpoint(
                service,
                service=ec2.InterfaceVpcEndpointAwsService(service),
                security_groups=[group],
                subnets=ec2.SubnetSelection(subnet_group_name=PRIVATE),
                open=False,
            )


def _subnets(*, with_egress: bool) -> list[ec2.SubnetConfiguration]:
    private = ec2.SubnetType.PRIVATE_WITH_EGRESS if with_egress else ec2.SubnetType.PRIVATE_ISOLATED
    return [
        ec2.SubnetConfiguration(name="Public", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False),
        ec2.SubnetConfiguration(name=PRIVATE, subnet_type=private),
    ]


class ExistingNetwork(Construct):
    """A VPC that exists, with the subnets that the configuration names. Nothing is added to it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: str,
        region: str,
        cidr: str,
        zones: Sequence[str],
        public_subnets: Sequence[str],
        private_subnets: Sequence[str],
    ) -> None:
        """Refer to the VPC by its ids, which takes no credentials.

        Args:
            zones: Letters of the availability zones.
            public_subnets: Ids of the subnets of the load balancer, one in each zone.
            private_subnets: Ids of the subnets of the tasks, one in each zone.
        """
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc.from_vpc_attributes(
            self,
            "Vpc",
            vpc_id=vpc,
            vpc_cidr_block=cidr,
            availability_zones=[f"{region}{letter}" for letter in zones],
            public_subnet_ids=list(public_subnets),
            public_subnet_names=["Public"] if public_subnets else [],
            private_subnet_ids=list(private_subnets),
            private_subnet_names=[PRIVATE],
        )
        for subnet in (*self.vpc.public_subnets, *self.vpc.private_subnets):
            # Its route table is asked for by nothing here.
            cdk.Annotations.of(subnet).acknowledge_warning("@aws-cdk/aws-ec2:noSubnetRouteTableId")


def _let_logs_be_delivered(bucket: s3.IBucket) -> None:
    """Let flow logs be written without an ACL, too.

    CDK's statement demands the header ``bucket-owner-full-control``. Whether the delivery sends one to a bucket that
    has its ACLs disabled is disputed: cloudposse/terraform-aws-vpc-flow-logs-s3-bucket#101.
    """
    stack = cdk.Stack.of(bucket)
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
            actions=["s3:PutObject"],
            resources=[bucket.arn_for_objects(f"{_FLOW_LOGS}/AWSLogs/{stack.account}/*")],
            conditions={
                "StringEquals": {"aws:SourceAccount": stack.account},
                "ArnLike": {"aws:SourceArn": f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:*"},
            },
        )
    )

"""The private load balancer, by which services of an environment call each other: no Service Connect."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_s3 as s3
from constructs import Construct

from nova_infra.checks.acknowledge import NIST, acknowledge
from nova_infra.constructs.network.ingress import application_load_balancer, not_found
from nova_infra.names import private_balancer_name


class PrivateIngress(Construct):
    """A load balancer in the private subnets, which answers plain HTTP only to this VPC.

    Its addresses are the VPC's own, so that tasks reach it without a NAT gateway.

    Attributes:
        listener: The listener that internal services attach their rules to.
        url: Its base URL, without a trailing slash.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        cidr: str,
        name: str,
        subnets: ec2.SubnetSelection,
        deletion_protection: bool,
        log_bucket: s3.IBucket,
    ) -> None:
        """Create the load balancer."""
        super().__init__(scope, construct_id)
        self.load_balancer = application_load_balancer(
            self,
            vpc,
            name=private_balancer_name(name),
            security_group=self._group(name, vpc, cidr),
            deletion_protection=deletion_protection,
            log_bucket=log_bucket,
            log_prefix="private-load-balancer",
            private_subnets=subnets,
        )
        acknowledge(self.load_balancer, "Nothing outside of the VPC reaches it", f"{NIST}-ALBWAFEnabled")
        self.listener = self.load_balancer.add_listener(
            "Listener",
            port=80,
            protocol=elbv2.ApplicationProtocol.HTTP,
            open=False,
            default_action=not_found(),
        )
        acknowledge(
            self.listener,
            "Requests between services stay in the VPC, and a private name has no public certificate",
            f"{NIST}-ALBHttpToHttpsRedirection",
            f"{NIST}-ELBv2ACMCertificateRequired",
        )
        self.url = f"http://{self.load_balancer.load_balancer_dns_name}"

    def _group(self, name: str, vpc: ec2.IVpc, cidr: str) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self,
            "Group",
            vpc=vpc,
            description=f"{name}: the private load balancer, open to the VPC",
            allow_all_outbound=False,
        )
        group.add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(80), "HTTP from the VPC")
        group.add_egress_rule(ec2.Peer.ipv4(cidr), ec2.Port.all_tcp(), "Tasks in the VPC")
        return group

"""The public load balancer (ALB): its security group, listeners, TLS policy, idle timeout, access logs."""

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, NIST, acknowledge
from nova_infra.config import Domain


class Ingress(Construct):
    """A public load balancer whose listener answers 404 until services add their rules.

    With a domain it serves TLS only, and redirects plain HTTP there; without one, plain HTTP. The listener is the same
    resource either way: services refer to it, so one that took its place could only come after them, and they after it.

    Attributes:
        security_group: The load balancer's security group, the only one that tasks accept connections from.
        url: Base URL of the environment, without a trailing slash.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        cidr: str,
        name: str,
        domain: Domain | None,
        deletion_protection: bool,
        log_bucket: s3.IBucket,
    ) -> None:
        """Create the load balancer in the VPC's public subnets.

        Args:
            cidr: The VPC's address range, the only one that the load balancer connects to.
            domain: Its name, served with TLS. None for plain HTTP.
        """
        super().__init__(scope, construct_id)
        self.security_group = self._security_group(vpc, cidr=cidr, name=name, tls=domain is not None)
        self.load_balancer = application_load_balancer(
            self,
            vpc,
            name=name,
            security_group=self.security_group,
            deletion_protection=deletion_protection,
            log_bucket=log_bucket,
            log_prefix="load-balancer",
        )
        self.listener = self._listener() if domain is None else self._tls_listener(domain)
        self.url = f"http://{self.load_balancer.load_balancer_dns_name}" if domain is None else f"https://{domain.name}"

    def _listener(self) -> elbv2.ApplicationListener:
        listener = self.load_balancer.add_listener(
            "Listener", port=80, protocol=elbv2.ApplicationProtocol.HTTP, open=False, default_action=not_found()
        )
        acknowledge(
            listener,
            "The configuration allows plain HTTP here, and there is no domain to have a certificate for",
            f"{NIST}-ALBHttpToHttpsRedirection",
            f"{NIST}-ELBv2ACMCertificateRequired",
        )
        return listener

    def _tls_listener(self, domain: Domain) -> elbv2.ApplicationListener:
        """The listener with the domain's certificate, a redirect to it, and the domain's DNS record."""
        zone = route53.HostedZone.from_hosted_zone_id(self, "Zone", domain.zone_id)
        listener = self.load_balancer.add_listener(
            "Listener",
            port=443,
            protocol=elbv2.ApplicationProtocol.HTTPS,
            open=False,
            ssl_policy=elbv2.SslPolicy.TLS13_RES,
            certificates=[
                acm.Certificate(
                    self,
                    "Certificate",
                    domain_name=domain.name,
                    certificate_name=domain.name,
                    validation=acm.CertificateValidation.from_dns(zone),
                )
            ],
            default_action=not_found(),
        )
        redirect = self.load_balancer.add_listener(
            "Redirect",
            port=80,
            protocol=elbv2.ApplicationProtocol.HTTP,
            open=False,
            default_action=elbv2.ListenerAction.redirect(protocol="HTTPS", port="443", permanent=True),
        )
        redirect.node.add_dependency(listener)  # which leaves port 80 first, where the domain is new
        acknowledge(redirect, "It serves nothing but the redirect to TLS", f"{NIST}-ELBv2ACMCertificateRequired")
        route53.ARecord(
            self,
            "Record",
            zone=zone,
            record_name=f"{domain.name}.",  # with its dot, CDK takes it as it is and asks for no zone name
            target=route53.RecordTarget.from_alias(targets.LoadBalancerTarget(self.load_balancer)),
        )
        return listener

    def _security_group(self, vpc: ec2.IVpc, *, cidr: str, name: str, tls: bool) -> ec2.SecurityGroup:
        # CDK would write the construct path into the description, and a changed description replaces the group.
        group = ec2.SecurityGroup(
            self,
            "Group",
            vpc=vpc,
            description=f"{name}: the load balancer, open to the internet",
            allow_all_outbound=False,
        )
        group.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(80), "HTTP from the internet")
        if tls:
            group.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "HTTPS from the internet")
        group.add_egress_rule(ec2.Peer.ipv4(cidr), ec2.Port.all_tcp(), "Tasks in the VPC")
        acknowledge(group, "The one way in, for everybody", f"{AWS_SOLUTIONS}-EC23")
        return group


def not_found() -> elbv2.ListenerAction:
    """A listener's answer if no service's rule matches."""
    return elbv2.ListenerAction.fixed_response(
        404,
        content_type="application/json",
        message_body='{"title":"No service answers this path","status":404}',
    )


def application_load_balancer(
    scope: Construct,
    vpc: ec2.IVpc,
    *,
    name: str,
    security_group: ec2.ISecurityGroup,
    deletion_protection: bool,
    log_bucket: s3.IBucket,
    log_prefix: str,
    private_subnets: ec2.SubnetSelection | None = None,
) -> elbv2.ApplicationLoadBalancer:
    """Create a load balancer that writes access logs and accepts nothing but well-formed requests.

    Args:
        private_subnets: Where it is, if it has no public addresses. Default: it faces the internet.
    """
    load_balancer = elbv2.ApplicationLoadBalancer(
        scope,
        "LoadBalancer",
        vpc=vpc,
        vpc_subnets=private_subnets,
        load_balancer_name=name,
        internet_facing=private_subnets is None,
        # CDK would add a rule for each service, under an id that holds the construct path.
        security_group=ec2.SecurityGroup.from_security_group_id(
            scope, "FixedGroup", security_group.security_group_id, mutable=False
        ),
        drop_invalid_header_fields=True,
        # After which a target that hangs has not answered: bakes leave a minute for it, and services keep idle
        # connections for longer.
        idle_timeout=cdk.Duration.seconds(60),
        deletion_protection=deletion_protection,
    )
    if not deletion_protection:
        said = "What needs an approval to change needs one to remove"
        acknowledge(load_balancer, said, f"{NIST}-ELBDeletionProtectionEnabled")
    load_balancer.log_access_logs(log_bucket, log_prefix)
    return load_balancer

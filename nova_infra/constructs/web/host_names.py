"""A service's own host names: ACM certificates and Route 53 records."""

from collections.abc import Sequence

from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct


class HostNames(Construct):
    """Certificate and DNS records of a service's host names, on the environment's load balancer."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        hosts: Sequence[str],
        zone_id: str,
        load_balancer: elbv2.IApplicationLoadBalancer,
        listener: elbv2.IApplicationListener,
    ) -> None:
        """Create the certificate, validated in the hosted zone, and a record for each name.

        Args:
            hosts: The names; ``*.`` stands for any one label.
            zone_id: Id of the hosted zone that all of them are in.
        """
        super().__init__(scope, construct_id)
        zone = route53.HostedZone.from_hosted_zone_id(self, "Zone", zone_id)
        certificate = acm.Certificate(
            self,
            "Certificate",
            domain_name=hosts[0],
            subject_alternative_names=list(hosts[1:]) or None,
            certificate_name=hosts[0],
            validation=acm.CertificateValidation.from_dns(zone),
        )
        elbv2.ApplicationListenerCertificate(self, "OnListener", listener=listener, certificates=[certificate])
        for number, host in enumerate(hosts):
            route53.ARecord(
                self,
                f"Record{number}",
                zone=zone,
                record_name=f"{host}.",  # with its dot, CDK takes it as it is and asks for no zone name
                target=route53.RecordTarget.from_alias(targets.LoadBalancerTarget(load_balancer)),
            )

"""The one way into an environment."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from constructs import Construct


class Ingress(Construct):
    """A public load balancer whose listener answers 404 until services add their rules.

    Attributes:
        load_balancer: The application load balancer.
        listener: The listener that services attach their rules to.
        url: Base URL of the environment, without a trailing slash.
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc, name: str) -> None:
        """Create the load balancer in the VPC's public subnets.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            vpc: The VPC.
            name: Physical name of the load balancer.
        """
        super().__init__(scope, construct_id)
        self.load_balancer = elbv2.ApplicationLoadBalancer(
            self,
            "LoadBalancer",
            vpc=vpc,
            load_balancer_name=name,
            internet_facing=True,
            drop_invalid_header_fields=True,
        )
        self.listener = self.load_balancer.add_listener(
            "Listener",
            port=80,
            protocol=elbv2.ApplicationProtocol.HTTP,
            default_action=elbv2.ListenerAction.fixed_response(
                404, content_type="application/problem+json", message_body='{"title":"No service answers this path","status":404}'
            ),
        )
        self.url = f"http://{self.load_balancer.load_balancer_dns_name}"

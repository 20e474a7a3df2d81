"""Nova's canary, alarms and rollback for a web shop, in a CDK app of its own: `cdk synth --app "python shop.py"`."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from constructs import Construct

from nova_infra.constructs.web.web_service import WebService


class ShopStack(cdk.Stack):
    """A network, a cluster and a load balancer as one has them already, and a service behind them."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Create all of it."""
        super().__init__(scope, construct_id)
        vpc = ec2.Vpc(self, "Vpc", max_azs=2)
        cluster = ecs.Cluster(self, "Cluster", vpc=vpc, container_insights_v2=ecs.ContainerInsights.ENABLED)
        balancer = elbv2.ApplicationLoadBalancer(self, "Balancer", vpc=vpc, internet_facing=True)
        not_found = elbv2.ListenerAction.fixed_response(404)
        listener = balancer.add_listener("Http", port=80, default_action=not_found)
        image = ecs.ContainerImage.from_registry("public.ecr.aws/acme/shop:1.4.2")

        # Reached at /shop/*. The load balancer asks /health whether a task is healthy.
        WebService(self, "Shop", cluster=cluster, listener=listener, image=image, port=8080)


app = cdk.App()
ShopStack(app, "Acme")
app.synth()

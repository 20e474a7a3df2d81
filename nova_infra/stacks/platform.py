"""What the services of one environment share."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.config import Environment
from nova_infra.constructs.ingress import Ingress
from nova_infra.constructs.network import Network


class PlatformStack(cdk.Stack):
    """VPC, ECS cluster, load balancer and alert topic of one environment.

    Attributes:
        cluster: The ECS cluster.
        cluster_name: Its physical name.
        ingress: The load balancer and its listener.
        topic: Where alarms are announced.
        url_output: Stack output ``Url``: the environment's base URL, for the tests that follow a deployment.
    """

    def __init__(self, scope: Construct, construct_id: str, *, prefix: str, environment: Environment) -> None:
        """Create the environment's shared resources.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            prefix: ``<platform>-<environment>``, the prefix of all physical names.
            environment: The environment.
        """
        super().__init__(
            scope,
            construct_id,
            stack_name=f"{prefix}-platform",
            env=cdk.Environment(account=environment.account, region=environment.region),
        )
        network = Network(
            self,
            "Network",
            region=environment.region,
            cidr=environment.network.cidr,
            zones=environment.network.zones,
            nat_gateways=environment.network.nat_gateways,
        )
        self.cluster_name = prefix
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=prefix,
            vpc=network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        self.ingress = Ingress(self, "Ingress", vpc=network.vpc, name=prefix)
        self.topic = sns.Topic(self, "Alerts", topic_name=f"{prefix}-alerts", enforce_ssl=True)
        self.url_output = cdk.CfnOutput(self, "Url", value=self.ingress.url)

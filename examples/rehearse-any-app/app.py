"""An app that knows nothing of Nova: a Fargate service behind a load balancer, delivered by CDK Pipelines."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_ecs_patterns as patterns
from aws_cdk import pipelines
from constructs import Construct

SERVICE = Path(__file__).parent / "service"


class GreeterStack(cdk.Stack):
    """The network, and the service in it."""

    def __init__(self, scope: Construct, construct_id: str, *, greeting: str) -> None:
        """Create both.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            greeting: What the service says.
        """
        super().__init__(scope, construct_id)
        patterns.ApplicationLoadBalancedFargateService(
            self,
            "Greeter",
            vpc=ec2.Vpc(self, "Network", max_azs=2),
            desired_count=2,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            min_healthy_percent=100,
            task_image_options=patterns.ApplicationLoadBalancedTaskImageOptions(
                image=ecs.ContainerImage.from_asset(str(SERVICE)),
                environment={"GREETING": greeting},
            ),
        )


class Environment(cdk.Stage):
    """One environment."""

    def __init__(self, scope: Construct, construct_id: str, *, greeting: str) -> None:
        """Create its stack.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            greeting: What the service says.
        """
        super().__init__(scope, construct_id)
        GreeterStack(self, "Greeter", greeting=greeting)


class DeliveryStack(cdk.Stack):
    """The pipeline."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Create it.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
        """
        super().__init__(scope, construct_id)
        connection = "arn:aws:codeconnections:eu-west-1:123456789012:connection/11111111-1111-4111-8111-111111111111"
        source = pipelines.CodePipelineSource.connection("example/greeter", "main", connection_arn=connection)
        synth = pipelines.ShellStep(
            "Synth",
            input=source,
            install_commands=["npm install --global aws-cdk@2", "pip install --requirement requirements.txt"],
            commands=["cdk synth --quiet"],
        )
        pipeline = pipelines.CodePipeline(self, "Pipeline", synth=synth)
        pipeline.add_stage(Environment(self, "Test", greeting="hello"))
        pipeline.add_stage(
            Environment(self, "Production", greeting="good day"),
            pre=[pipelines.ManualApprovalStep("Release")],
        )


app = cdk.App()
DeliveryStack(app, "Delivery")
app.synth()

"""What one task of a service runs, and what it may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, NIST, acknowledge
from nova_infra.config import Runtime, Service
from nova_infra.constructs.environment.retention import retention
from nova_infra.names import task_log_group

CONTAINER = "app"
STOP_TIMEOUT = cdk.Duration.seconds(30)
"""Longer than the target groups' drain: a task must outlive the last request that the load balancer may send it."""

_ARCHITECTURES = {"x86-64": ecs.CpuArchitecture.X86_64, "arm64": ecs.CpuArchitecture.ARM64}


class Task(Construct):
    """A Fargate task definition with one container, its log group and its two roles.

    The task role may do nothing: grant it what the service's code needs. The execution role may pull this image, write
    these logs and read these secrets.

    Attributes:
        definition: The task definition.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        image: ecs.ContainerImage,
        service: Service,
        runtime: Runtime,
        command: Sequence[str] | None = None,
        health_command: Sequence[str] | None = None,
        variables: Mapping[str, str] | None = None,
        key: kms.IKey | None = None,
    ) -> None:
        """Create the task definition.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            name: Its family, and the name of its log group.
            image: The container image.
            service: Size, architecture, port, variables and secrets.
            runtime: How long logs are kept, and whether ECS Exec may write the root file system. ``/tmp`` can always be
                written.
            command: What the container runs. Default: the image's own command.
            health_command: What tells in the container whether it is healthy. Default: only the load balancer asks.
            variables: Environment variables besides the service's.
            key: Key of the log group. Default: CloudWatch's own.
        """
        super().__init__(scope, construct_id)
        self.definition = ecs.FargateTaskDefinition(
            self,
            "Definition",
            family=name,
            cpu=service.cpu,
            memory_limit_mib=service.memory,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=_ARCHITECTURES[service.architecture],
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
            volumes=[ecs.Volume(name="tmp")],
        )
        # Without it CloudFormation deregisters the old revision, and a rollback finds it inactive (aws/aws-cdk#24372).
        self.definition.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        container = self.definition.add_container(
            CONTAINER,
            image=image,
            command=list(command) if command else None,
            environment={**service.environment, **(variables or {})},
            secrets={
                variable: ecs.Secret.from_secrets_manager(
                    secretsmanager.Secret.from_secret_name_v2(self, f"Secret{variable}", secret)
                )
                for variable, secret in service.secrets.items()
            },
            port_mappings=[ecs.PortMapping(container_port=service.port)],
            readonly_root_filesystem=not runtime.exec,
            stop_timeout=STOP_TIMEOUT,
            health_check=_health_check(health_command) if health_command else None,
            logging=ecs.LogDriver.aws_logs(
                stream_prefix=name,
                log_group=logs.LogGroup(
                    self,
                    "Logs",
                    log_group_name=task_log_group(name),
                    retention=retention(runtime.log_retention_days),
                    encryption_key=key,
                    removal_policy=cdk.RemovalPolicy.DESTROY,
                ),
            ),
        )
        acknowledge(
            self.definition,
            "Plain settings are environment variables; what is secret comes from Secrets Manager",
            f"{AWS_SOLUTIONS}-ECS2",
        )
        acknowledge(
            self.definition.obtain_execution_role(),
            "ecr:GetAuthorizationToken knows no narrower resource",
            f"{AWS_SOLUTIONS}-IAM5[Resource::*]",
        )
        acknowledge(
            self.definition.obtain_execution_role(),
            "A policy of one role, granted where the role is used, cannot be attached elsewhere by mistake",
            f"{NIST}-IAMNoInlinePolicy",
        )
        container.add_mount_points(ecs.MountPoint(container_path="/tmp", source_volume="tmp", read_only=False))  # noqa: S108


def _health_check(command: Sequence[str]) -> ecs.HealthCheck:
    return ecs.HealthCheck(
        command=["CMD", *command],
        interval=cdk.Duration.seconds(15),
        timeout=cdk.Duration.seconds(5),
        retries=3,
        start_period=cdk.Duration.seconds(30),
    )

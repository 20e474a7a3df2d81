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
        command: Sequence[str],
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        cpu: int,
        memory: int,
        architecture: str,
        port: int,
        writable_root: bool,
        log_retention: logs.RetentionDays,
        key: kms.IKey,
    ) -> None:
        """Create the task definition.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            name: Its family, and the name of its log group.
            image: The container image.
            command: What the container runs.
            environment: The container's environment variables.
            secrets: Environment variable to the name of the secret in Secrets Manager that it is filled from.
            cpu: CPU units of the task.
            memory: MiB of the task.
            architecture: ``x86-64`` or ``arm64``.
            port: Port that the container listens on.
            writable_root: Whether the whole root file system can be written, which ECS Exec needs. ``/tmp`` always can.
            log_retention: How long logs are kept.
            key: Key of the log group.
        """
        super().__init__(scope, construct_id)
        self.definition = ecs.FargateTaskDefinition(
            self,
            "Definition",
            family=name,
            cpu=cpu,
            memory_limit_mib=memory,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=_ARCHITECTURES[architecture], operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
            volumes=[ecs.Volume(name="tmp")],
        )
        # Without it CloudFormation deregisters the old revision, and a rollback finds it inactive (aws/aws-cdk#24372).
        self.definition.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        container = self.definition.add_container(
            CONTAINER,
            image=image,
            command=list(command),
            environment=dict(environment),
            secrets={
                variable: ecs.Secret.from_secrets_manager(
                    secretsmanager.Secret.from_secret_name_v2(self, f"Secret{variable}", secret)
                )
                for variable, secret in secrets.items()
            },
            port_mappings=[ecs.PortMapping(container_port=port)],
            readonly_root_filesystem=not writable_root,
            stop_timeout=STOP_TIMEOUT,
            health_check=ecs.HealthCheck(
                command=["CMD", "python", "-m", "nova_kit.healthcheck"],
                interval=cdk.Duration.seconds(15),
                timeout=cdk.Duration.seconds(5),
                retries=3,
                start_period=cdk.Duration.seconds(30),
            ),
            logging=ecs.LogDriver.aws_logs(
                stream_prefix=name,
                log_group=logs.LogGroup(
                    self,
                    "Logs",
                    log_group_name=task_log_group(name),
                    retention=log_retention,
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

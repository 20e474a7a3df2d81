"""The ECS task definition: container, health check, log group, read-only root, task and execution role."""

from collections.abc import Iterator, Mapping

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge, acknowledge_own_policy
from nova_infra.config import Runtime, Service
from nova_infra.constructs.cached import execution_role, seconds
from nova_infra.constructs.observability.retention import retention
from nova_infra.constructs.tasks.permissions import grant, name_policy_by_grants
from nova_infra.constructs.tasks.secrets import secret_value
from nova_infra.constructs.tasks.sidecars import add_sidecars, health_check
from nova_infra.names import CONTAINER

KIT_HEALTH_COMMAND = ("python", "-m", "nova_kit.healthcheck")
_TEMPORARY = "/tmp"  # noqa: S108 - a mount point in the container: each task has a volume of its own there
_LINUX = ecs.OperatingSystemFamily.LINUX
_ARCHITECTURES = {"x86-64": ecs.CpuArchitecture.X86_64, "arm64": ecs.CpuArchitecture.ARM64}


class FargateTask(Construct):
    """A Fargate task definition with its container and sidecars, its log group and its two roles.

    The task role may do what the service's permissions say, and nothing else. The execution role may pull this image,
    write these logs and read these secrets.

    Attributes:
        name: Its family, and the prefix of its log streams.
        log_group: Where its containers log to.
        port: Where its container takes requests; None where it takes none.
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
        variables: Mapping[str, str] | None = None,
        key: kms.IKey | None = None,
    ) -> None:
        """Create the task definition.

        Args:
            name: Its family, and the name of its log group.
            runtime: How long logs are kept, and whether ECS Exec may write the root file system. ``/tmp`` can always be
                written.
            variables: Environment variables in addition to the service's.
            key: Key of the log group. Default: CloudWatch's own.
        """
        super().__init__(scope, construct_id)
        self.definition = self._definition(name, service)
        self.port = service.port if service.kind == "web" else None
        self.name, self.log_group = name, self._log_group(runtime, key)
        logging = ecs.LogDriver.aws_logs(stream_prefix=name, log_group=self.log_group)
        container = self._container(image, service, runtime, variables or {}, logging)
        add_sidecars(self, container, service, logging)
        container.add_mount_points(
            ecs.MountPoint(container_path=_TEMPORARY, source_volume="tmp", read_only=False),
        )
        self._grant(service)

    def _definition(self, name: str, service: Service) -> ecs.FargateTaskDefinition:
        definition = ecs.FargateTaskDefinition(
            self,
            "Definition",
            family=name,
            cpu=service.cpu,
            memory_limit_mib=service.memory,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=_ARCHITECTURES[service.architecture],
                operating_system_family=_LINUX,
            ),
            volumes=[ecs.Volume(name="tmp")],
        )
        # Without it CloudFormation deregisters the old revision, and a rollback finds it inactive (aws/aws-cdk#24372).
        definition.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        return definition

    def _grant(self, service: Service) -> None:
        """Let both roles do what the service needs, and nothing else."""
        task_role, starts = self.definition.task_role, execution_role(self.definition)
        grant(task_role, service.permissions)
        name_policy_by_grants(starts, _read_at_start(service))
        permissions = (each.model_dump(include={"actions", "resources"}) for each in service.permissions)
        name_policy_by_grants(task_role, permissions)
        _acknowledge(self.definition, starts)

    def _container(
        self,
        image: ecs.ContainerImage,
        service: Service,
        runtime: Runtime,
        variables: Mapping[str, str],
        logging: ecs.LogDriver,
    ) -> ecs.ContainerDefinition:
        return self.definition.add_container(
            CONTAINER,
            image=image,
            entry_point=list(service.entrypoint) if service.entrypoint else None,
            command=list(command) if (command := _command(service)) else None,
            user=service.user,
            environment={**service.environment, **variables},
            secrets={
                variable: secret_value(self, f"Secret{variable}", secret, execution_role(self.definition))
                for variable, secret in service.secrets.items()
            },
            port_mappings=[ecs.PortMapping(container_port=self.port)] if self.port is not None else None,
            readonly_root_filesystem=service.readonly_root and not runtime.exec,
            stop_timeout=seconds(service.stop_seconds),
            health_check=_health_check(service),
            logging=logging,
        )

    def _log_group(self, runtime: Runtime, key: kms.IKey | None) -> logs.LogGroup:
        """A log group that outlives its stack, because only a failed first deployment's logs say why it failed."""
        return logs.LogGroup(
            self,
            "Logs",
            retention=retention(runtime.log_retention_days),
            encryption_key=key,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )


def _read_at_start(service: Service) -> Iterator[object]:
    """What the execution role may read for this service's containers to start."""
    secrets = [*service.secrets.values(), *(each for one in service.sidecars for each in one.secrets.values())]
    yield from (each.model_dump(include={"secret", "parameter", "key"}) for each in secrets)
    for sidecar in service.sidecars:
        yield sidecar.image.partition("@")[0].rpartition(":")[0] or sidecar.image
        if sidecar.credentials is not None:
            yield sidecar.credentials.model_dump()


def _health_check(service: Service) -> ecs.HealthCheck | None:
    command = service.health.command or (KIT_HEALTH_COMMAND if service.kit else None)
    return health_check(service.health, command) if command is not None else None


def _command(service: Service) -> tuple[str, ...] | None:
    """The container's command: the service's, the kit's, or None for the image's own."""
    if service.command is None and service.kit:
        return ("python", "-m", "nova_kit.serve", f"{service.name.replace('-', '_')}.main:app")
    return service.command


def _acknowledge(definition: ecs.TaskDefinition, starts: iam.IRole) -> None:
    acknowledge(
        definition,
        "Plain settings are environment variables; what is secret comes from Secrets Manager",
        f"{AWS_SOLUTIONS}-ECS2",
    )
    acknowledge(
        starts,
        "ecr:GetAuthorizationToken knows no narrower resource",
        f"{AWS_SOLUTIONS}-IAM5[Resource::*]",
    )
    acknowledge_own_policy(starts)

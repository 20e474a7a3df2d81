"""Additional containers in each task."""

from __future__ import annotations

from aws_cdk import aws_ecs as ecs
from constructs import Construct

from nova_infra.config import Service
from nova_infra.constructs.tasks.durations import seconds
from nova_infra.constructs.tasks.secrets import registry_login, secret_value


def add_sidecars(
    scope: Construct, container: ecs.ContainerDefinition, service: Service, logging: ecs.LogDriver
) -> None:
    """Add sidecars to the task of a container, which starts after those that have a health check.

    Args:
        scope: Parent of the secrets that they read.
        container: The service's own container.
        service: The service, which says what they are. They get as long to stop as its own container.
        logging: Where their logs go.
    """
    if not service.sidecars:
        return
    role = container.task_definition.obtain_execution_role()
    for sidecar in service.sidecars:
        added = container.task_definition.add_container(
            sidecar.name,
            image=ecs.ContainerImage.from_registry(
                sidecar.image,
                credentials=registry_login(scope, f"Login{sidecar.name}", sidecar.credentials, role)
                if sidecar.credentials
                else None,
            ),
            command=list(sidecar.command) if sidecar.command else None,
            environment=dict(sidecar.environment),
            secrets={
                variable: secret_value(scope, f"Secret{sidecar.name}{variable}", secret, role)
                for variable, secret in sidecar.secrets.items()
            },
            user=sidecar.user,
            readonly_root_filesystem=sidecar.readonly_root,
            memory_limit_mib=sidecar.memory,
            essential=sidecar.essential,
            stop_timeout=seconds(service.stop_seconds),
            logging=logging,
            health_check=ecs.HealthCheck(
                command=["CMD", *sidecar.health.command],
                interval=seconds(sidecar.health.interval),
                timeout=seconds(sidecar.health.timeout),
                retries=3,
                start_period=seconds(sidecar.health.start_seconds),
            )
            if sidecar.health
            else None,
        )
        if sidecar.health:
            container.add_container_dependencies(
                ecs.ContainerDependency(container=added, condition=ecs.ContainerDependencyCondition.HEALTHY)
            )

"""Additional containers in each task."""

import re
from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from nova_infra.config import Service, Sidecar
from nova_infra.config.services.container import Health
from nova_infra.config.services.surroundings import SidecarHealth
from nova_infra.constructs.cached import seconds
from nova_infra.constructs.tasks.secrets import registry_login, secret_value

# Each registry has further names, for FIPS 140 and for IPv6: https://docs.aws.amazon.com/general/latest/gr/ecr.html,
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html.
_IN_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr(?:(?P<usual>\.ecr)|\.ecr-fips|-ecr(?:-fips)?)\.(?P<region>[a-z0-9-]+)"
    r"\.(?:amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn)/"
    r"(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)


def add_sidecars(
    scope: Construct, container: ecs.ContainerDefinition, service: Service, logging: ecs.LogDriver
) -> None:
    """Add sidecars to the task of a container, which starts after those that have a health check.

    Args:
        scope: Parent of the secrets that they read.
        service: The service, which says what they are. They get as long to stop as its own container.
    """
    if not service.sidecars:
        return
    role = container.task_definition.obtain_execution_role()
    for sidecar in service.sidecars:
        added = container.task_definition.add_container(
            sidecar.name,
            image=_image(scope, sidecar, role),
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
            health_check=health_check(sidecar.health, sidecar.health.command) if sidecar.health else None,
        )
        if sidecar.health:
            container.add_container_dependencies(
                ecs.ContainerDependency(container=added, condition=ecs.ContainerDependencyCondition.HEALTHY)
            )


def health_check(health: Health | SidecarHealth, command: Sequence[str]) -> ecs.HealthCheck:
    """The health check of a container."""
    return ecs.HealthCheck(
        command=["CMD", *command],
        interval=seconds(health.interval),
        timeout=seconds(health.timeout),
        retries=3,
        start_period=seconds(health.start_seconds),
    )


def _image(scope: Construct, sidecar: Sidecar, role: iam.IRole) -> ecs.ContainerImage:
    """A sidecar's image. ECR lets only roles with permission pull, even in its account (repository-policies)."""
    found = _IN_ECR.fullmatch(sidecar.image)
    if found is None or sidecar.credentials:
        login = sidecar.credentials and registry_login(scope, f"Login{sidecar.name}", sidecar.credentials, role)
        return ecs.ContainerImage.from_registry(sidecar.image, credentials=login or None)
    stack = cdk.Stack.of(scope)
    repository = ecr.Repository.from_repository_attributes(
        scope,
        f"Images{sidecar.name}",
        repository_name=found["name"],
        repository_arn=f"arn:{stack.partition}:ecr:{found['region']}:{found['account']}:repository/{found['name']}",
    )
    if found["usual"]:
        return ecs.ContainerImage.from_ecr_repository(repository, found["digest"] or found["tag"])
    repository.grant_pull(role)
    return ecs.ContainerImage.from_registry(sidecar.image)

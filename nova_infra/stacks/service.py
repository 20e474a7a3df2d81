"""One service in one environment."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from nova_infra.config import Environment, Service, Toolchain
from nova_infra.constructs.web_service import STOP_TIMEOUT, WebService
from nova_infra.images import repository_name
from nova_infra.stacks.platform import PlatformStack


class ServiceStack(cdk.Stack):
    """A service in a stack of its own, so that it deploys beside the others and rolls back alone.

    Attributes:
        web_service: The service.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        prefix: str,
        platform_name: str,
        platform: PlatformStack,
        toolchain: Toolchain,
        environment: Environment,
        service: Service,
        priority: int,
        image_tag: str,
    ) -> None:
        """Create the service.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            prefix: ``<platform>-<environment>``, the prefix of all physical names.
            platform_name: Name of the installation, the prefix of its repositories.
            platform: The environment's shared stack.
            toolchain: Account and region that hold the images.
            environment: The environment.
            service: The service.
            priority: Priority of its listener rule.
            image_tag: Tag of the image to run.
        """
        name = f"{prefix}-{service.name}"
        super().__init__(
            scope,
            construct_id,
            stack_name=name,
            env=cdk.Environment(account=environment.account, region=environment.region),
        )
        repository = repository_name(platform_name, service.name)
        self.web_service = WebService(
            self,
            "Web",
            name=name,
            cluster=platform.cluster,
            cluster_name=platform.cluster_name,
            load_balancer=platform.ingress.load_balancer,
            listener=platform.ingress.listener,
            priority=priority,
            paths=service.paths,
            image=ecs.ContainerImage.from_ecr_repository(
                ecr.Repository.from_repository_attributes(
                    self,
                    "Images",
                    repository_name=repository,
                    repository_arn=f"arn:{self.partition}:ecr:{toolchain.region}:{toolchain.account}:repository/{repository}",
                ),
                image_tag,
            ),
            command=["python", "-m", "nova_kit.serve", f"{service.name.replace('-', '_')}.main:app"],
            environment={
                **service.environment,
                "PORT": str(service.port),
                "STOP_TIMEOUT": str(STOP_TIMEOUT.to_seconds()),
                "NOVA_SERVICE": service.name,
                "NOVA_RELEASE": image_tag,
                "NOVA_API_URL": platform.ingress.url,
            },
            cpu=service.cpu,
            memory=service.memory,
            port=service.port,
            rollout=environment.rollout,
            scaling=environment.scaling,
            topic=platform.topic,
        )

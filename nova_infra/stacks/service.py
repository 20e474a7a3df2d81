"""One service in one environment."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from nova_infra.config import Environment, Service, Toolchain
from nova_infra.constructs.hooks.before_deploy import BeforeDeploy
from nova_infra.constructs.hooks.gates import group_hook, smoke_hook
from nova_infra.constructs.network.network import PRIVATE
from nova_infra.constructs.web.host_names import HostNames
from nova_infra.constructs.web.settings import ServiceSettings
from nova_infra.constructs.web.web_service import WebService
from nova_infra.names import parameter_path, stack_name
from nova_infra.stacks.platform import PlatformStack, image_task


class ServiceStack(cdk.Stack):
    """A service in a stack of its own, so that services deploy in parallel and each rolls back alone.

    Attributes:
        task: What each of its tasks runs.
        web_service: The service.
        load_balancer: The load balancer in front of it.
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
        repository: str,
        image_tag: str,
        smoke: Sequence[str] = (),
        group_minutes: int = 0,
    ) -> None:
        """Create the service.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            prefix: ``<platform>-<environment>``, the prefix of all physical names.
            platform_name: Name of the installation, which its records are kept under.
            platform: The environment's shared stack.
            toolchain: Account and region that hold the images.
            environment: The environment.
            service: The service.
            repository: Name of the repository that holds the images.
            image_tag: Tag of the image to run.
            smoke: Paths that a new revision is asked for before any user meets it.
            group_minutes: How long it waits for the other services of its release; 0 where it waits for none.
        """
        name = stack_name(prefix, service.name)
        super().__init__(
            scope,
            construct_id,
            stack_name=name,
            env=cdk.Environment(account=environment.account, region=environment.region),
            termination_protection=environment.approval,
        )
        private = platform.private_ingress
        ingress = private if service.internal and private is not None else platform.ingress
        self.task = task = image_task(
            self,
            platform=platform,
            toolchain=toolchain,
            environment=environment,
            service=service,
            repository=repository,
            image_tag=image_tag,
            variables={"PORT": str(service.port)},
        )
        self.web_service = WebService(
            self,
            "Web",
            cluster=platform.cluster,
            listener=ingress.listener,
            image=task.definition,
            settings=ServiceSettings(
                service=service,
                runtime=environment,
                name=name,
                cluster_name=platform.cluster_name,
                test=smoke_hook(prefix, self._smoke_urls(service, smoke, platform), self) if smoke else None,
                together=group_hook(prefix, group_minutes, self) if group_minutes else None,
            ),
            topic=platform.topic,
            load_balancer=ingress.load_balancer,
            subnets=ec2.SubnetSelection(subnet_group_name=PRIVATE),
        )
        self.load_balancer = ingress.load_balancer
        if service.before_deploy is not None:
            run = BeforeDeploy(
                self,
                "BeforeDeploy",
                service=service,
                task=task,
                release=image_tag,
                cluster_name=platform.cluster_name,
                subnets=platform.cluster.vpc.select_subnets(subnet_group_name=PRIVATE).subnets,
                security_groups=self.web_service.service.connections.security_groups,
                parameter=f"{parameter_path(platform_name, environment.name)}/before-deploy/{service.name}",
                key=platform.key,
            )
            self.web_service.service.node.add_dependency(run.resource)
        if environment.domain is not None and (hosts := [h for h in service.hosts if h != environment.domain.name]):
            HostNames(
                self,
                "Hosts",
                hosts=hosts,
                zone_id=environment.domain.zone_id,
                load_balancer=ingress.load_balancer,
                listener=ingress.listener,
            )

    @staticmethod
    def _smoke_urls(service: Service, paths: Sequence[str], platform: PlatformStack) -> list[str]:
        base = f"https://{service.hosts[0]}" if service.hosts else platform.ingress.url
        return [f"{base}{path}" for path in paths]

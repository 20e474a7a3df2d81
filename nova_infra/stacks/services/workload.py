"""What the stacks of web services, workers and jobs share: name, task, ``before_deploy``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs
from constructs import Construct

from nova_infra.config import Config, Environment, Service
from nova_infra.constructs.hooks.before_deploy import BeforeDeploy
from nova_infra.constructs.network.network import PRIVATE
from nova_infra.constructs.tasks.task import FargateTask
from nova_infra.names import (
    REVISION_OUTPUT,
    TASK_LOG_GROUP,
    environment_prefix,
    parameter_path,
    partition_of,
    stack_name,
)
from nova_infra.stacks.platform import PlatformStack


@dataclass(frozen=True)
class WorkloadProps:
    """A service, as it is deployed to one environment.

    Attributes:
        group_minutes: How long it waits for the other services of its release; 0 where it waits for none.
    """

    config: Config
    platform: PlatformStack
    environment: Environment
    service: Service
    image_tag: str
    group_minutes: int = 0

    @property
    def prefix(self) -> str:
        """``<platform>-<environment>``, the prefix of the environment's names."""
        return environment_prefix(self.config.platform.name, self.environment.name)

    @property
    def name(self) -> str:
        """The service's physical name, and that of its stack."""
        return stack_name(self.prefix, self.service.name)


class WorkloadStack(cdk.Stack):
    """A service in a stack of its own, so that services deploy in parallel and each rolls back alone."""

    def __init__(self, scope: Construct, props: WorkloadProps, *, variables: Mapping[str, str]) -> None:
        """Create the stack with its task definition."""
        environment, service, platform = props.environment, props.service, props.platform
        super().__init__(
            scope,
            service.name,
            stack_name=props.name,
            env=cdk.Environment(account=environment.account, region=environment.region),
            termination_protection=environment.approval,
        )
        self._props = props
        self._subnets = ec2.SubnetSelection(subnet_group_name=PRIVATE)
        self.task = FargateTask(
            self,
            "Task",
            name=props.name,
            image=self._image(),
            service=service,
            runtime=environment,
            variables={
                **variables,
                "STOP_TIMEOUT": str(service.stop_seconds),
                "NOVA_SERVICE": service.name,
                "NOVA_RELEASE": props.image_tag,
                "NOVA_API_URL": platform.ingress.url,
                **({"NOVA_INTERNAL_URL": platform.private_ingress.url} if platform.private_ingress else {}),
            },
            key=platform.key,
        )
        if service.kind != "job":
            cdk.CfnOutput(self, REVISION_OUTPUT, value=self.task.definition.task_definition_arn)
        group = self.task.log_group.node.default_child
        assert isinstance(group, logs.CfnLogGroup)
        group.override_logical_id(TASK_LOG_GROUP)  # part of its name, by which the tools find it

    def _image(self) -> ecs.ContainerImage:
        environment, toolchain = self._props.environment, self._props.config.toolchain
        name = self._props.config.repository(self._props.service.name, environment.name)
        arn = f"arn:{partition_of(environment.region)}:ecr:{toolchain.region}:{toolchain.account}:repository/{name}"
        images = ecr.Repository.from_repository_attributes(self, "Images", repository_name=name, repository_arn=arn)
        return ecs.ContainerImage.from_ecr_repository(images, self._props.image_tag)

    def _run_first(
        self,
        construct_id: str,
        command: Sequence[str],
        security_groups: Sequence[ec2.ISecurityGroup],
        *,
        before: Construct,
    ) -> None:
        """Run a command in the new image once, before a construct is deployed."""
        props, platform = self._props, self._props.platform
        run = BeforeDeploy(
            self,
            construct_id,
            service=props.service.model_copy(update={"before_deploy": tuple(command)}),
            task=self.task,
            release=self._props.image_tag,
            cluster_name=platform.cluster_name,
            subnets=platform.cluster.vpc.select_subnets(subnet_group_name=PRIVATE).subnets,
            security_groups=security_groups,
            parameter=f"{parameter_path(props.config.platform.name, props.environment.name)}/before-deploy/"
            f"{props.service.name}",
            key=platform.key,
        )
        before.node.add_dependency(run.resource)

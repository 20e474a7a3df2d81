"""One worker or one job in one environment."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from nova_infra.config import Environment, Service, Toolchain
from nova_infra.constructs.background.scheduled_job import ScheduledJob
from nova_infra.constructs.background.work_queue import WorkQueue
from nova_infra.constructs.background.worker_service import WorkerService
from nova_infra.constructs.hooks.before_deploy import BeforeDeploy
from nova_infra.constructs.network.network import PRIVATE
from nova_infra.constructs.web.settings import ServiceSettings
from nova_infra.names import alarm_name, dead_queue_name, parameter_path, queue_name, stack_name
from nova_infra.stacks.platform import PlatformStack, image_task


class BackgroundStack(cdk.Stack):
    """A service that nothing sends requests to, in a stack of its own like the others.

    Attributes:
        task: What each of its tasks runs.
        worst: Name of the alarm that says most of it: a worker's on CPU, a job's on failed runs.
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
    ) -> None:
        """Create the worker or the job.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            prefix: ``<platform>-<environment>``, the prefix of all physical names.
            platform_name: Name of the installation, the prefix of its repositories.
            platform: The environment's shared stack.
            toolchain: Account and region that hold the images.
            environment: The environment.
            service: The worker or job.
            repository: Name of the repository that holds the images.
            image_tag: Tag of the image to run.
        """
        name = stack_name(prefix, service.name)
        super().__init__(
            scope,
            construct_id,
            stack_name=name,
            env=cdk.Environment(account=environment.account, region=environment.region),
            termination_protection=environment.approval,
        )
        self.worst = alarm_name(name, "failed" if service.kind == "job" else "cpu")
        self.task = task = image_task(
            self,
            platform=platform,
            toolchain=toolchain,
            environment=environment,
            service=service,
            repository=repository,
            image_tag=image_tag,
            variables=self._queue_variables(name, service),
        )
        settings = ServiceSettings(service=service, runtime=environment, name=name, cluster_name=platform.cluster_name)
        subnets = ec2.SubnetSelection(subnet_group_name=PRIVATE)
        if service.kind == "job":
            job = ScheduledJob(
                self,
                "Job",
                cluster=platform.cluster,
                task_definition=task.definition,
                settings=settings,
                topic=platform.topic,
                subnets=subnets,
                key=platform.key,
            )
            if service.run_before_promotion:
                run = BeforeDeploy(
                    self,
                    "BeforePromotion",
                    service=service.model_copy(update={"before_deploy": service.command}),
                    task=task,
                    release=image_tag,
                    cluster_name=platform.cluster_name,
                    subnets=platform.cluster.vpc.select_subnets(subnet_group_name=PRIVATE).subnets,
                    security_groups=[job.group],
                    parameter=f"{parameter_path(platform_name, environment.name)}/before-deploy/{service.name}",
                    key=platform.key,
                )
                # What failed in the release is not what the next scheduled run takes.
                job.machine.node.add_dependency(run.resource)
            return
        role = task.definition.task_role
        queue = WorkQueue(self, "Work", name=name, queue=service.queue, consumer=role) if service.queue else None
        WorkerService(
            self,
            "Worker",
            cluster=platform.cluster,
            task_definition=task.definition,
            settings=settings,
            queue=queue,
            topic=platform.topic,
            subnets=subnets,
        )

    def _queue_variables(self, name: str, service: Service) -> dict[str, str]:
        """Where a worker's container finds its queues: by name, because their grant needs the task's role first."""
        if service.queue is None:
            return {}
        base = f"https://sqs.{self.region}.{self.url_suffix}/{self.account}"
        return {
            "QUEUE_URL": f"{base}/{queue_name(name, service.queue.name)}",
            "DEAD_QUEUE_URL": f"{base}/{dead_queue_name(name, service.queue.name, service.queue.dead)}",
        }

"""One worker or one job in one environment."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from nova_infra.config import Config, Environment, Service
from nova_infra.constructs.background.scheduled_job import ScheduledJob
from nova_infra.constructs.background.work_queue import WorkQueue
from nova_infra.constructs.background.worker_service import WorkerService
from nova_infra.constructs.web.settings import ServiceSettings
from nova_infra.names import alarm_name, dead_queue_name, environment_prefix, queue_name, stack_name
from nova_infra.stacks.platform import PlatformStack
from nova_infra.stacks.services.workload import WorkloadStack


class BackgroundStack(WorkloadStack):
    """A service that nothing sends requests to.

    Attributes:
        worst: Name of the alarm that says most of it: a worker's on CPU, a job's on failed runs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: Config,
        platform: PlatformStack,
        environment: Environment,
        service: Service,
        image_tag: str,
    ) -> None:
        """Create the worker or the job.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            config: The configuration.
            platform: The environment's shared stack.
            environment: The environment, as the service runs in it.
            service: The worker or job, as it runs in the environment.
            image_tag: Tag of the image to run.
        """
        name = stack_name(environment_prefix(config.platform.name, environment.name), service.name)
        super().__init__(
            scope,
            construct_id,
            config=config,
            platform=platform,
            environment=environment,
            service=service,
            image_tag=image_tag,
            variables=_queue_variables(name, service, environment),
        )
        self.worst = alarm_name(name, "failed" if service.kind == "job" else "cpu")
        settings = ServiceSettings(service=service, runtime=environment, name=name, cluster_name=platform.cluster_name)
        if service.kind == "job":
            self._add_job(settings)
        else:
            self._add_worker(settings)

    def _add_job(self, settings: ServiceSettings) -> None:
        service, platform = settings.service, self._platform
        job = ScheduledJob(
            self,
            "Job",
            cluster=platform.cluster,
            task_definition=self.task.definition,
            settings=settings,
            topic=platform.topic,
            subnets=self._subnets,
            key=platform.key,
        )
        if service.run_before_promotion:
            # What failed in the release is not what the next scheduled run takes.
            self._run_first("BeforePromotion", service.command or (), [job.group], before=job.machine)

    def _add_worker(self, settings: ServiceSettings) -> None:
        queue, role = settings.service.queue, self.task.definition.task_role
        WorkerService(
            self,
            "Worker",
            cluster=self._platform.cluster,
            task_definition=self.task.definition,
            settings=settings,
            queue=WorkQueue(self, "Work", name=self.stack_name, queue=queue, consumer=role) if queue else None,
            topic=self._platform.topic,
            subnets=self._subnets,
        )


def _queue_variables(name: str, service: Service, environment: Environment) -> dict[str, str]:
    """Where a worker's container finds its queues: by name, because their grant needs the task's role first."""
    if service.queue is None:
        return {}
    base = f"https://sqs.{environment.region}.{cdk.Aws.URL_SUFFIX}/{environment.account}"
    return {
        "QUEUE_URL": f"{base}/{queue_name(name, service.queue.name)}",
        "DEAD_QUEUE_URL": f"{base}/{dead_queue_name(name, service.queue.name, service.queue.dead)}",
    }

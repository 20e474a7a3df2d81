"""The stack of one worker or one job in one environment."""

import aws_cdk as cdk
from constructs import Construct

from nova_infra.config import Environment, Service
from nova_infra.constructs.background.scheduled_job import ScheduledJob
from nova_infra.constructs.background.work_queue import WorkQueue
from nova_infra.constructs.background.worker_service import WorkerService
from nova_infra.constructs.settings import ServiceSettings
from nova_infra.names import alarm_name
from nova_infra.stacks.services.workload import WorkloadProps, WorkloadStack


class BackgroundStack(WorkloadStack):
    """A service that nothing sends requests to.

    Attributes:
        security_group: Its tasks'.
        worst: Name of the alarm that says most of it: a worker's on CPU, a job's on failed runs.
    """

    def __init__(self, scope: Construct, props: WorkloadProps) -> None:
        service, environment, name = props.service, props.environment, props.name
        super().__init__(scope, props, variables=_queue_variables(name, service, environment))
        cluster_name = props.platform.cluster_name
        self.worst = alarm_name(name, "failed" if service.kind == "job" else "cpu")
        settings = ServiceSettings(service=service, runtime=environment, name=name, cluster_name=cluster_name)
        if service.kind == "job":
            self.security_group = self._add_job(settings).group
        else:
            self.security_group = self._add_worker(settings).security_group

    def _add_job(self, settings: ServiceSettings) -> ScheduledJob:
        service, platform = settings.service, self._props.platform
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
        return job

    def _add_worker(self, settings: ServiceSettings) -> WorkerService:
        queue, role = settings.service.queue, self.task.definition.task_role
        return WorkerService(
            self,
            "Worker",
            cluster=self._props.platform.cluster,
            task_definition=self.task.definition,
            settings=settings,
            queue=WorkQueue(self, "Work", name=self.stack_name, queue=queue, consumer=role) if queue else None,
            topic=self._props.platform.topic,
            subnets=self._subnets,
        )


def _queue_variables(name: str, service: Service, environment: Environment) -> dict[str, str]:
    """Where a worker's container finds its queues: by name, because their grant needs the task's role first."""
    if service.queue is None:
        return {}
    base = f"https://sqs.{environment.region}.{cdk.Aws.URL_SUFFIX}/{environment.account}"
    work, dead = service.queue.names(name)
    return {"QUEUE_URL": f"{base}/{work}", "DEAD_QUEUE_URL": f"{base}/{dead}"}

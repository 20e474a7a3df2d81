"""An ECS service that nothing sends requests to."""

from __future__ import annotations

import asyncio

from nova_infra.rehearsal.clock import Pace
from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.ecs.service import Revision, RunningTask, Service
from nova_infra.rehearsal.load_balancer.proxy import LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import Rule
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup, TargetGroupSettings
from nova_infra.rehearsal.tasks.runtime import Runtime

_NOWHERE = TargetGroupSettings(
    health_path="/", interval=10, timeout=5, unhealthy_threshold=3, healthy_threshold=2, codes="200", drain=0
)


class WorkerService(Service):
    """A worker: its tasks count when they run, and nothing is drained before they stop."""

    is_reached = False

    def __init__(self, name: str, cluster: str, runtime: Runtime, store: MetricStore, pace: Pace) -> None:
        """Create it without tasks. Its load balancer and its group are never started and never asked."""
        balancer = LoadBalancer(full_name="", protocol="http", public_port=0, siblings={}, store=store, pace=pace)
        group = TargetGroup(f"{name} (no target group)", _NOWHERE)
        super().__init__(name, cluster, balancer, Rule("", float("inf")), [group], runtime)

    async def start(self, revision: Revision, group: TargetGroup) -> RunningTask:
        """Start a task and wait until it runs, and its container health check passes if it has one.

        Raises:
            TaskFailedError: It did not; nothing of it is left.
        """
        check = revision.definition.health_check
        task = self.runtime.task(revision.definition, revision.sources, check.seconds_to_unhealthy if check else 0.0)
        try:
            await task.start()
            await task.suffer()
        except BaseException:
            await task.stop()
            raise
        running = RunningTask(task, Target(task, healthy=True), group, asyncio.create_task(task.ended()))
        self.tasks.append(running)
        return running

    async def _stop(self, running: RunningTask) -> None:
        running.checks.cancel()
        try:
            await running.task.stop()
        finally:
            self.killed_at_stop += running.task.killed_at_stop
            self.tasks.remove(running)

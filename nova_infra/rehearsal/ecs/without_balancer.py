"""Stands in for the load balancer of a service that has none: tasks are healthy as soon as they run."""

import asyncio

from nova_infra.rehearsal.clock import COMPRESSED
from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.load_balancer.proxy import LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import RoutingRule, WeightedGroup
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup, read_target_group

SECONDS_TO_STAY = 1.0
"""A task that ends right after its start has not started: ECS checks it again before the service is steady."""


class Unbalanced(LoadBalancer):
    """Nobody's load balancer: it listens nowhere, and nothing is sent to its targets."""

    def __init__(self, service: str) -> None:
        super().__init__(
            full_name=f"none of {service}",
            protocol="HTTP",
            public_port=0,
            siblings={},
            store=MetricStore(),
            pace=COMPRESSED,
        )
        self.group = TargetGroup(f"none of {service}", read_target_group({}))
        self.rule = RoutingRule(f"none of {service}", float("inf"), forward=[WeightedGroup(self.group, 1)])

    async def wait_healthy(self, group: TargetGroup, target: Target) -> bool:  # noqa: ARG002 - there is no health check
        """Wait a moment to see whether the task stays up; its own health check has passed."""
        try:
            await asyncio.wait_for(target.task.ended(), SECONDS_TO_STAY)
        except TimeoutError:
            target.healthy = True
            return True
        await target.task.hear_out()
        target.last_fault = target.task.stopped_reason()
        return False

    async def keep_checking(self, group: TargetGroup, target: Target) -> None:
        """Check nothing: others check that it runs."""

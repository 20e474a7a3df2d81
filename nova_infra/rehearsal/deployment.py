"""ECS deployments: how one revision of a service takes over from another, and when it does not.

See https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment-types.html.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nova_infra.rehearsal.alarms import State
from nova_infra.rehearsal.clock import Clock
from nova_infra.rehearsal.intrinsics import UnresolvableError
from nova_infra.rehearsal.proxy import LoadBalancer
from nova_infra.rehearsal.record import DeploymentRecord, Requests, TrafficStep
from nova_infra.rehearsal.routing import Rule, Target, TargetGroup
from nova_infra.rehearsal.task import Task, TaskDefinition, TaskFailedError
from nova_infra.rehearsal.together import together


class DeploymentFailedError(Exception):
    """A deployment was rolled back, or could not be. The message says why."""


@dataclass(frozen=True)
class Rollout:
    """A service's deployment configuration.

    Attributes:
        strategy: ``ROLLING``, ``CANARY``, ``LINEAR`` or ``BLUE_GREEN``.
        steps: Share of traffic in percent and the minutes it bakes, in order. A rolling deployment has only the last.
        alarms: Names of the alarms that roll it back.
        breaker: Whether the circuit breaker is on and rolls back.
        maximum_percent: How many tasks may run during a rolling deployment, in percent of the desired number.
    """

    strategy: str
    steps: tuple[tuple[float, int], ...]
    alarms: tuple[str, ...]
    breaker: bool
    maximum_percent: int


def read_rollout(properties: Mapping[str, Any], where: str) -> Rollout:
    """The rollout that a service's resolved ``DeploymentConfiguration`` defines.

    Raises:
        UnresolvableError: Its strategy is not known.
    """
    strategy = properties.get("Strategy", "ROLLING")
    bake = int(properties.get("BakeTimeInMinutes", 0))
    match strategy:
        case "ROLLING" | "BLUE_GREEN":
            steps = [(100.0, bake)]
        case "CANARY":
            canary = properties["CanaryConfiguration"]
            steps = [(float(canary["CanaryPercent"]), int(canary["CanaryBakeTimeInMinutes"])), (100.0, bake)]
        case "LINEAR":
            linear = properties["LinearConfiguration"]
            size, pause = float(linear["StepPercent"]), int(linear["StepBakeTimeInMinutes"])
            steps = [(size * number, pause) for number in range(1, math.ceil(100 / size))] + [(100.0, bake)]
        case _:
            raise UnresolvableError(f"{where}: Strategy {strategy!r} is not one that the rehearsal knows")
    alarms, breaker = properties.get("Alarms", {}), properties.get("DeploymentCircuitBreaker", {})
    return Rollout(
        strategy=strategy,
        steps=tuple(steps),
        alarms=tuple(alarms.get("AlarmNames", ())) if alarms.get("Enable") and alarms.get("Rollback") else (),
        breaker=bool(breaker.get("Enable") and breaker.get("Rollback")),
        maximum_percent=int(properties.get("MaximumPercent", 200)),
    )


def failure_threshold(desired: int) -> int:
    """Number of failed tasks that trips the circuit breaker: half of the desired ones, at least 3, at most 200.

    See https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html.
    """
    return min(max(math.ceil(desired / 2), 3), 200)


@dataclass
class RunningTask:
    """A task of a service, with its place behind the load balancer."""

    task: Task
    target: Target
    group: TargetGroup
    checks: asyncio.Task[None]


@dataclass
class Service:
    """An ECS service and what runs of it.

    Attributes:
        name: Its name.
        cluster: Name of its cluster.
        load_balancer: The load balancer in front.
        rule: The listener rule that leads to it.
        groups: Its target groups; the first is the one that production uses now.
        desired: Number of tasks.
        tasks: The tasks that run.
        definition: The revision of the last completed deployment, None before the first.
        sources: Where that revision's code is.
    """

    name: str
    cluster: str
    load_balancer: LoadBalancer
    rule: Rule
    groups: list[TargetGroup]
    desired: int
    tasks: list[RunningTask] = field(default_factory=list)
    definition: TaskDefinition | None = None
    sources: Path = Path()
    _ended: dict[str, Requests] = field(default_factory=dict)

    def requests(self) -> dict[str, Requests]:
        """Revision to the requests it got so far, those of tasks that have ended included."""
        totals = {revision: Requests(r.served, r.failed) for revision, r in self._ended.items()}
        for running in self.tasks:
            total = totals.setdefault(running.task.definition.revision, Requests())
            total.served += running.target.served
            total.failed += running.target.failed
        return totals

    async def stop(self, tasks: list[RunningTask]) -> None:
        """Drain and stop some tasks, side by side."""
        await together(*(self._stop(running) for running in tasks))

    async def _stop(self, running: RunningTask) -> None:
        running.checks.cancel()
        try:
            await self.load_balancer.deregister(running.group, running.target)
        finally:
            await running.task.stop()
            self.tasks.remove(running)
            total = self._ended.setdefault(running.task.definition.revision, Requests())
            total.served += running.target.served
            total.failed += running.target.failed


@dataclass
class Deployment:
    """One deployment of a service.

    Attributes:
        service: The service.
        definition: The new revision.
        sources: Where its code is.
        rollout: How it takes over.
        record: What happens is written here.
        clock: Simulated time.
        states: Alarm name to its state now.
        starts: Limits how many processes start side by side.
        tell: Told a line about each turn of the story.
    """

    service: Service
    definition: TaskDefinition
    sources: Path
    rollout: Rollout
    record: DeploymentRecord
    clock: Clock
    states: Mapping[str, State]
    starts: asyncio.Semaphore
    tell: Callable[[str], None]
    _failures: int = 0
    _last_failure: str = ""

    async def run(self) -> None:
        """Deploy, or go back to what ran before.

        Raises:
            DeploymentFailedError: The new revision does not run.
        """
        # An alarm that is red at the start is ignored for the whole deployment, as in ECS:
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
        watched = [name for name in self.rollout.alarms if self.states.get(name) != "ALARM"]
        old = list(self.service.tasks)
        try:
            if self.rollout.strategy == "ROLLING" or not old:
                await self._replace(old)
                await self._bake(100, 0 if not old else self.rollout.steps[-1][1], watched)
            else:
                await self._shift(watched)
                await self.service.stop(old)
        except DeploymentFailedError as error:
            self.record.reason = str(error)
            await self._roll_back(old)
            raise
        self.service.definition, self.service.sources = self.definition, self.sources
        self.record.outcome = "completed"
        self.tell(f"{self.service.name}: {self.definition.revision} runs")

    async def _replace(self, old: list[RunningTask]) -> None:
        """Rolling: start as many as fit beside the old ones, then stop as many old ones."""
        service = self.service
        old, new = list(old), 0
        while new < service.desired:
            room = max(service.desired * self.rollout.maximum_percent // 100 - len(old) - new, 1)
            batch = min(room, service.desired - new)
            await self._start(batch, service.groups[0])
            new += batch
            leaving = old[: max(len(old) + new - service.desired, 0)]
            await service.stop(leaving)
            old = old[len(leaving) :]
        await service.stop(old)

    async def _shift(self, watched: list[str]) -> None:
        """Start the new revision beside the old one and move the traffic in steps."""
        production, alternate = self.service.groups
        await self._start(self.service.desired, alternate)
        for percent, minutes in self.rollout.steps:
            self.service.rule.set_weights({production.name: 100 - percent, alternate.name: percent})
            self.tell(f"{self.service.name}: {percent:g} % of the traffic to {self.definition.revision}")
            await self._bake(percent, minutes, watched)
        self.service.groups.reverse()

    async def _start(self, count: int, group: TargetGroup) -> None:
        """Start tasks and wait until the load balancer finds them healthy; replace those that fail."""
        while count:
            results = await asyncio.gather(*(self._start_one(group) for _ in range(count)), return_exceptions=True)
            failures = [result for result in results if isinstance(result, BaseException)]
            for failure in failures:
                if not isinstance(failure, TaskFailedError):
                    raise failure
                self._failed(str(failure))
            count = len(failures)

    async def _start_one(self, group: TargetGroup) -> None:
        service = self.service
        task = Task(self.definition, self.sources, self.starts)
        try:
            await task.start()
            target = await service.load_balancer.register(group, task)
            if not await service.load_balancer.wait_healthy(group, target):
                group.targets.remove(target)
                raise TaskFailedError(f"failed the load balancer's health check: {target.last_fault}")
        except BaseException:
            await task.stop()
            raise
        checks = asyncio.create_task(service.load_balancer.keep_checking(group, target))
        service.tasks.append(RunningTask(task, target, group, checks))
        self.record.running += 1

    def _failed(self, reason: str) -> None:
        self._failures += 1
        self._last_failure = reason
        self.tell(f"{self.service.name}: a task of {self.definition.revision} failed: {reason}")
        if self._failures >= failure_threshold(self.service.desired):
            breaker = (
                "the circuit breaker opened" if self.rollout.breaker else "no circuit breaker, so ECS would try on"
            )
            raise DeploymentFailedError(f"{self._failures} tasks failed ({breaker}): {reason}")

    async def _bake(self, percent: float, minutes: int, watched: list[str]) -> None:
        """Let simulated minutes pass while the alarms watch."""
        step = TrafficStep(percent=percent, bake_minutes=minutes)
        self.record.traffic.append(step)
        before = self.service.requests()
        try:
            for _ in range(minutes):
                await self.clock.next_minute()
                await self._replace_ended_tasks()
                for name in watched:
                    if self.states.get(name) == "ALARM":
                        raise DeploymentFailedError(f"alarm {name} went to ALARM at {percent:g} % of the traffic")
        finally:
            for revision, total in self.service.requests().items():
                start = before.get(revision, Requests())
                step.requests[revision] = Requests(total.served - start.served, total.failed - start.failed)

    async def _replace_ended_tasks(self) -> None:
        for running in list(self.service.tasks):
            if running.task.running or running.task.definition != self.definition:
                continue
            await self.service.stop([running])
            self.record.running -= 1
            self._failed("it ended while it was serving")
            await self._start(1, running.group)

    async def _roll_back(self, old: list[RunningTask]) -> None:
        service = self.service
        if service.definition is None:
            self.record.outcome = "failed"
            await service.stop(list(service.tasks))
            return
        missing = service.desired - sum(running in service.tasks for running in old)
        if missing > 0:
            back = Deployment(
                service, service.definition, service.sources, self.rollout, self.record, self.clock, self.states,
                self.starts, self.tell,
            )  # fmt: skip
            await back._start(missing, service.groups[0])
        if len(service.rule.forward) > 1:
            service.rule.set_weights({service.groups[0].name: 100, service.groups[1].name: 0})
        await service.stop([r for r in service.tasks if r.task.definition == self.definition])
        self.record.outcome, self.record.running = "rolled back", 0
        self.tell(f"{service.name}: rolled back to {service.definition.revision}: {self.record.reason}")

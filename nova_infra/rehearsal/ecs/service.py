"""A running ECS service: how its tasks start, are replaced, and take their share of requests."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.ecs.state import DeploymentState
from nova_infra.rehearsal.ecs.without_balancer import Unbalanced
from nova_infra.rehearsal.load_balancer.http2.client import unverified
from nova_infra.rehearsal.load_balancer.network import TRANSPORT
from nova_infra.rehearsal.load_balancer.proxy import LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import RoutingRule
from nova_infra.rehearsal.load_balancer.targets import Audience, Target, TargetGroup
from nova_infra.rehearsal.record import Requests
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.runtime import TaskRuntime
from nova_infra.rehearsal.tasks.task import ListensElsewhereError, Task, TaskFailedError
from nova_infra.rehearsal.usage.cpu_projection import Work
from nova_infra.rehearsal.usage.idle import seconds_kept
from nova_infra.rehearsal.usage.processes import Usage

_SECONDS_TO_BE_SEEN = 0.2  # until a task that has ended is known to
_FIRST_CHECK = 5.0
"""Seconds in which no engine has checked a container that has just started, unless its interval is shorter."""


@dataclass(frozen=True)
class Revision:
    """A task definition together with the code that its image would contain."""

    definition: TaskDefinition
    sources: Path

    @property
    def name(self) -> str:
        """``family:number``."""
        return self.definition.revision


@dataclass(eq=False)
class PlacedTask:
    """A task of a service, with its place behind the load balancer.

    Attributes:
        further: Its places in other target groups.
    """

    task: Task
    target: Target
    group: TargetGroup
    checks: asyncio.Task[None]
    further: list[tuple[TargetGroup, Target]] = field(default_factory=list)
    _work: Work | None = None
    _served: int = 0

    @property
    def work(self) -> Work:
        """Its processor time in this minute."""
        if self._work is None:
            self._work = Work(self.task.definition.cpu / 1024)
        return self._work

    def processor(self, usage: Usage) -> float | None:
        """Percent of its processor time that it used in the minute that ends now, as in AWS; None if unknown.

        Args:
            usage: What it used since it was last noted, or in all of a minute that lasts a minute.
        """
        return usage.cpu if self.task.pace.is_real else self.work.percent(usage)

    def note_requests(self) -> None:
        """Note what it used while this minute's requests were sent."""
        if (usage := self.task.read_usage()) is not None:
            self.work.note_requests(usage)

    def note_rest(self, seconds: float) -> bool:
        """Note what it used in some seconds without requests; return whether that is next to nothing."""
        usage = self.task.read_usage()
        quiet = usage is None or not self.task.running or self.work.note_rest(usage, seconds)
        if not self.task.is_limited:
            requests, self._served = self.target.served - self._served, self.target.served
            slower = max(1024 / self.task.definition.cpu - 1, 0.0)
            if quiet and requests:
                self.target.added_seconds = self.work.seconds_for(requests) * slower
        return quiet

    @property
    def requests(self) -> Requests:
        """What it got by all of its target groups."""
        return sum((_requests(target) for _, target in self.further), _requests(self.target))

    @property
    def ended_too_soon(self) -> bool:
        """Whether it ended before the first check of its container in AWS, where it was never healthy, then."""
        check = self.task.definition.health_check
        return check is not None and not self.task.running and self.task.uptime < min(check.interval, _FIRST_CHECK)

    def fault(self) -> str | None:
        """Why it must be replaced; None while it serves, or until its end is explained."""
        if not self.task.running:
            return f"it ended while it was serving: {self.task.stopped_reason()}"
        for target in (self.target, *(each for _, each in self.further)):
            if target.healthy is False and not self.task.ending:
                return f"it failed the load balancer's health checks: {target.last_fault}"
        return None


async def _unheard(_: Task, __: bool, /) -> None:
    """Nobody needs to know."""


@dataclass(eq=False)
class PlayedService:
    """An ECS service and its running tasks, with their targets.

    Attributes:
        rule: The listener rule that leads to it.
        test_rule: The listener rule that leads tests to its newest revision, None where there is none.
        groups: Its target groups; the first is the one that production uses now.
        further: Other target groups that its tasks are in, each behind its load balancer.
        grace: Seconds after a task's start in which ECS ignores failing health checks.
        revision: The revision of the last completed deployment, None before the first.
        deploying: Held while a deployment, or the replacement of a task, is under way.
        killed_at_stop: Number of tasks that did not end within their stop timeout.
        deployments: Its deployments, as ECS describes them, the latest last.
        idle: Revision to the seconds after which its tasks close connections that nobody uses, where they do.
        gone: Called with each task that has ended, and whether it has done so by itself.
        kept_open: Revision to the seconds for which such a connection was seen to stay open: a task may not live long
            enough to show that it closes them. Infinite where none outlives its answer.
        unusable: Revision to why the load balancer could not pass on an answer, in a clause of the answer.
        fallen: Revision to how one of its tasks ended by itself after its deployment, in a clause.
    """

    name: str
    cluster: str
    load_balancer: LoadBalancer
    rule: RoutingRule
    groups: list[TargetGroup]
    runtime: TaskRuntime
    desired: int = 1
    grace: float = 0.0
    revision: Revision | None = None
    tasks: list[PlacedTask] = field(default_factory=list)
    deploying: asyncio.Lock = field(default_factory=asyncio.Lock)
    killed_at_stop: int = 0
    test_rule: RoutingRule | None = None
    deployments: list[DeploymentState] = field(default_factory=list)
    idle: dict[str, float] = field(default_factory=dict)
    kept_open: dict[str, float] = field(default_factory=dict)
    gone: Callable[[Task, bool], Awaitable[None]] = _unheard
    unusable: dict[str, str] = field(default_factory=dict)
    fallen: dict[str, str] = field(default_factory=dict)
    further: list[tuple[LoadBalancer, TargetGroup]] = field(default_factory=list)
    _ended: dict[str, Requests] = field(default_factory=dict)
    _elsewhere: set[str] = field(default_factory=set)

    def arn(self, kind: str) -> str:
        """Its ARN, or that of the revision that it runs."""
        return f"arn:aws:ecs:us-east-1:000000000000:{kind}/{self.cluster}/{self.name}"

    def requests(self) -> dict[str, Requests]:
        """Revision to the requests it has had so far, including those of ended tasks."""
        totals = {revision: requests + Requests() for revision, requests in self._ended.items()}
        for running in self.tasks:
            name = running.task.definition.revision
            totals[name] = totals.get(name, Requests()) + running.requests
        return totals

    @property
    def places(self) -> list[tuple[LoadBalancer, TargetGroup]]:
        """All of its target groups, each behind its load balancer."""
        return [*((self.load_balancer, group) for group in self.groups), *self.further] if self.is_asked else []

    @property
    def is_asked(self) -> bool:
        """Whether requests can reach it."""
        return not isinstance(self.load_balancer, Unbalanced)

    @property
    def serves_from_alternate(self) -> bool:
        """Whether production uses its alternate target group now."""
        return len(self.groups) > 1 and bool(self.rule.forward) and self.rule.forward[0].group is self.groups[1]

    @property
    def gets_traffic_on_alternate(self) -> bool:
        """Whether the second target group that its rule names gets traffic now."""
        return len(self.rule.forward) > 1 and self.rule.forward[1].weight > 0

    @property
    def reached_on_alternate(self) -> int:
        """Requests to the tasks in its other target group: during a deployment, the new tasks."""
        return sum(each.target.served for each in self.tasks if each.group in self.groups[1:])

    def serve_from_alternate(self) -> None:
        """Switch production to the alternate target group, as after an odd number of deployments.

        So do requests with the tests' header: a deployment leaves them where it led them, to the revision that serves.
        """
        if len(self.groups) > 1:
            self.groups.reverse()
            for rule in filter(None, (self.rule, self.test_rule)):
                rule.set_weights({group.name: 100.0 * (group is self.groups[0]) for group in self.groups})

    def audience(self) -> Audience:
        """Who sent requests since the last call, and what they got."""
        seen = Audience()
        for group in self.groups:
            for revision, users in group.audience.reached.items():
                seen.reached.setdefault(revision, set()).update(users)
            seen.hit |= group.audience.hit
            seen.unserved += group.audience.unserved
            group.audience = Audience()
        return seen

    async def start(self, revision: Revision, group: TargetGroup) -> PlacedTask:
        """Start a task and wait until the load balancer finds it healthy."""
        patience = _patience(revision.definition, group, self.grace)
        task = self.runtime.task(revision.definition, revision.sources, patience)
        task.hurried = revision.name in self._elsewhere
        places: list[tuple[TargetGroup, Target]] = []
        try:
            await task.start()
            for each in (group, *(further for _, further in self.further)):
                places.append((each, self.load_balancer.register(each, task)))
            for each, target in places:
                if not await self.load_balancer.wait_healthy(each, target):
                    of_checks = "failed the load balancer's health check: " if self.is_asked else ""
                    raise TaskFailedError(f"{of_checks}{target.last_fault}")
            await task.suffer()
        except BaseException as error:
            if isinstance(error, ListensElsewhereError):
                self._elsewhere.add(revision.name)
            for each, target in places:
                each.targets.remove(target)
            await task.stop()
            await self.gone(task, isinstance(error, TaskFailedError))
            raise
        checks = asyncio.create_task(self._watch(task, places))
        running = PlacedTask(task, places[0][1], group, checks, places[1:])
        self.tasks.append(running)
        return running

    async def stop(self, tasks: list[PlacedTask]) -> None:
        """Drain and stop some tasks, side by side."""
        await gather(*(self._stop(running) for running in tasks))

    def may_end(self, placed: PlacedTask) -> bool:
        """Whether a task has ended well: a worker may end after so many messages, and ECS starts another."""
        ended = not (placed.task.running or placed.task.stopped_because)
        return ended and not self.is_asked and placed.task.exit_code == 0

    async def replace_lost(self) -> list[str]:
        """Replace the tasks that ended or became unhealthy since the last deployment, as the scheduler does.

        It "starts replacement tasks first and then stops the unhealthy tasks" (``maximumPercent`` in
        https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html).

        Returns:
            What was replaced and why, in sentences.
        """
        if self.deploying.locked() or self.revision is None:
            return []
        async with self.deploying:
            lost = {running: fault for running in self.tasks if (fault := running.fault()) is not None}
            ended = {each: fault for each, fault in lost.items() if not each.task.running}
            for each in (each for each in ended if not self.may_end(each)):
                self.fallen[self.revision.name] = since_start(each, ended[each])
            await self.stop(list(ended))
            unhealthy = [running for running in lost if running.task.running]
            for _ in range(self.desired - len(self.tasks) + len(unhealthy)):
                with contextlib.suppress(TaskFailedError):  # It is tried again in the next minute.
                    await self.start(self.revision, self.groups[0])
            replaced = unhealthy[: max(len(self.tasks) - self.desired, 0)]
            await self.stop(replaced)
            gone = [running for running in lost if not running.task.running or running in replaced]
            return [f"{self.name}: a task of {self.revision.name} is replaced: {lost[running]}" for running in gone]

    async def _watch(self, task: Task, places: list[tuple[TargetGroup, Target]]) -> None:
        """Check targets' health; ECS takes a task that has ended out of its target groups by itself."""
        watching = [asyncio.create_task(self.load_balancer.keep_checking(*place)) for place in places]
        watching.append(asyncio.create_task(self._note_idle(task, places[0][0])))
        try:
            await task.ended()
            task.ended_at = time.monotonic()
            for _, target in places:
                target.draining = True
            await self.gone(task, True)
        finally:
            for each in watching:
                each.cancel()

    async def _note_idle(self, task: Task, group: TargetGroup) -> None:
        """Note, once for each revision, after how long it closes an idle connection."""
        revision = task.definition.revision
        first = self.tasks[-1:] and sum(each.task.definition.revision == revision for each in self.tasks) <= 1
        speaks = group.settings.version == "HTTP1" and self.load_balancer.protocol not in TRANSPORT
        if not (self.is_asked and first and speaks):
            return
        seen_open = partial(self.kept_open.__setitem__, revision)
        tls = unverified("http/1.1") if group.settings.tls else None
        kept = await seconds_kept(task.port, group.settings.health_path, seen_open, tls)
        await asyncio.sleep(_SECONDS_TO_BE_SEEN)
        if kept is not None and task.running:
            self.idle[revision] = kept

    async def _stop(self, running: PlacedTask) -> None:
        checked = running.checks.done()
        running.checks.cancel()
        try:
            places = [(running.group, running.target), *running.further]
            await gather(*(self.load_balancer.deregister(*place) for place in places))
        finally:
            try:
                await running.task.stop()
                if not checked:
                    await self.gone(running.task, False)
            finally:
                self.killed_at_stop += running.task.killed_at_stop
                self.tasks.remove(running)
                name = running.task.definition.revision
                self.unusable |= {name: running.target.unusable} if running.target.unusable else {}
                self._ended[name] = self._ended.get(name, Requests()) + running.requests


def _patience(definition: TaskDefinition, group: TargetGroup, grace: float) -> float:
    """Seconds until ECS stops a task that never becomes healthy, at least the grace period (API_CreateService)."""
    settings = group.settings
    unhealthy_after = settings.unhealthy_threshold * settings.interval
    if definition.health_check is not None:
        unhealthy_after = min(unhealthy_after, definition.health_check.seconds_to_unhealthy)
    return max(grace, unhealthy_after)


def since_start(placed: PlacedTask, fault: str) -> str:
    """A task's fault, with the time since its start."""
    return f"within {placed.task.uptime:.0f} s of its start {fault}"


def _requests(target: Target) -> Requests:
    return Requests(target.served, target.failed, target.seconds, target.log_seconds, target.slow)

"""Carries out a deployment as the scheduler decides: starts and stops tasks, moves traffic, keeps the record."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from nova_infra.documents.text import counted
from nova_infra.rehearsal.clock import Clock
from nova_infra.rehearsal.cloudwatch.alarms import State
from nova_infra.rehearsal.ecs.commands import AwaitHook, Command, Finish, ShiftTraffic, Side, StartTask, StopTask
from nova_infra.rehearsal.ecs.lifecycle.hooks import BEFORE_STEP, TESTED, GoesOn, HookCall, Steering
from nova_infra.rehearsal.ecs.phases import Phase
from nova_infra.rehearsal.ecs.rollout import DeploymentConfiguration
from nova_infra.rehearsal.ecs.scheduler import Scheduler
from nova_infra.rehearsal.ecs.service import PlacedTask, PlayedService, Revision
from nova_infra.rehearsal.ecs.state import DeploymentState
from nova_infra.rehearsal.record import NO_TARGET, DeploymentRecord, MinuteRecord, Requests, TrafficRecord
from nova_infra.rehearsal.tasks.task import SILENT, TaskFailedError

_STATUS = {"completed": "SUCCESSFUL", "rolled back": "ROLLBACK_SUCCESSFUL", "failed": "ROLLBACK_FAILED"}
"""How a deployment ends, to ECS's name for it."""

Event = Callable[[], list[Command]]


class DeploymentFailedError(Exception):
    """A deployment was rolled back, or could not be. The message says why."""


@dataclass
class PlayedDeployment:
    """One deployment of a service.

    Attributes:
        states: Alarm name to its state now.
        measured: Alarm name to what it measured when it went to ALARM, in words.
    """

    service: PlayedService
    revision: Revision
    rollout: DeploymentConfiguration
    record: DeploymentRecord
    clock: Clock
    states: Mapping[str, State]
    measured: Mapping[str, str]
    tell: Callable[[str], None]
    steering: Steering = field(default_factory=GoesOn)
    _ends: dict[str, str] = field(default_factory=dict)
    _asked: set[asyncio.Task[None]] = field(default_factory=set)
    _running: dict[int, PlacedTask] = field(default_factory=dict)
    _starting: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _new: set[int] = field(default_factory=set)
    _events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    _finish: Finish | None = None
    _percent: float = 0.0
    _before: dict[str, Requests] = field(default_factory=dict)
    _state: DeploymentState = field(default_factory=lambda: DeploymentState(0))

    async def run(self) -> None:
        """Deploy, or go back to what ran before."""
        async with self.service.deploying:
            self._running = dict(enumerate(self.service.tasks, start=1))
            self._state = DeploymentState(len(self.service.deployments) + 1, strategy=self.rollout.strategy)
            self.service.deployments.append(self._state)
            killed = self.service.killed_at_stop
            self.record.began, self._before = self.clock.now(), self.service.requests()
            self.record.memory, self.record.desired = self.revision.definition.memory, self.service.desired
            self.record.disk = 1024 * self.revision.definition.disk
            self.record.red_before = self._red()
            self.service.audience()  # What came before is not of this deployment.
            scheduler = Scheduler(
                self.rollout,
                desired=self.service.desired,
                running=list(self._running),
                red_alarms=self.record.red_before,
                takes_requests=self.service.is_asked,
            )
            self.record.unwatched = sorted(set(self.rollout.alarms) - scheduler.watched)
            if self.record.unwatched:
                self.tell(f"{self.service.name}: an alarm is already red, so ECS watches none during this deployment")
            try:
                await self._follow(scheduler)
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None
            finally:
                self._close_step()
                self._sample()
                self.record.ended = self.clock.now()
                self.record.killed_at_stop = self.service.killed_at_stop - killed
            self._conclude()

    async def _follow(self, scheduler: Scheduler) -> None:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(self._tick(scheduler))
            looking = group.create_task(self._look_after(scheduler, group))
            self._obey(scheduler.begin(), scheduler, group)
            while self._finish is None:
                event = await self._events.get()
                self._obey(event(), scheduler, group)
                if scheduler.phase is Phase.RESTORING:
                    self._state.status = "ROLLBACK_IN_PROGRESS"
            ticking.cancel()
            looking.cancel()
            for asked in self._asked:
                asked.cancel()
            for starting in self._starting.values():
                starting.cancel()

    def _obey(self, commands: list[Command], scheduler: Scheduler, group: asyncio.TaskGroup) -> None:
        for command in commands:
            match command:
                case StartTask(task, side):
                    self._starting[task] = group.create_task(self._start(task, side, scheduler))
                case StopTask(task):
                    group.create_task(self._stop(task, scheduler))
                case ShiftTraffic(percent):
                    self._shift(percent)
                    if percent and (why := self.steering.aborts(self.service.name, percent)):
                        self.tell(f"{self.service.name}: {why}")
                        self._events.put_nowait(partial(scheduler.stop, why))
                case AwaitHook():
                    self._asked.add(group.create_task(self._answer(command, scheduler)))
                case Finish():
                    self._finish = command

    async def _start(self, task: int, side: Side, scheduler: Scheduler) -> None:
        production, *alternates = self.service.groups
        shifts = self.rollout.shifts_traffic and self.service.revision is not None and bool(alternates)
        revision, group = self.revision, alternates[0] if shifts else production
        if side == "old":
            assert self.service.revision is not None, "only a service that ran before has old tasks"
            revision, group = self.service.revision, production
        try:
            running = await self.service.start(revision, group)
        except TaskFailedError as error:
            reason = self._in_full(str(error))
            self.tell(f"{self.service.name}: a task of {revision.name} failed: {reason}")
            self._events.put_nowait(lambda: scheduler.failed(task, reason))
            return
        finally:
            self._starting.pop(task, None)
        self._running[task] = running
        if side == "new":
            self._new.add(task)
            self.record.running = len(self._new & self._running.keys())
        self._events.put_nowait(lambda: scheduler.became_healthy(task))

    def _in_full(self, reason: str) -> str:
        """Why a task failed. If the engine lost its output, that of another task that ended the same way is used."""
        end, _, said = reason.partition(": ")
        if said == SILENT:
            return self._ends.get(end, reason)
        self._ends[end] = reason
        return reason

    async def _answer(self, command: AwaitHook, scheduler: Scheduler) -> None:
        hook = self.rollout.hooks[command.number]
        if command.stage in (TESTED, BEFORE_STEP):  # Requests with the tests' header stay where they were led.
            self._shift_tests(to_new=True)
        what = (
            "for an answer" if hook.kind == "PAUSE" else "for its tests" if command.stage == TESTED else "for its hook"
        )
        self._state.come_to(command.number, command.stage, hook.kind, hook.function)
        where = f"at {command.stage}, with {self._percent:g} % of the traffic"
        self.tell(f"{self.service.name}: waits {what} {where}, {hook.minutes} min at most")
        self.record.gates.append(f"waited {what} {where}")
        arn = self.service.arn("service")
        answer = await self.steering.answer(HookCall(self.service.name, hook, command.stage, self._percent, arn))
        self._state.answered(command.number)
        self.tell(f"{self.service.name}: {answer.reason or 'goes on'}")
        for _ in range(answer.times):
            self._events.put_nowait(partial(scheduler.answered, command.number, answer.action, answer.reason))

    async def _stop(self, task: int, scheduler: Scheduler) -> None:
        if (starting := self._starting.get(task)) is not None:
            starting.cancel()
            await asyncio.wait([starting])
        if (running := self._running.pop(task, None)) is not None:
            await self.service.stop([running])
        self._events.put_nowait(lambda: scheduler.stopped(task))

    async def _retire(self, task: int, running: PlacedTask, reason: str, scheduler: Scheduler) -> None:
        self.record.losses.append(reason)
        self.tell(f"{self.service.name}: a task of {running.task.definition.revision} is replaced: {reason}")
        room, too_soon = self.rollout.shifts_traffic or self.rollout.maximum_percent > 100, running.ended_too_soon
        if not (running.task.running and room):
            await self.service.stop([running])
        checked = self.service.is_asked or running.task.definition.health_check is not None
        self._events.put_nowait(partial(scheduler.failed, task, reason, counts=checked, too_soon=too_soon))
        # An unhealthy task goes when its replacement is there: see :meth:`Service.replace_lost`.
        while running in self.service.tasks:
            if self._finish is not None or running.group.healthy >= self.service.desired:
                await self.service.stop([running])
            else:
                await asyncio.sleep(self.clock.seconds_between_looks)

    async def _tick(self, scheduler: Scheduler) -> None:
        while True:
            await self.clock.next_minute()
            self._sample()
            self._state.per_minute = self.record.samples[-1].requests.get(self.revision.name, Requests()).served
            red = self._red()
            self._events.put_nowait(partial(scheduler.minute_passed, red))

    async def _look_after(self, scheduler: Scheduler, group: asyncio.TaskGroup) -> None:
        """Replace lost tasks at once: ECS notices within seconds, and does not wait for a minute to end."""
        while True:
            await asyncio.sleep(self.clock.seconds_between_looks)
            for task, running in list(self._running.items()):
                if (fault := running.fault()) is not None:
                    del self._running[task]
                    group.create_task(self._retire(task, running, fault, scheduler))

    def _red(self) -> list[str]:
        return [name for name, state in self.states.items() if state == "ALARM"]

    def _sample(self) -> None:
        now, audience = self.service.requests(), self.service.audience()
        got = {revision: total - self._before.get(revision, Requests()) for revision, total in now.items()}
        if audience.unserved:
            got[NO_TARGET] = Requests(audience.unserved, audience.unserved)
        red = [name for name in self._red() if name in self.rollout.alarms or name in self.record.unlisted]
        reached = audience.reached.get(self.revision.name, set())
        tasks = [self._running[task].task for task in self._new & self._running.keys()]
        memory, disk = (
            max((each.memory for each in tasks), default=0.0),
            max((each.disk for each in tasks), default=0.0),
        )
        self.record.samples.append(
            MinuteRecord(self.clock.now(), self._percent, got, red, sorted(reached), sorted(audience.hit), memory, disk)
        )
        self._before = now

    def _shift(self, percent: float) -> None:
        self._close_step()
        service = self.service
        if len(service.rule.forward) > 1 and self.rollout.shifts_traffic and service.revision is not None:
            production, alternate = service.groups
            service.rule.set_weights({production.name: 100 - percent, alternate.name: percent})
            share, whose = (percent, self.revision.name) if percent else (100, service.revision.name)
            self.tell(f"{service.name}: {share:g} % of the traffic {'to' if percent else 'back to'} {whose}")
        self._percent = percent
        self._state.shift(percent)
        step = TrafficRecord(percent=percent, began=self.clock.now(), requests=service.requests())
        self.record.traffic.append(step)

    def _shift_tests(self, *, to_new: bool) -> None:
        """Send only tests to the new revision, or return them to the one that serves."""
        production, *alternates = self.service.groups
        if self.service.test_rule is None or not alternates or self.service.revision is None:
            return
        wanted = alternates[0] if to_new else production
        self.service.test_rule.set_weights({group.name: 100.0 * (group is wanted) for group in self.service.groups})

    def _close_step(self) -> None:
        """Turn the totals at the beginning of the last step into counts for that step."""
        if not self.record.traffic or self.record.traffic[-1].ended is not None:
            return
        step = self.record.traffic[-1]
        step.ended = self.clock.now()
        now = self.service.requests()
        step.requests = {name: total - step.requests.get(name, Requests()) for name, total in now.items()}

    def _conclude(self) -> None:
        assert self._finish is not None, "followed to the end"
        service, record = self.service, self.record
        record.outcome, record.reason = self._finish.outcome, self._finish.reason
        record.running = sum(task in self._running for task in self._new)
        self._state.end(_STATUS[record.outcome])
        if record.outcome == "completed":
            if self.rollout.shifts_traffic and service.revision is not None:
                service.groups.reverse()
            service.revision = self.revision
            self.tell(f"{service.name}: {self.revision.name} runs")
            return
        if record.outcome == "rolled back":
            self._shift_tests(to_new=False)
            self.tell(f"{service.name}: rolled back to {record.old}: {record.reason}")
        raise DeploymentFailedError(self._story())

    def _story(self) -> str:
        """Why it failed, with the evidence and what serves now."""
        record = self.record
        red = [name for name in self.rollout.alarms if name in record.reason and name in self.measured]
        parts = [record.reason + "".join(f" ({self.measured[name]})" for name in red)]
        new = sum((sample.requests.get(record.new, Requests()) for sample in record.samples), Requests())
        if new.failed:
            parts.append(f"its new revision failed {new.failed} of {new.served} requests")
            if why := self.service.unusable.get(record.new):
                parts.append(f"the load balancer answers 502 in place of an answer, because {why}")
        if record.losses:
            last = "" if record.losses[-1] in record.reason else f": {record.losses[-1]}"
            parts.append(f"it lost {counted(len(record.losses), 'task')} while serving{last}")
        if record.outcome == "rolled back":
            parts.append(f"{record.old} keeps serving")
        return "; ".join(parts)

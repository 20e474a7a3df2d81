"""Decides what a deployment does next, and when it rolls back: order of steps, circuit breaker; does nothing.

A pure state machine: it takes what happened to tasks and the minutes that pass, and returns commands. It
knows no process, no clock and no load balancer, so every rule of it can be tested with simulated time.

Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/canary-deployment.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html.
"""

import math
from collections.abc import Collection, Iterator
from typing import Literal

from nova_infra.documents.text import counted
from nova_infra.rehearsal.ecs.commands import (
    AwaitHook,
    Command,
    Finish,
    Outcome,
    ShiftTraffic,
    Side,
    StartTask,
    StopTask,
)
from nova_infra.rehearsal.ecs.lifecycle.hooks import (
    AFTER_ALL_TRAFFIC,
    BEFORE_STEP,
    BEFORE_TASKS,
    BEFORE_TRAFFIC,
    Action,
    OpenHooks,
)
from nova_infra.rehearsal.ecs.phases import Phase, ScheduledTask, TaskPhase
from nova_infra.rehearsal.ecs.rollout import CircuitBreaker, DeploymentConfiguration

DEFAULT_BREAKER = CircuitBreaker()
"""If there is none, so that a deployment ends before CloudFormation gives up and rolls it back."""


class Scheduler:
    """One deployment of one service.

    Attributes:
        failures: Failed tasks that the circuit breaker counts now.
        reason: Why it went back, in a sentence; empty while it has not.
    """

    def __init__(
        self,
        rollout: DeploymentConfiguration,
        *,
        desired: int,
        running: Collection[int],
        red_alarms: Collection[str] = (),
        takes_requests: bool = True,
    ) -> None:
        """Plan a deployment.

        Args:
            running: Healthy tasks of the last completed deployment; empty for a first one.
            takes_requests: Whether users reach it; a worker has tasks, and no share of any traffic.
        """
        self.phase = Phase.SCALING
        self.failures = 0
        self.reason = ""
        self._rollout = rollout
        self._where = "at {:g} % of the traffic" if takes_requests else "with {:g} % of its tasks new"
        self._desired = desired
        self._tasks = {task: ScheduledTask("old", TaskPhase.HEALTHY) for task in running}
        self._first = not running
        self._last_task = max(running, default=0)
        self._step = -1
        self._minutes_left = 0
        self._on_the_minute = False
        self._forgiving: list[int] = []
        self._hooks = OpenHooks(rollout.hooks)
        self._came_from = Phase.SCALING
        self._resumed = False
        # One red alarm at the start and ECS watches none of them for this deployment, so that a fix can be deployed:
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
        self.watched = frozenset() if set(red_alarms) & set(rollout.alarms) else frozenset(rollout.alarms)

    def begin(self) -> list[Command]:
        """The first commands."""
        return self._pause_at(BEFORE_TASKS) or list(self._advance())

    def became_healthy(self, task: int) -> list[Command]:
        """A task that was starting passes its health checks."""
        state = self._tasks.get(task)
        if state is None or state.phase is not TaskPhase.STARTING:
            return []  # It is being stopped already.
        state.phase = TaskPhase.HEALTHY
        if self._breaker.reset_on_healthy_task:
            state.forgave, self.failures = self.failures, 0
            self._forgiving.append(task)
        return list(self._advance())

    def failed(self, task: int, reason: str, *, counts: bool = True, too_soon: bool = False) -> list[Command]:
        """A task did not start, ended by itself, or no longer passes its health checks.

        Args:
            counts: Whether the circuit breaker notices. Once tasks run, it counts those that fail a health check.
            too_soon: Whether it ended before it could have been found healthy in AWS: then nothing was forgiven for it.
        """
        state = self._tasks.pop(task, None)
        if state is None or state.phase is TaskPhase.STOPPING or self.phase is Phase.OVER:
            return list(self._advance())
        if state.side == self._counted_side and counts:
            self.failures += 1
            if too_soon:
                self._count_again(task, state.forgave)
            if self.failures >= self._breaker.threshold(self._desired):
                return list(self._break(reason))
        return list(self._advance())

    def _count_again(self, task: int, forgiven: int) -> None:
        """Count what a task forgave that was never healthy, unless another one forgave it after that."""
        later = self._forgiving[self._forgiving.index(task) + 1 :] if task in self._forgiving else []
        heir = next((self._tasks[each] for each in later if each in self._tasks), None)
        if heir is not None:
            heir.forgave += forgiven
        else:
            self.failures += forgiven

    def stopped(self, task: int) -> list[Command]:
        """A task that was being stopped is gone."""
        self._tasks.pop(task, None)
        return list(self._advance())

    def answered(self, hook: int, action: Action, reason: str = "") -> list[Command]:
        """A hook was answered, by its place among the rollout's; the first answer counts, within its time."""
        if self.phase is not Phase.WAITING or not self._hooks.close(hook):
            return []
        if action == "ROLLBACK":
            return list(self._go_back(reason, rolls_back=True))
        return list(self._resume())

    def stop(self, reason: str) -> list[Command]:
        """Stop the deployment on request: ECS rolls back (ECS: stop-service-deployment)."""
        if self.phase not in (Phase.SCALING, Phase.WAITING, Phase.BAKING):
            return []
        return list(self._go_back(reason, rolls_back=True))

    def minute_passed(self, red_alarms: Collection[str]) -> list[Command]:
        """A minute has passed, and these alarms are in ALARM now."""
        if self.phase in (Phase.SCALING, Phase.WAITING, Phase.BAKING) and (
            red := sorted(self.watched & set(red_alarms))
        ):
            share = self._share_of_new()
            plural = "s" if len(red) > 1 else ""
            reason = f"alarm{plural} {' and '.join(red)} went to ALARM {self._where.format(share)}"
            return list(self._go_back(reason, rolls_back=self._rollout.alarms_roll_back))
        self._on_the_minute = True
        try:
            if self.phase is Phase.WAITING:
                expired = self._hooks.minute_passed()
                return list(self._go_back(expired, rolls_back=True) if expired else self._resume())
            self._minutes_left -= 1  # Of a bake, which sets them.
            return list(self._advance())
        finally:
            self._on_the_minute = False

    @property
    def _breaker(self) -> CircuitBreaker:
        return self._rollout.breaker or DEFAULT_BREAKER

    @property
    def _counted_side(self) -> Side:
        return "old" if self.phase is Phase.RESTORING else "new"

    def _share_of_new(self) -> float:
        if self._rollout.shifts_traffic and not self._first:
            return self._rollout.steps[self._step].percent if self._step >= 0 else 0.0
        new, healthy = self._count("new", TaskPhase.HEALTHY), self._count("any", TaskPhase.HEALTHY)
        return round(100 * new / healthy) if healthy else 0.0

    def _break(self, reason: str) -> Iterator[Command]:
        count = self.failures
        if self.phase is Phase.RESTORING:
            yield from self._finish(
                "failed", f"{self.reason}; then {counted(count, 'task')} of the old revision failed: {reason}"
            )
            return
        in_a_row = " in a row" if self._breaker.reset_on_healthy_task else ""
        how = "the circuit breaker opened"
        if self._rollout.breaker is None:
            how = "there is no circuit breaker: CloudFormation gives up in hours"
        yield from self._go_back(
            f"{counted(count, 'task')} failed{in_a_row} ({how}): {reason}", rolls_back=self._breaker.rolls_back
        )

    def _go_back(self, reason: str, *, rolls_back: bool) -> Iterator[Command]:
        self.reason = reason
        if not rolls_back and not self._first:
            yield from self._finish("failed", f"{reason}; the service is configured not to roll back")
            return
        self.phase, self.failures = Phase.RESTORING, 0
        if self._rollout.shifts_traffic and self._step >= 0 and not self._first:
            yield ShiftTraffic(0)
        yield from self._advance()

    def _pause_at(self, stage: str) -> list[Command]:
        """Reach a lifecycle stage, once before each step; return its hooks to wait for, if any."""
        numbers = self._hooks.open(stage, self._step, on_the_minute=self._on_the_minute)
        if numbers:
            self._came_from, self.phase = self.phase, Phase.WAITING
        return [AwaitHook(number, stage) for number in numbers]

    def _resume(self) -> Iterator[Command]:
        if not self._hooks.any_open:
            self.phase, self._resumed = self._came_from, True
        yield from self._advance()

    def _advance(self) -> Iterator[Command]:
        """The commands that follow from the current state."""
        match self.phase:
            case Phase.SCALING:
                yield from self._scale()
            case Phase.WAITING:
                yield from self._keep_up()
            case Phase.BAKING:
                yield from self._keep_up()
                yield from self._bake()
            case Phase.CLEANING:
                yield from self._keep_up()
                yield from self._stop(self._of("old"))
                if not self._count("old") and self._count("new", TaskPhase.HEALTHY) >= self._desired:
                    yield from self._finish("completed", "")
            case Phase.RESTORING:
                yield from self._restore()

    def _scale(self) -> Iterator[Command]:
        if self._rollout.shifts_traffic:
            yield from self._keep_up()
            if self._count("new", TaskPhase.HEALTHY) >= self._desired:
                for stage in BEFORE_TRAFFIC:
                    if waiting := self._pause_at(stage):
                        yield from waiting
                        return
                yield from self._first_step()
            return
        yield from self._roll()
        if self._count("new", TaskPhase.HEALTHY) >= self._desired and not self._count("old"):
            yield from self._first_step()

    def _roll(self) -> Iterator[Command]:
        """Rolling: never more tasks than the maximum, never fewer healthy ones than the minimum."""
        minimum = math.ceil(self._desired * self._rollout.minimum_percent / 100)
        maximum = self._desired * self._rollout.maximum_percent // 100
        missing = self._desired - self._active("new")
        room = maximum - self._active("old") - self._active("new")
        healthy = self._count("any", TaskPhase.HEALTHY)
        # Old tasks go when new ones stand in for them, and also to make room where the maximum leaves none.
        replaced = self._active("old") + self._count("new", TaskPhase.HEALTHY) - self._desired
        in_the_way = missing - max(room, 0)
        leave = min(max(replaced, in_the_way), healthy - minimum)
        yield from self._stop(self._of("old")[: max(leave, 0)])
        yield from self._start("new", min(missing, room))

    def _keep_up(self) -> Iterator[Command]:
        """Start the tasks that the revisions in use lack."""
        if self.phase is not Phase.CLEANING and not self._first and self._rollout.shifts_traffic:
            yield from self._start("old", self._desired - self._active("old"))
        yield from self._start("new", self._desired - self._active("new"))

    def _first_step(self) -> Iterator[Command]:
        """Begin to bake as a minute begins: a bake lasts whole minutes, and its alarms judge whole minutes."""
        if self._on_the_minute or not any(step.bake_minutes for step in self._rollout.steps):
            yield from self._next_step()

    def _next_step(self) -> Iterator[Command]:
        if waiting := self._pause_at(BEFORE_STEP):
            yield from waiting
            return
        self._resumed = False
        self._step += 1
        if self._first:  # There is nobody to share the traffic with.
            self._step = len(self._rollout.steps) - 1
        step = self._rollout.steps[self._step]
        self.phase, self._minutes_left = Phase.BAKING, step.bake_minutes
        yield ShiftTraffic(step.percent)
        if self._step == len(self._rollout.steps) - 1 and (waiting := self._pause_at(AFTER_ALL_TRAFFIC)):
            yield from waiting
            return
        yield from self._bake()

    def _bake(self) -> Iterator[Command]:
        if self._minutes_left > 0 or (self._resumed and not self._on_the_minute):
            return
        if self._step + 1 < len(self._rollout.steps):
            yield from self._next_step()
            return
        self.phase = Phase.CLEANING
        yield from self._advance()

    def _restore(self) -> Iterator[Command]:
        """Bring the old revision back to its full number, then stop the new one."""
        yield from self._stop([task for task in self._of("new") if self._tasks[task].phase is TaskPhase.STARTING])
        if not self._first:
            yield from self._start("old", self._desired - self._active("old"))
        if self._first or self._count("old", TaskPhase.HEALTHY) >= self._desired:
            yield from self._stop(self._of("new"))
            if not self._count("new"):
                outcome: Outcome = "failed" if self._first else "rolled back"
                yield from self._finish(outcome, self.reason)

    def _finish(self, outcome: Outcome, reason: str) -> Iterator[Command]:
        self.phase = Phase.OVER
        yield Finish(outcome, reason)

    def _start(self, side: Side, count: int) -> Iterator[Command]:
        for _ in range(count):
            self._last_task += 1
            self._tasks[self._last_task] = ScheduledTask(side, TaskPhase.STARTING)
            yield StartTask(self._last_task, side)

    def _stop(self, tasks: list[int]) -> Iterator[Command]:
        for task in tasks:
            self._tasks[task].phase = TaskPhase.STOPPING
            yield StopTask(task)

    def _of(self, side: Side) -> list[int]:
        """The tasks of a side that are not being stopped."""
        return [
            task for task, state in self._tasks.items() if state.side == side and state.phase is not TaskPhase.STOPPING
        ]

    def _active(self, side: Side) -> int:
        return len(self._of(side))

    def _count(self, side: Side | Literal["any"], phase: TaskPhase | None = None) -> int:
        return sum(
            side in ("any", state.side) and (phase is None or state.phase is phase) for state in self._tasks.values()
        )

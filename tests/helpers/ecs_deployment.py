"""A deployment of ECS, minute by minute, without containers."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from nova_infra.rehearsal.ecs.commands import Command, Finish, ShiftTraffic, StartTask, StopTask
from nova_infra.rehearsal.ecs.rollout import CircuitBreaker, DeploymentConfiguration, TrafficStep
from nova_infra.rehearsal.ecs.scheduler import Scheduler

CANARY = (TrafficStep(10, 5), TrafficStep(100, 3))


def rollout(
    strategy: str = "CANARY", steps: tuple[TrafficStep, ...] = CANARY, **changes: object
) -> DeploymentConfiguration:
    settings = {
        "alarms": ("errors", "cpu"),
        "alarms_roll_back": True,
        "breaker": CircuitBreaker(),
        "minimum_percent": 100,
        "maximum_percent": 200,
    } | changes
    return DeploymentConfiguration(strategy, steps, **settings)  # type: ignore[arg-type]


def rolling(bake: int = 0, **changes: object) -> DeploymentConfiguration:
    return rollout("ROLLING", (TrafficStep(100, bake),), **changes)


class World:
    """Does what the scheduler commands: new tasks become healthy or fail, old ones always become healthy."""

    def __init__(
        self,
        rollout: DeploymentConfiguration,
        *,
        desired: int = 2,
        old: int | None = None,
        red: tuple[str, ...] = (),
        start: Callable[[str], bool] = lambda _: True,
    ) -> None:
        running = list(range(1, (desired if old is None else old) + 1))
        self.scheduler = Scheduler(rollout, desired=desired, running=running, red_alarms=red)
        self.sides = dict.fromkeys(running, "old")
        self.healthy = set(running)
        self.stopped: list[int] = []
        self.traffic: list[float] = []
        self.minute = 0
        self.finish: Finish | None = None
        self.least_healthy = len(running)
        self.most_active = len(running)
        self._start = start
        self._active = set(running)
        self._do(self.scheduler.begin())
        if self.finish is None:  # The minute in which the tasks started ends: bakes begin with the next one.
            self._do(self.scheduler.minute_passed(()))

    def _do(self, commands: list[Command]) -> None:
        queue = list(commands)
        while queue:
            match queue.pop(0):
                case StartTask(task, side):
                    self.sides[task] = side
                    self._active.add(task)
                    self.most_active = max(self.most_active, len(self._active))
                    if self._start(side):
                        self.healthy.add(task)
                        queue += self.scheduler.became_healthy(task)
                    else:
                        self._active.discard(task)
                        queue += self.scheduler.failed(task, "it exited")
                case StopTask(task):
                    self.healthy.discard(task)
                    self._active.discard(task)
                    self.stopped.append(task)
                    self.least_healthy = min(self.least_healthy, len(self.healthy))
                    queue += self.scheduler.stopped(task)
                case ShiftTraffic(percent):
                    self.traffic.append(percent)
                case Finish() as finish:
                    assert self.finish is None, "a deployment ends once"
                    self.finish = finish

    def minutes(self, count: int, red: tuple[str, ...] = ()) -> World:
        for _ in range(count):
            if self.finish is None:
                self.minute += 1
                self._do(self.scheduler.minute_passed(red))
        return self

    def lose(self, side: str) -> World:
        task = next(task for task in sorted(self.healthy) if self.sides[task] == side)
        self.healthy.discard(task)
        self._active.discard(task)
        self._do(self.scheduler.failed(task, "it was killed"))
        return self

    def running(self, side: str) -> int:
        return sum(self.sides[task] == side for task in self.healthy)


events = st.lists(st.sampled_from(["minute", "red", "lose new", "lose old"]), max_size=30)

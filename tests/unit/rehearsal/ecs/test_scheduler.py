"""The ECS scheduler's rules, in simulated time. Each test names the behaviour that AWS documents."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.rehearsal.ecs.phases import Phase
from nova_infra.rehearsal.ecs.rollout import CircuitBreaker, DeploymentConfiguration, TrafficStep
from nova_infra.rehearsal.ecs.scheduler import Command, Finish, Scheduler, ShiftTraffic, StartTask, StopTask

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


@pytest.mark.parametrize(
    ("strategy", "steps", "traffic", "minutes"),
    [
        ("CANARY", CANARY, [10, 100], 8),
        ("CANARY", (TrafficStep(10, 0), TrafficStep(100, 3)), [10, 100], 3),
        ("LINEAR", (TrafficStep(40, 2), TrafficStep(80, 2), TrafficStep(100, 1)), [40, 80, 100], 5),
        ("BLUE_GREEN", (TrafficStep(100, 4),), [100], 4),
        ("ROLLING", (TrafficStep(100, 3),), [100], 3),
        ("ROLLING", (TrafficStep(100, 0),), [100], 0),
    ],
)
def test_a_good_release_takes_over_after_all_bakes(
    strategy: str, steps: tuple[TrafficStep, ...], traffic: list[float], minutes: int
) -> None:
    world = World(rollout(strategy, steps)).minutes(100)
    assert world.finish == Finish("completed", "")
    assert (world.traffic, world.minute) == (traffic, minutes)
    assert (world.running("new"), world.running("old")) == (2, 0)
    assert list(world.sides.values()) == ["old", "old", "new", "new"], "nothing else was started"
    assert world.scheduler.reason == ""


def test_no_traffic_moves_before_every_new_task_is_healthy() -> None:
    scheduler = Scheduler(rollout(), desired=2, running=[1, 2])
    assert scheduler.begin() == [StartTask(3, "new"), StartTask(4, "new")]
    assert scheduler.became_healthy(3) == []
    assert scheduler.became_healthy(4) == []
    assert scheduler.minute_passed([]) == [ShiftTraffic(10)], "a bake lasts whole minutes"


def test_the_old_revision_stays_complete_until_the_last_bake_is_over() -> None:
    world = World(rollout()).minutes(7)
    assert (world.traffic, world.running("old"), world.stopped) == ([10, 100], 2, [])


@pytest.mark.parametrize("minute", range(1, 8))
@pytest.mark.parametrize("alarm", ["errors", "cpu"])
def test_an_alarm_in_any_bake_sends_the_traffic_back_and_stops_the_new_revision(minute: int, alarm: str) -> None:
    world = World(rollout()).minutes(minute - 1).minutes(1, red=(alarm,))
    assert world.finish is not None
    assert world.finish.outcome == "rolled back"
    share = 10 if minute <= 5 else 100
    assert world.finish.reason == f"alarm {alarm} went to ALARM at {share} % of the traffic"
    assert world.traffic[-1] == 0
    assert (world.running("old"), world.running("new")) == (2, 0)


def test_an_alarm_while_tasks_start_ends_the_deployment_too() -> None:
    scheduler = Scheduler(rollout(), desired=1, running=[1])
    scheduler.begin()
    assert scheduler.minute_passed(["errors"]) == [StopTask(2)]
    assert scheduler.stopped(2) == [Finish("rolled back", "alarm errors went to ALARM at 0 % of the traffic")]


def test_the_reason_of_a_worker_speaks_of_tasks_because_it_has_no_traffic() -> None:
    scheduler = Scheduler(rolling(bake=5, alarms=("oldest",)), desired=2, running=[1, 2], takes_requests=False)
    scheduler.begin()
    scheduler.became_healthy(3)
    scheduler.minute_passed(["oldest"])
    assert scheduler.reason == "alarm oldest went to ALARM with 50 % of its tasks new"


def test_an_alarm_that_the_deployment_does_not_name_changes_nothing() -> None:
    world = World(rollout()).minutes(100, red=("somebody-else",))
    assert world.finish == Finish("completed", "")


def test_one_alarm_red_at_the_start_and_none_is_watched() -> None:
    """The rule of deployment-alarm-failure: so that a fix can be deployed while the fault rings."""
    world = World(rollout(), red=("cpu",)).minutes(100, red=("errors", "cpu"))
    assert world.finish == Finish("completed", "")
    assert world.scheduler.watched == frozenset()


def test_alarms_without_rollback_fail_the_deployment_and_leave_it_as_it_is() -> None:
    world = World(rollout(alarms_roll_back=False)).minutes(1, red=("errors",))
    assert world.finish is not None
    assert world.finish.outcome == "failed"
    assert (world.traffic, world.running("new")) == ([10], 2)


@pytest.mark.parametrize(("desired", "failures"), [(1, 3), (2, 3), (6, 3), (8, 4), (50, 25)])
@pytest.mark.parametrize("strategy", ["ROLLING", "CANARY"])
def test_the_breaker_opens_after_the_documented_number_of_failures(strategy: str, desired: int, failures: int) -> None:
    starts = []

    def start(side: str) -> bool:
        starts.append(side)
        return side == "old"

    steps = CANARY if strategy == "CANARY" else (TrafficStep(100, 1),)
    world = World(rollout(strategy, steps), desired=desired, start=start)
    assert world.finish == Finish(
        "rolled back", f"{failures} tasks failed in a row (the circuit breaker opened): it exited"
    )
    assert (world.traffic, world.running("old")) == ([], desired)
    assert world.least_healthy == desired, "the old revision served all the time"


def test_a_task_that_becomes_healthy_sets_the_count_back() -> None:
    outcomes = iter([False, False, True, False, False, True])
    world = World(rollout(), start=lambda _: next(outcomes))
    assert world.finish is None
    assert world.scheduler.phase is Phase.BAKING


def test_a_breaker_that_does_not_reset_counts_all_failures() -> None:
    outcomes = iter([False, False, True, False])
    breaker = CircuitBreaker(reset_on_healthy_task=False)
    world = World(rollout(breaker=breaker), start=lambda _: next(outcomes))
    assert world.finish is not None
    assert world.finish.outcome == "rolled back"
    assert world.finish.reason == "3 tasks failed (the circuit breaker opened): it exited", "not in a row"


def test_a_bake_begins_when_the_traffic_has_moved_however_long_the_tasks_took_to_start() -> None:
    scheduler = Scheduler(rollout(), desired=1, running=[1])
    scheduler.begin()
    for _ in range(9):
        assert scheduler.minute_passed([]) == []
    assert scheduler.became_healthy(2) == []
    assert scheduler.minute_passed([]) == [ShiftTraffic(10)]
    for _ in range(4):
        assert scheduler.minute_passed([]) == []
    assert scheduler.minute_passed([]) == [ShiftTraffic(100)]


def test_old_tasks_that_fail_are_not_the_releases_fault() -> None:
    world = World(rollout(breaker=CircuitBreaker(reset_on_healthy_task=False)))
    for _ in range(10):
        world.lose("old")
    assert (world.finish, world.scheduler.failures) == (None, 0)
    assert world.minutes(100).finish == Finish("completed", "")


def test_a_task_that_ends_after_it_was_told_to_stop_is_no_failure() -> None:
    scheduler = Scheduler(rolling(), desired=3, running=[1, 2, 3])
    scheduler.begin()
    assert scheduler.became_healthy(4) == [StopTask(1)]
    scheduler.minute_passed(["errors"])
    assert scheduler.phase is Phase.RESTORING
    scheduler.failed(1, "it was killed after its stop timeout")
    assert scheduler.failures == 0


def test_a_task_that_nobody_knows_changes_nothing() -> None:
    scheduler = Scheduler(rollout(), desired=1, running=[1])
    scheduler.begin()
    assert scheduler.failed(99, "it exited") == []
    assert scheduler.failures == 0


def test_once_the_last_bake_is_over_no_alarm_brings_the_old_revision_back() -> None:
    scheduler = Scheduler(rollout(steps=(TrafficStep(10, 0), TrafficStep(100, 1))), desired=1, running=[1])
    scheduler.begin()
    assert scheduler.became_healthy(2) == []
    assert scheduler.minute_passed([]) == [ShiftTraffic(10), ShiftTraffic(100)]
    assert scheduler.minute_passed([]) == [StopTask(1)]
    assert scheduler.minute_passed(["errors"]) == []
    assert scheduler.stopped(1) == [Finish("completed", "")]


def test_the_end_waits_for_the_last_old_task_to_go_and_for_a_new_one_that_is_missing() -> None:
    steps = (TrafficStep(100, 0),)
    scheduler = Scheduler(rollout("BLUE_GREEN", steps), desired=1, running=[1])
    scheduler.begin()
    assert scheduler.became_healthy(2) == [ShiftTraffic(100), StopTask(1)]
    assert scheduler.failed(2, "it was killed") == [StartTask(3, "new")]
    assert scheduler.stopped(1) == []
    assert scheduler.became_healthy(3) == [Finish("completed", "")]
    scheduler = Scheduler(rollout("BLUE_GREEN", steps), desired=1, running=[1])
    scheduler.begin()
    scheduler.became_healthy(2)
    scheduler.failed(2, "it was killed")
    assert scheduler.became_healthy(3) == [], "the old task drains"
    assert scheduler.stopped(1) == [Finish("completed", "")]


def test_on_the_way_back_failures_are_counted_anew() -> None:
    scheduler = Scheduler(rolling(bake=1), desired=1, running=[1])
    scheduler.begin()
    for task in (2, 3):
        scheduler.failed(task, "it exited")
    assert scheduler.minute_passed(["errors"]) == [StopTask(4)]
    for task in (1, 5):
        assert scheduler.failed(task, "it was killed") == [StartTask(5 if task == 1 else 6, "old")]
    [finish] = scheduler.failed(6, "it was killed")
    assert isinstance(finish, Finish)
    assert (finish.outcome, finish.reason.partition("; then ")[2]) == (
        "failed",
        "3 tasks of the old revision failed: it was killed",
    )


def test_the_first_alarm_is_the_reason_whatever_rings_on_the_way_back() -> None:
    scheduler = Scheduler(rollout(), desired=1, running=[1])
    scheduler.begin()
    scheduler.became_healthy(2)
    assert scheduler.minute_passed([]) == [ShiftTraffic(10)]
    assert scheduler.minute_passed(["cpu"]) == [ShiftTraffic(0), StopTask(2)]
    assert scheduler.minute_passed(["cpu", "errors"]) == []
    assert scheduler.stopped(2) == [Finish("rolled back", "alarm cpu went to ALARM at 10 % of the traffic")]


def test_alarms_that_ring_together_are_all_named() -> None:
    world = World(rollout()).minutes(1, red=("errors", "cpu"))
    assert world.scheduler.reason == "alarms cpu and errors went to ALARM at 10 % of the traffic"


def test_without_a_breaker_the_reason_says_who_gives_up() -> None:
    world = World(rollout(breaker=None), start=lambda side: side == "old")
    assert world.finish is not None
    assert world.finish.outcome == "rolled back"
    assert "no circuit breaker" in world.finish.reason


def test_a_breaker_without_rollback_fails_the_deployment() -> None:
    world = World(rolling(breaker=CircuitBreaker(rolls_back=False)), start=lambda _: False)
    assert world.finish is not None
    assert world.finish.outcome == "failed"


@pytest.mark.parametrize("strategy", ["ROLLING", "CANARY"])
def test_a_first_deployment_has_nothing_to_roll_back_to(strategy: str) -> None:
    world = World(rollout(strategy), old=0, start=lambda _: False)
    assert world.finish is not None
    assert world.finish.outcome == "failed"
    assert world.running("new") == world.running("old") == 0
    assert set(world.sides.values()) == {"new"}


def test_a_first_deployment_takes_all_traffic_at_once() -> None:
    world = World(rollout(), old=0).minutes(100)
    assert (world.finish, world.traffic, world.minute) == (Finish("completed", ""), [100], 3)
    assert set(world.sides.values()) == {"new"}


@pytest.mark.parametrize("rolls_back", [True, False])
def test_a_first_deployment_that_an_alarm_ends_fails_with_nobody_to_give_the_traffic_to(rolls_back: bool) -> None:
    world = World(rollout(alarms_roll_back=rolls_back), old=0).minutes(1, red=("errors",))
    assert world.finish == Finish("failed", "alarm errors went to ALARM at 100 % of the traffic")
    assert (world.traffic, world.running("new")) == ([100], 0)
    assert set(world.sides.values()) == {"new"}


def test_a_first_deployment_has_no_traffic_before_a_task_is_healthy_and_then_all_of_it() -> None:
    for healthy, share in ((), 0), ((1,), 100):
        scheduler = Scheduler(rollout(), desired=2, running=[])
        assert scheduler.begin() == [StartTask(1, "new"), StartTask(2, "new")]
        for task in healthy:
            scheduler.became_healthy(task)
        scheduler.minute_passed(["errors"])
        assert scheduler.reason == f"alarm errors went to ALARM at {share} % of the traffic"


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_task_lost_during_the_bake_is_replaced_by_its_own_revision(side: str) -> None:
    world = World(rollout()).minutes(1).lose(side)
    assert (world.running("old"), world.running("new")) == (2, 2)
    assert world.minutes(100).finish == Finish("completed", "")


def test_tasks_that_keep_dying_while_they_serve_do_not_open_a_breaker_that_resets() -> None:
    """Each replacement becomes healthy, and that sets the count back: only an alarm can see such a release."""
    world = World(rollout())
    for _ in range(10):
        world.lose("new")
    assert world.finish is None


@given(
    desired=st.integers(1, 12),
    minimum=st.sampled_from([0, 50, 75, 100]),
    maximum=st.sampled_from([100, 125, 150, 200]),
)
def test_a_rolling_deployment_keeps_to_its_minimum_and_maximum(desired: int, minimum: int, maximum: int) -> None:
    room = desired * maximum // 100 > desired
    slack = -(-desired * minimum // 100) < desired
    world = World(rolling(minimum_percent=minimum, maximum_percent=maximum), desired=desired)
    assert world.most_active <= desired * maximum // 100
    assert world.least_healthy >= -(-desired * minimum // 100)
    if room or slack:
        assert world.finish == Finish("completed", "")
    else:
        assert world.finish is None, "ECS cannot move either: nothing may stop and nothing may start"


@pytest.mark.parametrize(
    ("minimum", "maximum", "started", "stopped"), [(100, 150, 100, 0), (75, 100, 0, 50), (100, 200, 200, 0)]
)
def test_minimum_and_maximum_are_percentages_of_the_desired_count(
    minimum: int, maximum: int, started: int, stopped: int
) -> None:
    scheduler = Scheduler(rolling(minimum_percent=minimum, maximum_percent=maximum), desired=200, running=range(1, 201))
    commands = [type(command) for command in scheduler.begin()]
    assert (commands.count(StartTask), commands.count(StopTask)) == (started, stopped)


def test_four_tasks_at_half_and_no_more_stop_two_first() -> None:
    """The example of the API reference for minimumHealthyPercent."""
    scheduler = Scheduler(rolling(minimum_percent=50, maximum_percent=100), desired=4, running=[1, 2, 3, 4])
    assert scheduler.begin() == [StopTask(1), StopTask(2)]
    assert scheduler.stopped(1) == [StartTask(5, "new"), StartTask(6, "new")]


def test_a_rolling_rollback_brings_the_old_number_back_before_the_new_tasks_stop() -> None:
    world = World(rolling(bake=5), desired=3).minutes(1, red=("errors",))
    assert world.finish is not None
    assert world.finish.outcome == "rolled back"
    assert (world.running("old"), world.running("new")) == (3, 0)
    assert world.least_healthy == 3
    assert world.traffic == [100], "its traffic follows its tasks"


def test_a_rolling_deployment_bakes_when_all_its_tasks_are_healthy_and_the_old_ones_are_gone() -> None:
    scheduler = Scheduler(rolling(bake=5), desired=1, running=[1])
    assert scheduler.begin() == [StartTask(2, "new")]
    assert scheduler.became_healthy(2) == [StopTask(1)]
    assert scheduler.phase is Phase.SCALING
    assert scheduler.stopped(1) == []
    assert scheduler.minute_passed([]) == [ShiftTraffic(100)]
    scheduler = Scheduler(rolling(bake=5, minimum_percent=0, maximum_percent=100), desired=2, running=[1, 2])
    assert scheduler.begin() == [StopTask(1), StopTask(2)]
    assert [*scheduler.stopped(1), *scheduler.stopped(2)] == [StartTask(3, "new"), StartTask(4, "new")]
    assert scheduler.became_healthy(3) == []
    assert scheduler.became_healthy(4) == []
    assert scheduler.minute_passed([]) == [ShiftTraffic(100)]


def test_where_there_is_room_for_new_tasks_old_ones_wait_to_be_replaced() -> None:
    scheduler = Scheduler(rolling(minimum_percent=50, maximum_percent=200), desired=2, running=[1, 2])
    assert scheduler.begin() == [StartTask(3, "new"), StartTask(4, "new")]
    assert scheduler.became_healthy(3) == [StopTask(1)]


def test_when_the_old_revision_does_not_start_either_the_deployment_fails_with_both_reasons() -> None:
    rotten = {"new": True, "old": False}
    world = World(rolling(bake=5), start=rotten.__getitem__).minutes(1, red=("errors",))
    assert world.finish is not None
    assert world.finish.outcome == "failed"
    assert "errors" in world.finish.reason
    assert "old revision failed" in world.finish.reason


events = st.lists(st.sampled_from(["minute", "red", "lose new", "lose old"]), max_size=30)


@given(
    events=events,
    strategy=st.sampled_from(["ROLLING", "CANARY", "BLUE_GREEN"]),
    desired=st.integers(1, 4),
    fails=st.sets(st.integers(0, 12)),
)
def test_every_deployment_ends_in_one_revision_whatever_happens(
    events: list[str], strategy: str, desired: int, fails: set[int]
) -> None:
    count = iter(range(10**6))
    world = World(
        rollout(strategy, CANARY if strategy == "CANARY" else CANARY[-1:]),
        desired=desired,
        start=lambda side: side == "old" or next(count) not in fails,
    )
    for event in events:
        if world.finish is not None:
            break
        if event == "minute":
            world.minutes(1)
        elif event == "red":
            world.minutes(1, red=("errors",))
        elif world.running(event.split()[1]):
            world.lose(event.split()[1])
    world.minutes(100)
    assert world.finish is not None
    winner, loser = ("new", "old") if world.finish.outcome == "completed" else ("old", "new")
    assert (world.running(winner), world.running(loser)) == (desired, 0)


def test_a_task_that_becomes_healthy_after_it_was_told_to_stop_counts_for_nothing() -> None:
    scheduler = Scheduler(rollout(), desired=2, running=[1, 2])
    assert scheduler.begin() == [StartTask(3, "new"), StartTask(4, "new")]
    assert scheduler.minute_passed(["errors"]) == [StopTask(3), StopTask(4)], "what only starts need not wait"
    assert scheduler.became_healthy(3) == []
    assert scheduler.stopped(3) == []
    assert scheduler.became_healthy(99) == []
    [finish] = scheduler.stopped(4)
    assert isinstance(finish, Finish)
    assert finish.outcome == "rolled back"


def test_tasks_that_only_start_are_stopped_at_once_while_the_old_revision_is_still_short() -> None:
    scheduler = Scheduler(rollout(), desired=2, running=[1, 2])
    scheduler.begin()
    assert scheduler.failed(1, "it was killed") == [StartTask(5, "old")]
    assert scheduler.minute_passed(["errors"]) == [StopTask(3), StopTask(4)]
    scheduler.stopped(3)
    assert scheduler.stopped(4) == [], "the old revision lacks a task"
    [finish] = scheduler.became_healthy(5)
    assert isinstance(finish, Finish)
    assert finish.outcome == "rolled back"


def test_a_rolling_deployment_says_which_share_of_the_tasks_was_new_when_an_alarm_rang() -> None:
    scheduler = Scheduler(rolling(), desired=3, running=[1, 2, 3])
    scheduler.begin()
    scheduler.became_healthy(4)  # One new task of four that are healthy; an old one is told to stop for it.
    scheduler.stopped(1)
    scheduler.minute_passed(["errors"])
    assert scheduler.reason == "alarm errors went to ALARM at 33 % of the traffic"

"""The ECS scheduler's rules, in simulated time. Each test names the behaviour that AWS documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.ecs_deployment import CANARY, World, events, rolling, rollout
from nova_infra.rehearsal.ecs.commands import Finish, ShiftTraffic, StartTask, StopTask
from nova_infra.rehearsal.ecs.rollout import TrafficStep
from nova_infra.rehearsal.ecs.scheduler import Scheduler


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


@pytest.mark.exhaustive("test_an_alarm_in_any_bake_sends_the_traffic_back_and_stops_the_new_revision")
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

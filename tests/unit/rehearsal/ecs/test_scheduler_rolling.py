"""Rolling deployments: how many tasks run at any time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.ecs_deployment import World, rolling, rollout
from nova_infra.rehearsal.ecs.commands import Finish, ShiftTraffic, StartTask, StopTask
from nova_infra.rehearsal.ecs.phases import Phase
from nova_infra.rehearsal.ecs.scheduler import Scheduler


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

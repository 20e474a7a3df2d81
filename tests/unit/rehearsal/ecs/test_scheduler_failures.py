"""What becomes of a deployment whose tasks fail: the circuit breaker."""

import pytest

from helpers.ecs_deployment import CANARY, World, rolling, rollout
from nova_infra.rehearsal.ecs.commands import Command, Finish, StartTask, StopTask
from nova_infra.rehearsal.ecs.phases import Phase
from nova_infra.rehearsal.ecs.rollout import CircuitBreaker, TrafficStep
from nova_infra.rehearsal.ecs.scheduler import Scheduler


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


def test_on_the_way_back_failures_are_counted_again() -> None:
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


def test_without_a_breaker_the_reason_says_who_gives_up() -> None:
    world = World(rollout(breaker=None), start=lambda side: side == "old")
    assert world.finish is not None
    assert world.finish.outcome == "rolled back"
    assert "no circuit breaker" in world.finish.reason


def test_a_breaker_without_rollback_fails_the_deployment() -> None:
    world = World(rolling(breaker=CircuitBreaker(rolls_back=False)), start=lambda _: False)
    assert world.finish is not None
    assert world.finish.outcome == "failed"


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


@pytest.mark.parametrize(("too_soon", "outcome"), [(True, "rolled back"), (False, None)])
def test_a_task_that_ended_too_soon_never_set_the_count_back(too_soon: bool, outcome: str | None) -> None:
    """However fast this machine finds it healthy."""
    scheduler = Scheduler(rolling(bake=5), desired=1, running=[1])
    scheduler.begin()
    found: list[Command] = []
    for task in (2, 3, 4):
        scheduler.became_healthy(task)
        scheduler.stopped(1)
        found = scheduler.failed(task, "it exited", too_soon=too_soon)
    assert (scheduler.reason.startswith("3 tasks failed in a row"), bool(found)) == (outcome is not None, True)


def test_what_a_task_forgave_that_ended_too_soon_is_forgiven_where_another_became_healthy_since() -> None:
    scheduler = Scheduler(rolling(bake=5), desired=3, running=[1, 2, 3])
    scheduler.begin()
    for task in (4, 5):
        scheduler.failed(task, "it exited")
    for task in (6, 7):
        scheduler.became_healthy(task)
    scheduler.failed(6, "it exited", too_soon=True)
    assert (scheduler.failures, scheduler.reason) == (1, "")
    scheduler.failed(7, "it exited", too_soon=True)
    assert scheduler.reason.startswith("4 tasks failed in a row"), "nobody was ever healthy"


def test_when_the_old_revision_does_not_start_either_the_deployment_fails_with_both_reasons() -> None:
    rotten = {"new": True, "old": False}
    world = World(rolling(bake=5), start=rotten.__getitem__).minutes(1, red=("errors",))
    assert world.finish is not None
    assert world.finish.outcome == "failed"
    assert "errors" in world.finish.reason
    assert "old revision failed" in world.finish.reason

"""Where a rollout stands, in words, and how long it stays there."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.rollouts import NOW, PREFIX, World
from nova_infra.deployed.aws.environment import AwsEnvironment
from nova_infra.operations.rollout.view import ReleaseView, RolloutView
from nova_infra.operations.rollout.watch import looks

GROUP = {
    "hookId": "h",
    "targetType": "AWS_LAMBDA",
    "targetArn": f"arn:aws:lambda:us-east-1:333333333333:function:{PREFIX}-together",
}


def watching(environment: AwsEnvironment, world: World) -> Iterator[ReleaseView]:
    return looks(environment, wait=world.pass_by)


def second(environment: AwsEnvironment, world: World) -> RolloutView:
    """The only rollout at the second look, which knows everything."""
    _, view = itertools.islice(watching(environment, world), 2)
    [rollout] = view.rollouts
    return rollout


@pytest.mark.parametrize(
    ("more", "stage"),
    one_of_each(
        [
            ({"stage": "SCALE_UP"}, "starts new tasks"),
            ({"status": "PENDING", "stage": ""}, "waits for its turn"),
            ({"stage": "PRODUCTION_TRAFFIC_SHIFT", "weight": 10.0}, "the canary bakes"),
            ({"stage": "PRODUCTION_TRAFFIC_SHIFT", "weight": 25.0, "strategy": "LINEAR"}, "a step bakes"),
            ({"stage": "POST_TEST_TRAFFIC_SHIFT"}, "tests, before any user"),
            ({"stage": "BAKE_TIME", "weight": 100.0}, "bakes"),
            ({"stage": "A_STAGE_OF_THE_FUTURE"}, "a stage of the future"),
        ]
    ),
)
def test_each_stage_has_its_words(environment: AwsEnvironment, world: World, more: dict[str, Any], stage: str) -> None:
    world.begin("s01-service", **more)
    assert second(environment, world).stage == stage


@pytest.mark.parametrize(
    ("stage", "weight", "strategy", "before"),
    one_of_each(
        [
            ("PRE_PRODUCTION_TRAFFIC_SHIFT", 0.0, "CANARY", "before the canary"),
            ("PRE_PRODUCTION_TRAFFIC_SHIFT", 10.0, "CANARY", "before full traffic"),
            ("PRE_PRODUCTION_TRAFFIC_SHIFT", 25.0, "LINEAR", "before more than 25 %"),
            ("POST_TEST_TRAFFIC_SHIFT", 0.0, "CANARY", "before user traffic"),
        ]
    ),
)
def test_a_gate_says_what_it_is_before_how_long_it_waits_and_what_to_type(
    environment: AwsEnvironment, world: World, stage: str, weight: float, strategy: str, before: str
) -> None:
    expires = NOW + timedelta(minutes=30)
    hook = {"hookId": "h1", "targetType": "PAUSE", "status": "AWAITING_ACTION", "expiresAt": expires}
    world.begin("s01-service", stage=stage, weight=weight, strategy=strategy, hooks=[hook])
    rollout = second(environment, world)
    assert rollout.state == "waiting"
    assert rollout.stage == f"waits {before}"
    assert rollout.seconds_left == 1800
    assert rollout.next == ("nova promote prod s01-service", "nova abort prod s01-service")


@pytest.mark.exhaustive("test_a_functions_hook_in_progress_is_nobodys_gate")
def test_a_gate_that_was_answered_does_not_wait(environment: AwsEnvironment, world: World) -> None:
    hook = {"hookId": "h1", "targetType": "PAUSE", "status": "SUCCEEDED"}
    world.begin("s01-service", stage="PRE_PRODUCTION_TRAFFIC_SHIFT", hooks=[hook])
    assert second(environment, world).state == "running"


def test_a_functions_hook_in_progress_is_nobodys_gate(environment: AwsEnvironment, world: World) -> None:
    hook = {"hookId": "h1", "targetType": "AWS_LAMBDA", "status": "IN_PROGRESS"}
    world.begin("s01-service", stage="POST_TEST_TRAFFIC_SHIFT", hooks=[hook])
    assert second(environment, world).state == "running"


def test_one_that_waits_for_the_others_of_its_release_says_so(environment: AwsEnvironment, world: World) -> None:
    world.begin("s01-service", stage="PRE_PRODUCTION_TRAFFIC_SHIFT", hooks=[{**GROUP, "status": "IN_PROGRESS"}])
    rollout = second(environment, world)
    assert (rollout.state, rollout.stage) == ("running", "waits for the others of its release")
    assert rollout.next == ("nova abort prod s01-service",)


def test_a_bake_without_a_known_start_has_an_upper_bound(environment: AwsEnvironment, world: World) -> None:
    world.begin("s01-service", stage="BAKE_TIME", weight=100.0)
    running = watching(environment, world)
    _, view = itertools.islice(running, 2)
    assert (view.rollouts[0].seconds_left, view.rollouts[0].at_most) == (9 * 60, True)
    view = next(running)
    left = view.rollouts[0].seconds_left
    assert left == 9 * 60 - (world.now - NOW).total_seconds()


def test_a_bake_that_was_seen_to_begin_is_counted_from_there(environment: AwsEnvironment, world: World) -> None:
    rollout = world.begin("s01-service", stage="PRODUCTION_TRAFFIC_SHIFT", weight=0.0)
    running = watching(environment, world)
    _, _ = itertools.islice(running, 2)
    rollout.weight = 10.0
    canary = next(running).rollouts[0]
    assert (canary.seconds_left, canary.at_most) == (5 * 60, False)
    rollout.weight, rollout.stage = 100.0, "BAKE_TIME"
    bake = next(running).rollouts[0]
    assert (bake.seconds_left, bake.at_most) == (9 * 60, False)


@pytest.mark.parametrize(
    ("more", "why"),
    one_of_each(
        [
            (
                {"triggered": [f"{PREFIX}-s01-service-errors"], "rollback": "Service deployment rolled back: alarms"},
                f"ALARM {PREFIX}-s01-service-errors: Service deployment rolled back: alarms",
            ),
            (
                {
                    "hooks": [{"hookId": "h", "targetType": "PAUSE", "status": "TIMED_OUT"}],
                    "rollback": "hook timed out",
                },
                "nobody answered the gate in time: hook timed out",
            ),
            (
                {"hooks": [{"hookId": "h", "targetType": "AWS_LAMBDA", "status": "FAILED"}]},
                "its tests failed: (service s01-service) the latest event",
            ),
            (
                {"hooks": [{**GROUP, "status": "FAILED"}]},
                "another service of its release rolled back: (service s01-service) the latest event",
            ),
            (
                {"hooks": [{**GROUP, "status": "TIMED_OUT"}], "rollback": "hook timed out"},
                "the others of its release were not ready in time: hook timed out",
            ),
            ({}, "(service s01-service) the latest event"),
        ]
    ),
)
def test_what_stopped_it_is_reported(environment: AwsEnvironment, world: World, more: dict[str, Any], why: str) -> None:
    world.begin("s01-service", status="IN_PROGRESS")
    running = watching(environment, world)
    _, _ = itertools.islice(running, 2)
    for key, value in more.items():
        setattr(world.rollouts[0], key, value)
    world.rollouts[0].status = "ROLLBACK_IN_PROGRESS"
    going = next(running).rollouts[0]
    assert (going.state, going.why) == ("going back", why)
    world.rollouts[0].status = "ROLLBACK_SUCCESSFUL"
    over = next(running).rollouts[0]
    assert (over.state, over.why) == ("rolled back", why)
    assert over.next == ("nova explain prod",)

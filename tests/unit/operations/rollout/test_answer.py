"""Promoting and aborting: what is refused, what is written down, and what a lost answer does."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from helpers.rollouts import Rollout, World
from nova_infra.deployed.aws.environment import AwsEnvironment
from nova_infra.deployed.model import ParameterVersion
from nova_infra.errors import NovaError, RefusedError
from nova_infra.operations.records.ledger import read_ledger
from nova_infra.operations.rollout.answer import abort, promote

GATE = {"hookId": "h1", "targetType": "PAUSE", "status": "AWAITING_ACTION"}


@pytest.fixture(autouse=True)
def ledger(environment: AwsEnvironment, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was written to the ledger, oldest first."""
    written: list[str] = []

    def put(_: str, value: str) -> int:
        written.append(value)
        return len(written)

    monkeypatch.setattr(environment, "put_parameter", put)
    monkeypatch.setattr(environment, "caller", lambda: "role/on-call/ann")
    versions = lambda _: tuple(ParameterVersion(n, value) for n, value in enumerate(written, 1))  # noqa: E731 - a line
    monkeypatch.setattr(environment, "history", versions)
    return written


@pytest.fixture(autouse=True)
def told(environment: AwsEnvironment, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What everybody was told."""
    messages: list[str] = []
    monkeypatch.setattr(environment, "announce", messages.append)
    return messages


def test_everybody_hears_of_an_answer_in_one_message(
    environment: AwsEnvironment, world: World, told: list[str]
) -> None:
    waiting(world, "s01-service", weight=10.0)
    waiting(world, "s02-service")
    promote(environment, [], why="looks {good}")
    assert told == [
        "s01-service before full traffic, s02-service before the canary promoted in prod by role/on-call/ann: "
        "looks {good}. Next: nova watch prod"
    ]


def test_a_failed_notification_is_reported_and_stops_nothing(
    environment: AwsEnvironment, world: World, monkeypatch: pytest.MonkeyPatch, ledger: list[str]
) -> None:
    waiting(world, "s01-service")

    def fail(_: str) -> None:
        raise NovaError("AWS does not allow events:put_events")

    monkeypatch.setattr(environment, "announce", fail)
    assert promote(environment, [], why="").left == ("nobody was notified: AWS does not allow events:put_events",)
    assert len(ledger) == 1


def waiting(world: World, service: str, **more: Any) -> Rollout:
    return world.begin(service, stage="PRE_PRODUCTION_TRAFFIC_SHIFT", hooks=[dict(GATE)], **more)


def test_a_gate_is_promoted_and_the_ledger_says_by_whom_when_and_why(
    environment: AwsEnvironment, world: World, ledger: list[str]
) -> None:
    rollout = waiting(world, "s01-service", weight=10.0)
    answered = promote(environment, ["s01-service"], why="looks good")
    assert world.answered == [
        ("continue", {"serviceDeploymentArn": rollout.arn, "hookId": "h1", "action": "CONTINUE"}),
    ]
    assert answered.done == {"s01-service": "before full traffic"}
    [entry] = read_ledger(environment).answers
    assert (entry.action, entry.services, entry.by, entry.why) == (
        "promoted",
        {"s01-service": "before full traffic"},
        "role/on-call/ann",
        "looks good",
    )
    assert entry.at == world.now
    assert read_ledger(environment).unreadable == ()


def test_all_that_wait_are_promoted_at_once_and_the_others_named(environment: AwsEnvironment, world: World) -> None:
    waiting(world, "s01-service")
    waiting(world, "s02-service")
    world.begin("s03-service", stage="SCALE_UP")
    answered = promote(environment, [], why="")
    assert sorted(answered.done) == ["s01-service", "s02-service"]
    assert answered.left == ("s03-service: starts new tasks: not promoted",)
    assert len(world.answered) == 2


def test_a_deployment_is_aborted_at_its_canary(environment: AwsEnvironment, world: World) -> None:
    rollout = world.begin("s01-service", stage="PRODUCTION_TRAFFIC_SHIFT", weight=10.0)
    answered = abort(environment, ["s01-service"], why="wrong build")
    assert world.answered == [("stop", {"serviceDeploymentArn": rollout.arn, "stopType": "ROLLBACK"})]
    assert answered.done == {"s01-service": "at 10 % of the traffic (the canary bakes)"}
    assert read_ledger(environment).answers[0].action == "aborted"


def test_a_whole_release_is_aborted_those_that_wait_included(environment: AwsEnvironment, world: World) -> None:
    waiting(world, "s01-service")
    world.begin("s02-service", stage="BAKE_TIME", weight=100.0)
    assert sorted(abort(environment, [], why="").done) == ["s01-service", "s02-service"]
    assert [what for what, _ in world.answered] == ["stop", "stop"]


@pytest.mark.parametrize("answer", [promote, abort])
@pytest.mark.parametrize(
    ("services", "refusal"),
    [
        ([], "no deployment is under way in prod: nothing was changed"),
        (["s01-service"], "s01-service is not being deployed in prod: nothing was changed"),
        (["nothing"], "service: 'nothing' is not one of"),
    ],
)
def test_nothing_under_way_is_one_line_and_changes_nothing(
    environment: AwsEnvironment,
    world: World,
    ledger: list[str],
    answer: Callable[..., Any],
    services: list[str],
    refusal: str,
) -> None:
    with pytest.raises(RefusedError, match=refusal) as refused:
        answer(environment, services, why="")
    assert "\n" not in str(refused.value)
    assert (world.answered, ledger) == ([], [])


def test_a_gate_that_is_not_waiting_is_refused(environment: AwsEnvironment, world: World, ledger: list[str]) -> None:
    world.begin("s01-service", stage="PRODUCTION_TRAFFIC_SHIFT", weight=10.0)
    for services in (["s01-service"], []):
        with pytest.raises(RefusedError, match=r"s01-service: the canary bakes") as refused:
            promote(environment, services, why="")
        assert "\n" not in str(refused.value)
    assert (world.answered, ledger) == ([], [])


def test_promoting_twice_is_refused_the_second_time(
    environment: AwsEnvironment, world: World, ledger: list[str]
) -> None:
    rollout = waiting(world, "s01-service")
    promote(environment, [], why="")
    rollout.hooks[0]["status"] = "SUCCEEDED"
    with pytest.raises(RefusedError, match="no deployment waits for an answer in prod"):
        promote(environment, [], why="")
    assert len(ledger) == 1


def test_a_first_deployment_has_nothing_to_go_back_to(
    environment: AwsEnvironment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.begin("s01-service")
    found = world.described
    monkeypatch.setattr(world, "described", lambda rollout: {**found(rollout), "sourceServiceRevisions": []})
    with pytest.raises(RefusedError, match="s01-service: is deployed for the first time, so there is nothing"):
        abort(environment, ["s01-service"], why="")
    assert world.answered == []


def test_what_rolls_back_already_is_not_aborted_again(
    environment: AwsEnvironment, world: World, ledger: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = world.begin("s01-service")
    going = {"status": "ROLLBACK_IN_PROGRESS"}
    found = world.described
    monkeypatch.setattr(world, "described", lambda each: {**found(each), **going})
    with pytest.raises(RefusedError, match="s01-service: is already rolling back"):
        abort(environment, [], why="")
    assert rollout.status == "IN_PROGRESS"
    assert (world.answered, ledger) == ([], [])


def test_a_person_who_may_not_gets_one_line(environment: AwsEnvironment, world: World, ledger: list[str]) -> None:
    waiting(world, "s01-service")
    world.refused["ContinueServiceDeployment"] = "AccessDeniedException"
    with pytest.raises(RefusedError, match="AWS does not allow ecs:continue_service_deployment") as refused:
        promote(environment, [], why="")
    assert "\n" not in str(refused.value)
    assert ledger == []


def test_a_lost_answer_that_took_effect_is_not_given_twice(
    environment: AwsEnvironment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = waiting(world, "s01-service")
    reply = world.continue_service_deployment

    def lost(params: dict[str, Any]) -> dict[str, Any]:
        reply(params)
        rollout.hooks[0]["status"] = "SUCCEEDED"
        raise ReadTimeoutError(endpoint_url="https://ecs")

    monkeypatch.setattr(world, "continue_service_deployment", lost)
    assert promote(environment, [], why="").done
    assert len(world.answered) == 1


def test_a_lost_answer_without_effect_is_given_again(
    environment: AwsEnvironment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(world, "s01-service")
    reply, lost = world.continue_service_deployment, [True]

    def once(params: dict[str, Any]) -> dict[str, Any]:
        if lost and lost.pop():
            raise ReadTimeoutError(endpoint_url="https://ecs")
        return reply(params)

    monkeypatch.setattr(world, "continue_service_deployment", once)
    assert promote(environment, [], why="").done
    assert len(world.answered) == 1


def test_one_that_ecs_refuses_keeps_nothing_from_the_others(
    environment: AwsEnvironment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(world, "s01-service")
    other = waiting(world, "s02-service")
    real = environment.continue_deployment

    def one_fails(deployment: Any, hook: Any) -> None:
        if deployment.service == "s01-service":
            raise NovaError("AWS: somebody else answered it")
        real(deployment, hook)

    monkeypatch.setattr(environment, "continue_deployment", one_fails)
    answered = promote(environment, [], why="")
    assert answered.done == {"s02-service": "before the canary"}
    assert answered.left == ("s01-service: not promoted: AWS: somebody else answered it",)
    assert world.answered[0][1]["serviceDeploymentArn"] == other.arn


@pytest.mark.exhaustive("test_everybody_hears_of_an_answer_in_one_message")
def test_an_answer_that_the_ledger_does_not_have_is_reported(
    environment: AwsEnvironment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(world, "s01-service")

    def full(*_: str) -> int:
        raise NovaError("no room")

    monkeypatch.setattr(environment, "put_parameter", full)
    with pytest.raises(NovaError, match="promoted: s01-service; the ledger does not have it: no room"):
        promote(environment, [], why="")

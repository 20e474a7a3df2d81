"""Promoting and aborting over a bad connection: whatever happens to a call, ECS gets one answer or none."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from helpers.local_aws import HARMLESS, STOPPING, Fault
from nova_infra.deployed.model import ParameterVersion
from nova_infra.errors import NovaError, RefusedError
from nova_infra.operations.records.ledger import read_ledger
from nova_infra.operations.rollout.answer import abort, promote

from .conftest import World

ANSWERS = {"promote": (promote, "ContinueServiceDeployment"), "abort": (abort, "StopServiceDeployment")}


class Answered(World):
    """ECS whose deployments do what they are told, over a connection with faults."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, list[Fault]] = {}

    def answer(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        fault = self.faults[operation].pop(0) if self.faults.get(operation) else None
        if isinstance(fault, tuple):
            status, code = fault
            metadata = {"HTTPStatusCode": status}
            raise ClientError({"Error": {"Code": code, "Message": code}, "ResponseMetadata": metadata}, operation)
        if fault == "cut before":
            raise ConnectionClosedError(endpoint_url="https://ecs")
        answer = super().answer(operation, params)
        if fault == "cut after":
            raise ConnectionClosedError(endpoint_url="https://ecs")
        return answer

    def ContinueServiceDeployment(self, params: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - as the call is named
        [rollout] = [each for each in self.rollouts if each.arn == params["serviceDeploymentArn"]]
        [hook] = rollout.hooks
        assert hook["status"] == "AWAITING_ACTION", "ECS was answered twice"
        hook["status"] = "SUCCEEDED"
        return super().ContinueServiceDeployment(params)

    def StopServiceDeployment(self, params: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - as the call is named
        [rollout] = [each for each in self.rollouts if each.arn == params["serviceDeploymentArn"]]
        assert rollout.status == "IN_PROGRESS", "ECS was told twice"
        rollout.status = "ROLLBACK_IN_PROGRESS"
        return super().StopServiceDeployment(params)


@pytest.fixture
def world() -> Answered:
    made = Answered()
    hook = {"hookId": "h1", "targetType": "PAUSE", "status": "AWAITING_ACTION"}
    made.begin("s01-service", stage="PRE_PRODUCTION_TRAFFIC_SHIFT", weight=10.0, hooks=[hook])
    return made


@pytest.fixture
def ledger(environment, monkeypatch) -> list[str]:
    """What was written to the ledger, oldest first."""
    written: list[str] = []
    monkeypatch.setattr("nova_infra.deployed.aws.client.session.pause", lambda _: None)
    monkeypatch.setattr(environment, "put_parameter", lambda _, value: written.append(value) or len(written))
    monkeypatch.setattr(environment, "caller", lambda: "role/on-call/ann")
    versions = lambda _: tuple(ParameterVersion(n, value) for n, value in enumerate(written, 1))  # noqa: E731 - a line
    monkeypatch.setattr(environment, "history", versions)
    monkeypatch.setattr(environment, "announce", lambda _: None)
    return written


def answers(world: Answered) -> int:
    """How often ECS was answered."""
    return sum(what in ("continue", "stop") for what, _ in world.answered)


@pytest.mark.parametrize("what", ANSWERS)
@pytest.mark.parametrize("faults", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_passes_by_itself_changes_nothing_about_the_end(environment, world, ledger, what, faults) -> None:
    answer, operation = ANSWERS[what]
    world.faults = {operation: list(faults)}
    assert list(answer(environment, [], why="it is time").done) == ["s01-service"]
    assert len(world.faults[operation]) < len(faults), "it has happened"
    assert answers(world) == len(ledger) == 1
    [entry] = read_ledger(environment).answers
    assert (entry.by, entry.why) == ("role/on-call/ann", "it is time")


@pytest.mark.parametrize("what", ANSWERS)
@pytest.mark.parametrize("name", STOPPING)
def test_what_stops_an_answer_is_named_and_the_same_command_finishes_later(
    environment, world, ledger, what, name
) -> None:
    answer, operation = ANSWERS[what]
    faults, said = STOPPING[name]
    world.faults = {operation: list(faults)}
    with pytest.raises(NovaError, match=said) as stopped:
        answer(environment, [], why="")
    assert "\n" not in str(stopped.value)
    assert answers(world) == len(ledger) == 0
    world.faults = {}
    answer(environment, [], why="")
    assert answers(world) == len(ledger) == 1


@pytest.mark.parametrize("what", ANSWERS)
def test_a_second_answer_is_refused_in_one_line_and_changes_nothing(environment, world, ledger, what) -> None:
    answer, _ = ANSWERS[what]
    answer(environment, [], why="")
    with pytest.raises(RefusedError) as refused:
        answer(environment, [], why="")
    assert "\n" not in str(refused.value)
    assert answers(world) == len(ledger) == 1

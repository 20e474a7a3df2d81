"""Promoting and aborting over a bad connection, or two at once: ECS gets one answer or none, and the ledger has it."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from helpers.exhaustive import one_of_each
from helpers.local_aws import HARMLESS, STOPPING, Fault
from helpers.rollouts import Rollout, World
from nova_infra.deployed.aws.environment import AwsEnvironment
from nova_infra.deployed.model import ParameterVersion
from nova_infra.errors import NovaError, RefusedError
from nova_infra.operations.records.ledger import read_ledger
from nova_infra.operations.rollout.answer import abort, promote

ANSWERS = {"promoted": promote, "aborted": abort}
OPERATIONS = {"promoted": "ContinueServiceDeployment", "aborted": "StopServiceDeployment"}


class Answered(World):
    """ECS takes one answer for each hook and one order to stop, and refuses whoever comes later.

    Attributes:
        faults: Operation to what happens to its next calls, one after the other.
        meanwhile: What somebody else does between one's look and one's answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, list[Fault]] = {}
        self.meanwhile: list[Callable[[], object]] = []

    def answer(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        if operation in OPERATIONS.values() and self.meanwhile:
            self.meanwhile.pop()()
        fault = self.faults[operation].pop(0) if self.faults.get(operation) else None
        if isinstance(fault, tuple):
            status, code = fault
            raise refusal(operation, "no", status, code)
        if fault == "cut before":
            raise ConnectionClosedError(endpoint_url="https://ecs")
        answer = super().answer(operation, params)
        if fault == "cut after":
            raise ConnectionClosedError(endpoint_url="https://ecs")
        return answer

    def continue_service_deployment(self, params: dict[str, Any]) -> dict[str, Any]:
        rollout = self._rollout(params)
        if rollout.hooks[0]["status"] != "AWAITING_ACTION" or rollout.status != "IN_PROGRESS":
            raise refusal("ContinueServiceDeployment", f"hook {params['hookId']} is not awaiting an action")
        rollout.hooks[0]["status"] = "SUCCEEDED"
        return super().continue_service_deployment(params)

    def stop_service_deployment(self, params: dict[str, Any]) -> dict[str, Any]:
        rollout = self._rollout(params)
        if rollout.status != "IN_PROGRESS":
            raise refusal("StopServiceDeployment", "the deployment is already stopping")
        rollout.status = "ROLLBACK_IN_PROGRESS"
        return super().stop_service_deployment(params)

    def _rollout(self, params: dict[str, Any]) -> Rollout:
        [rollout] = [each for each in self.rollouts if each.arn == params["serviceDeploymentArn"]]
        return rollout


def refusal(operation: str, message: str, status: int = 400, code: str = "InvalidParameterException") -> ClientError:
    """AWS refuses an operation."""
    metadata = {"HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)


@pytest.fixture
def world() -> Answered:
    made = Answered()
    hook = {"hookId": "h1", "targetType": "PAUSE", "status": "AWAITING_ACTION"}
    made.begin("s01-service", stage="PRE_PRODUCTION_TRAFFIC_SHIFT", weight=10.0, hooks=[hook])
    return made


@pytest.fixture
def ledger(environment: AwsEnvironment, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was written to the ledger, oldest first."""
    written: list[str] = []

    def put(_: str, value: str) -> int:
        written.append(value)
        return len(written)

    monkeypatch.setattr("nova_infra.deployed.aws.client.session.pause", lambda _: None)
    monkeypatch.setattr(environment, "put_parameter", put)
    monkeypatch.setattr(environment, "caller", lambda: "role/on-call/ann")
    versions = lambda _: tuple(ParameterVersion(n, value) for n, value in enumerate(written, 1))  # noqa: E731 - a line
    monkeypatch.setattr(environment, "history", versions)
    monkeypatch.setattr(environment, "announce", lambda _: None)
    return written


def answers(world: Answered) -> int:
    """How often ECS was answered."""
    return sum(what in ("continue", "stop") for what, _ in world.answered)


@pytest.mark.parametrize("what", one_of_each(ANSWERS))
@pytest.mark.parametrize("faults", one_of_each(HARMLESS.values()), ids=HARMLESS.keys())
def test_what_passes_by_itself_changes_nothing_about_the_end(
    environment: AwsEnvironment, world: Answered, ledger: list[str], what: str, faults: tuple[Fault, ...]
) -> None:
    answer, operation = ANSWERS[what], OPERATIONS[what]
    world.faults = {operation: list(faults)}
    assert list(answer(environment, [], why="it is time").done) == ["s01-service"]
    assert len(world.faults[operation]) < len(faults), "it has happened"
    assert answers(world) == len(ledger) == 1
    [entry] = read_ledger(environment).answers
    assert (entry.by, entry.why) == ("role/on-call/ann", "it is time")


@pytest.mark.parametrize("what", one_of_each(ANSWERS))
@pytest.mark.parametrize("name", one_of_each(STOPPING))
def test_what_stops_an_answer_is_named_and_the_same_command_finishes_later(
    environment: AwsEnvironment, world: Answered, ledger: list[str], what: str, name: str
) -> None:
    answer, operation = ANSWERS[what], OPERATIONS[what]
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
def test_a_second_answer_is_refused_in_one_line_and_changes_nothing(
    environment: AwsEnvironment, world: Answered, ledger: list[str], what: str
) -> None:
    answer = ANSWERS[what]
    answer(environment, [], why="")
    with pytest.raises(RefusedError) as refused:
        answer(environment, [], why="")
    assert "\n" not in str(refused.value)
    assert answers(world) == len(ledger) == 1


@pytest.mark.parametrize(
    ("first", "second"), [("promoted", "promoted"), ("aborted", "promoted"), ("aborted", "aborted")]
)
def test_whoever_comes_second_gets_one_line_and_the_ledger_has_the_first(
    environment: AwsEnvironment, world: Answered, ledger: list[str], first: str, second: str
) -> None:
    world.meanwhile = [lambda: ANSWERS[first](environment, ["s01-service"], why="I was first")]
    with pytest.raises(NovaError, match="ecs:") as refused:
        ANSWERS[second](environment, ["s01-service"], why="so was I")
    assert "\n" not in str(refused.value)
    assert len(world.answered) == 1
    [entry] = read_ledger(environment).answers
    assert (entry.action, entry.why) == (first, "I was first")


def test_an_abort_while_a_promotion_is_written_down_stops_it_and_both_are_in_the_ledger(
    environment: AwsEnvironment, world: Answered, ledger: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, aborting = environment.put_parameter, [lambda: abort(environment, ["s01-service"], why="not yet")]

    def interrupted(name: str, value: str) -> int:
        if aborting:
            aborting.pop()()
        return write(name, value)

    monkeypatch.setattr(environment, "put_parameter", interrupted)
    assert promote(environment, ["s01-service"], why="go").done
    assert [what for what, _ in world.answered] == ["continue", "stop"]
    assert {entry.action: entry.why for entry in read_ledger(environment).answers} == {
        "promoted": "go",
        "aborted": "not yet",
    }


def test_a_worker_waits_at_no_gate_and_can_be_aborted(
    environment: AwsEnvironment, world: Answered, ledger: list[str]
) -> None:
    world.workers.add("s02-service")
    worker = world.begin("s02-service", stage="SCALE_UP", strategy="ROLLING")
    with pytest.raises(RefusedError, match="s02-service: starts new tasks: it waits for no answer") as refused:
        promote(environment, ["s02-service"], why="")
    assert "\n" not in str(refused.value)
    assert (world.answered, ledger) == ([], [])
    assert list(abort(environment, ["s02-service"], why="").done) == ["s02-service"]
    assert worker.status == "ROLLBACK_IN_PROGRESS"

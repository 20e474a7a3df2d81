"""Two people answer at the same moment: each saw the deployment before the other's answer, and ECS takes the first."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from nova_infra.deployed.model import ParameterVersion
from nova_infra.errors import NovaError, RefusedError
from nova_infra.operations.records.ledger import read_ledger
from nova_infra.operations.rollout.answer import abort, promote

from .conftest import Rollout, World

ANSWERS = {"promoted": promote, "aborted": abort}


class FirstWins(World):
    """ECS takes one answer for each hook and one order to stop, and refuses whoever comes later."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], object]] = []

    def answer(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Let the other person answer between this one's look and this one's answer."""
        if operation in ("ContinueServiceDeployment", "StopServiceDeployment") and self.meanwhile:
            self.meanwhile.pop()()
        return super().answer(operation, params)

    def ContinueServiceDeployment(self, params: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - as the call is named
        rollout = self._rollout(params)
        if rollout.hooks[0]["status"] != "AWAITING_ACTION" or rollout.status != "IN_PROGRESS":
            raise refusal("ContinueServiceDeployment", f"hook {params['hookId']} is not awaiting an action")
        rollout.hooks[0]["status"] = "SUCCEEDED"
        return super().ContinueServiceDeployment(params)

    def StopServiceDeployment(self, params: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - as the call is named
        rollout = self._rollout(params)
        if rollout.status != "IN_PROGRESS":
            raise refusal("StopServiceDeployment", "the deployment is already stopping")
        rollout.status = "ROLLBACK_IN_PROGRESS"
        return super().StopServiceDeployment(params)

    def _rollout(self, params: dict[str, Any]) -> Rollout:
        [rollout] = [each for each in self.rollouts if each.arn == params["serviceDeploymentArn"]]
        return rollout


def refusal(operation: str, message: str) -> ClientError:
    """ECS refuses an operation."""
    return ClientError({"Error": {"Code": "InvalidParameterException", "Message": message}}, operation)


@pytest.fixture
def world() -> FirstWins:
    made = FirstWins()
    hook = {"hookId": "h1", "targetType": "PAUSE", "status": "AWAITING_ACTION"}
    made.begin("s01-service", stage="PRE_PRODUCTION_TRAFFIC_SHIFT", weight=10.0, hooks=[hook])
    return made


@pytest.fixture
def ledger(environment, monkeypatch) -> list[str]:
    """What was written to the ledger, oldest first."""
    written: list[str] = []
    monkeypatch.setattr(environment, "put_parameter", lambda _, value: written.append(value) or len(written))
    monkeypatch.setattr(environment, "caller", lambda: "role/on-call/ann")
    versions = lambda _: tuple(ParameterVersion(n, value) for n, value in enumerate(written, 1))  # noqa: E731 - a line
    monkeypatch.setattr(environment, "history", versions)
    monkeypatch.setattr(environment, "announce", lambda _: None)
    return written


@pytest.mark.parametrize(
    ("first", "second"), [("promoted", "promoted"), ("aborted", "promoted"), ("aborted", "aborted")]
)
def test_whoever_comes_second_gets_one_line_and_the_ledger_has_the_first(
    environment, world, ledger, first: str, second: str
) -> None:
    world.meanwhile = [lambda: ANSWERS[first](environment, ["s01-service"], why="I was first")]
    with pytest.raises(NovaError, match="ecs:") as refused:
        ANSWERS[second](environment, ["s01-service"], why="so was I")
    assert "\n" not in str(refused.value)
    assert len(world.answered) == 1
    [entry] = read_ledger(environment).answers
    assert (entry.action, entry.why) == (first, "I was first")


def test_an_abort_while_a_promotion_is_written_down_stops_it_and_both_are_in_the_ledger(
    environment, world, ledger, monkeypatch
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


def test_a_worker_waits_at_no_gate_and_can_be_aborted(environment, world, ledger) -> None:
    world.workers.add("s02-service")
    worker = world.begin("s02-service", stage="SCALE_UP", strategy="ROLLING")
    with pytest.raises(RefusedError, match="s02-service: starts new tasks: it waits for no answer") as refused:
        promote(environment, ["s02-service"], why="")
    assert "\n" not in str(refused.value)
    assert (world.answered, ledger) == ([], [])
    assert list(abort(environment, ["s02-service"], why="").done) == ["s02-service"]
    assert worker.status == "ROLLBACK_IN_PROGRESS"

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.rehearsal.clock import Clock
from nova_infra.rehearsal.ecs.deployment import DeploymentFailedError, PlayedDeployment
from nova_infra.rehearsal.ecs.rollout import read_rollout
from nova_infra.rehearsal.ecs.service import PlayedService
from nova_infra.rehearsal.ecs.unbalanced import Unbalanced
from nova_infra.rehearsal.record import DeploymentRecord
from nova_infra.rehearsal.tasks.task import SILENT, TaskFailedError

SAID = "exited with code 2: LEVEL is missing"


class Failing(PlayedService):
    """A service whose tasks end one after the other, each with a reason."""

    def __init__(self, reasons: list[str]) -> None:
        none = Unbalanced("carts")
        runtime: Any = None
        super().__init__("carts", "shop", none, none.rule, [none.group], runtime, desired=1)
        self.reasons = reasons

    async def start(self, revision: Any, group: Any) -> Any:  # noqa: ARG002
        raise TaskFailedError(self.reasons.pop(0))


@pytest.mark.parametrize(
    ("reasons", "named"),
    [
        ([SAID, f"exited with code 2: {SILENT}", f"exited with code 2: {SILENT}"], SAID),
        ([f"exited with code 2: {SILENT}", SAID, f"exited with code 2: {SILENT}"], SAID),
        ([SAID, SAID, f"exited with code 7: {SILENT}"], f"exited with code 7: {SILENT}"),
    ],
    ids=["the first said it", "the second said it", "another end"],
)
def test_what_a_task_printed_that_ended_so_holds_for_one_whose_output_is_lost(reasons: list[str], named: str) -> None:
    breaker = {"DeploymentCircuitBreaker": {"Enable": True, "Rollback": True}}
    revision: Any = SimpleNamespace(name="carts:2", definition=SimpleNamespace(memory=64, revision="carts:2"))
    record = DeploymentRecord("Prod", "carts", "ROLLING", None, "carts:2", baseline=False)
    deployment = PlayedDeployment(
        service=Failing(reasons),
        revision=revision,
        rollout=read_rollout(breaker, "carts"),
        record=record,
        clock=Clock(seconds_per_minute=0.01),
        states={"carts-restarts": "ALARM", "carts-errors": "OK"},
        measured={},
        tell=lambda _: None,
    )
    with pytest.raises(DeploymentFailedError) as failed:
        asyncio.run(asyncio.wait_for(deployment.run(), 20))
    assert named in str(failed.value)
    assert record.red_before == ["carts-restarts"]

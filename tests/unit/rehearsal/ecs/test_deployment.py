import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nova_infra.rehearsal.clock import Clock
from nova_infra.rehearsal.ecs.deployment import DeploymentFailedError, PlayedDeployment
from nova_infra.rehearsal.ecs.rollout import read_rollout
from nova_infra.rehearsal.ecs.service import PlayedService
from nova_infra.rehearsal.ecs.without_balancer import Unbalanced
from nova_infra.rehearsal.record import DeploymentRecord, Requests
from nova_infra.rehearsal.tasks.task import SILENT, TaskFailedError

SAID = "exited with code 2: LEVEL is missing"


def play(deployment: PlayedDeployment) -> None:
    """Play a deployment to its end while its clock goes on, in 20 seconds at most."""

    async def nothing() -> None:
        pass

    async def run() -> None:
        ticking = asyncio.create_task(deployment.clock.run(nothing, lambda: None))
        try:
            await deployment.run()
        finally:
            ticking.cancel()

    asyncio.run(asyncio.wait_for(run(), 20))


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
def test_lost_output_is_replaced_by_that_of_a_task_that_ended_the_same_way(reasons: list[str], named: str) -> None:
    breaker = {"DeploymentCircuitBreaker": {"Enable": True, "Rollback": True}}
    revision: Any = SimpleNamespace(name="carts:2", definition=SimpleNamespace(memory=64, disk=20, revision="carts:2"))
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


def test_while_a_deployment_runs_its_state_says_what_the_new_revision_got_in_the_latest_minute() -> None:
    class Asked(Failing):
        minutes = 0

        def requests(self) -> dict[str, Requests]:
            self.minutes += 1
            return {"carts:1": Requests(500 * self.minutes), "carts:2": Requests(31 * self.minutes, 7 * self.minutes)}

        async def start(self, revision: Any, group: Any) -> Any:
            while self.minutes < 4:
                await asyncio.sleep(0.01)
            return await super().start(revision, group)

    service = Asked([SAID] * 3)
    service.unusable["carts:2"] = "its headers are longer than 32 KiB"
    revision: Any = SimpleNamespace(name="carts:2", definition=SimpleNamespace(memory=64, disk=20, revision="carts:2"))
    deployment = PlayedDeployment(
        service=service,
        revision=revision,
        rollout=read_rollout({"DeploymentCircuitBreaker": {"Enable": True, "Rollback": True}}, "carts"),
        record=DeploymentRecord("Prod", "carts", "ROLLING", None, "carts:2", baseline=False),
        clock=Clock(seconds_per_minute=0.01),
        states={},
        measured={},
        tell=lambda _: None,
    )

    with pytest.raises(
        DeploymentFailedError, match="502 in place of an answer, because its headers are longer than 32"
    ):
        play(deployment)
    assert service.deployments[-1].per_minute == 31


class Dying(Failing):
    """A service whose tasks start, and then end one after the other; the last ones stay."""

    def __init__(self, ends: int, definition: Any) -> None:
        super().__init__([])
        self.ends, self.definition = ends, definition

    async def start(self, revision: Any, group: Any) -> Any:  # noqa: ARG002 - as a service's
        self.ends -= 1
        fault = "it ended" if self.ends >= 0 else None
        task = SimpleNamespace(running=fault is None, definition=self.definition, memory=9.0, disk=3.0)
        return SimpleNamespace(task=task, fault=lambda: fault, group=group, ended_too_soon=False)

    async def stop(self, tasks: Any) -> None:
        """Nothing runs."""


@pytest.mark.parametrize(("check", "outcome"), [(None, "completed"), ("a command", "failed")])
def test_without_a_health_check_the_breaker_counts_no_task_that_has_run(check: str | None, outcome: str) -> None:
    breaker = {"DeploymentCircuitBreaker": {"Enable": True, "Rollback": True, "ResetOnHealthyTask": False}}
    definition = SimpleNamespace(memory=64, disk=20, revision="carts:2", health_check=check)
    record = DeploymentRecord("Prod", "carts", "ROLLING", None, "carts:2", baseline=False)
    deployment = PlayedDeployment(
        service=Dying(5, definition),
        revision=cast(Any, SimpleNamespace(name="carts:2", definition=definition)),
        rollout=read_rollout({**breaker, "BakeTimeInMinutes": 40}, "carts"),
        record=record,
        clock=Clock(seconds_per_minute=0.01),
        states={},
        measured={},
        tell=lambda _: None,
    )

    with contextlib.suppress(DeploymentFailedError):
        play(deployment)
    assert record.outcome == outcome
    assert record.losses == ["it ended"] * (5 if check is None else 3)

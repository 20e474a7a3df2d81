"""A task of the release that ends by itself after its deployment is noted, even where its successor runs."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.rehearsal.environment.services import Services
from nova_infra.rehearsal.record import DeploymentRecord, Record


@pytest.mark.parametrize(("baseline", "noted"), [(False, 1), (True, 0)])
def test_a_task_of_the_release_that_ended_is_noted_once(baseline: bool, noted: int) -> None:
    said: list[str] = []
    nothing: Any = SimpleNamespace()
    clock: Any = SimpleNamespace(seconds_between_looks=0.0)
    carts: Any = SimpleNamespace(fallen={"carts:7": "within 3 s of its start it ended"})
    record = Record("pipeline", "candidate", "baseline", [])
    record.deployments.append(DeploymentRecord("Prod", "carts", "ROLLING", None, "carts:7", baseline=baseline))

    async def replace_lost() -> list[str]:
        return ["a task of carts:7 is replaced"]

    carts.replace_lost = replace_lost
    services = Services(
        "Prod",
        {"carts": carts},
        record=record,
        tell=said.append,
        runtime=nothing,
        clock=clock,
        load=nothing,
        monitoring=nothing,
        balancers=nothing,
        steering=nothing,
        gone=nothing,
    )

    async def play() -> None:
        keeping = asyncio.create_task(services.keep())
        while len(said) < 3:
            await asyncio.sleep(0)
        keeping.cancel()

    asyncio.run(play())
    assert record.lost == ["a task of carts:7 did not stay up: within 3 s of its start it ended"] * noted

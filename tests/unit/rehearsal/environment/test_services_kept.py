"""What is noted of services between deployments: tasks that end by themselves, and a maximum that alone changes."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.rehearsal.clock import Clock
from nova_infra.rehearsal.environment.environment import PlayedEnvironment
from nova_infra.rehearsal.environment.services import Services
from nova_infra.rehearsal.record import DeploymentRecord, Record
from nova_infra.rehearsal.tasks.runtime import SourceRuntime


@pytest.mark.parametrize(("baseline", "replaced", "noted"), [(False, True, 1), (True, True, 0), (False, False, 1)])
def test_a_task_of_the_release_that_ended_is_noted_once(baseline: bool, replaced: bool, noted: int) -> None:
    """A stage may end while its replacement starts."""
    said: list[str] = []
    nothing: Any = SimpleNamespace()
    clock: Any = SimpleNamespace(seconds_between_looks=0.0)
    balancers: Any = SimpleNamespace(refused=list)
    carts: Any = SimpleNamespace(tasks=[], fallen={"carts:7": "within 3 s of its start it ended"})
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
        balancers=balancers,
        steering=nothing,
        gone=nothing,
    )

    async def play() -> None:
        keeping = asyncio.create_task(services.keep())
        while replaced and len(said) < 3:
            await asyncio.sleep(0)
        keeping.cancel()
        if not replaced:
            services.note_end()

    asyncio.run(play())
    assert record.lost == ["a task of carts:7 did not stay up: within 3 s of its start it ended"] * noted


@pytest.mark.parametrize(("maximum", "most"), [(3, 3), (7, 14)])
def test_a_maximum_that_alone_changes_counts_for_the_next_rollout(
    environment_template: Callable[..., Any], sources: Path, maximum: int, most: int
) -> None:
    """The release deploys nothing, so no canary of its own runs both revisions; the next one will."""
    record = Record("pipe", "candidate", "baseline", [])

    async def play() -> None:
        environment = PlayedEnvironment(
            "Prod", record=record, tell=lambda _: None, runtime=SourceRuntime(), clock=Clock(seconds_per_minute=0.1)
        )
        async with environment:
            for allowed, baseline in ((3, True), (maximum, False)):
                template = environment_template("nova-prod", release="one")
                service = template["Resources"]["Service"]["Properties"]["ServiceName"]
                scaling = {"ResourceId": f"service/prod/{service}", "MinCapacity": 1, "MaxCapacity": allowed}
                kind = "AWS::ApplicationAutoScaling::ScalableTarget"
                template["Resources"]["Scaling"] = {"Type": kind, "Properties": scaling}
                await environment.deploy("nova-prod-tiny", template, sources=sources, baseline=baseline)

    asyncio.run(asyncio.wait_for(play(), 60))
    assert [each.most_tasks for each in record.deployments] == [most]

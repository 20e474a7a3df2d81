"""The first environment's tasks stay up until the pipeline has ended: what becomes of them is noted."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nova_infra.errors import NovaError
from nova_infra.rehearsal.delivery.definition import DeployAction, Pipeline, Stage
from nova_infra.rehearsal.ecs.deployment import DeploymentFailedError
from nova_infra.rehearsal.ecs.lifecycle.hooks import GoesOn
from nova_infra.rehearsal.ecs.lifecycle.suite import SuiteAnswers
from nova_infra.rehearsal.pipeline.environments import Environments
from nova_infra.rehearsal.record import DeploymentRecord, Record
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.tasks.runtime import SourceRuntime

LOOK = "Dev is looked at"


class Placed:
    """A task whose faults, look after look, are given; the last one stays."""

    def __init__(self, revision: str, *faults: str | None, running: bool = True, ended_well: bool = False) -> None:
        self.ended_well = ended_well
        self.task = SimpleNamespace(definition=SimpleNamespace(revision=revision), running=running, uptime=47.4)
        self._faults = list(faults)

    def fault(self) -> str | None:
        return self._faults.pop(0) if len(self._faults) > 1 else self._faults[0]


class Opened:
    """An environment that tells what is done to it."""

    def __init__(self, name: str, did: list[str], *tasks: Placed) -> None:
        self._name, self._did, self._tasks = name, did, tasks

    def services(self) -> list[Any]:
        self._did.append(f"{self._name} is looked at")
        return [SimpleNamespace(tasks=list(self._tasks), may_end=lambda placed: placed.ended_well)]

    async def rest(self) -> None:
        self._did.append(f"{self._name} rests")

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.01)
        self._did.append(f"{self._name} ends")


def environments(*, seconds: float) -> Environments:
    """Environments of a rehearsal, with the seconds between two looks at a task."""
    record = Record("pipeline", "new", "old", [])
    record.deployments += [
        DeploymentRecord("Dev", "gate", "ROLLING", None, "gate:1", baseline=True),
        DeploymentRecord("Dev", "gate", "ROLLING", "gate:1", "gate:2", baseline=False),
    ]
    nothing = cast(Any, None)
    return Environments(
        nothing, nothing, nothing, record, print, SourceRuntime(), 1.0, SuiteAnswers(GoesOn()), RequestFiles(), seconds
    )


def played(*tasks: Placed, rests: bool = True) -> tuple[list[str], list[str]]:
    """What was done to two environments, the first of which has these tasks, and which tasks were lost."""
    did: list[str] = []
    opened = environments(seconds=0.0)

    async def play() -> None:
        async with opened:
            opened.close(cast(Any, Opened("Dev", did, *tasks)), rests=rests)
            await asyncio.sleep(0.05)
            opened.close(cast(Any, Opened("Prod", did)), rests=rests)
            await asyncio.sleep(0.05)
            did.append("the pipeline ends")

    asyncio.run(play())
    return did, opened.record.lost


def test_the_first_environment_ends_with_the_pipeline_and_the_others_at_once() -> None:
    did, lost = played(Placed("gate:2", None))
    assert did == ["Dev rests", LOOK, "Prod ends", "the pipeline ends", LOOK, "Dev ends"]
    assert lost == []


def test_an_environment_that_failed_ends_at_once() -> None:
    did, _ = played(Placed("gate:2", "it ended", running=False), rests=False)
    assert did == ["Dev ends", "Prod ends", "the pipeline ends"]


@pytest.mark.parametrize(
    ("tasks", "lost"),
    [
        ([Placed("gate:2", "it ended: exit code 3", running=False)], "it ended: exit code 3"),
        ([Placed("gate:2", None), Placed("gate:2", "it failed its checks")], "it failed its checks"),
        ([Placed("gate:2", "it failed its checks", "it failed its checks", None)], ""),  # the machine was busy
        ([Placed("gate:1", "it failed its checks")], ""),  # what ran before
        ([Placed("gate:2", "it ended: exit code 0", running=False, ended_well=True)], ""),
    ],
)
def test_a_task_of_the_release_that_did_not_last_is_noted_once(tasks: list[Placed], lost: str) -> None:
    _, noted = played(*tasks, *tasks)
    assert noted == ([f"a task of gate:2 did not stay up: within 47 s of its start {lost}"] if lost else [])


@pytest.mark.parametrize("error", [LookupError, asyncio.CancelledError])
def test_nothing_is_looked_at_again_where_the_rehearsal_went_wrong_or_was_interrupted(
    error: type[BaseException],
) -> None:
    did: list[str] = []
    opened = environments(seconds=0.0)

    async def play() -> None:
        async with opened:
            opened.close(cast(Any, Opened("Dev", did, Placed("gate:2", "it failed its checks"))), rests=True)
            await asyncio.sleep(0)
            raise error

    with pytest.raises(error):
        asyncio.run(play())
    assert did == ["Dev rests", LOOK, "Dev ends"], "it is watched while it rests"


def test_an_interruption_at_the_last_look_leaves_nothing_open_however_often_it_comes() -> None:
    did: list[str] = []
    opened = environments(seconds=2.0)

    async def play() -> None:
        async with opened:
            opened.close(cast(Any, Opened("Dev", did, Placed("gate:2", "it failed its checks"))), rests=True)
            await asyncio.sleep(0)

    async def whole() -> None:
        playing = asyncio.create_task(play())
        while did.count(LOOK) < 2:
            await asyncio.sleep(0)
        for _ in range(3):
            playing.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await playing
        assert did[-1] == "Dev ends"

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("is_candidate", "containers", "goes_on"), [(True, 1, True), (False, 1, False), (True, 2, False)]
)
def test_what_runs_before_must_run_unless_it_is_all_of_the_candidate(
    is_candidate: bool, containers: int, goes_on: bool
) -> None:
    class Broken:
        async def deploy(self, *_: object, **__: object) -> None:
            raise DeploymentFailedError("it exits")

    task = {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {"ContainerDefinitions": [{}] * containers},
    }
    template = {"Resources": {"Task": task}}
    release: Any = SimpleNamespace(
        name="old", sources=None, is_candidate=is_candidate, template_of_stack=lambda _: template
    )
    stage = Stage("Dev", (DeployAction("Net", 1, "net", "net.json", None),))
    opened, told = environments(seconds=0.0), list[str]()
    opened.pipeline, opened.baseline, opened.candidate = Pipeline("p", (stage,)), release, release
    opened.tell = told.append
    broken = cast(Any, Broken())
    if goes_on:
        asyncio.run(opened.deploy_baseline(stage, broken))
        assert told == ["Dev: old does not run there"]
    else:
        beside = "not all containers of a task run here, .* lacks: " if containers > 1 else ""
        with pytest.raises(NovaError, match=f"baseline: old does not run: it exits: {beside}name a revision"):
            asyncio.run(opened.deploy_baseline(stage, broken))

"""A service without a shell, in an image from scratch: put into the templates by hand, rehearsed and drilled."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nova_infra.assembly import Assembly
from nova_infra.containers.engine import Engine
from nova_infra.rehearsal.drills.catalogue import choose
from nova_infra.rehearsal.drills.plan import plan
from nova_infra.rehearsal.pipeline.edits import previous_images
from nova_infra.rehearsal.pipeline.player import Player
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.pipeline.simulated import new_record
from nova_infra.rehearsal.record import Record
from nova_infra.rehearsal.tasks.runtime import ImageRuntime

Rehearse = Callable[..., Record]


@pytest.fixture
def candidate(tmp_path: Path, write_assembly: Callable[..., Path], image: str) -> Release:
    directory = write_assembly(tmp_path / "assembly")
    for name in ("Dev.json", "Prod.json"):
        template = json.loads((directory / name).read_text())
        [container] = template["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
        del container["Command"]
        container |= {"Image": image, "PortMappings": [{"ContainerPort": 3000}], "ReadonlyRootFilesystem": True}
        container["Environment"].append({"Name": "PORT", "Value": "3000"})
        (directory / name).write_text(json.dumps(template))
    return Release("candidate", Assembly(directory), tmp_path)


@pytest.fixture
def rehearse(tmp_path: Path, engine: Engine, candidate: Release) -> Rehearse:
    """Plays the whole pipeline, or a drill."""

    def play(drill: str = "") -> Record:
        pipeline, new, old = candidate.pipeline(), candidate, replace(candidate, edits=(previous_images,))
        if drill:
            [chosen] = choose([drill])
            planned = plan(chosen, candidate)
            pipeline, new, old = planned.pipeline, planned.candidate, planned.baseline

        async def approve(_: str) -> bool:
            return True

        async def whole() -> Record:
            async with ImageRuntime(engine) as runtime:
                record = new_record(pipeline, candidate=new, baseline=old, runtime=runtime)
                told: list[str] = []
                player = Player(
                    pipeline, new, old, record, approve, told.append, tmp_path / "logs", 0.2, runtime=runtime
                )
                await player.play()
                return record

        return asyncio.run(asyncio.wait_for(whole(), 300))

    return play


def around(image: str) -> list[dict[str, Any]]:
    """An init container that leaves a file, the app that needs it, and a helper."""
    at = {"SourceVolume": "files", "ContainerPath": "/data"}
    waits = {"DependsOn": [{"ContainerName": "init", "Condition": "SUCCESS"}]}
    parts = {
        "init": ("leaves:/data/x", {"Essential": False, "User": "0", "MountPoints": [at]}),
        "app": ("reads:/data/x", {"MountPoints": [{**at, "ReadOnly": True}], **waits}),
        "helper": ("stays", {}),
    }
    return [
        {"Name": name, "Image": image, "Environment": [{"Name": "FAULT", "Value": behaviour},
            {"Name": "PORT", "Value": "4000"}], **more}
        for name, (behaviour, more) in parts.items()
    ]  # fmt: skip


@pytest.mark.exhaustive("rehearsal/pipeline/test_player.py::test_a_good_release_goes_through_with_its_canary")
def test_all_containers_of_a_task_are_rehearsed(rehearse: Rehearse, candidate: Release, image: str) -> None:
    for name in ("Dev.json", "Prod.json"):
        path = candidate.assembly.directory / name
        template = json.loads(path.read_text())
        task = template["Resources"]["Task"]["Properties"]
        task["ContainerDefinitions"][0]["Environment"] += [{"Name": "FAULT", "Value": "front:4000"}]
        task["ContainerDefinitions"] += around(image)
        task["Volumes"] = [*task.get("Volumes", ()), {"Name": "files"}]
        path.write_text(json.dumps(template))
    record = rehearse()
    assert record.succeeded
    assert record.tasks.startswith("as containers of their images, by ")
    assert {d.outcome for d in record.deployments} == {"completed"}


@pytest.mark.exhaustive("rehearsal/pipeline/test_player.py::test_a_good_release_goes_through_with_its_canary")
@pytest.mark.parametrize("name", ["crash-at-start", "errors"])
def test_it_is_drilled_at_each_place_of_a_fault(rehearse: Rehearse, name: str) -> None:
    [drill] = choose([name])
    record = rehearse(name)
    told = {"the errors alarm", "the alarm's topic"}
    assert [miss for miss in drill.check(record, "tiny") if not any(word in miss for word in told)] == []

"""What these tests share."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.drills import COMMAND
from nova_infra.assembly import Assembly
from nova_infra.rehearsal.pipeline.release import Release


@pytest.fixture
def candidate(tmp_path: Path, write_assembly: Callable[..., Path]) -> Release:
    directory = write_assembly(tmp_path / "assembly")
    for name in ("Dev.json", "Prod.json"):
        template = json.loads((directory / name).read_text())
        template["Resources"]["Task"]["Properties"]["ContainerDefinitions"][0]["Command"] = COMMAND
        (directory / name).write_text(json.dumps(template))
    return Release("candidate", Assembly(directory), tmp_path)

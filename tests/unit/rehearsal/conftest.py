"""Fixtures of the miniature that the rehearsal plays, and of records of what it played."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.miniature import SERVER, environment_template, make_assembly, make_definition
from helpers.records import make_deployment, make_drill, make_record
from nova_infra.rehearsal.drills.drill import DrillResult
from nova_infra.rehearsal.record import DeploymentRecord, Record
from nova_infra.rehearsal.tasks.definition import TaskDefinition


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A checkout with the one service."""
    directory = tmp_path / "sources"
    (directory / "services" / "tiny" / "src").mkdir(parents=True)
    (directory / "services" / "tiny" / "src" / "serve.py").write_text(SERVER)
    return directory


@pytest.fixture
def definition() -> Callable[..., TaskDefinition]:
    """Makes task definitions of the one service."""
    return make_definition


@pytest.fixture(name="environment_template")
def _environment_template() -> Callable[..., Any]:
    """Makes the one stack of an environment."""
    return environment_template


@pytest.fixture
def write_assembly() -> Callable[..., Path]:
    """Writes assemblies."""
    return make_assembly


@pytest.fixture
def deployed() -> Callable[..., DeploymentRecord]:
    """Makes deployments."""
    return make_deployment


@pytest.fixture(scope="session")
def rehearsed() -> Callable[..., Record]:
    """Makes rehearsals."""
    return make_record


@pytest.fixture(scope="session")
def drilled() -> Callable[..., DrillResult]:
    """Makes results of drills."""
    return make_drill

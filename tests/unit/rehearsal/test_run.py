import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.errors import NovaError
from nova_infra.rehearsal.drills.what_if import WhatIf
from nova_infra.rehearsal.run import Options, rehearse


def options(tmp_path: Path, **changes: object) -> Options:
    settings: dict[str, object] = {
        "root": tmp_path,
        "assembly": tmp_path / "nowhere",
        "baseline": "HEAD",
        "approve": True,
        "drills": (),
        "what_if": None,
        "json_file": None,
        "report_file": tmp_path / "report.html",
        "tasks": "sources",  # asks no engine, which takes a second
    }
    return Options(**(settings | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    one_of_each(
        [
            ({"approve": False}, "approval: there is no terminal"),
            ({"drills": ("nonsense",)}, "--drill nonsense"),
            ({}, "manifest.json: is missing"),
        ]
    ),
)
def test_an_impossible_rehearsal_is_refused_before_anything_runs(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(NovaError, match=said):
        rehearse(options(tmp_path, **changes))


def test_a_report_without_a_place_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(NovaError, match="cannot be written"):
        rehearse(options(tmp_path, report_file=tmp_path))


def test_an_assembly_without_a_repository_has_no_baseline(
    tmp_path: Path, write_assembly: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(NovaError, match="no git repository here"):
        rehearse(options(tmp_path, assembly=write_assembly(tmp_path / "assembly")))


@pytest.mark.exhaustive("test_what_aws_refuses_is_the_releases_fault_and_what_the_rehearsal_does_not_know_is_its_own")
def test_another_canary_that_changes_nothing_is_refused_before_anything_runs(
    tmp_path: Path, write_assembly: Callable[..., Path]
) -> None:
    assembly = write_assembly(tmp_path / "assembly")
    with pytest.raises(NovaError, match=r"--what-if: 25 % for 2 min is already configured, or no service shifts"):
        rehearse(options(tmp_path, assembly=assembly, drills=("errors",), what_if=WhatIf(25, 2)))


def edited(assembly: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """The assembly with another template for Prod."""
    template = json.loads((assembly / "Prod.json").read_text())
    edit(template["Resources"]["Service"]["Properties"])
    (assembly / "Prod.json").write_text(json.dumps(template))
    return assembly


def test_what_aws_refuses_is_the_releases_fault_and_what_the_rehearsal_does_not_know_is_its_own(
    tmp_path: Path, write_assembly: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Neither can be played. One ends the release in its stage, the other the rehearsal."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("COLUMNS", "400")
    long = edited(
        write_assembly(tmp_path / "long"),
        lambda service: service["DeploymentConfiguration"].update(BakeTimeInMinutes=2000),
    )
    assert not rehearse(options(tmp_path, assembly=long, app="python app.py"))
    said = capsys.readouterr().out
    assert "would be stopped in Prod" in said
    assert "prod.Service.DeploymentConfiguration.BakeTimeInMinutes: is 2000 minutes: choose 0 to 1440" in said
    strange = edited(write_assembly(tmp_path / "strange"), lambda service: service.update(Strange=1))
    with pytest.raises(NovaError, match=r"Service\.Strange: is a property that the rehearsal does not know"):
        rehearse(options(tmp_path, assembly=strange, app="python app.py"))


@pytest.mark.exhaustive("test_what_aws_refuses_is_the_releases_fault_and_what_the_rehearsal_does_not_know_is_its_own")
def test_another_canary_may_leave_rolling_environments_as_they_are(
    tmp_path: Path, write_assembly: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assembly = write_assembly(tmp_path / "assembly")
    with pytest.raises(NovaError, match="no git repository here"):
        rehearse(options(tmp_path, assembly=assembly, drills=("errors",), what_if=WhatIf(5, 10)))

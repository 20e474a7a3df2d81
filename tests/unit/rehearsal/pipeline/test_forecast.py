import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nova_infra.assembly import Assembly
from nova_infra.operations.planner import Action
from nova_infra.rehearsal.pipeline.forecast import deployed_stacks, forecast, note_refusals
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.pipeline.simulated import new_record
from nova_infra.rehearsal.report.verdict import verdict
from nova_infra.rehearsal.run import Options, rehearse

WriteAssembly = Callable[..., Path]


def release(directory: Path) -> Release:
    return Release(directory.name, Assembly(directory), directory)


def with_priority(directory: Path, environment: str, priority: int, *, other: bool = False) -> None:
    """Give an environment's rule a priority, or add another stack's rule that has it already."""
    path = directory / f"{environment}.json"
    template = json.loads(path.read_text())
    template["Resources"]["Rule"]["Properties"]["Priority"] = priority
    if other:
        template["Resources"]["Another"] = json.loads(json.dumps(template["Resources"]["Rule"]))
    path.write_text(json.dumps(template))


@pytest.fixture
def releases(tmp_path: Path, write_assembly: WriteAssembly) -> tuple[Release, Release]:
    """A candidate with another image, and its baseline."""
    return release(write_assembly(tmp_path / "two", release="two")), release(write_assembly(tmp_path / "one"))


def test_the_plan_names_what_a_release_changes_and_nothing_else(releases: tuple[Release, Release]) -> None:
    candidate, baseline = releases
    planned = forecast(candidate, baseline)
    assert [stack.stack.key.name for stack in planned.stacks] == ["dev", "prod"]
    for stack in planned.stacks:
        changed = {action.logical_id: action.action for action in stack.actions}
        assert changed == {"Task": Action.REPLACE, "Service": Action.UPDATE}
    assert planned.refusals == []


def test_all_stacks_of_the_baseline_count_as_deployed(releases: tuple[Release, Release]) -> None:
    assert [stack.key.name for stack in deployed_stacks(releases[1])] == ["dev", "prod", "Pipeline"]


@pytest.mark.parametrize(
    ("app", "planned"), [("python app.py", Action.CREATE), ("", Action.REPLACE)], ids=["an app", "a project"]
)
def test_the_stacks_of_an_app_over_itself_are_planned_as_new(
    releases: tuple[Release, Release], app: str, planned: Action
) -> None:
    candidate, baseline = (replace(each, app=app) for each in releases)
    found = forecast(candidate, replace(baseline, is_candidate=True))
    assert {action.action for stack in found.stacks for action in stack.actions if action.logical_id == "Task"} == {
        planned
    }
    assert "Pipeline" not in [stack.stack.key.name for stack in found.stacks]


def test_a_refusal_stops_the_stage_that_would_meet_it_and_nothing_is_played(releases: tuple[Release, Release]) -> None:
    candidate, baseline = releases
    with_priority(candidate.sources, "Prod", 7, other=True)
    pipeline = candidate.pipeline()
    record = new_record(pipeline, candidate=candidate, baseline=baseline)
    assert note_refusals(forecast(candidate, baseline), pipeline, record)
    assert [stage.status for stage in record.stages] == ["not reached", "not reached", "not reached", "failed"]
    said = verdict(record)
    assert (said.passed, said.headline) == (False, "This release would be stopped in Prod")
    assert "CloudFormation would refuse this: prod." in said.why
    assert "priority 7 belongs to" in said.why


def test_a_refusal_after_the_last_stage_that_is_played_is_only_foreseen(releases: tuple[Release, Release]) -> None:
    candidate, baseline = releases
    with_priority(candidate.sources, "Prod", 7, other=True)
    pipeline = candidate.pipeline().until("Dev")
    record = new_record(pipeline, candidate=candidate, baseline=baseline)
    assert not note_refusals(forecast(candidate, baseline), pipeline, record)
    assert any("priority 7 belongs to" in line for line in record.foreseen)


@pytest.mark.exhaustive(
    "rehearsal/test_run.py::test_what_aws_refuses_is_the_releases_fault_and_what_the_rehearsal_does_not_know_is_its_own"
)
def test_a_rehearsal_of_what_aws_refuses_ends_before_anything_starts(
    tmp_path: Path,
    releases: tuple[Release, Release],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    candidate, baseline = releases
    with_priority(candidate.sources, "Dev", 5, other=True)

    async def never(*_: Any) -> None:
        raise AssertionError("nothing may be played")

    monkeypatch.setattr("nova_infra.rehearsal.pipeline.player.Player.play", never)
    monkeypatch.setattr("nova_infra.rehearsal.run.baseline_of", lambda *_: nullcontext(baseline))
    options = Options(
        candidate.sources, candidate.sources, "HEAD", True, (), None, tmp_path / "r.json", tmp_path / "r.html"
    )
    assert not rehearse(options)
    assert "This release would be stopped in Dev" in capsys.readouterr().out
    assert json.loads((tmp_path / "r.json").read_text())["succeeded"] is False

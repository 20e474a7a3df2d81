from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_infra.errors import NovaError
from nova_infra.rehearsal.assembly import Assembly
from nova_infra.rehearsal.drills import DRILLS, choose, plan
from nova_infra.rehearsal.pipeline import DeployAction
from nova_infra.rehearsal.play import new_record
from nova_infra.rehearsal.record import NO_TARGET, DeploymentRecord, Notification, Record, Requests, Sample
from nova_infra.rehearsal.release import Release

COMMAND = ["python", "-m", "serve", "tiny:app"]


@pytest.fixture
def candidate(tmp_path: Path, write_assembly: Callable[..., Path]) -> Release:
    directory = write_assembly(tmp_path / "assembly")
    for name in ("Dev.json", "Prod.json"):
        template = json.loads((directory / name).read_text())
        template["Resources"]["Task"]["Properties"]["ContainerDefinitions"][0]["Command"] = COMMAND
        (directory / name).write_text(json.dumps(template))
    return Release("candidate", Assembly(directory), tmp_path)


def test_drills_are_chosen_by_name_and_all_means_all() -> None:
    assert [chosen.name for chosen in choose(["errors", "crash-at-start"])] == ["crash-at-start", "errors"]
    assert choose(["all"]) == list(DRILLS)
    assert choose([]) == []


def test_an_unknown_drill_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(NovaError, match=r"--drill nonsense: .* crash-at-start, never-healthy"):
        choose(["errors", "nonsense"])


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("errors", ["Prod"]),
        ("one-of-four", ["Prod"]),
        ("approval-rejected", ["ApproveProduction", "Prod"]),
        ("integration-red", ["Dev", "ApproveProduction", "Prod"]),
    ],
)
def test_a_drill_plays_the_part_that_its_fault_can_reach(candidate: Release, name: str, stages: list[str]) -> None:
    [chosen] = choose([name])
    assert [stage.name for stage in plan(chosen, candidate).pipeline.stages] == stages


def test_nothing_but_the_fault_differs_between_the_releases_of_a_drill(candidate: Release) -> None:
    [chosen] = choose(["errors"])
    planned = plan(chosen, candidate)
    [action] = planned.pipeline.stages[0].actions
    assert isinstance(action, DeployAction)
    bad, good = (release.template(action)["Resources"] for release in (planned.candidate, planned.baseline))
    assert {key for key in bad if bad[key] != good[key]} == {"Task"}
    commands = [r["Task"]["Properties"]["ContainerDefinitions"][0]["Command"] for r in (bad, good)]
    assert commands == [["python", "-m", "nova_infra.rehearsal.faults", "errors:0.8", "serve", "tiny:app"], COMMAND]
    assert planned.service == "tiny"


def played(
    candidate: Release,
    name: str,
    *,
    outcome: str,
    reason: str = "",
    old_failed: int = 0,
    unserved: int = 0,
    told: bool = True,
) -> list[str]:
    """What a drill misses when it went like this."""
    [chosen] = choose([name])
    planned = plan(chosen, candidate)
    record: Record = new_record(planned.pipeline, candidate=candidate, baseline=candidate)
    record.stages[0].status = "succeeded" if outcome == "completed" else "failed"
    deployment = DeploymentRecord("Prod", "prod-tiny", "CANARY", "tiny:1", "tiny:2", baseline=False)
    deployment.outcome, deployment.reason = outcome, reason  # type: ignore[assignment]
    deployment.samples = [Sample(1, 10, {"tiny:1": Requests(9, old_failed)}, [])]
    if unserved:
        deployment.samples[0].requests[NO_TARGET] = Requests(unserved, unserved)
    record.deployments = [deployment]
    if told:
        record.notifications = [Notification("Prod", 1, "alerts", "prod-tiny-errors is in ALARM")]
    return chosen.check(record, planned.service)


RED = "alarm prod-tiny-errors went to ALARM at 10 % of the traffic"


@pytest.mark.parametrize(
    ("went", "misses"),
    [
        ({"outcome": "rolled back", "reason": RED}, []),
        ({"outcome": "completed"}, ["prod-tiny ended completed, not rolled back", "Prod succeeded"]),
        ({"outcome": "rolled back", "reason": "3 tasks"}, ["prod-tiny went back for another reason: 3 tasks"]),
        ({"outcome": "rolled back", "reason": RED, "old_failed": 2}, ["the old revision failed 2 requests meanwhile"]),
        ({"outcome": "rolled back", "reason": RED, "unserved": 4}, ["4 requests found no target meanwhile"]),
        ({"outcome": "rolled back", "reason": RED, "told": False}, ["nobody was told"]),
    ],
)
def test_a_drill_says_what_did_not_follow(candidate: Release, went: dict[str, object], misses: list[str]) -> None:
    assert played(candidate, "errors", **went) == misses  # type: ignore[arg-type]

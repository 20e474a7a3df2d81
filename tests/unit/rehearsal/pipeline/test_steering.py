"""Gates, played on a miniature assembly: answered, refused, left alone, and a deployment that is aborted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nova_infra.assembly import Assembly
from nova_infra.rehearsal.drills.catalogue import choose
from nova_infra.rehearsal.drills.plan import plan
from nova_infra.rehearsal.drills.steering import DrillSteering
from nova_infra.rehearsal.pipeline.player import Player, new_record
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.record import Record


def played(drill: str, write_assembly: Callable[..., Path], tmp_path: Path, sources: Path) -> tuple[Record, list[str]]:
    """What happened in a drill, and what did not follow."""
    [chosen] = choose([drill])
    planned = plan(chosen, Release("candidate", Assembly(write_assembly(tmp_path / "assembly")), sources))
    record = new_record(planned.pipeline, candidate=planned.candidate, baseline=planned.baseline)

    async def approve(_: str) -> bool:
        return True

    player = Player(
        planned.pipeline,
        planned.candidate,
        replace(planned.baseline, sources=sources),
        record,
        approve=approve,
        tell=lambda _: None,
        logs=tmp_path / "logs",
        seconds_per_minute=0.1,
        steering=DrillSteering(chosen.answers, planned.service),
    )
    asyncio.run(asyncio.wait_for(player.play(), 60))
    return record, chosen.check(record, planned.service)


@pytest.mark.parametrize(
    ("drill", "outcome", "gates"),
    [("gate-unanswered", "rolled back", 1), ("gate-promoted-twice", "completed", 1), ("aborted", "rolled back", 0)],
)
def test_a_drill_about_answers_ends_as_it_must(
    write_assembly: Callable[..., Path], tmp_path: Path, sources: Path, drill: str, outcome: str, gates: int
) -> None:
    record, misses = played(drill, write_assembly, tmp_path, sources)
    assert misses == []
    [deployment] = [each for each in record.deployments if not each.baseline]
    assert (deployment.outcome, len(deployment.gates)) == (outcome, gates)

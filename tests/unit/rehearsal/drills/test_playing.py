"""How drills share the machine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.rehearsal.drills import playing
from nova_infra.rehearsal.drills.catalogue import DRILLS
from nova_infra.rehearsal.drills.playing import DrillPlayer, DrillRun
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.tasks.runtime import SourceRuntime


def test_drills_of_more_than_one_service_take_turns_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    under_way: list[DrillRun] = []
    seen: list[list[str]] = []

    async def play_one(_: DrillPlayer, run: DrillRun) -> Any:
        under_way.append(run)
        seen.append([each.drill.reach for each in under_way])
        await asyncio.sleep(0.002 if run.drill.reach == "production" else 0.005)
        under_way.remove(run)
        return run

    monkeypatch.setattr(DrillPlayer, "_play_one", play_one)
    monkeypatch.setattr(playing, "_AT_ONCE", 3)
    view: Any = SimpleNamespace(announce=lambda _: None)
    release: Any = None
    runs = [DrillRun(drill, release) for drill in DRILLS]
    player = DrillPlayer(view, Path(), SourceRuntime(), RequestFiles())
    assert asyncio.run(player.play(runs)) == runs, "results are in the order in which they were asked for"
    whole = [sum(reach != "production" for reach in reaches) for reaches in seen]
    assert max(whole) == 1
    assert max(map(len, seen)) == 3
    assert [0 < each < len(reaches) for each, reaches in zip(whole, seen, strict=True)].count(True) > 2

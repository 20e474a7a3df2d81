"""How drills share the machine."""

import asyncio
from typing import Any

from nova_infra.rehearsal.drills.catalogue import DRILLS
from nova_infra.rehearsal.drills.playing import DrillRun, play_some_at_once

PLACES = 3


def test_drills_of_more_than_one_service_take_turns_beside_the_others() -> None:
    under_way: list[DrillRun] = []
    seen: list[list[str]] = []

    async def play(number: int, run: DrillRun) -> Any:
        assert runs[number - 1] is run
        under_way.append(run)
        seen.append([each.drill.reach for each in under_way])
        for _ in range(1 if run.drill.reach == "production" else 3):
            await asyncio.sleep(0)
        under_way.remove(run)
        return run

    release: Any = None
    runs = [DrillRun(drill, release) for drill in DRILLS]
    results: list[Any] = asyncio.run(play_some_at_once(runs, play, places=PLACES))
    assert results == runs, "results are in the order in which they were asked for"
    whole = [sum(reach != "production" for reach in reaches) for reaches in seen]
    assert max(whole) == 1
    assert max(map(len, seen)) == PLACES
    assert [0 < each < len(reaches) for each, reaches in zip(whole, seen, strict=True)].count(True) > PLACES

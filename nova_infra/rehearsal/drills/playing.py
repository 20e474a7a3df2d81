"""Plays drills, each over the candidate that the pipeline has just delivered."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.drills.drill import CONFIGURED, Drill, DrillResult
from nova_infra.rehearsal.drills.plan import plan
from nova_infra.rehearsal.drills.steering import DrillSteering
from nova_infra.rehearsal.drills.what_if import WhatIf
from nova_infra.rehearsal.live.live import View
from nova_infra.rehearsal.pipeline.player import Player
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.pipeline.simulated import new_record
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.tasks.runtime import TaskRuntime

AT_ONCE = max(2, min(1 + (os.cpu_count() or 1), 4))
"""How many drills run in parallel: they mostly wait for minutes."""


@dataclass(frozen=True)
class DrillRun:
    """One drill with one canary.

    Attributes:
        canary: Name of the canary: :data:`CONFIGURED`, or that of another one.
    """

    drill: Drill
    release: Release
    canary: str = CONFIGURED


def drill_runs(drills: Iterable[Drill], candidate: Release, what_if: WhatIf | None) -> list[DrillRun]:
    """Each drill as configured; those in production with the other canary, too."""
    runs = []
    for drill in drills:
        runs.append(DrillRun(drill, candidate))
        if what_if is not None and drill.reach == "production":
            runs.append(DrillRun(drill, replace(candidate, edits=(what_if.edit,)), what_if.name))
    return runs


async def play_some_at_once(
    runs: Sequence[DrillRun], play: Callable[[int, DrillRun], Awaitable[DrillResult]], *, places: int
) -> list[DrillResult]:
    """Play drills side by side, in the order of the runs; those of several services take turns."""
    free = asyncio.Semaphore(places)
    results: dict[int, DrillResult] = {}

    async def take_turns(*numbered: tuple[int, DrillRun]) -> None:
        async with free:
            for number, run in numbered:
                results[number] = await play(number, run)

    numbered = list(enumerate(runs, start=1))
    whole = [each for each in numbered if each[1].drill.reach != "production"]
    await gather(take_turns(*whole), *(take_turns(each) for each in numbered if each not in whole))
    return [results[number] for number, _ in numbered]


@dataclass(frozen=True)
class DrillPlayer:
    """Plays drills."""

    view: View
    logs: Path
    runtime: TaskRuntime
    files: RequestFiles

    async def play(self, runs: list[DrillRun]) -> list[DrillResult]:
        """Play the drills, some at a time; results are in the order of the runs."""

        async def play(number: int, run: DrillRun) -> DrillResult:
            self.view.announce(f"drill {number} of {len(runs)}, {run.drill.name}, {run.canary}: {run.drill.title}")
            return await self._play_one(run)

        return await play_some_at_once(runs, play, places=AT_ONCE)

    async def _play_one(self, run: DrillRun) -> DrillResult:
        drill, planned = run.drill, plan(run.drill, run.release)
        record = new_record(
            planned.pipeline, candidate=planned.candidate, baseline=planned.baseline, runtime=self.runtime
        )

        async def approve(_: str) -> bool:
            return drill.approves

        self.view.follow(record)
        began = asyncio.get_running_loop().time()
        player = Player(
            planned.pipeline,
            planned.candidate,
            planned.baseline,
            record,
            approve=approve,
            tell=lambda line: self.view.tell(f"  {line}"),
            logs=self.logs / (drill.name if run.canary == CONFIGURED else f"{drill.name}, {run.canary}"),
            minutes_before=drill.minutes_before,
            seconds_per_minute=self.runtime.pace.seconds_per_minute,
            runtime=self.runtime,
            steering=DrillSteering(drill.answers, planned.service),
            suite_ends=drill.suite != "hangs",
            files=self.files,
        )
        await player.play()
        result = DrillResult(
            drill.name,
            drill.title,
            drill.expected,
            planned.service,
            run.canary,
            drill.check(record, planned.service),
            asyncio.get_running_loop().time() - began,
            record,
            drill.place,
        )
        came = "; ".join(result.misses) or "everything ended as expected"
        self.view.ended(f"{'✓' if result.passed else '✗'} drill {drill.name}, {run.canary}: {came}")
        return result

"""One rehearsal from beginning to end."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from nova_infra.errors import NovaError
from nova_infra.rehearsal.assembly import Assembly
from nova_infra.rehearsal.play import Player, new_record
from nova_infra.rehearsal.record import Record
from nova_infra.rehearsal.release import Release, baseline_of
from nova_infra.rehearsal.view import View, show_summary

WORK_DIRECTORY = ".nova"


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    Attributes:
        root: The project's directory.
        assembly: The candidate's assembly.
        baseline: Git revision of the baseline.
        approve: Whether every approval is given without asking.
        json_file: Where to write the record, if anywhere.
    """

    root: Path
    assembly: Path
    baseline: str
    approve: bool
    json_file: Path | None


def rehearse(options: Options) -> bool:
    """Play the candidate's pipeline and show it.

    Args:
        options: What the user asked for.

    Returns:
        Whether every stage succeeded.

    Raises:
        NovaError: The rehearsal cannot be held.
        KeyboardInterrupt: It was interrupted; everything that it had started is stopped.
    """
    console = Console()
    interactive = sys.stdin.isatty() and console.is_terminal
    if not options.approve and not interactive:
        raise NovaError("approval: there is no terminal to ask on: give the approval beforehand with --approve")
    candidate = Release("working tree", Assembly(options.assembly), options.root)
    pipeline = candidate.pipeline()
    with baseline_of(candidate, options.baseline) as baseline:
        record = new_record(pipeline, candidate=candidate, baseline=baseline)
        view = View(console, record)

        async def approve(name: str) -> bool:
            if options.approve:
                return True
            with view.paused():
                answer = await asyncio.to_thread(console.input, f"{name}: deploy to production? \\[y/N] ")
            return answer.strip().lower() in ("y", "yes")

        player = Player(
            pipeline,
            candidate,
            baseline,
            record,
            approve=approve,
            tell=view.tell,
            logs=options.root / WORK_DIRECTORY / "logs",
        )
        with view.following():
            asyncio.run(_until_stopped(player))
    show_summary(console, record)
    if options.json_file is not None:
        _write(options.json_file, record)
    return record.succeeded


async def _until_stopped(player: Player) -> None:
    """Play; on SIGTERM or a hang-up stop as cleanly as on Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None, "runs in a task"
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await player.play()
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _write(path: Path, record: Record) -> None:
    try:
        path.write_text(json.dumps(record.as_json(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise NovaError(f"--json {path}: cannot be written ({error.strerror}): name another file") from None

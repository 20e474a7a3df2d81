"""Runs the shell commands of a build or test step, keeps their last lines, and stops all that they started."""

import asyncio
import contextlib
import os
import re
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from nova_infra.machine.processes import Process, start_process

OUTPUT_LINES = 40
GRACE_SECONDS = 3.0
_SPARED_SECONDS = 40.0
_LAST_WORDS_SECONDS = 1.0
"""How long output is read of a command that has ended, while something that it has started keeps it open."""
_MOST_LAST_WORDS = 2**20
"""Bytes of it: more than a pipe holds, and no more than that of what goes on printing."""
_MOST_REST = 2**16
"""Bytes of a line that are kept."""
_NOT_COVERED = re.compile(r"^not covered: (.+)$", re.MULTILINE)


def not_covered_in(output: str) -> list[str]:
    """What a build's commands say that they could not look at: their lines that begin with ``not covered:``."""
    return list(dict.fromkeys(line.strip() for line in _NOT_COVERED.findall(output)))


async def run_command(
    command: str,
    *,
    directory: Path,
    environment: Mapping[str, str],
    log: Path,
    spare: tuple[str, ...] = (),
    without_aws: bool = False,
) -> tuple[int, list[str]]:
    """Run a shell command to its end; then, or on cancellation, stop it and everything it started.

    What it has left running in the background is not waited for.

    Args:
        command: As in a build spec.
        environment: Variables added to this process's own, without those of an enclosing make.
        spare: Programs that are left to end by themselves when this is cancelled: who started them sees to it.
        without_aws: Whether it gets nothing that leads to AWS: it must not be able to publish anything.

    Returns:
        The exit code and the last lines of what it printed.
    """
    left_out = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    inherited = {
        key: value
        for key, value in os.environ.items()
        if key not in left_out and not (without_aws and key.startswith("AWS_"))
    }
    process = await start_process(
        ["/bin/sh", "-c", command], directory=directory, environment={**inherited, **environment}
    )
    ended = asyncio.create_task(process.gone())
    try:
        with log.open("ab") as file:
            file.write(f"$ {command}\n".encode())
            lines = await _last_lines(process, ended, file)
        await ended
        code = process.exit_code
        assert code is not None, "it has ended"
        return code, lines
    finally:
        ended.cancel()
        await process.stop(_SPARED_SECONDS if spare else GRACE_SECONDS, spare=spare)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_drain(process), _LAST_WORDS_SECONDS)


async def _last_lines(process: Process, ended: asyncio.Task[None], file: BinaryIO) -> list[str]:
    """Copy what a command prints to a file; its last lines that say something."""
    lines: deque[str] = deque(maxlen=OUTPUT_LINES)
    rest, last_words = b"", _MOST_LAST_WORDS
    while last_words > 0 and (chunk := await _next_chunk(process, ended)):
        last_words -= len(chunk) if ended.done() else 0
        file.write(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        rest = rest[-_MOST_REST:]
        lines.extend(line.decode(errors="replace").rstrip() for line in whole)
    return [line for line in (*lines, rest.decode(errors="replace").rstrip())[-OUTPUT_LINES:] if line]


async def _drain(process: Process) -> None:
    """Read the rest of what it printed, so that its pipe is closed."""
    while await process.output.read(2**16):
        pass


async def _next_chunk(process: Process, ended: asyncio.Task[None]) -> bytes:
    """What a command prints next; empty where it has ended, and prints no more."""
    reading = asyncio.ensure_future(process.output.read(2**16))
    try:
        await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            await asyncio.wait({reading}, timeout=_LAST_WORDS_SECONDS)
        return reading.result() if reading.done() else b""
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading

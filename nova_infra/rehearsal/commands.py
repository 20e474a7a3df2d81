"""Running a build's commands."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import psutil

OUTPUT_LINES = 40


async def run_command(
    command: str, *, directory: Path, environment: Mapping[str, str], log: Path
) -> tuple[int, list[str]]:
    """Run a shell command to its end; on cancellation stop it and everything it started.

    Args:
        command: As in a build spec.
        directory: Where it runs.
        environment: Variables added to this process's own, without those of an enclosing make.
        log: File that its output is appended to.

    Returns:
        The exit code and the last lines of what it printed.
    """
    inherited = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        command,
        cwd=directory,
        env={**inherited, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None, "started with a pipe"
    lines: deque[str] = deque(maxlen=OUTPUT_LINES)
    rest = b""
    try:
        with log.open("ab") as file:
            file.write(f"$ {command}\n".encode())
            while chunk := await process.stdout.read(2**16):
                file.write(chunk)
                *whole, rest = (rest + chunk).split(b"\n")
                lines.extend(line.decode(errors="replace").rstrip() for line in whole)
        lines.append(rest.decode(errors="replace").rstrip())
        return await process.wait(), [line for line in lines if line]
    finally:
        if process.returncode is None:
            await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask the process and its descendants to stop, then make them. Some descendants lead groups of their own."""
    try:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        family = []
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), 3)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    await process.wait()

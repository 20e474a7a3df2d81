"""Runs the shell commands of a build."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from nova_infra.machine.processes import start_process

OUTPUT_LINES = 40
GRACE_SECONDS = 3.0
_SPARED_SECONDS = 40.0
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
    """Run a shell command to its end; on cancellation stop it and everything it started.

    Args:
        command: As in a build spec.
        directory: Where it runs.
        environment: Variables added to this process's own, without those of an enclosing make.
        log: File that its output is appended to.
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
    lines: deque[str] = deque(maxlen=OUTPUT_LINES)
    rest = b""
    try:
        with log.open("ab") as file:
            file.write(f"$ {command}\n".encode())
            while chunk := await process.output.read(2**16):
                file.write(chunk)
                *whole, rest = (rest + chunk).split(b"\n")
                lines.extend(line.decode(errors="replace").rstrip() for line in whole)
        lines.append(rest.decode(errors="replace").rstrip())
        return await process.wait(), [line for line in lines if line]
    finally:
        await process.stop(_SPARED_SECONDS if spare else GRACE_SECONDS, spare=spare)

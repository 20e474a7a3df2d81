"""Starts `pressure_program` in a task's control group: CPU and memory drills for any image."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nova_infra.machine.processes import Process, start_process
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.faults import value_of
from nova_infra.rehearsal.usage import pressure_program

PRESSURES = ("cpu", "memory", "children", "killed-by-kernel")
_KILL_SECONDS = 30.0
_PROGRAM = pressure_program.__file__
_HIGHEST_SCORE = "1000"


@dataclass
class Pressure:
    """The program while it runs."""

    _process: Process

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @classmethod
    async def start(
        cls, definition: TaskDefinition, *, parent: int, groups: Mapping[str, Path] | None = None
    ) -> Pressure | None:
        """Put the pressure on a task that its definition's fault names; None where it names none.

        Args:
            groups: The directories of its control group, which the program joins.
        """
        name = definition.fault.partition(":")[0]
        if name not in PRESSURES:
            return None
        if name == "killed-by-kernel":
            # The kernel takes the process that it is worst off without: the service, not the program beside it.
            for pid in [parent, *_members(groups)]:
                with contextlib.suppress(OSError):
                    Path(f"/proc/{pid}/oom_score_adj").write_text(_HIGHEST_SCORE, encoding="ascii")  # noqa: ASYNC240 - in memory
        # All at once for the kernel: a container whose memory fills up slowly is busy reading its program again.
        step = 2 * definition.memory if name == "killed-by-kernel" else value_of(definition.fault)
        words = [sys.executable, "-S", _PROGRAM, name, f"{step:g}", str(definition.memory), str(parent)]
        words += _files(groups)
        return cls(await start_process(words, directory=Path("/"), environment={"PATH": os.environ["PATH"]}))

    async def wait_for_kill(self, definition: TaskDefinition, ended: Callable[[], Awaitable[object]]) -> None:
        """Where the fault is that the kernel kills the task, wait until it has, in vain at most for half a minute.

        On a busy machine the kernel gives back cached files for seconds before it kills. The memory alarm, whose
        minutes are seconds here, would be first.
        """
        if definition.fault == "killed-by-kernel":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended(), _KILL_SECONDS)

    async def end(self) -> None:
        """End it."""
        self._process.kill()
        await self._process.wait()


def _files(groups: Mapping[str, Path] | None) -> list[str]:
    return sorted({str(path / "cgroup.procs") for path in (groups or {}).values()})


def _members(groups: Mapping[str, Path] | None) -> list[int]:
    members: set[int] = set()
    for file in _files(groups):
        with contextlib.suppress(OSError):
            members |= {int(line) for line in Path(file).read_text(encoding="ascii").split()}
    return sorted(members)

"""The program that puts pressure on a task's CPU or memory: started alone, it needs no other module.

``python pressure_program.py cpu|memory|children|killed-by-kernel STEP MOST SERVICE FILE…``: how many MiB more it
holds every half second, how many MiB the task may hold with it, the service's first process, and the files by which
it joins a control group. Memory fills up to just below the limit and stays there: the kernel would end this program,
the largest, and the task would be well again before anybody has measured it.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_MIB = 2**20
_PAGE = 4096
_CHILDREN = 3
_STEP_SECONDS = 0.5
_FULL = 0.96
"""Above the alarm's 90 %, and below where the kernel kills processes."""


def main(arguments: Sequence[str]) -> None:
    """Join a control group and put the pressure on, until somebody ends it.

    Args:
        arguments: What kind, how many MiB a step, the limit in MiB, the service's process, and the files of the control
            group to join.
    """
    kind, step, most, service, *files = arguments
    for file in files:
        with contextlib.suppress(OSError):  # Not every controller takes processes; those of memory and processors do.
            Path(file).write_text(str(os.getpid()), encoding="ascii")
    if kind == "cpu":
        while True:
            pass
    limit = float("inf") if kind == "killed-by-kernel" else float(most) * _FULL
    places = [Path(file).parent for file in files]
    if kind in ("children", "killed-by-kernel"):
        # Each of them holds less than the whole: the kernel takes the largest process.
        for _ in range(_CHILDREN):
            if os.fork() == 0:
                _hold(float(step), limit, _CHILDREN, places, service)
        signal.pause()
    _hold(float(step), limit, 1, places, service)


def _hold(step: float, limit: float, share: int, places: Sequence[Path], service: str) -> None:
    """Hold more and more, as one of several that share the steps, until the task holds as much as the limit, in MiB."""
    held: list[bytearray] = []
    while True:
        more = bytearray(int(min(step, max(limit - _used(places, service), 0)) / share * _MIB))
        more[::_PAGE] = b"x" * len(range(0, len(more), _PAGE))  # Memory counts once it is written to.
        held.append(more)
        time.sleep(_STEP_SECONDS)


def _used(places: Sequence[Path], service: str) -> float:
    """MiB that the whole task holds: by its control group, else this program and the service's first process."""
    for place in places:
        with contextlib.suppress(OSError, ValueError):
            lines = (line.split() for line in (place / "memory.stat").read_text(encoding="ascii").splitlines())
            counted = {name: int(value) for name, value in lines}
            names = ("total_rss", "total_shmem") if "total_rss" in counted else ("anon", "shmem")
            return sum(counted.get(name, 0) for name in names) / _MIB
    return sum(map(_resident, (service, "self")))


def _resident(process: str) -> float:
    with contextlib.suppress(OSError, ValueError):
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / _MIB
    return 0.0


if __name__ == "__main__":
    main(sys.argv[1:])

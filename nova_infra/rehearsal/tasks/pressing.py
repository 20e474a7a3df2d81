"""The program that puts pressure on a task: it works, or holds more and more memory. It needs no other module.

``python pressing.py cpu|memory|children|killed-by-kernel MIB FILE…``: how much more it holds every half second, and the
files by which it joins a control group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_MIB = 2**20
_CHILDREN = 3
_STEP_SECONDS = 0.5


def main(arguments: Sequence[str]) -> None:
    """Join a control group and put the pressure on, until somebody ends it.

    Args:
        arguments: What kind, how many MiB a step, and the files of the control group to join.
    """
    kind, step, *files = arguments
    for file in files:
        with contextlib.suppress(OSError):  # Not every controller takes processes; those of memory and processors do.
            Path(file).write_text(str(os.getpid()), encoding="ascii")
    if kind == "cpu":
        while True:
            pass
    if kind in ("children", "killed-by-kernel"):
        # Each of them holds less than the whole: the kernel takes the largest process.
        for _ in range(_CHILDREN):
            if os.fork() == 0:
                _hold(float(step) / _CHILDREN)
        signal.pause()
    _hold(float(step))


def _hold(step: float) -> None:
    held: list[bytearray] = []
    page = os.urandom(4096)
    while True:
        held.append(bytearray(page * int(step * _MIB / len(page))))
        time.sleep(_STEP_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1:])

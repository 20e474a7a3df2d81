"""Measures the CPU and memory of a process and its children, without a busy machine's noise."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

_PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """What a task used since it was last measured.

    Attributes:
        cpu: Percent of the processor time that it was granted and could have had, from 0 to 100.
        had: Seconds that passed, without those in which this machine had no processor for it.
    """

    cpu: float
    memory: float
    spent: float = 0.0
    had: float = 0.0


class UsageMeter:
    """Measures one process with its children."""

    def __init__(self, pid: int, share: float = 1.0) -> None:
        """Begin with the process as it is now."""
        self._pids = [pid]
        self._share = share
        self._began = self._at = time.monotonic()
        self._busy, self._waited = self.busy_seconds(), waited_seconds(self._family())

    def add(self, pid: int) -> None:
        """Count a further process, with its children."""
        self._pids.append(pid)

    def busy_seconds(self) -> float:
        """Seconds of processor time used so far; 0 when all are gone."""
        busy = 0.0
        for pid in self._family():
            try:
                times = psutil.Process(pid).cpu_times()
            except psutil.Error:
                continue
            busy += float(times.user + times.system)
        return busy

    def seconds_with_a_processor(self) -> float:
        """Seconds since the meter was made in which the process worked or slept, but did not wait for a processor."""
        return max(time.monotonic() - self._began - waited_seconds(self._family()), 0.0)

    def restart(self) -> None:
        """Forget what was used so far: programs work hard while they start, and minutes are short here."""
        self._at, self._busy, self._waited = time.monotonic(), self.busy_seconds(), waited_seconds(self._family())

    def read(self) -> Usage:
        """What was used since the last call, as if no other process had taken the processors."""
        now, busy, waited = time.monotonic(), self.busy_seconds(), waited_seconds(self._family())
        used = max(busy - self._busy, 0.0)
        had = max(now - self._at - max(waited - self._waited, 0.0), used / max(self._share, 1.0), 0.001)
        self._at, self._busy, self._waited = now, busy, waited
        return Usage(min(100 * used / had / self._share, 100.0), self.memory(), used, had)

    def memory(self) -> float:
        """MiB that they hold now; 0 when they are gone."""
        held = 0.0
        for pid in self._family():
            try:
                held += float(psutil.Process(pid).memory_info().rss) / 2**20
            except psutil.Error:
                continue
        return held

    def _family(self) -> list[int]:
        """The processes and all of their descendants."""
        family, ahead = [], list(self._pids)
        while ahead:
            pid = ahead.pop()
            family.append(pid)
            ahead += _children(pid)
        return family


def waited_seconds(pids: Iterable[int]) -> float:
    """Seconds that threads waited for a processor, as Linux counts them (sched-stats); elsewhere 0."""
    total = 0
    for path in (thread for pid in pids for thread in _threads(pid)):
        try:
            total += int((path / "schedstat").read_text(encoding="ascii").split()[1])
        except (OSError, ValueError, IndexError):
            continue  # The thread has ended meanwhile, or this is not Linux.
    return total / 1e9


def _threads(pid: int) -> list[Path]:
    try:
        return list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    """As Linux lists them for each thread, which is quick; elsewhere as psutil finds them."""
    if not _PROC.exists():
        try:
            return [child.pid for child in psutil.Process(pid).children()]
        except psutil.Error:
            return []
    children: list[int] = []
    for thread in _threads(pid):
        try:
            children += map(int, (thread / "children").read_text(encoding="ascii").split())
        except OSError:
            continue
    return children

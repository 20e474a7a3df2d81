"""What a process uses of its processor and memory, measured so that a busy machine does not change the answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Usage:
    """What a process used since it was last measured.

    Attributes:
        cpu: Percent of the time in which it had a processor to itself that it kept it busy, from 0 to 100.
        memory: MiB that it holds.
    """

    cpu: float
    memory: float


class UsageMeter:
    """Measures one process."""

    def __init__(self, pid: int) -> None:
        """Begin with the process as it is now.

        Args:
            pid: The process.
        """
        self._pid = pid
        self._began = self._at = time.monotonic()
        self._busy, self._waited = self.busy_seconds(), self._waited_seconds()

    def busy_seconds(self) -> float:
        """Seconds of processor time that it has used so far; 0 when it is gone."""
        try:
            times = psutil.Process(self._pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def seconds_with_a_processor(self) -> float:
        """Seconds since the meter was made in which the process worked or slept, but did not wait for a processor."""
        return max(time.monotonic() - self._began - self._waited_seconds(), 0.0)

    def read(self) -> Usage:
        """What it used since the last call.

        Time in which it was ready but other processes had all processors is left out: a service that spins shows
        100 % and an idle one next to nothing, however busy the machine is.
        """
        now, busy, waited = time.monotonic(), self.busy_seconds(), self._waited_seconds()
        used = max(busy - self._busy, 0.0)
        had = max(now - self._at - max(waited - self._waited, 0.0), used, 0.001)
        self._at, self._busy, self._waited = now, busy, waited
        return Usage(cpu=min(100 * used / had, 100.0), memory=self.memory())

    def _waited_seconds(self) -> float:
        """Seconds that its threads waited for a processor, as Linux counts them; elsewhere 0.

        See https://docs.kernel.org/scheduler/sched-stats.html.
        """
        total = 0
        try:
            threads = list(Path(f"/proc/{self._pid}/task").glob("*/schedstat"))
        except OSError:
            return 0.0  # The process has ended meanwhile, or this is not Linux.
        for path in threads:
            try:
                total += int(path.read_text(encoding="ascii").split()[1])
            except (OSError, ValueError, IndexError):
                continue  # The thread has ended meanwhile.
        return total / 1e9

    def memory(self) -> float:
        """MiB that it holds now; 0 when it is gone."""
        try:
            return float(psutil.Process(self._pid).memory_info().rss) / 2**20
        except psutil.Error:
            return 0.0

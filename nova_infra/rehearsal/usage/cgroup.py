"""Measures a container's memory and CPU from its cgroup (v1 or v2), child processes included."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

from nova_infra.rehearsal.usage.processes import Usage, waited_seconds

_ROOT = Path("/sys/fs/cgroup")
_UNITS_PER_PROCESSOR = 1024
_MIB = 2**20
_PERIOD_MICROSECONDS = 100_000


@dataclass(frozen=True)
class ControlGroup:
    """The control group of a container, of either version.

    https://docs.kernel.org/admin-guide/cgroup-v1/memory.html, https://docs.kernel.org/admin-guide/cgroup-v2.html

    Attributes:
        places: Controller to its directory; version 2 has one directory for all of them, under the empty name.
        container: The container's id, which the name of its outermost group holds.
    """

    places: dict[str, Path]
    container: str

    def joined(self, *, for_memory: bool) -> dict[str, Path]:
        """The directories that a program joins that runs with the service.

        Args:
            for_memory: Whether it presses on memory: where that is a controller of its own, its work is no CPU.
        """
        if for_memory and "memory" in self.places:
            return {"memory": self.places["memory"]}
        return dict(self.places)

    @classmethod
    def of(cls, pid: int, container: str, *, root: Path = _ROOT, proc: Path = Path("/proc")) -> ControlGroup | None:
        """The control group of a process, if it is that of a container.

        Args:
            pid: The process, as the engine names it; elsewhere than on Linux it is a process of another machine.
            container: The container's id: the group's path must hold it.
        """
        try:
            lines = (proc / str(pid) / "cgroup").read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            return None
        places = {}
        for line in lines:
            _, controllers, path = line.split(":", 2)
            # A container that sees only its own group shows up as a path from above: those are not followed.
            if container not in path:
                continue
            for controller in controllers.split(",") if controllers else [""]:
                place = root / controller / path.lstrip("/")
                if place.is_dir():
                    places[controller] = place
        return cls(places, container) if places else None

    @property
    def version_2(self) -> bool:
        """Whether one directory holds all controllers, and their files."""
        return self._read("", "memory.stat") is not None

    def processor_seconds(self) -> float | None:
        """Seconds of processor time used so far; None where it is gone."""
        if self.version_2:
            used = self._statistic("", "cpu.stat", "usage_usec")
            return None if used is None else used / 1e6
        text = self._read("cpuacct", "cpuacct.usage")
        return None if text is None else int(text) / 1e9

    def throttled_seconds(self) -> float:
        """Seconds for which it was throttled because it had used up its share."""
        if self.version_2:
            return (self._statistic("", "cpu.stat", "throttled_usec") or 0) / 1e6
        return (self._statistic("cpu", "cpu.stat", "throttled_time") or 0) / 1e9

    def limit_processor(self, processors: float) -> bool:
        """Give it no more processor time than so many processors have, without a process of the engine's.

        An engine's runtime freezes the group for it, which on a busy machine can fail.

        Returns:
            Whether the kernel takes it; otherwise the engine has to be asked.
        """
        quota = str(round(processors * _PERIOD_MICROSECONDS))
        if self.version_2:
            return self._write("", "cpu.max", f"{quota} {_PERIOD_MICROSECONDS}")
        period = self._write("cpu", "cpu.cfs_period_us", str(_PERIOD_MICROSECONDS))
        return period and self._write("cpu", "cpu.cfs_quota_us", quota)

    def memory(self) -> float | None:
        """MiB that the kernel cannot take back: no cached files, but files in memory; None where it is gone."""
        names = ("anon", "shmem") if self.version_2 else ("total_rss", "total_shmem")
        held = [self._statistic("" if self.version_2 else "memory", "memory.stat", name) for name in names]
        return None if held[0] is None else sum(value or 0 for value in held) / _MIB

    def killed_for_memory(self) -> int:
        """How many of its processes the kernel has killed because the group had used up its memory."""
        if self.version_2:
            return self._statistic("", "memory.events", "oom_kill") or 0
        return self._statistic("memory", "memory.oom_control", "oom_kill") or 0

    def processes(self) -> list[int]:
        """Its processes."""
        text = self._read("" if self.version_2 else "memory", "cgroup.procs")
        return [int(line) for line in (text or "").split()]

    def _statistic(self, controller: str, file: str, name: str) -> int | None:
        text = self._read(controller, file)
        match = re.search(rf"^{name} (\d+)$", text or "", re.MULTILINE)
        return int(match.group(1)) if match else None

    def _read(self, controller: str, file: str) -> str | None:
        for path in self._paths(controller, file):
            with contextlib.suppress(OSError):
                return path.read_text(encoding="ascii")
        return None

    def _write(self, controller: str, file: str, text: str) -> bool:
        for path in self._paths(controller, file):
            with contextlib.suppress(OSError), path.open("r+b", buffering=0) as opened:
                opened.write(text.encode())
                return True
        return False

    def _paths(self, controller: str, file: str) -> list[Path]:
        """Where a file may be: here, or in the group around it: crun creates one inside the group that it limits."""
        place = self.places.get(controller)
        if place is None:
            return []
        return [place / file] if self.container in place.name else [place / file, place.parent / file]


class GroupMeter:
    """Measures a container as ECS does: processor time as a share of its CPU units."""

    def __init__(self, group: ControlGroup, units: int) -> None:
        """Begin with the container as it is now."""
        self._group = group
        self._share = units / _UNITS_PER_PROCESSOR
        self._began = time.monotonic()
        self.restart()

    def restart(self) -> None:
        """Forget what was used so far: programs work hard while they start, and minutes are short here."""
        self._at, self._used, self._kept = (
            time.monotonic(),
            self._group.processor_seconds() or 0.0,
            self._kept_waiting(),
        )

    def seconds_on_its_share(self) -> float:
        """Seconds since the meter was made, as its CPU units alone would take; waits for a processor do not count."""
        real = time.monotonic() - self._began - self._kept_waiting()
        return max(real, (self._group.processor_seconds() or 0.0) / self._share)

    def read(self) -> Usage:
        """What it used since the last call: percent of its CPU units, from 0 to 100, and MiB that it holds."""
        now, used, kept = time.monotonic(), self._group.processor_seconds(), self._kept_waiting()
        if used is None:
            return Usage(0.0, 0.0)
        spent = max(used - self._used, 0.0)
        had = max(now - self._at - max(kept - self._kept, 0.0), spent / max(self._share, 1.0), 0.001)
        self._at, self._used, self._kept = now, used, kept
        return Usage(min(100 * spent / had / self._share, 100.0), self._group.memory() or 0.0, spent, had)

    def _kept_waiting(self) -> float:
        """Seconds that it waited for a processor because this machine is busy, and not for want of CPU units."""
        return max(waited_seconds(self._group.processes()) - self._group.throttled_seconds(), 0.0)

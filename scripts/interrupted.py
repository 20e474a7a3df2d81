"""Interrupts whole rehearsals at chosen moments, and says what they leave behind: ``python scripts/interrupted.py``.

``python scripts/interrupted.py baseline traffic`` plays two of the moments. It needs an engine, and takes a few
minutes for each that comes late. Exits with 1 if anything is left: a process, a container, a network, a volume, a
mount, a file.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nova_infra.containers.engine import Engine, detect

MARK = "NOVA_INTERRUPTED"
"""Variable by which every process of a rehearsal is found, whoever its parent is."""
SECONDS = 900
ENDED_SECONDS = 120


@dataclass(frozen=True)
class Moment:
    """When and how a rehearsal is interrupted.

    Attributes:
        line: What it prints by then.
        after: Seconds after that.
        signals: What it gets, half a second apart. SIGINT goes to the whole group, as a terminal sends it.
    """

    line: str
    after: float
    signals: tuple[signal.Signals, ...]


MOMENTS = {
    "build": Moment(r"Images\.\S+: make images", 3, (signal.SIGTERM,)),
    "baseline": Moment(r"Dev: starting what runs there now", 4, (signal.SIGINT,)),
    "twice": Moment(r"Dev\..*-service\.Deploy$", 3, (signal.SIGINT, signal.SIGINT)),
    "traffic": Moment(r"-prod-.*: 10 % of the traffic", 2, (signal.SIGTERM,)),
    "drill": Moment(r"stage Prod$", 5, (signal.SIGINT,)),
    "report": Moment(r"✓ drill", 0, (signal.SIGTERM,)),
}


def main(names: list[str]) -> int:
    """Play the moments that are named, or all; returns the exit code."""
    engine, found = detect(), False
    for name in names or list(MOMENTS):
        code, seconds, left = interrupt(MOMENTS[name], engine, drilled=name in ("drill", "report"))
        print(f"{name}: exit code {code} after {seconds:.1f} s; {'; '.join(left) or 'nothing is left'}", flush=True)
        found = found or bool(left) or code not in (130, 0, 1)
    return int(found)


def interrupt(moment: Moment, engine: Engine, *, drilled: bool) -> tuple[int, float, list[str]]:
    """Start a rehearsal and interrupt it.

    Args:
        moment: When and how.
        engine: What runs its containers.
        drilled: Whether the moment is one of a drill's.

    Returns:
        Its exit code, the seconds that it took to end, and what it left behind.
    """
    mark, drill = uuid.uuid4().hex, ["--drill", "errors"] if drilled else []
    mounts, volumes = set(_mounts()), set(_volumes(engine))
    with tempfile.TemporaryDirectory(prefix="interrupted-") as place:
        process = subprocess.Popen(
            ["nova", "rehearse", "--approve", "--tasks", "images", *drill],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TMPDIR": place, MARK: mark},
            start_new_session=True,
        )
        _wait_for(process, moment, again=drilled)
        began = time.monotonic()
        for number in moment.signals:
            (os.killpg if number is signal.SIGINT else os.kill)(process.pid, number)
            time.sleep(0.5)
        process.communicate(timeout=ENDED_SECONDS)
        seconds = time.monotonic() - began
        time.sleep(1)  # An engine's monitor ends a moment after its container.
        left = [f"process {each}" for each in _marked(mark)]
        left += [f"{kind} {each}" for kind, each in _of_the_engine(engine, process.pid)]
        left += [f"mount {each}" for each in set(_mounts()) - mounts if place in each]
        left += [f"volume {each}" for each in set(_volumes(engine)) - volumes]
        left += [f"file {each.relative_to(place)}" for each in Path(place).rglob("*") if each.is_file()]
    return process.returncode, seconds, left


def _wait_for(process: subprocess.Popen[str], moment: Moment, *, again: bool) -> None:
    """Read what it prints up to the moment; of a drill's stages, the first time is the release's own."""
    assert process.stdout is not None, "opened with a pipe"
    ends, matched, last = time.monotonic() + SECONDS, 0, ""
    for line in process.stdout:
        last = line.strip() or last
        matched += bool(re.search(moment.line, line.rstrip()))
        if matched > (again and "stage" in moment.line):
            time.sleep(moment.after)
            return
        if time.monotonic() > ends:
            break
    process.kill()
    raise SystemExit(f"it never printed {moment.line!r}, or took more than {SECONDS} s; its last line was: {last}")


def _marked(mark: str) -> Iterator[str]:
    """The processes whose environment holds the mark, but for this one."""
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                yield f"{entry.name} {(entry / 'comm').read_text().strip()}"
        except OSError:
            continue


def _of_the_engine(engine: Engine, pid: int) -> Iterator[tuple[str, str]]:
    """Containers and networks of the rehearsal, whose names hold its process's id."""
    label = "--filter=label=nova.rehearsal"
    for kind, listed in (
        ("container", engine.run("ps", "--all", label, "--format={{.Names}}")),
        ("network", engine.run("network", "ls", label, "--format={{.Name}}")),
    ):
        yield from ((kind, name) for name in listed.split() if name.startswith(f"nova-{pid}-"))


def _volumes(engine: Engine) -> list[str]:
    """Volumes that no container has: whatever else runs meanwhile may leave some, too."""
    return engine.run("volume", "ls", "--quiet", "--filter=dangling=true").split()


def _mounts() -> list[str]:
    return Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Interrupts whole rehearsals at chosen moments, and says what they leave behind.

``python scripts/interrupted.py baseline traffic`` plays two of the moments. It needs an engine, and takes a few
minutes for each that comes late. Exits with 1 if anything is left: a process, a container, a network, a volume, an
image, a mount, a file.

Two moments need a change of a service, so that its image is built and the tests are run: a file is added to it, and
removed again. But for the moment at which they run, the tests count as passed: they are not what is interrupted.
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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nova_infra.config import load_config
from nova_infra.containers.build import local_name, untagged_images
from nova_infra.containers.engine import Engine, detect
from nova_infra.names import repository_name

MARK = "NOVA_INTERRUPTED"
"""Variable by which every process of a rehearsal is found, whoever its parent is."""
SECONDS = 900
ENDED_SECONDS = 120


@dataclass(frozen=True)
class Moment:
    """When and how a rehearsal is interrupted.

    Attributes:
        lines: What it prints by then, one after the other.
        after: Seconds after the last of them.
        signals: What it gets, half a second apart. SIGINT goes to the whole group, as a terminal sends it.
        over: What it prints once the moment has passed: then it was interrupted too late. Empty where nothing follows.
        drill: The drill that is played, if any.
        changed: Whether a service has a change.
        tested: Whether the tests count as passed.
    """

    lines: tuple[str, ...]
    after: float
    signals: tuple[signal.Signals, ...]
    over: str = ""
    drill: str = ""
    changed: bool = False
    tested: bool = True


MOMENTS = {
    "build": Moment(
        (r"Build\.\S+: make check",), 5, (signal.SIGINT,), r"stage Build succeeded", changed=True, tested=False
    ),
    "images": Moment((r"Images\.\S+: make images",), 4, (signal.SIGTERM,), r"stage Images succeeded", changed=True),
    "baseline": Moment((r"Dev: starting what runs there now",), 4, (signal.SIGINT,), r"Dev\..*: 100 % of the traffic"),
    "twice": Moment((r"Dev\..*-service\.Deploy$",), 3, (signal.SIGINT, signal.SIGINT), r"stage Dev succeeded"),
    "traffic": Moment((r"-prod-.*: 10 % of the traffic",), 2, (signal.SIGTERM,), r"stage Prod succeeded"),
    "drill": Moment(
        (r"drill 1 of 1", r"-prod-.*: 10 % of the traffic"), 0.5, (signal.SIGINT,), r"[✓✗] drill", drill="errors"
    ),
    "report": Moment((r"✓ drill",), 0, (signal.SIGTERM,), drill="crash-at-start"),
}


def main(names: list[str]) -> int:
    """Play the moments that are named, or all; returns the exit code."""
    if unknown := [name for name in names if name not in MOMENTS]:
        print(f"{', '.join(unknown)}: is no moment: choose from {', '.join(MOMENTS)}", file=sys.stderr)
        return 2
    engine, found = detect(), False
    for name in names or list(MOMENTS):
        code, seconds, left = interrupt(MOMENTS[name], engine)
        print(f"{name}: exit code {code} after {seconds:.1f} s; {'; '.join(left) or 'nothing is left'}", flush=True)
        found = found or bool(left) or code not in (130, 0, 1)
    return int(found)


def interrupt(moment: Moment, engine: Engine) -> tuple[int, float, list[str]]:
    """Start a rehearsal and interrupt it.

    Args:
        moment: When and how.
        engine: What runs its containers.

    Returns:
        Its exit code, the seconds that it took to end, and what it left behind.
    """
    mark, drill = uuid.uuid4().hex, ["--drill", moment.drill] if moment.drill else []
    mounts, volumes, images = set(_mounts()), set(_volumes(engine)), set(_images(engine))
    with tempfile.TemporaryDirectory(prefix="interrupted-") as place, _prepared(moment):
        process = subprocess.Popen(
            ["nova", "rehearse", "--approve", "--tasks", "images", f"--report={place}/report.html", *drill],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TMPDIR": place, MARK: mark},
            start_new_session=True,
        )
        try:
            _wait_for(process, moment)
        except BaseException:
            process.terminate()
            process.communicate()
            raise
        began = time.monotonic()
        for number in moment.signals:
            (os.killpg if number is signal.SIGINT else os.kill)(process.pid, number)
            time.sleep(0.5)
        rest, _ = process.communicate(timeout=ENDED_SECONDS)
        seconds = time.monotonic() - began
        time.sleep(1)  # An engine's monitor ends a moment after its container.
        left = [f"process {each}" for each in _marked(mark)]
        left += [f"{kind} {each}" for kind, each in _of_the_engine(engine, process.pid)]
        left += [f"mount {each}" for each in set(_mounts()) - mounts if place in each]
        left += [f"volume {each}" for each in set(_volumes(engine)) - volumes]
        left += [f"image {each}" for each in set(_images(engine)) - images]
        left += [f"file {each.relative_to(place)}" for each in Path(place).rglob("*") if each.is_file()]
        if moment.over and re.search(moment.over, rest):
            left.append(f"interrupted too late: it printed {moment.over!r} before it ended")
    return process.returncode, seconds, left


@contextmanager
def _prepared(moment: Moment) -> Iterator[None]:
    """The working tree as a moment needs it, for as long as the block lasts."""
    made = []
    try:
        if moment.changed:
            [package, *_] = sorted(Path("services").glob("*-service/src/*/__init__.py"))
            made.append(package.with_name("interrupted.py"))
            made[-1].write_text(f'"""{uuid.uuid4()}."""\n', encoding="ascii")
        if moment.tested:
            tree = subprocess.run(
                ["scripts/tree.sh", "hash"], check=True, capture_output=True, text=True
            ).stdout.strip()
            passed = Path(".nova/passed", tree)
            if not passed.exists():
                passed.parent.mkdir(parents=True, exist_ok=True)
                made.append(passed)
                passed.touch()
        yield
    finally:
        for each in made:
            each.unlink(missing_ok=True)


def _wait_for(process: subprocess.Popen[str], moment: Moment) -> None:
    """Read what it prints up to the moment."""
    assert process.stdout is not None, "opened with a pipe"
    ends, ahead, last = time.monotonic() + SECONDS, list(moment.lines), ""
    for line in process.stdout:
        last = line.strip() or last
        if re.search(ahead[0], line.rstrip()):
            del ahead[0]
            if not ahead:
                time.sleep(moment.after)
                return
        if time.monotonic() > ends:
            break
    raise SystemExit(f"it never printed {ahead[0]!r}, or took more than {SECONDS} s; its last line was: {last}")


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


def _images(engine: Engine) -> list[str]:
    """Names of this project's images, and the ids of those without one; other builds that go on make some, too."""
    ours = local_name(repository_name(load_config(Path.cwd()).platform.name, ""))
    return [*(name for name in engine.image_names() if name.startswith(ours)), *untagged_images(engine)]


def _mounts() -> list[str]:
    return Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

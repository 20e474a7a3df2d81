"""Runs targets of the Makefile side by side (``make test``); ``tests/helpers/exhaustive`` chooses the cases.

One more runs than there are processors, because some wait for what they have started. Give the
longest first: what is short then fills the end, where nothing else is left. What several targets read and one has to
make, such as a synthesized assembly, they find in the directory that ``NOVA_SHARED`` names.

What a target prints is shown when it fails; of tests that were skipped, the reasons are shown in any case. After a
failure no other target is started.

Usage: ``python scripts/parts.py TARGET...``.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
LANES = (os.cpu_count() or 1) + 1
GRACE_SECONDS = 20.0
"""What tests have to clear away what they have started."""
_SUMMARY = re.compile(r"^=*\s*(\d+ [a-z]+(?: [a-z]+)?(?:, \d+ [a-z]+(?: [a-z]+)?)*) in [\d.]+s\b.*$", re.MULTILINE)
_LEFT_OUT = re.compile(r"^\d+ exhaustive cases are not run here: .*$", re.MULTILINE)
_SKIPPED = re.compile(r"^SKIPPED \[(\d+)\] (?:(.+?:\d+): )?(.*)$", re.MULTILINE)


def digest(output: str) -> list[str]:
    """What is worth a line of a target that passed: how many tests there were, and why some were not run."""
    summaries = [match[1].strip() for match in _SUMMARY.finditer(output)]
    return [*summaries[-1:], *_skipped(output), *_LEFT_OUT.findall(output)]


def _skipped(output: str) -> Iterator[str]:
    """Each reason once, with how many tests it kept from running and where the first one is."""
    found: dict[str, list[tuple[int, str]]] = {}
    for number, place, reason in _SKIPPED.findall(output):
        found.setdefault(reason, []).append((int(number), place))
    for reason, skips in found.items():
        place, more = skips[0][1], len(skips) - 1
        where = f"{place}{f' and {more} more' if more else ''}: " if place else ""
        yield f"skipped {sum(number for number, _ in skips)}: {where}{reason}"


@dataclass
class Parts:
    """The targets that are running, and whether one has failed.

    Attributes:
        width: Columns for the longest name.
        shared: A directory for what the targets make for each other.
    """

    width: int
    shared: str
    failed: bool = False
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, target: str) -> None:
        """Run one target to its end."""
        with self._lock:
            if self.failed:
                self._say(target, "not run")
                return
            self._say(target, "started")
            began = time.monotonic()
            output = tempfile.TemporaryFile()  # noqa: SIM115 it is closed below, outside of the lock
            # A process group of its own, so that nothing of it outlives an interruption.
            process = subprocess.Popen(
                # Set-up was done before this began, and finding that out again takes each a tenth of a second.
                [os.environ.get("MAKE", "make"), "--no-print-directory", "--old-file=setup", target],
                cwd=ROOT,
                env={**os.environ, "NOVA_SHARED": self.shared},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
        with output:
            _, status, used = os.wait4(process.pid, 0)
            code = process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read().decode(errors="replace")
        with self._lock:
            self._running.discard(process)
            # What it has started and waited for counts, too; not what goes on running, such as CDK's Node.
            seconds = f"{time.monotonic() - began:6.1f} s  {used.ru_utime + used.ru_stime:6.1f} s of CPU"
            if code:
                self.failed = True
                print(text.rstrip(), flush=True)
                self._say(target, "FAILED ", seconds)
            else:
                first, *rest = [*digest(text), ""]
                self._say(target, "passed ", seconds, first)
                for line in filter(None, rest):
                    self._say("", line)

    def stop(self) -> None:
        """Stop what is running, and start nothing more."""
        with self._lock:
            self.failed = True
            groups = [process.pid for process in self._running]
        for group in groups:
            _signal(group, signal.SIGINT)  # which pytest cleans up after
        late = time.monotonic() + GRACE_SECONDS
        # `make` ends at once; the others of its group may not.
        while time.monotonic() < late and any(_signal(group, 0) for group in groups):
            time.sleep(0.05)
        for group in groups:
            _signal(group, signal.SIGKILL)

    def _say(self, target: str, *words: str) -> None:
        print(f"{target:<{self.width}}  {'  '.join(words)}".rstrip(), flush=True)


def _signal(group: int, number: int) -> bool:
    """Send a process group a signal; return whether there is anything of it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def main(targets: list[str]) -> int:
    """Run them; the exit code is 1 when one fails."""
    # Also where a shell that starts it in the background has it ignore an interruption: its tests would, too.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix=f"nova-{os.getpid()}-parts-") as shared, ThreadPoolExecutor(LANES) as lanes:
        parts = Parts(max(map(len, targets)), shared)
        try:
            running = [lanes.submit(parts.run, target) for target in targets]
            while wait(running, timeout=0.2).not_done:
                pass  # an interruption that comes just before it waits is only seen after it
            for done in running:
                done.result()
        except KeyboardInterrupt:
            parts.stop()
            return 130
    return 1 if parts.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

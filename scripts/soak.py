"""Plays the rehearsal again and again on a busy machine, and compares what became of it: ``make soak``.

A process for each processor does nothing but burn it. Times and shares may differ from run to run; stages, deployments,
drills and who was told may not. Exits with 1 when two runs differ, or one cannot be played.

Usage: ``python scripts/soak.py RUNS``.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DRILLS = ("--drill", "crash-at-start", "--drill", "errors", "--drill", "integration-red")
# It ends with whoever started it, however that ends.
BURN = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"


@contextmanager
def burner() -> Iterator[None]:
    """Keep a processor busy for as long as the block lasts."""
    process = subprocess.Popen([sys.executable, "-c", BURN])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def outcome(record: dict[str, Any]) -> dict[str, str]:
    """What became of everything in a rehearsal's JSON: a name to a text, and no time nor figure among them."""
    found = {f"stage {stage['name']}": stage["status"] for stage in record["stages"]}
    for deployment in record["deployments"]:
        kind = "baseline" if deployment["baseline"] else "back" if deployment["takes_back"] else "release"
        shares = "→".join(f"{step['percent']:g}" for step in deployment["traffic"])
        name = f"{kind} {deployment['service']}"
        text = f"{deployment['outcome']} {shares} {deployment['reason']}".rstrip()
        found[name] = f"{found[name]}; {text}" if name in found else text
    # Alarms of services that are deployed side by side ring in any order.
    found["told"] = "; ".join(sorted(f"{each['topic']}: {each['message']}" for each in record["notifications"]))
    for drill in record.get("drills", ()):
        found[f"drill {drill['drill']}"] = "passed" if not drill["misses"] else "; ".join(drill["misses"])
        found |= {f"drill {drill['drill']}, {key}": text for key, text in outcome(drill["record"]).items()}
    return found


def differences(first: dict[str, str], other: dict[str, str]) -> list[str]:
    """What differs between two outcomes, a line each."""
    return [
        f"{key}: {first.get(key, 'not there')!r}, then {other.get(key, 'not there')!r}"
        for key in sorted(first.keys() | other.keys())
        if first.get(key) != other.get(key)
    ]


def play() -> dict[str, str]:
    """Play the rehearsal once.

    Raises:
        RuntimeError: It could not be held.
    """
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "rehearsal.json"
        command = ["nova", "rehearse", "--approve", "--json", str(file), "--report", f"{directory}/report.html"]
        ended = subprocess.run([*command, *DRILLS], cwd=ROOT, capture_output=True, text=True, check=False)
        if ended.returncode not in (0, 1):
            raise RuntimeError(f"exit code {ended.returncode}: {(ended.stderr or ended.stdout).strip()[-500:]}")
        return outcome(json.loads(file.read_text(encoding="utf-8")))


def main() -> int:
    """Play, compare, and print a line for each run."""
    if not sys.argv[1].isdecimal():
        print(f"RUNS: {sys.argv[1]!r} is not a number of runs, such as 3", file=sys.stderr)
        return 2
    runs = int(sys.argv[1])
    first: dict[str, str] | None = None
    same = True
    with ExitStack() as burning:
        for _ in range(os.cpu_count() or 1):
            burning.enter_context(burner())
        for run in range(1, runs + 1):
            began = time.monotonic()
            try:
                found = play()
            except RuntimeError as error:
                print(f"run {run}: {error}", flush=True)
                return 1
            first = first or found
            lines = differences(first, found)
            same &= not lines
            said = f"differs from run 1 in {len(lines)} of" if lines else "as run 1 in all of" if run > 1 else "has"
            print(f"run {run}: {said} {len(found)} outcomes, {time.monotonic() - began:.0f} s", flush=True)
            for line in lines:
                print(f"  {line}", flush=True)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())

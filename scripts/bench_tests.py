"""Measures what ``make test`` asks of the processors: part of ``make bench``.

Seconds differ by machine, so the limit is a multiple of what a fixed loop takes in the same run. Exits with 1 when the
limit is passed, and when a part fails.

Usage: ``python scripts/bench_tests.py PART...``.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

LIMIT = 360
"""They took 300 on a busy machine. With 250, two processors would be done in 75 seconds."""
ROUNDS = 10_000_000


def loop() -> float:
    """The seconds of CPU of some arithmetic: about half a second on a machine of 2024."""
    before = time.process_time()
    sum(number * number for number in range(ROUNDS))
    return time.process_time() - before


def main(parts: list[str]) -> int:
    """Run the parts, and the loop before and after them."""
    first, began = loop(), time.monotonic()
    run = subprocess.run(
        [sys.executable, Path(__file__).with_name("parts.py"), *parts], stdout=subprocess.PIPE, text=True
    )
    wall, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode:
        print(run.stdout)
        return 1
    seconds = used.ru_utime + used.ru_stime
    ratio = seconds / ((first + loop()) / 2)
    print(f"make test: {seconds:.0f} s of CPU, {ratio:.0f} times a loop (limit {LIMIT}); {wall:.0f} s by the clock")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

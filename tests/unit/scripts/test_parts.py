import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from helpers.scripts import SCRIPTS, load_script

SCRIPT = SCRIPTS / "parts.py"


@pytest.fixture(scope="module")
def parts() -> ModuleType:
    return load_script("parts")


class Make:
    """Stands in for make: make(TARGET="shell commands", …) -> what parts.py says of these targets."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def stand_in(self, **targets: str) -> Path:
        stand_in = self._directory / "make"
        cases = "".join(f"{name}) {commands} ;;\n" for name, commands in targets.items())
        stand_in.write_text(
            f'#!/bin/sh\ncd {self._directory}\nfor target; do :; done\ncase "$target" in\n{cases}esac\n'
        )
        stand_in.chmod(0o755)
        return stand_in

    def start(self, **targets: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), *targets],
            env=os.environ | {"MAKE": str(self.stand_in(**targets))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, **targets: str) -> tuple[int, list[str]]:
        process = self.start(**targets)
        said, _ = process.communicate()
        return process.returncode, said.splitlines()


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return Make(tmp_path)


def test_each_part_says_that_it_starts_and_how_it_ended(make: Make) -> None:
    code, lines = make(lint="echo tidy", unit="true")
    assert code == 0
    assert sorted(line.split()[:2] for line in lines) == [
        ["lint", "passed"], ["lint", "started"], ["unit", "passed"], ["unit", "started"]
    ]  # fmt: skip
    assert all(re.search(r" \d+\.\d s +\d+\.\d s of CPU$", line) for line in lines if "passed" in line)


@pytest.mark.exhaustive("test_the_parts_have_a_directory_for_what_they_share_and_it_is_gone_afterwards")
def test_a_part_shows_the_processors_seconds_of_all_that_it_started(make: Make) -> None:
    program = "while t() < 0.4: pass"
    _, lines = make(busy=f"{shlex.quote(sys.executable)} -S -c 'from time import process_time as t\n{program}'")
    [seconds] = re.findall(r"([\d.]+) s of CPU", " ".join(lines))
    assert 0.4 <= float(seconds) < 5


def test_a_part_that_passed_shows_how_many_tests_there_were_and_why_some_were_skipped(make: Make) -> None:
    skipped = "SKIPPED [2] tests/test_report.py:12: needs Chromium"
    code, lines = make(unit=f"echo '..s [100%]'; echo '{skipped}'; echo '3 passed, 2 skipped in 1.02s'")
    assert code == 0
    assert lines[1].endswith("3 passed, 2 skipped")
    assert lines[2].strip() == "skipped 2: tests/test_report.py:12: needs Chromium"


def test_a_part_that_left_cases_out_says_how_many_and_what_runs_them(make: Make) -> None:
    left_out = "7 exhaustive cases are not run here: make test-all"
    code, lines = make(unit=f"echo '{left_out}'; echo '3 passed in 1.02s'")
    assert code == 0
    assert lines[1].endswith("3 passed")
    assert lines[2].strip() == left_out


def test_a_failed_part_shows_all_its_output_and_no_other_part_starts(make: Make, parts: ModuleType) -> None:
    beside = {f"types{n}": "sleep 0.5" for n in range(1, parts.LANES)}
    code, lines = make(lint="echo 'a.py:1: E501'; exit 1", **beside, unit="touch ran", services="touch ran")
    assert code == 1
    assert lines.index("a.py:1: E501") < next(n for n, line in enumerate(lines) if line.startswith("lint      FAILED"))
    # Several parts run at a time, and either may come to the next one first.
    assert sorted(line.split() for line in lines if line.startswith(("unit", "services"))) == [
        ["services", "not", "run"],
        ["unit", "not", "run"],
    ]


def test_the_parts_have_a_directory_for_what_they_share_and_it_is_gone_afterwards(make: Make, tmp_path: Path) -> None:
    wait = "until [ -e $NOVA_SHARED/made ]; do sleep 0.01; done"
    code, _ = make(one="echo $NOVA_SHARED > place; touch $NOVA_SHARED/made", other=wait)
    assert code == 0
    assert not Path((tmp_path / "place").read_text().strip()).exists()


def test_an_interruption_stops_what_runs_and_lets_it_clean_up(make: Make, tmp_path: Path) -> None:
    process = make.start(unit="trap 'echo > cleaned; exit' INT; echo $$ > pid; while :; do sleep 0.05; done")
    while not (pid := tmp_path / "pid").exists() or not pid.read_text():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert (tmp_path / "cleaned").exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(int(pid.read_text()), 0)


def living(group: int) -> Iterator[psutil.Process]:
    """The processes of a group that run: one that was killed is there until somebody has asked how it ended."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def test_what_does_not_stop_is_killed(
    parts: ModuleType, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make` ends at once, and what it has started goes on without it."""
    stand_in = make.stand_in(unit="(trap '' INT; echo > started; while :; do sleep 0.1; done) & echo $$ > pid; wait")
    monkeypatch.setenv("MAKE", str(stand_in))
    monkeypatch.setattr(parts, "GRACE_SECONDS", 0.3)
    running = parts.Parts(len("unit"), str(tmp_path))
    thread = threading.Thread(target=running.run, args=["unit"])
    thread.start()
    while not (tmp_path / "started").exists() or not (pid := tmp_path / "pid").exists() or not pid.read_text():
        time.sleep(0.01)
    running.stop()
    thread.join()
    late = time.monotonic() + 10
    while (left := list(living(int(pid.read_text())))) and time.monotonic() < late:
        time.sleep(0.01)
    assert left == []


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        ("....  [100%]\n236 passed in 17.64s\n", ["236 passed"]),
        ("== 1 passed, 2 warnings in 82.80s (0:01:22) ==\n", ["1 passed, 2 warnings"]),
        ("7 passed, 3 deselected, 9 subtests passed in 4.49s\n", ["7 passed, 3 deselected, 9 subtests passed"]),
        ("Success: no issues found in 209 source files\n", []),
        (
            "SKIPPED [2] a/test_x.py:3: runs containers\nSKIPPED [1] b/test_y.py:5: needs Go\n"
            "SKIPPED [4] a/test_z.py:7: runs containers\nSKIPPED [1] for no place\n1 passed, 8 skipped in 2.1s\n",
            [
                "1 passed, 8 skipped",
                "skipped 6: a/test_x.py:3 and 1 more: runs containers",
                "skipped 1: b/test_y.py:5: needs Go",
                "skipped 1: for no place",
            ],
        ),
    ],
)
def test_the_last_line_of_tests_is_found(parts: ModuleType, output: str, lines: list[str]) -> None:
    assert parts.digest(output) == lines

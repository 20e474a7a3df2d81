"""What `make test` leaves out: never the only case of its kind."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import hypothesis
import pytest
from hypothesis.internal.conjecture import providers

from helpers.examples import QUICK, THOROUGH, examples, load_profile
from helpers.exhaustive import MARKER, one_of_each, refuse_unrepresented, unrepresented

ROOT = Path(__file__).parents[2]
SUITE = """
import pytest
from helpers.exhaustive import one_of_each

@pytest.mark.parametrize("number", one_of_each([1, 2, 3]))
def test_table(number): pass

@pytest.mark.exhaustive("test_table")
def test_other(): pass
"""


def item(name: str, *left_out: str, file: str = "test_one.py") -> pytest.Item:
    """What is collected of a test; `left_out` is the test that stands for it, or any word for another of its cases."""
    named = left_out if left_out[:1] not in ((), ("left out",)) else ()
    marker = pytest.mark.exhaustive(*named).mark if left_out else None
    stand_in = SimpleNamespace(nodeid=f"tests/unit/{file}::{name}", get_closest_marker=lambda _: marker)
    return cast("pytest.Item", stand_in)


def left_out(table: Iterable[object]) -> list[object]:
    return [getattr(case, "values", case) for case in table if hasattr(case, "marks")]


def test_the_first_case_of_a_table_is_run() -> None:
    assert one_of_each([3, 1, 2])[0] == 3
    assert left_out(one_of_each([3, 1, 2])) == [(1,), (2,)]


def test_the_first_of_each_kind_is_run_in_the_order_of_the_table() -> None:
    table = one_of_each([("a", 1), ("b", 2), ("a", 3), ("b", 4), ("c", 5)], kind=lambda case: case[0])
    assert [getattr(case, "values", case) for case in table] == [("a", 1), ("b", 2), ("a", 3), ("b", 4), ("c", 5)]
    assert left_out(table) == [("a", 3), ("b", 4)]


def test_a_case_keeps_its_name_and_its_other_marks() -> None:
    slow = pytest.param(2, id="two", marks=pytest.mark.own_project)
    case = one_of_each([1, slow])[1]
    assert (case.id, case.values, [mark.name for mark in case.marks]) == ("two", (2,), ["own_project", MARKER])


def test_all_examples_are_tried_but_by_make_test() -> None:
    assert (examples(100, QUICK), examples(100, THOROUGH)) == (20, 100)
    assert examples(300) == examples(300, hypothesis.settings.get_current_profile_name())
    assert hypothesis.settings().max_examples == examples(100)


def test_few_examples_are_made_up_without_reading_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    present = hypothesis.settings.get_current_profile_name()
    monkeypatch.setattr(providers, "is_local_module_file", lambda _: True)
    try:
        load_profile(THOROUGH)
        assert vars(providers)["is_local_module_file"](__file__)
        load_profile(QUICK)
        assert not vars(providers)["is_local_module_file"](__file__)
    finally:
        hypothesis.settings.load_profile(present)


@pytest.mark.parametrize("arguments", [["tests/unit"], ["tests/unit/test_one.py"]])
def test_a_case_without_a_stand_in_stops_every_run_of_its_file(arguments: list[str]) -> None:
    refuse_unrepresented([item("test_a", "test_b"), item("test_b")], arguments)
    with pytest.raises(pytest.UsageError, match="test_a: no case of"):
        refuse_unrepresented([item("test_a", "test_gone"), item("test_b")], arguments)


def test_a_case_that_is_asked_for_by_name_is_run() -> None:
    refuse_unrepresented([item("test_a[2]", "left out")], ["tests/unit/test_one.py::test_a[2]"])


@pytest.mark.parametrize(
    ("items", "missing"),
    [
        ([item("test_a[1]", "left out"), item("test_a[2]")], []),
        ([item("test_a[1]", "left out"), item("test_a[2]", "left out")], ["test_a"]),
        ([item("test_a", "test_b"), item("test_b")], []),
        ([item("test_a", "test_b"), item("test_b", "test_a")], ["test_b", "test_a"]),
        ([item("test_a", "test_gone"), item("test_b")], ["test_gone"]),
        ([item("test_a", "rooms/test_two.py::test_b"), item("test_b", file="rooms/test_two.py")], []),
        ([item("test_a", "rooms/test_two.py::test_a"), item("test_b", file="rooms/test_two.py")], ["test_a"]),
        # a file by itself: the other is not collected
        ([item("test_a", "scripts/test_parts.py::test_the_last_line_of_tests_is_found")], []),
        ([item("test_a", "scripts/test_parts.py::test_gone")], ["test_gone"]),
        ([item("test_a", "test_gone.py::test_b")], ["test_b"]),
    ],
)
def test_one_that_nothing_stands_for_is_found(items: list[pytest.Item], missing: list[str]) -> None:
    assert [line.rpartition("::")[2].partition(" ")[0] for line in unrepresented(items)] == missing


@pytest.mark.own_project
def test_what_the_services_leave_out_is_stood_for_in_its_file() -> None:
    for file in (ROOT / "services").glob("*/tests/test_*.py"):
        text = file.read_text(encoding="utf-8")
        for named in re.findall(r'mark\.exhaustive\("(\w+)"\)', text):
            before = re.search(rf"((?:^@.*\n)*)^(?:async )?def {named}\(", text, re.MULTILINE)
            assert before, f"{file}: {named} stands for others and is not there"
            assert MARKER not in before[1], f"{file}: {named} stands for others and is left out"


@pytest.mark.exhaustive("test_one_that_nothing_stands_for_is_found")
@pytest.mark.parametrize("workers", one_of_each([0, 1]))
def test_the_summary_says_how_many_are_left_out_and_what_runs_them(tmp_path: Path, workers: int) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "conftest.py").symlink_to(ROOT / "conftest.py")
    (tmp_path / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    command = [sys.executable, "-m", "pytest", "-q", f"-n{workers}", "-p", "no:schemathesis", "-m"]
    run = subprocess.run(
        [*command, "not exhaustive", "test_suite.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)])},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout
    assert "3 exhaustive cases are not run here: make test-all" in run.stdout.splitlines()

"""Breaks the code in one place at a time, and lists what no test notices: make mutants [MUTATE="FILE …"] [AT_MOST=20].

The tests of a file are those of its directory in `tests/unit`, and the ones that `ALSO` names. The tree is copied to
`.nova/mutants` first: what is broken there is nobody's. cosmic-ray makes the mutants, as `requirements-mutants.txt`
locks it. Annotations, which nothing evaluates, are left alone. Exits with 1 where fewer than 95 % are noticed. The
others are printed, to be argued one by one.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".nova" / "mutants"
WANTED_PERCENT = 95
AREAS = (
    "nova_infra/checks",
    "nova_infra/constructs",
    "nova_infra/stacks",
    "nova_infra/operations/gates",
    "nova_infra/operations/records",
    "nova_infra/operations/rollback",
)
ALSO = {
    "nova_infra/constructs": ["tests/unit/stacks", "tests/unit/test_security.py"],
    "nova_infra/stacks": ["tests/unit/test_security.py", "tests/unit/test_engines.py"],
}
CONFIGURATION = """\
[cosmic-ray]
module-path = "{module}"
timeout = {timeout}
excluded-modules = []
test-command = "{command}"

[cosmic-ray.distributor]
name = "local"
"""


def tests_of(module: Path) -> list[str]:
    """Where the tests of a module are, relative to the project."""
    beside = Path("tests/unit") / module.relative_to("nova_infra").parent
    while not (ROOT / beside).exists():
        beside = beside.parent
    return [str(beside), *(test for area, tests in ALSO.items() if module.is_relative_to(area) for test in tests)]


def modules(given: list[str]) -> list[Path]:
    """The modules to break: those that are given, or all of the areas."""
    places = [ROOT / each for each in given or AREAS]
    files = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*.py")))]
    return [file.relative_to(ROOT) for file in files if file.name != "__init__.py"]


def copy_tree() -> Path:
    """A copy of the tree as git lists it, with the same tools."""
    copy = PLACE / "tree"
    shutil.rmtree(copy, ignore_errors=True)
    listed = subprocess.run([ROOT / "scripts" / "tree.sh", "list"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    (copy / "node_modules").symlink_to(ROOT / "node_modules")
    return copy


def annotated(file: Path) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where a file's annotations begin and end: nothing evaluates them, so no test can notice what is broken there."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        for each in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(each, ast.expr):
                end = (each.end_lineno or each.lineno, each.end_col_offset or each.col_offset)
                found.append(((each.lineno, each.col_offset), end))
    return found


def leave_out(database: sqlite3.Connection, places: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    """Remove the mutants that begin in one of some places."""
    rows = database.execute("SELECT job_id, start_pos_row, start_pos_col FROM mutation_specs").fetchall()
    remove(database, {job for job, row, column in rows if any(one <= (row, column) < end for one, end in places)})


def remove(database: sqlite3.Connection, jobs: set[str]) -> None:
    """Remove mutants."""
    for table in ("mutation_specs", "work_items"):
        database.executemany(f"DELETE FROM {table} WHERE job_id = ?", [(job,) for job in jobs])  # noqa: S608


def play(module: Path, copy: Path, *, at_most: int | None, timeout: float) -> tuple[int, list[str]]:
    """Break a module in every place, or in a few that are drawn: how many mutants there were, and what survived."""
    session, settings = PLACE / "session.sqlite", PLACE / "settings.toml"
    session.unlink(missing_ok=True)
    command = f"{sys.executable} -m pytest -q -x -n0 -p no:cacheprovider {' '.join(tests_of(module))}"
    settings.write_text(CONFIGURATION.format(module=module, timeout=timeout, command=command), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}

    def cosmic_ray(*arguments: str) -> None:
        program = PLACE / "venv" / "bin" / "cosmic-ray"
        subprocess.run([program, *arguments], cwd=copy, env=environment, check=True, stdout=subprocess.DEVNULL)

    cosmic_ray("init", str(settings), str(session))
    with sqlite3.connect(session) as database:
        leave_out(database, annotated(copy / module))
        jobs = [row[0] for row in database.execute("SELECT job_id FROM work_items ORDER BY job_id")]
        if at_most is not None and len(jobs) > at_most:
            drawn = set(random.Random(str(module)).sample(jobs, at_most))  # noqa: S311
            remove(database, set(jobs) - drawn)
            jobs = [job for job in jobs if job in drawn]
    if jobs:
        cosmic_ray("exec", str(settings), str(session))
    with sqlite3.connect(session) as database:
        survived = database.execute("SELECT diff FROM work_results WHERE test_outcome = 'SURVIVED'").fetchall()
    return len(jobs), [row[0] for row in survived]


def main(arguments: list[str]) -> int:
    """Break what is given; print a line for each module, and what survived."""
    parser = argparse.ArgumentParser(description="Break the code, and see whether a test notices.")
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--at-most", type=int, help="mutants of each module, drawn the same way every time")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one run of the tests")
    options = parser.parse_args(arguments)
    copy = copy_tree()
    total, alive = 0, 0
    for module in modules(options.modules):
        count, survived = play(module, copy, at_most=options.at_most, timeout=options.timeout)
        total, alive = total + count, alive + len(survived)
        print(f"{module}: {count - len(survived)} of {count} noticed", flush=True)
        for difference in survived:
            print("\n".join(f"    {line}" for line in difference.splitlines()), flush=True)
    percent = 100 * (total - alive) / total if total else 100
    print(f"{percent:.1f} % of {total} mutants noticed, {WANTED_PERCENT} % wanted")
    return int(percent < WANTED_PERCENT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Breaks the code in one place at a time, and lists what no test notices: make mutants [SAMPLE=200] [MUTATE="FILE …"].

The tree is copied to `.nova/mutants` first: what is broken there is nobody's. The tests run there once to see which of
them run which line (`scripts/covering.py`). A mutant meets only those, the near and fast ones first, and all tests of
its room, of `HABITS` and of `ALSO` before it counts as a survivor. cosmic-ray makes the mutants, as
`requirements-mutants.txt` has it. Annotations, which nothing evaluates, are left alone. A sample is drawn over all
files, the same for each seed.

Exits with 1 where fewer than 95 % are noticed. The others are printed, to be argued one by one in
`scripts/equivalent_mutants.toml`: those that change nothing that anybody could see are counted apart.
"""

import argparse
import ast
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from covering import Covering

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".nova" / "mutants"
COPY = PLACE / "tree"
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")
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
    "nova_infra/stacks": [
        "tests/unit/test_security.py",
        "tests/unit/test_engines.py",
        "tests/unit/test_engines_roles.py",
    ],
}
HABITS = ["tests/unit/test_habits.py"]
"""They read the code instead of running it, so no line is known to be theirs."""
SLOW_FIXTURES = {"app", "synthesize"}
"""What those tests ask for that synthesize: they meet a mutant last."""


@dataclass(frozen=True)
class Mutant:
    """One place that is broken.

    Attributes:
        module: The file, relative to the project.
        operator: How cosmic-ray breaks it.
        occurrence: Which of the places in the file that can be broken in this way.
        line: Its number, from 1.
    """

    module: Path
    operator: str
    occurrence: int
    line: int


def tests_of(module: Path) -> list[str]:
    """Where the tests of a module are, relative to the project."""
    beside = Path("tests/unit") / module.relative_to("nova_infra").parent
    while not (ROOT / beside).exists():
        beside = beside.parent
    return [str(beside), *(test for area, tests in ALSO.items() if module.is_relative_to(area) for test in tests)]


def modules(given: Sequence[str]) -> list[Path]:
    """The modules to break: those that are given, or all of the areas."""
    places = [ROOT / each for each in given or AREAS]
    files = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*.py")))]
    return [file.relative_to(ROOT) for file in files if file.name != "__init__.py"]


def copy_tree() -> None:
    """Copy the tree as git lists it, with the same tools."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run([ROOT / "scripts" / "tree.sh", "list"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)
    (COPY / "node_modules").symlink_to(ROOT / "node_modules")


def measured(files: Iterable[Path]) -> Covering:
    """Run the tests of some modules once, to see which of them run which line; or read what the last run has seen."""
    tests = sorted({test for file in files for test in tests_of(file)})
    tree = subprocess.run([ROOT / "scripts" / "tree.sh", "hash"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    wanted = f"{tree.decode().strip()} {' '.join(tests)}"
    data, seen, known = PLACE / "coverage", PLACE / "covering.json", PLACE / "measured"
    if not known.exists() or known.read_text(encoding="utf-8") != wanted:
        settings = PLACE / "coveragerc"
        settings.write_text("[run]\nsource = nova_infra\n", encoding="utf-8")
        command = ["-m", "coverage", "run", f"--rcfile={settings}", f"--data-file={data}", "-m", "pytest", "-q", "-n0"]
        environment = {**_environment(), "COVERING": str(seen)}
        said = subprocess.run(
            [sys.executable, *command, "-p", "no:cacheprovider", "-p", "covering", *tests],
            cwd=COPY,
            env=environment,
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
        if said.returncode:
            sys.exit(f"{said.stdout}\nmutants: the tests fail before anything is broken: fix them")
        known.write_text(wanted, encoding="utf-8")
    return Covering(data, seen)


def annotated(file: Path) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where a file's annotations begin and end: nothing evaluates them, so no test can notice what is broken there."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        for each in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(each, ast.expr):
                end = (each.end_lineno or each.lineno, each.end_col_offset or each.col_offset)
                found.append(((each.lineno, each.col_offset), end))
    return found


def mutants(files: Sequence[Path]) -> Iterator[Mutant]:
    """Every way in which cosmic-ray breaks some modules, in the order of their places."""
    session, settings = PLACE / "session.sqlite", PLACE / "settings.toml"
    session.unlink(missing_ok=True)
    paths = ", ".join(f'"{file}"' for file in files)
    settings.write_text(
        f'[cosmic-ray]\nmodule-path = [{paths}]\ntimeout = 1\nexcluded-modules = []\ntest-command = ""\n'
        '[cosmic-ray.distributor]\nname = "local"\n',
        encoding="utf-8",
    )
    _cosmic_ray("init", str(settings), str(session))
    with sqlite3.connect(session) as database:
        rows = database.execute(
            "SELECT module_path, operator_name, occurrence, start_pos_row, start_pos_col FROM mutation_specs"
            " ORDER BY module_path, operator_name, occurrence, start_pos_row, start_pos_col"
        ).fetchall()
    left_out = {file: annotated(COPY / file) for file in files}
    for path, operator, occurrence, row, column in rows:
        module = Path(path)
        if not any(begin <= (row, column) < end for begin, end in left_out[module]):
            yield Mutant(module, operator, occurrence, row)


def survives(mutant: Mutant, covering: Covering, *, timeout: float) -> str:
    """Break one place, and run the tests that could notice.

    Returns:
        The difference that none of them notices; empty where one does.
    """
    file = COPY / mutant.module
    whole = file.read_text(encoding="utf-8")
    found = covering.of(file, mutant.line)
    slow = [test for test in found if not SLOW_FIXTURES.isdisjoint(covering.tests[test]["fixtures"])]
    near = [test for test in found if test not in slow and test.startswith(tests_of(mutant.module)[0])]
    far = sorted(set(found) - {*near, *slow})
    _cosmic_ray("apply", str(mutant.module), mutant.operator, str(mutant.occurrence))
    try:
        broken = file.read_text(encoding="utf-8")
        for tests in (near, far, HABITS, slow, tests_of(mutant.module)):
            if tests and not _pass(tests, timeout=timeout):
                return ""
    finally:
        file.write_text(whole, encoding="utf-8")
    return _difference(whole, broken)


def argued() -> dict[tuple[str, str, str], str]:
    """Why some mutants change nothing that anybody could see: by file, line and what becomes of it."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("mutants", [])
    return {(each["file"], each["line"], each["becomes"]): each["because"] for each in entries}


def _difference(whole: str, broken: str) -> str:
    pairs = zip(whole.splitlines(), broken.splitlines(), strict=False)
    one, other = next(((a, b) for a, b in pairs if a != b), ("", ""))
    return f"{one.strip()}\n{other.strip()}"


def _pass(tests: Sequence[str], *, timeout: float) -> bool:
    chosen = PLACE / "tests.txt"
    chosen.write_text("\n".join(tests), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", f"@{chosen}"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=COPY, env=_environment(), stdout=quiet, stderr=quiet, start_new_session=True
    ) as process:
        try:
            return process.wait(timeout) == 0
        except BaseException as error:
            os.killpg(process.pid, 9)
            if isinstance(error, subprocess.TimeoutExpired):
                return False
            raise


def _cosmic_ray(*arguments: str) -> None:
    program = PLACE / "venv" / "bin" / "cosmic-ray"
    subprocess.run([program, *arguments], cwd=COPY, env=_environment(), check=True, stdout=subprocess.DEVNULL)


def _environment() -> dict[str, str]:
    paths = os.pathsep.join([str(COPY), str(ROOT / "scripts")])
    return {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}


def main(arguments: list[str]) -> int:
    """Break what is given; print what survives as it is found, and the share at the end."""
    parser = argparse.ArgumentParser(description="Break the code, and see whether a test notices.")
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--sample", type=int, help="how many mutants, drawn over all modules; default: every one")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one run of tests")
    options = parser.parse_args(arguments)
    files = modules(options.modules)
    copy_tree()
    covering = measured(files)
    everything = list(mutants(files))
    drawn = everything
    if options.sample is not None and options.sample < len(everything):
        drawn = random.Random(options.seed).sample(everything, options.sample)  # noqa: S311 - draws that a seed repeats
    known, alive, same = argued(), 0, 0
    for number, mutant in enumerate(drawn, start=1):
        difference = survives(mutant, covering, timeout=options.timeout)
        if difference and (str(mutant.module), *difference.split("\n")) in known:
            same += 1
        elif difference:
            alive += 1
            before, after = difference.split("\n")
            print(f"{mutant.module}:{mutant.line}\n    - {before}\n    + {after}", flush=True)
        if number % 20 == 0:
            print(f"{number} of {len(drawn)} tried, {alive} unnoticed", flush=True)
    total = len(drawn) - same
    percent = 100 * (total - alive) / total if total else 100
    print(
        f"{percent:.1f} % of {total} mutants noticed, {WANTED_PERCENT} % wanted; drawn from {len(everything)}, ", end=""
    )
    print(f"and {same} that change nothing to be seen")
    return int(percent < WANTED_PERCENT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

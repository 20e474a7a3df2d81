"""Breaks the code in one place at a time, and lists what no test notices: ``make mutants``.

The tree is copied to `.nova/mutants` first: what is broken there is nobody's. A mutant meets the test modules that are
named after its module or import it, then the other tests of its room, of `HABITS` and of `ALSO`, and then every unit
test that reaches its module by whatever it imports: the quickest first, until one fails. cosmic-ray makes the mutants,
as `requirements-mutants.txt` has it. Annotations, which nothing evaluates, are left alone. A sample is drawn over all
files (``make mutants SAMPLE=200 MUTATE="FILE …"``), the same for each seed, and every mutant that is drawn is tried.

Exits with 1 where fewer than 95 % are noticed. The others are printed, to be argued one by one in
`scripts/equivalent_mutants.toml`: those that change nothing that anybody could see are counted apart.
"""

import argparse
import ast
import functools
import json
import math
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forked_tests import NOTHING, PASSED, Tests

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".nova" / "mutants"
COPY = PLACE / "tree"
SHARED = PLACE / "assemblies"
BROKEN = PLACE / "broken"
"""What is synthesized of one mutant, for all tests that it meets."""
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
"""They read the code instead of importing it."""
SYNTHESIZED = ("nova_infra/constructs", "nova_infra/stacks")
"""What the templates come from: what is broken elsewhere meets those that were synthesized before it was."""
TIMES, UNKNOWN = 5, 20.0
"""How many times as long tests may take before they hang; and the seconds of a file that was never run."""
BREAK = """
import json, sys
from pathlib import Path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
for module, operator, occurrence in json.load(sys.stdin):
    print(json.dumps(mutate_code(Path(module).read_text(encoding="utf-8"), get_operator(operator)(), occurrence)))
"""
"""What cosmic-ray makes of all the mutants that were drawn, in one process: a line of JSON for each."""


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
    """Where the tests of a module's room are, and what else looks at it, relative to the project."""
    beside = Path("tests/unit") / module.relative_to("nova_infra").parent
    while not (ROOT / beside).exists():
        beside = beside.parent
    whole = (ROOT / beside.parent).glob(f"test_{beside.name}_*.py")
    also = [test for area, tests in ALSO.items() if module.is_relative_to(area) for test in tests]
    return [*_test_modules([str(beside), *(str(each.relative_to(ROOT)) for each in whole), *also]), *HABITS]


def _test_modules(places: Iterable[str]) -> list[str]:
    found = (ROOT / each for each in places)
    files = {file for place in found for file in ([place] if place.is_file() else place.rglob("test_*.py"))}
    return sorted(str(file.relative_to(ROOT)) for file in files)


@functools.cache
def imported(file: str) -> frozenset[str]:
    """The modules of the project that a file imports anywhere, and by these; relative to the project."""
    found, waiting = set[str](), [file]
    while waiting:
        found |= (new := _imports(waiting.pop()) - found)
        waiting += new
    return frozenset(found)


@functools.cache
def _imports(file: str) -> frozenset[str]:
    names = set[str]()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({node.module, *(f"{node.module}.{each.name}" for each in node.names)})
    paths = [f"{top}{name.replace('.', '/')}" for name in names for top in ("", "tests/")]
    files = (file for path in paths for file in (f"{path}.py", f"{path}/__init__.py"))
    return frozenset(each for each in files if (ROOT / each).is_file())


def batches(module: Path, seconds: Mapping[str, float]) -> Iterator[list[str]]:
    """The test modules that a mutant of a module meets, in this order.

    Args:
        seconds: How long they take, by their paths; what is not among them was never run.
    """
    own = re.compile(rf"test_{module.stem.lstrip('_')}(_\w+)?\.py")
    everywhere = [each for each in _test_modules(["tests/unit"]) if str(module) in imported(each)]
    room = tests_of(module)
    near = [each for each in {*everywhere, *room} if str(module) in _imports(each) or own.fullmatch(Path(each).name)]
    known = set[str]()
    for batch in ([each for each in near if each in room], room, everywhere):
        new = sorted({*batch} - known, key=lambda each: (seconds.get(each, 0.0), each))
        known.update(new)
        if new:
            yield new


def modules(given: Sequence[str]) -> list[Path]:
    """The modules to break: those that are given, or all of the areas."""
    places = [ROOT / each for each in given or AREAS]
    files = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*.py")))]
    return [file.relative_to(ROOT) for file in files if file.name != "__init__.py"]


def copy_tree() -> None:
    """Copy the tree as git lists it, with the same tools; what was compiled of the copy before stays where it fits."""
    listed = subprocess.run([ROOT / "scripts" / "tree.sh", "list"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    names = {name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()}
    for old in [file for file in COPY.rglob("*.py") if str(file.relative_to(COPY)) not in names]:
        if "node_modules" not in old.parts:
            old.unlink()
    for name in names:
        (COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, COPY / name)
    if not (COPY / "node_modules").exists():
        (COPY / "node_modules").symlink_to(ROOT / "node_modules")


def unbroken(files: Iterable[Path], tests: Tests) -> dict[str, float]:
    """Run the tests of some modules while nothing is broken: what fails by itself notices nothing.

    Returns:
        How many seconds each of these test modules takes, as the last run with this very tree has seen it.
    """
    own = sorted({test for file in files for test in tests_of(file)})
    tree = subprocess.run([ROOT / "scripts" / "tree.sh", "hash"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    wanted, seen, known = f"{tree.decode().strip()} {' '.join(own)}", PLACE / "seconds.json", PLACE / "unbroken"
    if not known.exists() or known.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(SHARED, ignore_errors=True)
        SHARED.mkdir(parents=True)
        tests.must_pass(own, shared=SHARED, seconds=seen)
        known.write_text(wanted, encoding="utf-8")
    return dict(json.loads(seen.read_text(encoding="utf-8")))


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


def broken_texts(drawn: Sequence[Mutant]) -> list[str]:
    """What becomes of a mutant's module, for each."""
    asked = json.dumps([[str(each.module), each.operator, each.occurrence] for each in drawn])
    program = PLACE / "venv" / "bin" / "python"
    said = subprocess.run(
        [program, "-c", BREAK], cwd=COPY, env=_environment(), check=True, input=asked, stdout=subprocess.PIPE, text=True
    )
    return [json.loads(line) for line in said.stdout.splitlines()]


def survives(mutant: Mutant, broken: str, seconds: Mapping[str, float], tests: Tests) -> str:
    """Break one place, and run the tests that could notice.

    Args:
        broken: What becomes of its module.
        seconds: How long the test modules take that pass while nothing is broken.
        tests: Runs them.

    Returns:
        The difference that none of them notices; empty where one does.
    """
    file = COPY / mutant.module
    shutil.rmtree(BROKEN, ignore_errors=True)
    BROKEN.mkdir()
    is_synthesized = any(mutant.module.is_relative_to(each) for each in SYNTHESIZED)
    for number, batch in enumerate(batches(mutant.module, seconds)):
        shared = BROKEN if number or is_synthesized else SHARED
        for some in [batch] if seconds.keys() >= {*batch} else [[each] for each in batch]:
            patience = 1 + TIMES * sum(seconds.get(each, UNKNOWN) for each in some) / tests.timeout
            with _holding(file, broken):
                code = tests.run(some, shared=shared, patience=patience)
            if code in (PASSED, NOTHING):
                continue
            # What was never run here may fail by itself, as those of the project's own tools do in a copy of it.
            if seconds.keys() >= {*some} or tests.run(some, shared=SHARED, patience=patience) == PASSED:
                return ""
    return _difference(file.read_text(encoding="utf-8"), broken)


@contextmanager
def _holding(file: Path, text: str) -> Iterator[None]:
    whole, times = file.read_text(encoding="utf-8"), file.stat()
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(whole, encoding="utf-8")
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def interval(noticed: int, total: int) -> tuple[float, float]:
    """Wilson's interval of 95 % for a share, in percent: https://doi.org/10.1080/01621459.1927.10502953."""
    if not total:
        return 0.0, 100.0
    z, share = 1.96, noticed / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return 100 * (middle - half), 100 * (middle + half)


def argued() -> dict[tuple[str, str, str], str]:
    """Why some mutants change nothing that anybody could see: by file, line and what becomes of it."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("mutants", [])
    return {(each["file"], each["line"], each["becomes"]): each["because"] for each in entries}


def _difference(whole: str, broken: str) -> str:
    pairs = zip(whole.splitlines(), broken.splitlines(), strict=False)
    one, other = next(((a, b) for a, b in pairs if a != b), ("", ""))
    return f"{one.strip()}\n{other.strip()}"


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
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds that a run of tests may take longer")
    options = parser.parse_args(arguments)
    files = modules(options.modules)
    copy_tree()
    everything = list(mutants(files))
    drawn = everything
    if options.sample is not None and options.sample < len(everything):
        drawn = random.Random(options.seed).sample(everything, options.sample)  # noqa: S311 - draws that a seed repeats
    tests = Tests(COPY, environment=_environment(), timeout=options.timeout, broken=AREAS)
    seconds = unbroken(files, tests)
    known, alive, same = argued(), 0, 0
    for number, (mutant, broken) in enumerate(zip(drawn, broken_texts(drawn), strict=True), start=1):
        difference = survives(mutant, broken, seconds, tests)
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
    low, high = interval(total - alive, total)
    print(
        f"{percent:.1f} % of {total} mutants noticed (95 % interval: {low:.1f} to {high:.1f} %), "
        f"{WANTED_PERCENT} % wanted; drawn from {len(everything)}, and {same} that change nothing to be seen"
    )
    return int(percent < WANTED_PERCENT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

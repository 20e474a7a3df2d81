"""Breaks the code in one place at a time, and lists what no test notices: make mutants [SAMPLE=200] [MUTATE="FILE …"].

The tree is copied to `.nova/mutants` first: what is broken there is nobody's. The tests run there once to see which of
them run which line (`scripts/covering.py`). A mutant meets those, the near and fast ones first, then the tests that run
anything of its file, and all tests of its room, of `HABITS` and of `ALSO` before it counts as a survivor. cosmic-ray
makes the mutants, as `requirements-mutants.txt` has it. Annotations, which nothing evaluates, are left alone. A sample
is drawn over all files, the same for each seed, and every mutant that is drawn is tried.

Exits with 1 where fewer than 95 % are noticed. The others are printed, to be argued one by one in
`scripts/equivalent_mutants.toml`: those that change nothing that anybody could see are counted apart.
"""

import argparse
import ast
import json
import math
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
from forked_tests import FAILED, NOTHING, PASSED, Tests

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
"""They read the code instead of running it, so no line is known to be theirs."""
SLOW_FIXTURES = {"app", "synthesize"}
"""What those tests ask for that synthesize: they meet a mutant last."""
SYNTHESIZED = ("nova_infra/constructs", "nova_infra/stacks")
"""What the templates come from: what is broken elsewhere meets those that were synthesized before it was."""
FIRST = 10
"""How many tests a mutant meets first: to collect more takes longer than most of them."""
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


def measured(files: Iterable[Path]) -> Covering:
    """Run the tests of some modules once, to see which of them run which line; or read what the last run has seen."""
    tests = sorted({test for file in files for test in tests_of(file)})
    tree = subprocess.run([ROOT / "scripts" / "tree.sh", "hash"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    wanted = f"{tree.decode().strip()} {' '.join(tests)}"
    data, seen, known = PLACE / "coverage", PLACE / "covering.json", PLACE / "measured"
    if not known.exists() or known.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(SHARED, ignore_errors=True)
        SHARED.mkdir(parents=True)
        settings = PLACE / "coveragerc"
        settings.write_text("[run]\nsource = nova_infra\n", encoding="utf-8")
        command = ["-m", "coverage", "run", f"--rcfile={settings}", f"--data-file={data}", "-m", "pytest", "-q", "-n0"]
        environment = {**_environment(), "COVERING": str(seen), "NOVA_SHARED": str(SHARED)}
        # What this run compiles, the others load; of a module that is broken later, the time no longer fits.
        del environment["PYTHONDONTWRITEBYTECODE"]
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


def broken_texts(drawn: Sequence[Mutant]) -> list[str]:
    """What becomes of a mutant's module, for each."""
    asked = json.dumps([[str(each.module), each.operator, each.occurrence] for each in drawn])
    program = PLACE / "venv" / "bin" / "python"
    said = subprocess.run(
        [program, "-c", BREAK], cwd=COPY, env=_environment(), check=True, input=asked, stdout=subprocess.PIPE, text=True
    )
    return [json.loads(line) for line in said.stdout.splitlines()]


def survives(mutant: Mutant, broken: str, covering: Covering, tests: Tests) -> str:
    """Break one place, and run the tests that could notice.

    Args:
        broken: What becomes of its module.
        tests: Runs them.

    Returns:
        The difference that none of them notices; empty where one does.
    """
    file = COPY / mutant.module
    whole, times = file.read_text(encoding="utf-8"), file.stat()
    shutil.rmtree(BROKEN, ignore_errors=True)
    BROKEN.mkdir()
    batches = _all_batches(mutant, covering, whole)
    file.write_text(broken, encoding="utf-8")
    try:
        for batch, shared in batches:
            code = tests.run(batch, shared=shared)
            if code not in (PASSED, NOTHING):
                break
        else:
            return _difference(whole, broken)
    finally:
        file.write_text(whole, encoding="utf-8")
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    if code != FAILED:  # A module that cannot be imported has this effect; so have tests that are not found.
        tests.must_pass(batch, shared=None if shared == BROKEN else shared)
    return ""


def _all_batches(mutant: Mutant, covering: Covering, whole: str) -> Iterator[tuple[list[str], Path]]:
    """What a mutant meets, in this order, and where the assemblies are that it may read."""
    file, known = COPY / mutant.module, set[str]()
    shared = BROKEN if _is_synthesized(mutant.module) else SHARED
    for found in (covering.of(file, mutant.line, text=whole), covering.anywhere(file)):
        for batch in _batches([each for each in found if each not in known], mutant.module, covering, shared):
            known.update(batch)
            yield batch, shared
    yield HABITS, BROKEN
    yield tests_of(mutant.module), BROKEN


def _is_synthesized(module: Path) -> bool:
    return any(module.is_relative_to(each) for each in SYNTHESIZED)


def _batches(found: Sequence[str], module: Path, covering: Covering, shared: Path) -> Iterator[list[str]]:
    """A module's own tests first, and those that synthesize by themselves last; a few of them, then the rest."""
    own, near = f"test_{module.stem.lstrip('_')}", tests_of(module)[0]
    slow = {
        each for each in found if shared == BROKEN and not SLOW_FIXTURES.isdisjoint(covering.tests[each]["fixtures"])
    }
    quick = [each for each in found if each not in slow]
    quick.sort(key=lambda each: (f"/{own}" not in each, not each.startswith(near)))
    last = [each for each in found if each in slow]
    yield from (batch for batch in (quick[:FIRST], quick[FIRST:], last[:FIRST], last[FIRST:]) if batch)


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
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one run of tests")
    options = parser.parse_args(arguments)
    files = modules(options.modules)
    copy_tree()
    covering = measured(files)
    everything = list(mutants(files))
    drawn = everything
    if options.sample is not None and options.sample < len(everything):
        drawn = random.Random(options.seed).sample(everything, options.sample)  # noqa: S311 - draws that a seed repeats
    tests = Tests(COPY, environment=_environment(), timeout=options.timeout, broken=AREAS)
    tests.must_pass(sorted({*HABITS, *(test for file in files for test in tests_of(file))}), shared=SHARED)
    known, alive, same = argued(), 0, 0
    for number, (mutant, broken) in enumerate(zip(drawn, broken_texts(drawn), strict=True), start=1):
        difference = survives(mutant, broken, covering, tests)
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

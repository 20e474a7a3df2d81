"""Rooms, their imports and their sizes: as docs/architecture.md says. Tests stand where the modules do."""

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "nova_infra").rglob("*.py")
}
ROOMS = sorted({name.split(".")[1] for name in MODULES if "." in name})


@functools.cache
def parsed(path: Path) -> ast.Module:
    """A module, read once for all tests."""
    return ast.parse(path.read_text())


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """What a module imports, wherever in it: modules of Nova by their full names, others by their first."""
    return frozenset(_imported(path))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Those within a statement, at any depth: their expressions, which import nothing, are most of a module."""
    for each in (
        each for name in ("body", "orelse", "handlers", "finalbody", "cases") for each in getattr(node, name, ())
    ):
        yield each
        yield from _statements(each)


def _imported(path: Path) -> Iterator[str]:
    for node in _statements(parsed(path)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                inner = {f"{module}.{name.name}" for name in names}
                yield from (inner & MODULES.keys()) or {module}


def table() -> dict[str, set[str]]:
    """Room to the rooms that it may import, as the page says."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    rooms = [(re.findall(r"`(\w+)`", names), allowed) for names, allowed in rows]
    ground = set(rooms[0][0])
    found: dict[str, set[str]] = {}
    for names, allowed in rooms:
        may = set(re.findall(r"`(\w+)`", allowed))
        if "everything but" in allowed:
            may = set(ROOMS) - may
        elif "what they may import" in allowed:
            may |= set().union(*(found[room] for room in may if room in found))
        may |= ground if "the ground" in allowed else set()
        found |= {name: may | {name} for name in names}
    return found


def test_every_room_is_in_the_table() -> None:
    assert set(table()) == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_the_table_allows(room: str) -> None:
    allowed = table()[room]
    faults = {
        f"{module} imports {other}"
        for module, path in MODULES.items()
        if module.split(".")[1:2] == [room]
        for other in imported(path)
        if other.startswith("nova_infra.") and other.split(".")[1] not in allowed
    }
    assert not faults


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("aws_cdk", {"app", "checks", "constructs", "stacks"}),
        ("boto3", {"deployed"}),
        ("botocore", {"deployed"}),
        ("aiohttp", {"rehearsal"}),
        ("click", {"cli", "scaffold"}),
    ],
)
def test_a_library_is_imported_where_it_belongs(library: str, rooms: set[str]) -> None:
    importers = {
        module.split(".")[1]
        for module, path in MODULES.items()
        if not module.endswith("_handler")  # the text of a Lambda function: it runs in AWS, by itself
        for other in imported(path)
        if other.partition(".")[0] == library
    }
    assert importers <= rooms


def test_no_imports_go_in_a_circle() -> None:
    waiting = {module: {other for other in imported(path) if other in MODULES} for module, path in MODULES.items()}
    while free := {module for module, others in waiting.items() if not others & waiting.keys() - {module}}:
        waiting = {module: others for module, others in waiting.items() if module not in free}
    assert not waiting, f"each of these imports another one: {', '.join(sorted(waiting))}"


def test_a_room_has_at_most_nine_modules_and_says_what_they_share() -> None:
    rooms = Counter(path.parent for path in MODULES.values() if path.name != "__init__.py")
    crowded = {room.relative_to(ROOT).as_posix(): count for room, count in rooms.items() if count > 9}
    assert not crowded, "give these a room below by subject"
    assert all(ast.get_docstring(parsed(room / "__init__.py")) for room in rooms)


def test_a_module_fits_a_reader() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > 350} == {}, "split these by idea"


def test_a_construct_takes_at_most_eight_parameters_besides_its_place() -> None:
    counts = {
        f"{module}.{found.name}": len(function.args.kwonlyargs)
        for module, path in MODULES.items()
        if module.startswith("nova_infra.constructs.")
        for found in ast.walk(parsed(path))
        if isinstance(found, ast.ClassDef)
        for function in found.body
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
    }
    assert len(counts) > 30
    assert {name: count for name, count in counts.items() if count > 8} == {}, "give them a value that holds several"


TESTS = Path(__file__).parent
TEST_MODULES = [path.relative_to(TESTS) for path in sorted(TESTS.rglob("test_*.py"))]


def test_a_test_module_fits_a_reader() -> None:
    long = [test for test in TESTS.parent.rglob("*.py") if len(test.read_text().splitlines()) > 350]
    assert long == [], "split these by subject"


def test_a_class_name_has_one_meaning() -> None:
    places: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(module)
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


WHOLE_PROJECT = {
    *("architecture", "cfn_lint", "changes", "conftest", "engines", "engines_roles", "every_edit", "example"),
    *("exhaustive", "habits", "privacy", "security", "security_page", "security_page_roles", "supply_chain"),
    *("workflows", "workflows_commands", "workflows_rights"),
}
"""Tests of what no single room holds: both engines, every template, the suite itself."""


def mirrored(test: Path) -> bool:
    """Whether a test is named for a module of its room, or a room below: that name alone, or with a subject after it.

    ``config/rules/test_limits.py`` and ``config/rules/test_limits_of_names.py`` test ``config/rules/limits.py``;
    ``config/test_rules.py`` tests what the modules of ``config/rules`` do together.
    """
    room = ROOT / ("" if test.parts[0] == "scripts" else "nova_infra") / test.parent
    subject = test.stem.removeprefix("test_")
    names = {path.stem for path in room.iterdir() if not path.name.startswith("_")} if room.is_dir() else set()
    return any(subject == name or subject.startswith(f"{name}_") for name in names)


def test_tests_mirror_the_modules() -> None:
    strangers = [str(test) for test in TEST_MODULES if len(test.parts) > 1 and not mirrored(test)]
    assert not strangers, "name these after the module that they test, in its room"


def test_a_test_for_no_module_is_about_the_whole_project() -> None:
    whole = {f"test_{name}.py" for name in WHOLE_PROJECT}
    assert {str(test) for test in TEST_MODULES if len(test.parts) == 1 and not mirrored(test)} == whole

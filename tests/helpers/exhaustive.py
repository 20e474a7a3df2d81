"""The exhaustive tail of the tests: what ``make test`` leaves out, and ``make test-all`` runs.

A case is left out only where something is run for it: the first of its kind in a table, see ``one_of_each``, or the
test that the marker names, of its kind or of the same code: ``@pytest.mark.exhaustive("test_a_good_release")``.
What takes more than 0.05 s of CPU is left out unless it runs a line or a branch that nothing else does; what takes more
than 0.3 s, unless it runs more than ten of them for each second.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

import pytest

MARKER = "exhaustive"
ROOT = Path(__file__).parents[2]


def one_of_each(cases: Iterable[Any], kind: Callable[[Any], Hashable] = lambda _: None) -> list[Any]:
    """The cases of a table, of which ``make test`` runs the first of each kind.

    Args:
        cases: What ``parametrize`` takes: values, tuples or ``pytest.param``.
        kind: A case, as it stands in the table, to its kind. Without it, all cases are of one kind.
    """
    seen: set[Hashable] = set()
    table = []
    for case in cases:
        values = case.values if hasattr(case, "marks") else case
        if (found := kind(values)) in seen:
            table.append(_left_out(case))
        else:
            seen.add(found)
            table.append(case)
    return table


def _left_out(case: Any) -> Any:
    """The case with the marker, and with the marks and the name that it has."""
    if hasattr(case, "marks"):
        return pytest.param(*case.values, marks=[*case.marks, pytest.mark.exhaustive], id=case.id)
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.exhaustive)


def refuse_unrepresented(items: Sequence[pytest.Item], arguments: Sequence[str]) -> None:
    """Refuse to run tests of which a case is left out that nothing stands for, unless single tests are asked for.

    Raises:
        pytest.UsageError: There are some.
    """
    if not any("::" in argument for argument in arguments) and (missing := unrepresented(items)):
        raise pytest.UsageError(*missing)


def unrepresented(items: Sequence[pytest.Item]) -> list[str]:
    """Of the tests that are collected, those that are left out and that nothing stands for: a line for each.

    A file that is not collected is searched for the test that it is to have.
    """
    run = {_function(item) for item in items if not item.get_closest_marker(MARKER)}
    known = {_function(item) for item in items}
    missing = set()
    for item in items:
        marker = item.get_closest_marker(MARKER)
        if marker is None:
            continue
        file, name = _function(item)
        named = marker.args[0] if marker.args else name
        path, _, function = named.rpartition("::")
        other = (str(PurePath("tests/unit", path)) if path else file, function)
        elsewhere = not any(known_file == other[0] for known_file, _ in known)
        if other not in run and not (path and elsewhere and _has(ROOT / other[0], function)):
            missing.add(f"{file}::{name}: no case of {other[0]}::{other[1]} is run by make test")
    return sorted(missing)


def _function(item: pytest.Item) -> tuple[str, str]:
    """The file of a test, from the project's directory on, and its name without its case."""
    return item.nodeid.partition("::")[0], item.nodeid.partition("[")[0].rpartition("::")[2]


def _has(file: Path, function: str) -> bool:
    return file.exists() and f"def {function}(" in file.read_text(encoding="utf-8")

"""Notes which tests run which lines: a plugin of pytest, which `scripts/mutants.py` starts under coverage.

What a shared fixture runs, it runs for the first test that asks for it, but each of the others looks at what comes of
it. Such lines are noted under the fixture's name, and belong to every test that uses it, by whatever others.
"""

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest

FIXTURE = "fixture "
_contexts = [""]
_seconds: dict[str, float] = {}
_fixtures: dict[str, list[str]] = {}


def _enter(context: str) -> None:
    _contexts.append(context)
    _switch()


def _leave() -> None:
    _contexts.pop()
    _switch()


def _switch() -> None:
    measured = coverage.Coverage.current()
    assert measured is not None, "pytest runs under coverage"
    measured.switch_context(_contexts[-1])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Note what a test and its own fixtures run."""
    _fixtures[item.nodeid] = list(getattr(item, "fixturenames", ()))
    _enter(item.nodeid)
    try:
        return (yield)
    finally:
        _leave()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
    """Note what a fixture runs that tests share."""
    shared = fixturedef.scope != "function"
    if shared:
        _enter(f"{FIXTURE}{fixturedef.argname}")
    try:
        return (yield)
    finally:
        if shared:
            _leave()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how long each test takes."""
    _seconds[report.nodeid] = _seconds.get(report.nodeid, 0.0) + report.duration


def pytest_sessionfinish() -> None:
    """Write the tests, their fixtures and their times beside what coverage writes."""
    tests = {name: {"fixtures": _fixtures[name], "seconds": _seconds.get(name, 0.0)} for name in _fixtures}
    Path(os.environ["COVERING"]).write_text(json.dumps(tests), encoding="utf-8")


class Covering:
    """Which tests run a line.

    Attributes:
        tests: Every test's fixtures and seconds, by its id.
    """

    def __init__(self, data: Path, tests: Path) -> None:
        """Read what was noted.

        Args:
            data: What coverage has written.
            tests: What the plugin has written.
        """
        self.tests: dict[str, dict[str, Any]] = json.loads(tests.read_text(encoding="utf-8"))
        self._data = coverage.CoverageData(str(data))
        self._data.read()

    def of(self, file: Path, line: int, *, text: str) -> list[str]:
        """The tests that run the statement of a line, the fastest first.

        Args:
            file: Where the code was when it was measured.
            line: Its number, from 1.
            text: The code at that time.
        """
        contexts = self._data.contexts_by_lineno(str(file))
        return self._tests({context for each in _statement(text, line) for context in contexts.get(each, ())})

    def anywhere(self, file: Path) -> list[str]:
        """The tests that run anything of a file, the fastest first: what an import runs belongs to no test."""
        return self._tests(set().union(*self._data.contexts_by_lineno(str(file)).values()))

    def _tests(self, wanted: set[str]) -> list[str]:
        fixtures = {each.removeprefix(FIXTURE) for each in wanted if each.startswith(FIXTURE)}
        found = [name for name, test in self.tests.items() if name in wanted or fixtures & set(test["fixtures"])]
        return sorted(found, key=lambda name: float(self.tests[name]["seconds"]))


def _statement(text: str, line: int) -> range:
    """The lines of the innermost statement at a line; of one that holds others, those before the first of them."""
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno or node.lineno
            if node.lineno <= line <= end:
                found = range(node.lineno, end + 1)
    return found

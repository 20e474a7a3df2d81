"""One Python is delivered, and whatever names it elsewhere names the same."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from nova_infra.machine.pythons import DELIVERED, SUPPORTED

ROOT = Path(__file__).parents[3]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_delivered_python_is_a_supported_one() -> None:
    assert DELIVERED in SUPPORTED


def test_types_are_checked_for_the_delivered_python() -> None:
    assert project()["tool"]["mypy"]["python_version"] == DELIVERED


def test_github_tests_with_the_delivered_python() -> None:
    steps = yaml.safe_load((ROOT / ".github/actions/setup/action.yml").read_text())["runs"]["steps"]
    [python] = [step for step in steps if step.get("uses", "").startswith("actions/setup-python@")]
    assert python["with"]["python-version"] == DELIVERED


@pytest.mark.parametrize("file", ["service_template/Dockerfile.template", "service_template/pyproject.toml.template"])
def test_a_new_service_runs_the_delivered_python_and_supports_the_oldest(file: str) -> None:
    [path] = (ROOT / "nova_infra").rglob(file)
    named = set(re.findall(r"\bpython:(\d+\.\d+)|requires-python = \">=(\d+\.\d+)\"", path.read_text()))
    assert named == ({(DELIVERED, "")} if "Dockerfile" in file else {("", SUPPORTED[0])})


def test_the_oldest_supported_python_is_what_packages_require_and_locks_are_made_for() -> None:
    assert project()["project"]["requires-python"] == f">={SUPPORTED[0]}"
    assert re.findall(r"--python-version (\S+)", (ROOT / "Makefile").read_text()) == [SUPPORTED[0]]
    assert project()["tool"]["ruff"]["target-version"] == "py" + SUPPORTED[0].replace(".", "")


def test_nothing_is_used_that_came_after_the_first_release_of_a_supported_python() -> None:
    """Debian 12 has Python 3.11.2, and the filters of archives came with 3.11.4.

    https://docs.python.org/3.11/library/tarfile.html#extraction-filters
    """
    sources = [path for room in ("nova_infra", "scripts", "services/kit/src") for path in (ROOT / room).rglob("*.py")]
    used = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources
        if "tarfile" in (text := path.read_text()) or "unpack_archive" in text
        for node in ast.walk(ast.parse(text))
        if (isinstance(node, ast.Attribute) and node.attr.endswith("_filter"))
        or (isinstance(node, ast.Call) and "filter" in {each.arg for each in node.keywords})
    ]
    assert used == []

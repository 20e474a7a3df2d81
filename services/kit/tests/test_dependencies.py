"""The kit is checked wherever it is, also where no service needs all of it."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

KIT = Path(__file__).parents[1]
PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def _imported() -> set[str]:
    names: set[str] = set()
    for file in KIT.rglob("src/**/*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"nova_kit"}


def _with_what_they_need(names: set[NormalizedName]) -> set[NormalizedName]:
    found: set[NormalizedName] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            asked = map(Requirement, distribution(name).requires or [])
            waiting |= {canonicalize_name(each.name) for each in asked if each.marker is None}
    return found


def test_what_the_kit_imports_is_installed_without_any_service() -> None:
    kit = tomllib.loads((KIT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    groups = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["dependency-groups"]
    tools = [each for each in (*groups["dev"], *groups["deployed"]) if isinstance(each, str)]
    asked = {canonicalize_name(Requirement(each).name) for each in [*kit, *tools]}
    installed, distributions = _with_what_they_need(asked), packages_distributions()
    missing = {
        name
        for name in _imported()
        if not {canonicalize_name(each) for each in distributions.get(name, ())} & installed
    }
    assert missing == set()

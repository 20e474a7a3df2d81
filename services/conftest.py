"""Lets `pytest services` import every service on the kit from its sources, and leaves out what needs an environment.

Services that are not on the kit have packages of their own, and mostly another language: their images run their tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nova_infra.machine.kit import others

SERVICES = Path(__file__).parent
_OTHERS = others(SERVICES.parent)

for _source in sorted(SERVICES.glob("*/src")):
    if _source.parent.name not in _OTHERS:
        sys.path.insert(0, str(_source))

# What a service brings for `make integration` and `make e2e`.
_DEPLOYED = ("integration", "e2e")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect a service's tests of a deployed environment only where they are named, and of others nothing else."""
    if collection_path.parent == SERVICES and collection_path.name in _OTHERS and not _named(collection_path, config):
        return True
    if collection_path.name not in _DEPLOYED or collection_path.parent.name != "tests":
        return None
    return None if _named(collection_path, config) else True


def _named(place: Path, config: pytest.Config) -> bool:
    """Whether the command line names a place, or one below it."""
    named = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return any(place in (path, *path.parents) for path in named)

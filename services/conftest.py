"""Lets `pytest services` import every service from its source directory, and leaves out what needs an environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SERVICES = Path(__file__).parent

for _source in sorted(SERVICES.glob("*/src")):
    sys.path.insert(0, str(_source))

# What a service brings for `make integration` and `make e2e`.
_DEPLOYED = ("integration", "e2e")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect a service's tests of a deployed environment only where they are named."""
    if collection_path.name not in _DEPLOYED or collection_path.parent.name != "tests":
        return None
    named = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return None if any(collection_path in (path, *path.parents) for path in named) else True

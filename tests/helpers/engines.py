"""This machine's container engine, for the tests that need one."""

import pytest

from nova_infra.containers.engine import Engine, detect
from nova_infra.containers.errors import EngineError
from nova_infra.containers.probe import require_start


def engine_or_skip() -> Engine:
    """The engine, if there is one that starts containers; otherwise the test is skipped."""
    try:
        engine = detect()
        require_start(engine)
    except EngineError as error:
        pytest.skip(f"runs containers, and {error}")
    return engine

"""This machine's container engine, for the tests that need one."""

from functools import cache

import pytest

from nova_infra.containers.engine import Engine, detect
from nova_infra.containers.errors import EngineError
from nova_infra.containers.probe import Limits, require_start


@cache
def limits_of(engine: Engine) -> Limits:
    """What containers may have here: asked for once.

    Raises:
        EngineError: This machine does not let the engine run any.
    """
    return require_start(engine)


def engine_or_skip() -> Engine:
    """The engine, if there is one that starts containers; otherwise the test is skipped."""
    try:
        engine = detect()
        limits_of(engine)
    except EngineError as error:
        pytest.skip(f"runs containers, and {error}")
    return engine

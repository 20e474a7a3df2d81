"""What these tests share."""

from collections.abc import Callable
from typing import Any

import pytest

from helpers.deployed_environment import Deployment
from nova_infra.operations.rollback.run import Request, rollback


@pytest.fixture
def back(deployment: Deployment) -> Callable[..., list[str]]:
    """Rolls back: back(to=…) -> the lines that were told."""

    def run(*, confirm: bool = True, **request: Any) -> list[str]:
        told: list[str] = []
        rollback(
            deployment.environment, Request(**{"patience": 0, **request}), confirm=lambda: confirm, notify=told.append
        )
        return told

    return run

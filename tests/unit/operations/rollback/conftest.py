"""What these tests share."""

from collections.abc import Callable
from typing import Any

import pytest

from helpers.deployed_environment import Deployment
from helpers.rollback import rolled_back


@pytest.fixture
def back(deployment: Deployment) -> Callable[..., list[str]]:
    """Rolls back: back(to=…) -> the lines that were told."""

    def run(*, confirm: bool = True, **request: Any) -> list[str]:
        return rolled_back(deployment, lambda: confirm, **request)

    return run

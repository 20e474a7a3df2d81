"""What these tests share."""

from typing import Any

import pytest

from helpers.transitions import CARTS, OVERVIEW, PLATFORM, STORE, Templates


@pytest.fixture(scope="session")
def deployed(assembly: Any) -> Templates:
    """Production with two services, without the stacks of the others."""
    return {name: assembly.templates[name] for name in (PLATFORM, CARTS, STORE, OVERVIEW)}

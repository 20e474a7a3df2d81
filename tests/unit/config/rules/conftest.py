"""What these tests share."""

from typing import Any

import pytest


@pytest.fixture
def raw(raw: dict[str, Any]) -> dict[str, Any]:
    """The project's own nova.toml with four services, however many there are: what is refused may count them."""
    return {**raw, "services": raw["services"][:4]}

"""What these tests share."""

import pytest


@pytest.fixture
def raw(raw):
    """The project's own nova.toml with four services, however many there are: what is refused may count them."""
    return {**raw, "services": raw["services"][:4]}

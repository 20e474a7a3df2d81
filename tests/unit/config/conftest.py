"""What the tests of nova.toml share."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.config import parse_config
from nova_infra.errors import ConfigError


@pytest.fixture
def refused(raw: dict[str, Any]) -> Callable[[], str]:
    """Gives the one line that a changed configuration is refused with."""

    def line() -> str:
        with pytest.raises(ConfigError) as raised:
            parse_config(raw)
        [text] = str(raised.value).splitlines()
        return text

    return line

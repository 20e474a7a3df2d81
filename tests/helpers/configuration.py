"""Configurations with one value changed, and the lines that refuse them."""

from typing import Any

import pytest

from nova_infra.config import parse_config
from nova_infra.errors import ConfigError


def changed(raw: Any, path: str, value: Any) -> Any:
    """The configuration with the value at a path such as ``environments.0.rollout.percent``."""
    *parents, last = path.split(".")
    node = raw
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
    node[int(last) if isinstance(node, list) else last] = value
    return raw


def faults(raw: Any) -> list[str]:
    """The lines that refuse a configuration."""
    with pytest.raises(ConfigError) as raised:
        parse_config(raw)
    assert raised.value.exit_code == 2
    return str(raised.value).splitlines()

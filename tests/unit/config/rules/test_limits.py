"""What AWS offers only within a partition."""

from typing import Any

import pytest

from nova_infra.config import parse_config
from nova_infra.errors import ConfigError


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("mars-1", "is in 'mars-1', which is no region of aws: name one that is"),
        ("cn-north-1", r"is not in aws, .*: name a connection in aws"),
    ],
)
def test_a_connection_is_in_a_region_of_the_toolchains_partition(raw: dict[str, Any], region: str, said: str) -> None:
    assert parse_config(raw)
    raw["source"]["connection_arn"] = f"arn:aws:codeconnections:{region}:444444444444:connection/0"
    with pytest.raises(ConfigError, match=rf"source\.connection_arn: .* {said}"):
        parse_config(raw)

"""What AWS would accept and nobody should deploy, where the rule compares parts of nova.toml."""

from collections.abc import Callable
from typing import Any

from nova_infra.config import parse_config


def test_a_connection_of_an_approved_account_is_refused(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    *start, connection = raw["source"]["connection_arn"].split(":")
    raw["source"]["connection_arn"] = ":".join([*start[:-1], "333333333333", connection])
    line = refused()
    assert line.startswith("nova.toml: source.connection_arn: 'arn:aws:codeconnections:us-east-1:333333333333:")
    assert "is in the account of prod, and steps before its approval would use it: create one in 444444444444" in line


def test_a_connection_of_another_account_may_be_shared(raw: dict[str, Any]) -> None:
    raw["source"]["connection_arn"] = raw["source"]["connection_arn"].replace("444444444444", "555555555555")
    assert parse_config(raw).source.connection_arn is not None

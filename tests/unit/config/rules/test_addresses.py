"""Addresses in variables: a port that is not open would show as a timeout, long after."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.config.rules.addresses import Address, addresses, is_open


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("postgres://user@db.internal/shop", [("db.internal", 5432)]),
        ("jdbc:postgresql://db:5433/shop?ssl=true", [("db", 5433)]),
        ("postgresql+psycopg://one,two:6000/shop", [("one", 5432), ("two", 6000)]),
        ("redis://:word@cache.internal", [("cache.internal", 6379)]),
        ("kafka-1.internal:9092,kafka-2.internal:9094", [("kafka-1.internal", 9092), ("kafka-2.internal", 9094)]),
        ("amqps://queue.internal", [("queue.internal", 5671)]),
        ("https://api.example.com/path", [("api.example.com", 443)]),
        ("http://localhost:4318", []),
        ("redis://127.0.0.1:6379", []),
        ("12:30", []),
        ("warn", []),
        ("shop.orders:v1", []),
        ('{"host":"db"}', []),
    ],
)
def test_an_address_is_recognized_by_its_form(value: str, found: list[tuple[str, int]]) -> None:
    assert [(each.host, each.port) for each in addresses({"A": value})] == found


def test_a_host_and_a_port_in_two_variables_are_an_address() -> None:
    assert list(addresses({"DB_HOST": "db", "DB_PORT": "5432"})) == [Address("DB_PORT", "db", 5432)]
    assert list(addresses({"DB_HOST": "localhost", "DB_PORT": "5432"})) == []
    assert list(addresses({"RETRIES_PORT": "5432"})) == []


@pytest.mark.parametrize(
    ("host", "port", "connections", "reached"),
    [
        ("api.example.com", 443, (), True),
        ("db", 5432, (), False),
        ("db", 5432, ("db:5432",), True),
        ("db", 5432, ("db:5433",), False),
        ("10.1.2.3", 6379, ("10.1.0.0/16:6379",), True),
        ("10.2.2.3", 6379, ("10.1.0.0/16:6379",), False),
    ],
)
def test_an_address_is_reached_where_its_port_is_open(
    host: str, port: int, connections: tuple[str, ...], reached: bool
) -> None:
    assert is_open(Address("A", host, port), connections) is reached


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=60), max_size=3))
def test_any_text_can_be_a_value(variables: dict[str, str]) -> None:
    assert all(0 < each.port < 65536 for each in addresses(variables))


@pytest.mark.parametrize("part", ["a", "a.", "a://", "[:", ":1", "a-"])
def test_a_very_long_value_is_read_like_any_other(part: str) -> None:
    assert all(each.host for each in addresses({"A": part * 100_000}))

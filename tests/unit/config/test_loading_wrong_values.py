"""Whatever a key of nova.toml holds is accepted, or refused in lines that name it."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.configuration import faults
from helpers.examples import examples
from nova_infra.config import Config, parse_config
from nova_infra.errors import ConfigError

KeyPath = tuple[int | str, ...]


def _key(path: KeyPath) -> str:
    """A key's path as the messages write it: ``environments[1].rollout.percent``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _refusal(data: dict[str, Any]) -> list[str]:
    """The lines that a configuration is refused with; none when it is accepted."""
    try:
        parse_config(data)
    except ConfigError as error:
        return str(error).splitlines()
    return []


def _paths(node: Any, prefix: KeyPath = ()) -> Iterator[KeyPath]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in children:
        yield (*prefix, key)
        yield from _paths(value, (*prefix, key))


_RAW = (Path(__file__).parents[1] / "nova.toml").read_text()


_WRONG = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.binary(max_size=3),
    st.lists(st.integers() | st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3),
)


@pytest.mark.exhaustive("test_of_very_many_faults_the_first_are_shown_and_the_others_counted")
@settings(max_examples=examples(300), derandomize=True, deadline=None, database=None)
@given(changes=st.lists(st.tuples(st.sampled_from(sorted(_paths(tomllib.loads(_RAW)), key=str)), _WRONG), max_size=3))
def test_whatever_a_key_holds_is_accepted_or_refused_in_lines_that_name_it(changes: list[tuple[KeyPath, Any]]) -> None:
    data = tomllib.loads(_RAW)
    for path, value in changes:
        node: Any = data
        try:
            for part in path[:-1]:
                node = node[part]
            node[path[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue  # an earlier change took the place away
    try:
        assert isinstance(parse_config(data), Config)
    except ConfigError as error:
        for line in str(error).splitlines():
            assert line.startswith("nova.toml: ")
            assert line.count(": ") >= 2


@pytest.mark.exhaustive("test_of_very_many_faults_the_first_are_shown_and_the_others_counted")
@settings(max_examples=examples(300), derandomize=True, deadline=None, database=None)
@given(path=st.sampled_from(sorted(_paths(tomllib.loads(_RAW)), key=str)), value=_WRONG)
def test_a_value_that_is_refused_is_named_by_its_key_or_its_table(path: KeyPath, value: Any) -> None:
    data = tomllib.loads(_RAW)
    node: Any = data
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    lines = _refusal(data)
    assert lines == [] or any(f" {key}" in line for key in (_key(path), _key(path[:-1])) if key for line in lines)


@pytest.mark.exhaustive("test_of_very_many_faults_the_first_are_shown_and_the_others_counted")
@settings(max_examples=examples(100), derandomize=True, deadline=None, database=None)
@given(
    path=st.sampled_from([(), *sorted(_paths(tomllib.loads(_RAW)), key=str)]),
    key=st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8).map("x_{}".format),
    value=_WRONG,
)
def test_a_key_that_does_not_exist_is_refused_wherever_it_is(path: KeyPath, key: str, value: Any) -> None:
    data = tomllib.loads(_RAW)
    node: Any = data
    for part in path:
        node = node[part]
    if isinstance(node, dict):
        node[key] = value
        assert [line for line in faults(data) if f"{_key((*path, key))}: " in line and "is not a key" in line]


@pytest.mark.parametrize(
    "path", [("services", 0, "paths"), ("environments", 1, "network", "interface_endpoints"), ("services",)]
)
def test_of_very_many_faults_the_first_are_shown_and_the_others_counted(path: tuple[int | str, ...]) -> None:
    data = tomllib.loads(_RAW)
    table: Any = data
    for part in path[:-1]:
        table = table[part] if isinstance(part, int) else table.setdefault(part, {})
    table[path[-1]] = [f"not usable {number}" for number in range(5000)]
    *shown, last = _refusal(data)
    assert len(shown) == 200
    assert all(line.startswith(f"nova.toml: {_key(path)}") for line in shown)
    assert last.startswith("nova.toml: has 4,8")
    assert last.endswith(" more faults: fix these first")

"""YAML that stands for more values than a machine can hold."""

import pytest
import yaml

from helpers.examples import bomb
from nova_infra.documents.yamls import MOST_VALUES, is_boundless


def boundless(text: str) -> bool:
    return is_boundless(yaml.compose(text, yaml.SafeLoader))


@pytest.mark.parametrize("level", ["{k: *a, l: *a}", "[*a, *a]", "{<<: [*a, *a], y: 1}"])
def test_aliases_that_double_at_each_level_are_noticed(level: str) -> None:
    assert boundless(bomb(level))
    assert not boundless("\n".join(bomb(level).splitlines()[:5]))


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a {b: {c: *a}}", "&a [1, [2, *a]]"])
def test_what_contains_itself_is_noticed(text: str) -> None:
    assert boundless(text)


@pytest.mark.parametrize("text", ["", "1", "a: &a [1, 2]\nb: *a\nc: [*a, *a]", "[[[[[1]]]]]"])
def test_other_documents_have_an_end(text: str) -> None:
    assert not boundless(text)


def test_the_limit_is_a_number_of_values() -> None:
    assert not boundless(f"[{', '.join(['1'] * (MOST_VALUES - 1))}]")
    assert boundless(f"[{', '.join(['1'] * MOST_VALUES)}]")

"""YAML that stands for more values than a machine can hold."""

import pytest

from helpers.examples import bomb
from nova_infra.documents import yamls
from nova_infra.documents.yamls import compose, is_boundless, values


def boundless(text: str) -> bool:
    return is_boundless(compose(text))


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


def test_the_limit_is_a_number_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamls, "MOST_VALUES", 200)
    assert not boundless(f"[{', '.join(['1'] * 199)}]")
    assert boundless(f"[{', '.join(['1'] * 200)}]")


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 100_000, "{a: " * 100_000, "- " * 100_000])
def test_what_is_nested_too_deeply_is_refused_before_it_ends_python(text: str) -> None:
    with pytest.raises(RecursionError):
        compose(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [('a: "\\uD83C\\uDF89!"', "\U0001f389!"), ('a: ["\\ud83d\\ude00", yes]', ["\U0001f600", True]), ("a:\tb", "b")],
)
def test_escapes_of_json_are_read(text: str, value: object) -> None:
    assert values(compose(text)) == {"a": value}


def test_levels_that_were_closed_are_not_counted() -> None:
    assert compose(f"[{'[[1]], ' * 400}]") is not None
    assert compose("") is None

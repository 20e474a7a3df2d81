"""Writes tables as TOML, with comments."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.scaffold.copilot.reading.part import TomlTable

_WIDTH = 118


def lines(header: str, table: TomlTable) -> Iterator[str]:
    """A table: its header, its values, its comments, and then the tables inside that are written by themselves."""
    name = header.strip("[]")
    inner = {key: value for key, value in table.values.items() if isinstance(value, TomlTable)}
    if len(inner) < len(table.values) or table.notes:
        yield header
    for key, value in table.values.items():
        if key not in inner:
            yield f"{_key(key)} = {inline(value)}"
    yield from comments(table.notes)
    for key, value in inner.items():
        if any(not isinstance(each, TomlTable) for each in value.values.values()):
            yield ""
        yield from lines(f"[{name}.{_key(key)}]", value)


def comments(notes: list[str]) -> Iterator[str]:
    """Lines of comments, each note wrapped so that it can be read."""
    for note in notes:
        text = "".join(character if character.isprintable() else " " for character in note)
        yield from textwrap.wrap(
            text, _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_long_words=False, break_on_hyphens=False
        )


def inline(value: Any) -> str:
    """A value as TOML in one line."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(key)} = {inline(each)}" for key, each in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inline, value))}]"
    # JSON's strings are TOML's, except for one character that JSON does not escape.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else inline(key)

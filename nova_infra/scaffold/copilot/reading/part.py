"""A part of a manifest: checks types, and remembers which keys were converted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from nova_infra.documents.text import shortened
from nova_infra.scaffold.copilot.answers import Path, answer, leaves
from nova_infra.scaffold.copilot.reading.manifests import Manifest, dotted

_T = TypeVar("_T")

_KINDS: dict[type, str] = {
    str: "text", int: "whole number", bool: "true or false", dict: "map", list: "list", float: "number",
}  # fmt: skip


@dataclass
class TomlTable:
    """One table of ``nova.toml`` that is to be written.

    Attributes:
        values: Keys and values; a value may be a table of the same kind.
        notes: What has no key, and why, as lines of comments.
    """

    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, key: str, value: Any) -> None:
        """Write a value. A dotted key is one in a table inside; None and what is empty are not written."""
        if value is None or value in ({}, [], ()):
            return
        *outer, last = key.split(".")
        values = self.values
        for name in outer:
            values = values.setdefault(name, {})
        values[last] = value


class Part:
    """A manifest, or what it says about one environment."""

    def __init__(self, manifest: Manifest, prefix: Path = ()) -> None:
        self.manifest = manifest
        self._prefix = prefix

    @property
    def is_override(self) -> bool:
        """Whether it is about one environment only."""
        return bool(self._prefix)

    def has(self, *path: str) -> bool:
        """Whether there is a value at a place."""
        return self.manifest.get(*self._prefix, *path) is not None

    def take(self, *path: str, kind: type[_T], convert: Callable[[Any], Any] | None = None) -> Any:
        """The value at a place, which then counts as converted; None where there is none or it cannot be used.

        Args:
            convert: What to make of it; a ValueError says what is wrong.
        """
        value = self.manifest.get(*self._prefix, *path)
        if value is None:
            return None
        place = (*self._prefix, *path)
        self.manifest.used.add(place)
        is_other = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool) or _tag(value)
        if kind is not object and is_other:
            self.manifest.fault(place, f"{_shown(value)} is not a {_KINDS[kind]}: write one")
            return None
        try:
            return convert(value) if convert else value
        except ValueError as error:
            self.manifest.fault(place, f"{_shown(value)} {error}")
            return None

    def peek(self, *path: str) -> Any:
        """The value at a place, without converting it."""
        return self.manifest.get(*self._prefix, *path)

    def text(self, *path: str) -> str:
        """The value at a place as it is written: ``1.50``, which is a number to YAML, is a text to Copilot."""
        return self.manifest.texts.get((*self._prefix, *path), "")

    def use(self, *path: str) -> None:
        """Count a value as converted that was read in another way."""
        self.manifest.used.add((*self._prefix, *path))

    def fault(self, *path: str, what: str) -> None:
        """Report a value that cannot be used."""
        self.manifest.fault((*self._prefix, *path), what)

    def leave(self, *path: str) -> None:
        """Say later that the value was not converted, although part of it was read."""
        self.manifest.used.discard((*self._prefix, *path))

    def note(self, *path: str, what: str) -> str:
        """A line of a comment about a value that has been converted only in part."""
        place = (*self._prefix, *path)
        return _note(self.manifest, place, self.manifest.get(*place), what)


def left_over(manifest: Manifest, prefix: Path = ()) -> list[str]:
    """A line for each value that no converter took: where it is, and what its key's answer is."""
    notes = []
    seen: set[str] = set()
    for path, value in leaves(manifest.get(*prefix) or {}, prefix):
        if any(path[:length] in manifest.used for length in range(1, len(path) + 1)) or value is None or path == prefix:
            continue
        if not prefix and path[:1] == ("environments",):
            continue
        # CloudFormation's !GetAtt and the like are known as late as another stack's value.
        found = answer(manifest.letter, tuple("from_cfn" if each[:1] == "!" else each for each in path[len(prefix) :]))
        what = found.sentence if found else "is not a key that Copilot documents for this type: it has no effect here."
        if what in seen and path[-1].startswith("["):
            continue  # one line for a list
        seen.add(what)
        notes.append(_note(manifest, path, value, what))
    return notes


def _note(manifest: Manifest, path: Path, value: Any, what: str) -> str:
    return f"{manifest.file}:{manifest.line(path)}: {dotted(path)} = {_shown(value)}: {what}"


def _shown(value: Any) -> str:
    """As YAML has it, in one line; only texts have quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    if tag := _tag(value):
        return shortened(f"{tag} {value[tag]}")
    return shortened(str(value) if isinstance(value, date) else repr(value))


def _tag(value: Any) -> str:
    """CloudFormation's tag of a value that only a deployment knows, such as ``!Ref``; empty where it has none."""
    return next((key for key in value if key.startswith("!")), "") if isinstance(value, dict) else ""

"""What becomes of each key of Copilot's manifests: the rows of ``keys.toml``."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

TYPES = {
    "L": "Load Balanced Web Service",
    "B": "Backend Service",
    "R": "Request-Driven Web Service",
    "W": "Worker Service",
    "J": "Scheduled Job",
    "S": "Static Site",
    "E": "Environment",
    "P": "Pipeline",
}
"""The types of manifests by the letters that ``keys.toml`` has for them."""

Path = tuple[str, ...]
"""A place in a manifest: keys, and the numbers of list entries as ``[0]``."""


@dataclass(frozen=True)
class ManifestKey:
    """One key of a manifest and what Nova has for it.

    Attributes:
        section: The part of the manifest that it belongs to.
        key: The key, with ``*`` for a name that users choose and ``[]`` for an entry of a list.
        types: Letters of the types of manifest that have it.
        nova: The key of ``nova.toml`` that says the same, or an empty text.
        sentence: How it is converted; or why it is not, and what to do instead.
    """

    section: str
    key: str
    types: tuple[str, ...]
    nova: str
    sentence: str

    @property
    def path(self) -> Path:
        """The key as a path, in which every entry of a list is ``[]``."""
        return tuple(self.key.replace("[]", ".[]").split("."))


@cache
def answers() -> tuple[ManifestKey, ...]:
    """All keys, in the order of the file."""
    text = (resources.files(__package__) / "keys.toml").read_text(encoding="utf-8")
    return tuple(
        ManifestKey(section, key, tuple(types.split()), nova, sentence)
        for section, rows in tomllib.loads(text).items()
        for key, (types, nova, sentence) in rows.items()
    )


def answer(letter: str, path: Path) -> ManifestKey | None:
    """What a manifest's value at a place is converted to, if Copilot documents that key for its type."""
    found: list[tuple[str, ...]] = [()]
    known = _known(letter)
    for part in path:
        part = "[]" if part.startswith("[") else part
        outer = found
        found = [(*before, name) for before in found for name in (part, "*") if (*before, name) in _prefixes(letter)]
        if not found:  # what is within a value of any shape, such as a policy, has that value's answer
            whole = (known[names] for names in outer if names in known and names not in _groups(letter))
            return next((each for each in whole if not each.nova), None)
    return next((known[names] for names in found if names in known), None)


@cache
def _known(letter: str) -> dict[Path, ManifestKey]:
    return {answer.path: answer for answer in answers() if letter in answer.types}


@cache
def _prefixes(letter: str) -> frozenset[Path]:
    return frozenset(path[:length] for path in _known(letter) for length in range(1, len(path) + 1))


@cache
def _groups(letter: str) -> frozenset[Path]:
    return frozenset(path[:length] for path in _known(letter) for length in range(1, len(path)))


def leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every value of a manifest that holds no others, with its place."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield from leaves(each, (*path, f"[{number}]"))
    else:
        yield path, value

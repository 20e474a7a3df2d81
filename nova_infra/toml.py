"""Reads a TOML file that a person has written: whatever it holds, a fault is one line with the remedy."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nova_infra.documents.files import UnreadableFileError, read_text
from nova_infra.errors import ConfigError

MAX_DEPTH = 32
"""Tables within tables: far more than any file of this project needs, and few enough for whatever walks them."""

MAX_INTEGER = 2**63 - 1
"""What TOML promises to keep exactly: https://toml.io/en/v1.0.0#integer."""

_MOST_BYTES = 1024 * 1024

TOO_DEEP = "is nested too deeply: flatten it"

# What no template, log line or API of AWS takes: control characters but tabs and line ends, and noncharacters.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_BARE = re.compile(r"[\w-]+", re.ASCII)
_REPLACED = re.compile(r"[$#]\{Token\[|\{\{resolve:")


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds, after a byte order mark if there is one.

    Raises:
        ConfigError: It cannot be read, or is not TOML.
        FileNotFoundError: It does not exist.
    """
    name = path.name
    try:
        return tomllib.loads(read_text(path, most=_MOST_BYTES).replace("\r\n", "\n"))
    except UnreadableFileError as error:
        raise ConfigError(f"{name}: {error}: {error.remedy}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: is not valid TOML: {error}: fix that line") from None
    except ValueError:  # Python converts no number of more than some thousand digits
        raise ConfigError(f"{name}: has a number with thousands of digits: write a smaller one") from None
    except RecursionError:
        raise ConfigError(f"{name}: is nested too deeply: flatten it") from None


def unusable_values(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each value that nothing could be made of: its key's path, and what is wrong and what to do.

    Args:
        data: What the file holds.
    """
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), data)]
    while waiting:
        location, value = waiting.pop()
        if len(location) > MAX_DEPTH:
            yield key_path(location[:3]), TOO_DEEP
            return
        match value:
            case Mapping():
                children: list[tuple[str | int, Any]] = list(value.items())
            case list() | tuple():
                children = list(enumerate(value))
            case _:
                children = []
        waiting += (((*location, name), each) for name, each in reversed(children))
        for fault in _faults(value):
            yield key_path(location), fault
        for name, _ in children:
            if isinstance(name, str) and _UNPRINTABLE.search(name):
                yield key_path((*location, name)), "is a key with a character that AWS accepts nowhere: remove it"


def _faults(value: object) -> Iterator[str]:
    if isinstance(value, int) and not -MAX_INTEGER <= value <= MAX_INTEGER:
        yield "is a number of more than 64 bits: write a smaller one"
    if isinstance(value, str) and (found := _UNPRINTABLE.search(value)):
        yield f"has the character {found[0]!r}, which AWS accepts nowhere: remove it"
    if isinstance(value, str) and (found := _REPLACED.search(value)):
        yield f"has {found[0]!r}, which would be replaced on the way to AWS: write something else"


def key_path(location: Sequence[str | int]) -> str:
    """A key as one writes it in TOML, with the number of a list's entry in brackets: ``services[0].name``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in location)
    return "".join(parts).lstrip(".")


def _key(name: str) -> str:
    text = name if _BARE.fullmatch(name) else repr(name)
    return text if len(text) <= 60 else f"{text[:57]}…"

"""Adds, removes or renames a service in the text of ``nova.toml``; all else, comments included, stays as it is.

The entries are found by their lines, because a comment above an entry goes with it, which no TOML library knows. What
comes out is read again and compared with what was asked for: a file that is written in another way is refused, never
spoilt.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from nova_infra.config import CONFIG_FILE, parse_config
from nova_infra.errors import ConfigError, NovaError

# Of variables, those whose word is a service's name, and those whose path is a URL's. Any other may be about a table, a
# bucket or a directory.
_NAMES_A_SERVICE = re.compile(r"(.*_)?SERVICE(_NAME)?", re.IGNORECASE)
_IS_A_URL = re.compile(r"(.*_)?(UR[LI]|ENDPOINT|(BASE|URL|ROUTE|API)_?(PATH|PREFIX)|ROUTE)", re.IGNORECASE)
_ROUTES = {("paths",), ("smoke",), ("health", "path")}
_HEADER = re.compile(r"\s*\[\[?\s*([\w.\"'-]+(?:\s*\.\s*[\w\"'-]+)*)\s*\]\]?")


def with_entry(text: str, name: str, keys: str = "") -> str:
    """``nova.toml`` with a service at its end."""
    end = "\r\n" if "\r\n" in text else "\n"
    before = text if text.endswith("\n") else text + end
    lines = ["", "[[services]]", f'name = "{name}"', *keys.splitlines(), ""]
    data = tomllib.loads(text)
    expected = {**data, "services": [*data["services"], {"name": name, **tomllib.loads(keys)}]}
    return _checked(before + end.join(lines), expected, f"with {name}")


def without_entry(text: str, name: str) -> str:
    """``nova.toml`` without a service and the comment above it.

    Raises:
        NovaError: The service is the last one, something else refers to it, or its entry cannot be distinguished from
        the rest.
    """
    lines = text.splitlines(keepends=True)
    start, stop = _place(text, name)
    while start and stop == len(lines) and not lines[start - 1].strip():
        start -= 1  # the empty lines above the last entry
    data = tomllib.loads(text)
    data["services"] = [service for service in data["services"] if service["name"] != name]
    return _checked("".join(lines[:start] + lines[stop:]), data, f"without {name}")


def with_renamed_entry(text: str, old: str, new: str) -> str:
    """``nova.toml`` with another name for a service: in its paths, its directory, and the variables that are about it.

    Raises:
        NovaError: Its entry cannot be distinguished from the rest, or the new name contradicts another entry.
    """
    data = tomllib.loads(text)
    expected = data | {"services": _renamed(data["services"], old, new)}
    if "rehearsal" in data:
        expected["rehearsal"] = _renamed(data["rehearsal"], old, new)
    name = re.compile(rf"""(?<=["'])(services/|/|){re.escape(old)}(?=["'/])""")
    left = _differences(data, expected)
    for found in reversed([*name.finditer(text)]):
        changed = text[: found.start()] + found[1] + new + text[found.end() :]
        if (now := _differences(tomllib.loads(changed), expected)) < left:
            text, left = changed, now
    return _checked(text, expected, f"with {new}")


def _renamed(value: Any, old: str, new: str, key: tuple[str, ...] = ()) -> Any:
    """What services, or a key of one, come to: a word or a path that may be another's, as in a command, stays."""
    if isinstance(value, list):
        return [_renamed(each, old, new, key) for each in value]
    if isinstance(value, dict):
        return {each: _renamed(inner, old, new, (*key, each)) for each, inner in value.items()}
    if not isinstance(value, str):
        return value
    variable = key[-1] if key[-2:-1] == ("environment",) else ""
    if value == old:
        return new if key == ("name",) or _NAMES_A_SERVICE.fullmatch(variable) else value
    routes = "|/" if _ROUTES & {key, key[2:]} or _IS_A_URL.fullmatch(variable) else ""
    return re.sub(rf"^(services/{routes}){re.escape(old)}(?=/|$)", rf"\g<1>{new}", value)


def _differences(one: Any, other: Any) -> int:
    """In how many values two contents of TOML differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return sum(_differences(one.get(key), other.get(key)) for key in {*one, *other})
    if isinstance(one, list) and isinstance(other, list):
        return sum(map(_differences, one, other)) + abs(len(one) - len(other))
    return int(one != other)


def _place(text: str, name: str) -> tuple[int, int]:
    """The lines of a service's entry: from the comment above it to the comment above what follows."""
    services = tomllib.loads(text)["services"]
    number = [service["name"] for service in services].index(name)
    lines = text.splitlines()
    headers = {index: found[1] for index, line in enumerate(lines) if (found := _HEADER.match(line))}
    entries = [index for index, key in headers.items() if key == "services"]
    if len(entries) != len(services):
        raise _unreadable()
    first = entries[number]
    others = [index for index, key in headers.items() if index > first and not key.startswith("services.")]
    stop = _comment_above(lines, others[0]) if others else len(lines)
    return _comment_above(lines, first), stop


def _comment_above(lines: list[str], index: int) -> int:
    while index and lines[index - 1].lstrip().startswith("#"):
        index -= 1
    return index


def _checked(text: str, expected: Mapping[str, Any], change: str) -> str:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise _unreadable() from None
    if data != expected:
        raise _unreadable()
    try:
        parse_config(data)
    except ConfigError as error:
        raise ConfigError(str(error).replace(f"{CONFIG_FILE}: ", f"{CONFIG_FILE} {change}: ")) from None
    return text


def _unreadable() -> NovaError:
    return NovaError(
        f"{CONFIG_FILE}: services: is not a list of [[services]] tables, each with its name in a line: write it as such"
    )

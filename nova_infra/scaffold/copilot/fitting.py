"""Removes values that ``nova.toml`` would refuse, and leaves a comment that says why."""

import re
from collections.abc import Sequence
from typing import Any

from nova_infra.config import CONFIG_FILE, parse_config
from nova_infra.errors import ConfigError
from nova_infra.scaffold.copilot.reading.part import TomlTable
from nova_infra.scaffold.copilot.writing import inline

_ROUNDS = 5  # a value that goes may leave another one alone
_NEEDED = re.compile(r"services\[\d+\]\.(environments\.[\w-]+\.)?(image|command|environment|secrets|sidecars)\b")
"""What a service is not the same without: its comment alone would be missed."""
_FAULT = re.compile(rf"{re.escape(CONFIG_FILE)}: (\w+)(?:\[(\d+)\])?\.([\w.-]+)(?:\[\d+\][\w.\[\]-]*)?: (.+)")


def fit(tables: Sequence[tuple[str, TomlTable]]) -> tuple[str, ...]:
    """Turn every value that is refused into a comment of its table.

    Args:
        tables: Headers and tables of the whole file.

    Returns:
        What a person has to change before it can be used, such as a value that is missing: one line each.
    """
    faults: list[str] = []
    needed: dict[str, None] = {}
    for _ in range(_ROUNDS):
        try:
            parse_config(_plain(tables))
            return tuple(needed)
        except ConfigError as error:
            faults = str(error).splitlines()
        taken = [_take_out(tables, fault) for fault in faults]  # each of them, not only the first
        needed |= dict.fromkeys(
            each
            for each, gone in zip(faults, taken, strict=True)
            if gone and _NEEDED.match(each.removeprefix(f"{CONFIG_FILE}: "))
        )
        if not any(taken):
            break
    return (*needed, *(each for each in faults if each not in needed))


def _plain(tables: Sequence[tuple[str, TomlTable]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for header, table in tables:
        name = header.strip("[]")
        if header.startswith("[["):
            data.setdefault(name, []).append(_values(table))
        else:
            data[name] = _values(table)
    return data


def _values(value: Any) -> Any:
    if isinstance(value, TomlTable):
        value = value.values
    return {key: _values(each) for key, each in value.items()} if isinstance(value, dict) else value


def _take_out(tables: Sequence[tuple[str, TomlTable]], fault: str) -> bool:
    """Remove the value that a line names. False for one that is missing, or is a table of the file itself."""
    found = _FAULT.fullmatch(fault)
    named = [table for header, table in tables if found and header.strip("[]") == found[1]]
    if found is None or not named:
        return False
    table = named[int(found[2] or 0)]
    holder: Any = table.values
    path = found[3].split(".")
    for number, key in enumerate(path):
        holder = holder.values if isinstance(holder, TomlTable) else holder
        # Without internal, everybody would reach what only its siblings did: a person decides that.
        if not isinstance(holder, dict) or key not in holder or key in ("name", "internal"):
            return False
        inside = holder[key]
        if number == len(path) - 1 or not isinstance(inside, dict | TomlTable):
            table.notes.append(f"{'.'.join(path[: number + 1])} = {inline(_values(inside))}: {found[4]}.")
            del holder[key]
            _without_empty(table.values)
            return True
        holder = inside
    return False


def _without_empty(values: dict[str, Any]) -> None:
    for key, value in list(values.items()):
        inner = value.values if isinstance(value, TomlTable) else value
        if isinstance(inner, dict) and inner:
            _without_empty(inner)
            if not inner:
                del values[key]

"""Takes out of the tables what ``nova.toml`` would refuse, and says why in a comment instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from nova_infra.config import CONFIG_FILE, Config
from nova_infra.config.wording import follows_from_another, in_one_line
from nova_infra.scaffold.copilot.part import Table
from nova_infra.scaffold.copilot.writing import inline

_ROUNDS = 5  # a value that goes may leave another one alone


def fit(tables: Sequence[tuple[str, Table]]) -> None:
    """Turn every value that is refused by itself into a comment of its table.

    Args:
        tables: Headers and tables of the whole file.
    """
    for _ in range(_ROUNDS):
        try:
            Config.model_validate(_plain(tables))
            return
        except ValidationError as error:
            faults = [each for each in error.errors(include_url=False) if not follows_from_another(each)]
        if not any([_take_out(tables, fault["loc"], in_one_line(fault)) for fault in faults]):
            return


def _plain(tables: Sequence[tuple[str, Table]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for header, table in tables:
        name = header.strip("[]")
        if header.startswith("[["):
            data[name] = (*data.get(name, ()), _values(table))
        else:
            data[name] = _values(table)
    return data


def _values(value: Any) -> Any:
    if isinstance(value, Table):
        value = value.values
    if isinstance(value, dict):
        return {key: _values(each) for key, each in value.items()}
    if isinstance(value, list):
        return tuple(map(_values, value))
    return value


def _take_out(tables: Sequence[tuple[str, Table]], place: tuple[int | str, ...], fault: str) -> bool:
    """Remove the value at a place of the file. False for what is missing, or is the table itself."""
    name, *rest = place
    numbered = [table for header, table in tables if header.strip("[]") == name]
    table = numbered[rest.pop(0)] if rest and isinstance(rest[0], int) else numbered[0] if numbered else None  # type: ignore[call-overload]
    if table is None:
        return False
    path = [str(part) for part in rest if not isinstance(part, int)]
    holder: Any = table.values
    owner = table
    for number, key in enumerate(path):
        if isinstance(holder, Table):
            owner, holder = holder, holder.values
        if not isinstance(holder, dict) or key not in holder:
            return False
        inside = holder[key]
        if number == len(path) - 1 or not isinstance(inside, dict | Table):
            reason = fault.removeprefix(f"{CONFIG_FILE}: ").partition(": ")[2]
            owner.notes.append(f"{'.'.join(path[: number + 1])} = {inline(_values(inside))}: {reason}.")
            del holder[key]
            if not holder and number:
                del table.values[path[0]]
            return True
        holder = inside
    return False

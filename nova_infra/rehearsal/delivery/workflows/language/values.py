"""The values of GitHub's expressions, and how they are compared. What only a run knows is ``UNKNOWN``."""

import re
from collections.abc import Mapping
from typing import Any

NUMBER = r"[-+]?(?:0x[0-9a-fA-F]+|0o[0-7]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"


class Unknown(str):
    """A value that only a run on GitHub knows; its text is what is likely, or empty."""

    __slots__ = ()


UNKNOWN = Unknown()
"""A value that only a run on GitHub knows, such as an output of somebody's action. As a text it is empty."""


def is_unknown(value: Any) -> bool:
    """Whether only a run on GitHub knows a value, or a part of it. Its text is then what is likely, or empty."""
    if isinstance(value, Mapping):
        return isinstance(value, Open) or any(map(is_unknown, value.values()))
    return isinstance(value, Unknown) or (isinstance(value, list) and any(map(is_unknown, value)))


class Open(dict[str, Any]):
    """What only GitHub knows all members of: one that is not known here is not empty, as expressions assume."""

    def get(self, key: str, default: Any = None) -> Any:
        """What is known under a key, and ``UNKNOWN`` for everything else."""
        return super().get(key, UNKNOWN if default == "" else default)


class _Filtered(list[Any]):
    """What ``*`` found, whose members' members are asked for."""


def contains(where: Any, what: Any) -> Any:
    """Whether a list has a member, or a text a part."""
    if not isinstance(where, list):
        return UNKNOWN if is_unknown([where, what]) else as_text(what).lower() in as_text(where).lower()
    found = [UNKNOWN if is_unknown([each, what]) else are_same(each, what) for each in where]
    return any(each is True for each in found) or (UNKNOWN if UNKNOWN in found else False)


def key_of(where: Mapping[str, Any], key: Any) -> Any:
    """A key as an object writes it: GitHub ignores its case."""
    if key in where or not isinstance(key, str):
        return key
    return next((each for each in where if str(each).lower() == key.lower()), key)


def member_of(value: Any, key: Any, *, every: bool) -> Any:
    """What an object has under a key; ``every`` for what all of its members have."""
    if isinstance(value, Unknown):
        return UNKNOWN
    if isinstance(value, _Filtered) and not every:
        found = (member_of(each, key, every=False) for each in value)
        return _Filtered(each for each in found if each != "")
    if every:
        open_ends = [UNKNOWN] if isinstance(value, Open) else []
        members = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
        return _Filtered([*members, *open_ends])
    if isinstance(value, list):
        index = as_number(key)
        return value[int(index)] if 0 <= index < len(value) else ""
    if not isinstance(value, Mapping):
        return ""
    return UNKNOWN if is_unknown(key) else value.get(key_of(value, as_text(key)), "")


def truth_of(value: Any) -> bool | None:
    """Whether a value counts as true; None if only GitHub knows."""
    if isinstance(value, Unknown):
        return None
    return isinstance(value, Mapping | list) or (value not in ("", None, False, 0) and value == value)


def are_same(left: Any, right: Any) -> bool:
    """Whether GitHub takes two values for equal."""
    if isinstance(left, Mapping | list) or isinstance(right, Mapping | list):
        return left is right
    first, second = made_comparable(left, right)
    return bool(first == second)


def made_comparable(left: Any, right: Any) -> tuple[Any, Any]:
    """Two texts without their case, or the numbers that GitHub compares where kinds differ."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower(), right.lower()
    return as_number(left), as_number(right)


def as_number(value: Any) -> float:
    """A value as the number that GitHub compares."""
    if value is None or isinstance(value, bool | int | float):
        return float(value or 0)
    text = value.strip() if isinstance(value, str) else "?"
    if not text or not re.fullmatch(NUMBER, text):
        return float("nan") if text else 0.0
    return float(int(text[:200], 0)) if text.lstrip("+-")[:2] in ("0x", "0o") else float(text)


def as_integer(value: Any) -> Any:
    """A whole number without its fraction; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def as_text(value: Any) -> str:
    """A value as GitHub writes it into a text."""
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, Mapping | list):
        return "Object" if isinstance(value, Mapping) else "Array"
    if isinstance(value, float):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(value), f"{value:.15g}")
    return value if isinstance(value, str) else str(value)

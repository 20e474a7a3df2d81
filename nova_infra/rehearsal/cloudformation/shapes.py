"""The shapes that a played resource's property may have, and whether a value has one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError


@dataclass(frozen=True)
class Only:
    """One of these values, compared as text."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Number:
    """A number, or a text that is one, between two bounds."""

    low: float = 0
    high: float = float("inf")


@dataclass(frozen=True)
class Each:
    """A list, all of whose entries have one shape."""

    shape: Any


@dataclass(frozen=True)
class Attributes:
    """A list of entries with ``Key`` and ``Value``; the shape of a value by its key."""

    shapes: Mapping[str, Any]


@dataclass(frozen=True)
class NotPlayed:
    """Any value: AWS takes it, and nothing here plays it.

    Attributes:
        area: What is not covered, for the last lines.
    """

    area: str


ANY = object()
"""Any value: it is played as it is, or does not affect the rehearsal."""
TEXT = "text"
NEEDED = "!"
"""Ends the name of a required property."""
FLAG = Only(("true", "false"))


def check_shape(value: Any, shape: Any, where: str) -> None:  # noqa: C901 - one case for each shape
    """Refuse a value that is not of a shape.

    Args:
        shape: One of the above, or a dictionary with the shape of each property.
    """
    if shape is ANY or isinstance(shape, NotPlayed):
        return
    match shape:
        case dict():
            _check_object(value, shape, where)
        case Each(inner):
            if not isinstance(value, list):
                raise unknown(where, f"is {value!r}, but the rehearsal expects a list")
            for index, entry in enumerate(value):
                check_shape(entry, inner, f"{where}[{index}]")
        case Attributes(shapes):
            check_shape(value, Each({"Key!": Only(tuple(shapes)), "Value!": ANY}), where)
            for entry in value:
                check_shape(entry["Value"], shapes[entry["Key"]], f"{where}.{entry['Key']}")
        case Only(values):
            if _text(value) not in values:
                raise unknown(where, f"is {value!r}, but the rehearsal knows {_choice(values)}")
        case Number(low, high):
            if not _is_number(value, low, high):
                raise unknown(where, f"is {value!r}, but the rehearsal expects a number from {low:g} to {high:g}")
        case _:
            if not isinstance(value, (str, int, float)) or isinstance(value, bool):
                raise unknown(where, f"is {value!r}, but the rehearsal expects a text")
            if "{{resolve:" in str(value):
                raise unknown(where, f"is {value!r}, which only CloudFormation can look up")


def areas_of(value: Any, shape: Any) -> Iterator[str]:
    """What of a value, which has a shape, is not covered."""
    if isinstance(shape, NotPlayed):
        yield shape.area
    elif isinstance(shape, dict):
        for key, inner in value.items():
            yield from areas_of(inner, shape.get(key, shape.get(f"{key}{NEEDED}")))
    elif isinstance(shape, Each):
        for entry in value:
            yield from areas_of(entry, shape.shape)


def _check_object(value: Any, shape: dict[str, Any], where: str) -> None:
    if not isinstance(value, dict):
        raise unknown(where, f"is {value!r}, but the rehearsal expects an object")
    for key, inner in value.items():
        expected = shape.get(key, shape.get(f"{key}{NEEDED}"))
        if expected is None:
            raise unknown(f"{where}.{key}", "is a property that the rehearsal does not know")
        check_shape(inner, expected, f"{where}.{key}")
    for key in shape:
        if key.endswith(NEEDED) and key.removesuffix(NEEDED) not in value:
            name = f"{where}.{key.removesuffix(NEEDED)}"
            raise UnresolvableError(f"{name}: is missing, but the rehearsal needs it")


def _is_number(value: Any, low: float, high: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return False
    try:
        return low <= float(value) <= high
    except ValueError:
        return False


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _choice(values: tuple[str, ...]) -> str:
    return ", ".join(values) if len(values) < 8 else f"{values[0]}, {values[1]}, … {values[-1]}"


def unknown(where: str, fault: str) -> UnresolvableError:
    """The error about something that the rehearsal does not know: its name, and what is wrong with it."""
    return UnresolvableError(f"{where}: {fault}: leave it out")

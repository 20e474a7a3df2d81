"""Reads values that a template states; what only CloudFormation knows (``Ref``, ``Fn::If``) is uncertain.

Any property may be a function instead of its value, and any entry of a list as well:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html.
A check that reads properties by these functions neither fails on one nor takes it for a value. Each ``value`` and each
list is taken as a template has it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.checks.shapes import is_function as is_intrinsic

_NO_VALUE = {"Ref": "AWS::NoValue"}
_BEYOND = 1e15
"""More than any number that AWS takes: what is no less is not computed with."""


def is_function(value: Any) -> bool:
    """Whether only CloudFormation knows a value."""
    if isinstance(value, str):
        return "{{resolve:" in value
    return is_intrinsic(value)


def is_known(value: Any) -> bool:
    """Whether no part of a value is a function."""
    if isinstance(value, Mapping):
        return not is_function(value) and all(map(is_known, value.values()))
    return all(map(is_known, value)) if isinstance(value, list) else not is_function(value)


def is_whole(entries: Any) -> bool:
    """Whether a template states all entries of a list, so that an absent one is really absent.

    Args:
        entries: The list, or an entry that stands for a list of one.
    """
    return not any(map(is_function, as_list(entries)))


def table(value: Any) -> Mapping[str, Any]:
    """An object that a template states; empty for anything else."""
    return value if isinstance(value, dict) and not is_function(value) else {}


def tables(entries: Any) -> list[Mapping[str, Any]]:
    """The objects of a list that a template states."""
    return [each for each in as_list(entries) if isinstance(each, Mapping) and not is_function(each)]


def number(value: Any) -> float | None:
    """A number that a template states; None if only CloudFormation knows it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if abs(found) < _BEYOND else None


def is_on(value: Any) -> bool:
    """Whether a switch is on, whether it is written as a boolean or as a text."""
    return str(value).lower() == "true"


def is_off(value: Any) -> bool:
    """Whether a switch is off, as :func:`is_on`."""
    return str(value).lower() == "false"


def whole(value: Any) -> int | None:
    """A whole number that a template states, as :func:`number`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() and value.isascii() else None


def as_given(value: Any) -> Any:
    """A value without the properties and entries that a template gives as AWS::NoValue, which means to leave them out.

    A branch of a condition is not among them. A text with a dynamic reference becomes a function: only CloudFormation
    knows it. See https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/pseudo-parameter-reference.html
    and https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html.
    """
    if isinstance(value, str):
        return {"Fn::Join": ["", [value]]} if "{{resolve:" in value else value
    if isinstance(value, dict):
        if is_intrinsic(value):
            return value
        return {
            key: each if isinstance(each, str) and "{{resolve:" not in each else as_given(each)
            for key, each in value.items()
            if each != _NO_VALUE
        }
    if not isinstance(value, list):
        return value
    return [
        each if isinstance(each, str) and "{{resolve:" not in each else as_given(each)
        for each in value
        if each != _NO_VALUE
    ]


def certain_entries(entries: Any) -> list[Any]:
    """The entries of a list that no condition leaves out; empty if only CloudFormation knows the list."""
    return [each for each in entries if not may_be_left_out(each)] if isinstance(entries, list) else []


def may_be_left_out(value: Any) -> bool:
    """Whether a value is absent, or may be under a condition."""
    match value:
        case {"Ref": "AWS::NoValue"}:
            return True
        case {"Fn::If": [_, then, otherwise]}:
            return may_be_left_out(then) or may_be_left_out(otherwise)
    return False


def is_given(properties: Mapping[str, Any], name: str) -> bool:
    """Whether a property is certain to be there, and not switched off."""
    value = properties.get(name)
    return value is not None and not may_be_left_out(value) and not is_off(value)


def may_be_given(properties: Mapping[str, Any], name: str) -> bool:
    """Whether a property may be there, and not switched off."""
    return properties.get(name) not in (None, _NO_VALUE) and not is_off(properties[name])


def parsed(text: Any) -> Any:
    """What a text in JSON says; None for anything else."""
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


def values_at(value: Any, path: str) -> Iterator[Any]:
    """Every value at a path, without those that only CloudFormation knows.

    Args:
        path: Names, joined by dots; ``[]`` after one stands for every entry of a list, ``*`` for every name.
    """
    step, _, rest = path.partition(".")
    name = step.removesuffix("[]")
    known = table(value)
    if name != "*" and name not in known:
        return
    found = list(known.values()) if name == "*" else as_list(known[name]) if step.endswith("[]") else [known[name]]
    for each in found:
        if rest:
            yield from values_at(each, rest)
        elif not is_function(each):
            yield each

"""Shows values of templates as readable text; finds what they refer to."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_NAMED = re.compile(r"\$\{([^!}][^}]*)\}")
"""What ``Fn::Sub`` fills in; ``${!…}`` stands for itself."""
PARTS = dict, list
"""Values with parts that may refer to others; a tuple, because Python builds ``dict | list`` again for every check."""
_REFER = frozenset(("Ref", "Fn::GetAtt", "Fn::Sub"))


def shown(value: Any) -> str:
    """A template's value as text: ``Ref``, ``Fn::GetAtt``, ``Fn::Join`` and ``Fn::Sub`` read like a substitution.

    Two ways to write the same value give the same text; whatever else there is becomes JSON.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict) and len(value) == 1:
        [(function, argument)] = value.items()
        if function == "Ref" and isinstance(argument, str):
            return f"${{{argument}}}"
        if function == "Fn::GetAtt":
            parts = argument.split(".", 1) if isinstance(argument, str) else argument
            if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
                return f"${{{'.'.join(parts)}}}"
        if function == "Fn::Join" and isinstance(argument, list) and len(argument) == 2:
            separator, parts = argument
            if isinstance(separator, str) and isinstance(parts, list):
                return separator.join(shown(part) for part in parts)
        if function == "Fn::Sub" and isinstance(argument, str):
            return argument
        if function == "Fn::ImportValue":
            return shown(argument)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def references(value: Any) -> Iterator[str]:
    """Logical ids and parameters, pseudo parameters included, that a value refers to."""
    found: list[str] = []
    _add_references(value, found)
    return iter(found)


def _add_references(value: Any, found: list[str]) -> None:
    # Into a list, since a generator hands each name on through every level, and this is asked of every resource.
    if isinstance(value, list):
        for item in value:
            if isinstance(item, PARTS):
                _add_references(item, found)
        return
    for function, argument in value.items() if isinstance(value, dict) else ():
        if function in _REFER:
            match function, argument:
                case "Ref", str(name):
                    found.append(name)
                    continue
                case "Fn::GetAtt", str(name) | [str(name), *_]:
                    found.append(name.partition(".")[0])
                    continue
                case "Fn::Sub", str(text):
                    found += (name.partition(".")[0] for name in _NAMED.findall(text))
                case "Fn::Sub", [str(text), dict(variables)]:
                    found += (name.partition(".")[0] for name in _NAMED.findall(text) if name not in variables)
                    argument = variables
        if isinstance(argument, PARTS):
            _add_references(argument, found)


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same."""
    return bool(one == other) or shown(one) == shown(other)


def properties(resource: Mapping[str, Any] | None) -> dict[str, Any]:
    """A resource's properties, as far as the template states them."""
    found = resource.get("Properties", {}) if resource is not None else {}
    return found if isinstance(found, dict) else {}


def value_at(values: Any, path: str) -> Any:
    """The value under a path with slashes, None where there is none; ``*`` stands for every item of a list."""
    for part in path.split("/"):
        if part == "*" or not isinstance(values, dict):
            return values if part == "*" else None
        values = values.get(part)
    return values

"""What a property needs or excludes by another's value, by AWS's own conditions, as cfn-lint ships them.

They are JSON schemas, of which ``resource_types.json`` keeps those that `nova_infra.operations.changes.resource_types`
names. One is broken only where the template states all that decides: what only CloudFormation knows may be right.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.operations.changes.resource_types import conditions
from nova_infra.operations.changes.stated_values import is_function, is_whole, may_be_left_out, number, table
from nova_infra.operations.planner.blockers.resources.limits import choice
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Fault, Step

_Schema = Mapping[str, Any] | bool
_Test = Callable[[Any, Any], bool | None]


def broken_conditions(step: Step) -> Iterator[Refusal]:
    """Refuse properties that one of AWS's conditions says cannot be so."""
    for logical_id, resource in step.given.items():
        for schema in conditions(str(resource.get("Type"))):
            yield from step.refuse_each(logical_id, _faults(schema, resource.get("Properties", {}), "", ""))


def holds(schema: _Schema, value: Any) -> bool | None:
    """Whether a value is as a schema says; None if only CloudFormation knows."""
    if isinstance(schema, bool):
        return schema or (None if may_be_left_out(value) else False)
    if is_function(value):
        return None
    return _all(TESTS[name](argument, value) for name, argument in _rules(schema))


def _rules(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What of a schema is tested; a condition is one rule with its consequences."""
    if "if" in schema:
        yield "if", (schema["if"], schema.get("then", True), schema.get("else", True))
    yield from ((name, each) for name, each in schema.items() if name != "if" and name in TESTS)


def _faults(schema: _Schema, value: Any, path: str, why: str) -> Iterator[Fault]:
    """The places of a value that certainly break a schema.

    Args:
        why: What the schema is conditional on, in a clause.
    """
    if isinstance(schema, bool):
        yield path, f"is set{why}", "leave it out"
        return
    for name, argument in _rules(schema):
        if TESTS[name](argument, value) is not False:
            continue
        match name:
            case "if":
                condition, then, otherwise = argument
                met = holds(condition, value)
                yield from _faults(then if met else otherwise, value, path, _why(condition, value) if met else why)
            case "allOf":
                broken = [each for each in argument if holds(each, value) is False]
                yield from (fault for each in broken for fault in _faults(each, value, path, why))
            case "properties":
                for key, inner in argument.items():
                    if key in value and holds(inner, value[key]) is False:
                        yield from _faults(inner, value[key], f"{path}.{key}".lstrip("."), why)
            case "items":
                wrong = next(each for each in value if holds(argument, each) is False)
                yield from _faults(argument, wrong, path, why)
            case "required":
                missing = next(each for each in argument if each not in value)
                yield f"{path}.{missing}".lstrip("."), f"is missing{why}", "add it"
            case "dependentExcluded":
                other, key = next((a, b) for a, others in argument.items() for b in others if a in value and b in value)
                yield f"{path}.{key}".lstrip("."), f"is set{why or f', and so is {other}'}", "leave it out"
            case _:
                yield path, f"is {str(value)[:60]}{why}", _remedy(name, argument)


def _why(condition: _Schema, value: Any) -> str:
    stated = table(condition if isinstance(condition, Mapping) else {}).get("properties", {})
    known = [f"{key} is {value[key]}" for key in stated if isinstance(value.get(key), str | int)]
    return f", and {' and '.join(known)}" if known else ""


def _remedy(name: str, argument: Any) -> str:
    match name:
        case "const" | "enum":
            return choice([str(each) for each in dict.fromkeys(map(str, as_list(argument)))])
        case "format":
            return f"write an address of {'IPv4' if argument == 'ipv4' else 'IPv6'}"
        case "pattern":
            return f"write what AWS's pattern takes, {argument[:100]}"
        case "minItems" | "minimum":
            return f"make it {argument} at least"
        case "maxItems" | "maximum":
            return f"make it {argument} at most"
    return "correct it"


def _all(found: Iterable[bool | None]) -> bool | None:
    results = {*found}
    return False if False in results else None if None in results else True


def _any(found: Iterable[bool | None]) -> bool | None:
    results = {*found}
    return True if True in results else None if None in results else False


def _not(found: bool | None) -> bool | None:
    return None if found is None else not found


def _if(argument: tuple[_Schema, _Schema, _Schema], value: Any) -> bool | None:
    condition, *branches = argument
    met = holds(condition, value)
    if met is None:
        found = {holds(each, value) for each in branches}
        return found.pop() if len(found) == 1 else None
    return holds(branches[0 if met else 1], value)


def _properties(argument: Mapping[str, _Schema], value: Any) -> bool | None:
    return (
        _all(holds(each, value[key]) for key, each in argument.items() if key in value) if _is_object(value) else True
    )


def _required(names: list[str], value: Any) -> bool | None:
    if not _is_object(value):
        return True
    return _all((None if may_be_left_out(value[each]) else True) if each in value else False for each in names)


def _excluded(argument: Mapping[str, list[str]], value: Any) -> bool | None:
    pairs = [
        (a, b) for a, others in argument.items() for b in others if _is_object(value) and a in value and b in value
    ]
    return _all(None if may_be_left_out(value[a]) or may_be_left_out(value[b]) else False for a, b in pairs)


def _is_one_of(argument: Any, value: Any) -> bool | None:
    return str(value).lower() in [str(each).lower() for each in as_list(argument)] if _is_plain(value) else None


def _matches(pattern: str, value: Any) -> bool | None:
    if not isinstance(value, str):
        return True
    # What is escaped, or an empty text in quotation marks, some services take beyond the pattern.
    return None if any(each in value for each in ("${", "\\", '""')) else re.search(pattern, value) is not None


def _is_address(kind: str, value: Any) -> bool | None:
    if kind not in ("ipv4", "ipv6") or not isinstance(value, str) or "${" in value:
        return None
    with suppress(ValueError):
        return ipaddress.ip_address(value).version == int(kind[-1])
    return False


def _counted(compare: Callable[[float, float], bool]) -> _Test:
    def test(limit: Any, value: Any) -> bool | None:
        return (compare(len(value), limit) if is_whole(value) else None) if isinstance(value, list) else True

    return test


def _measured(compare: Callable[[float, float], bool]) -> _Test:
    def test(limit: Any, value: Any) -> bool | None:
        known = number(value)
        return None if known is None else compare(known, limit)

    return test


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and "${" not in str(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


_KINDS: Mapping[str, type | tuple[type, ...]] = {"object": Mapping, "array": list, "string": (str, int, float)}
TESTS: Mapping[str, _Test] = {
    "allOf": lambda each, value: _all(holds(one, value) for one in each),
    "anyOf": lambda each, value: _any(holds(one, value) for one in each),
    "const": _is_one_of,
    "contains": lambda each, value: _any(holds(each, one) for one in value) if isinstance(value, list) else True,
    "dependentExcluded": _excluded,
    "enum": _is_one_of,
    "format": _is_address,
    "if": _if,
    "items": lambda each, value: _all(holds(each, one) for one in value) if isinstance(value, list) else True,
    "maxItems": _counted(lambda count, limit: count <= limit),
    "maximum": _measured(lambda found, limit: found <= limit),
    "minItems": _counted(lambda count, limit: count >= limit),
    "minimum": _measured(lambda found, limit: found >= limit),
    "multipleOf": _measured(lambda found, step: found % step == 0),
    "not": lambda each, value: _not(holds(each, value)),
    "oneOf": lambda each, value: _any(holds(one, value) for one in each),
    "pattern": _matches,
    "properties": _properties,
    "required": _required,
    "type": lambda each, value: _any(isinstance(value, _KINDS.get(one, object)) for one in as_list(each)),
}

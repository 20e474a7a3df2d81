"""JSONPaths, payloads and choices of the Amazon States Language that jobs use (states-language.net/spec.html)."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError


class StateError(Exception):
    """A state failed. ``error`` is its name, such as ``States.Timeout``; the message is the cause."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(cause)
        self.error = error


_PATH = re.compile(r"\$\$?(\.\w+|\[\d+\])*")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
NOTHING = object()
"""What a path leads to where there is nothing."""


def look_up(path: str, data: Any, context: Any) -> Any:
    """What a path leads to, or :data:`NOTHING`.

    Args:
        path: Such as ``$.others.TaskArns[0]``, or ``$$.Execution.Name`` for the context.

    Raises:
        UnresolvableError: The path is more than names and places.
    """
    if not _PATH.fullmatch(path):
        raise UnresolvableError(f"{path}: is not a path that the rehearsal knows: use names and places, as in $.a.b[0]")
    found = context if path.startswith("$$") else data
    for name, place in _STEP.findall(path):
        try:
            found = found[name] if name else found[int(place)]
        except (KeyError, IndexError, TypeError):
            return NOTHING
    return found


def filled_in(template: Any, data: Any, context: Any) -> Any:
    """A payload template with its ``….$`` fields replaced by what their paths lead to."""
    if isinstance(template, Mapping):
        return {
            key.removesuffix(".$"): required(str(value), data, context)
            if key.endswith(".$")
            else filled_in(value, data, context)
            for key, value in template.items()
        }
    if isinstance(template, list):
        return [filled_in(each, data, context) for each in template]
    return template


def required(path: str, data: Any, context: Any) -> Any:
    """What a path leads to."""
    found = look_up(path, data, context)
    if found is NOTHING:
        raise StateError("States.ParameterPathFailure", f"{path} leads to nothing")
    return found


def put(path: str | None, result: Any, data: Any) -> Any:
    """The input of a state with its result at its ``ResultPath``."""
    if path is None:
        return data
    if path == "$":
        return result
    names = [name for name, _ in _STEP.findall(path)]
    if not all(names) or path.startswith("$$"):
        raise UnresolvableError(f"ResultPath {path}: is not a path that the rehearsal knows: use names, as in $.a.b")
    made = dict(data) if isinstance(data, Mapping) else {}
    inner = made
    for name in names[:-1]:
        inner[name] = dict(inner.get(name, {}))
        inner = inner[name]
    inner[names[-1]] = result
    return made


_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    f"{kind}{name}": compare
    for kind in ("String", "Numeric", "Boolean")
    for name, compare in (
        ("Equals", operator.eq),
        ("LessThan", operator.lt),
        ("GreaterThan", operator.gt),
        ("LessThanEquals", operator.le),
        ("GreaterThanEquals", operator.ge),
    )
}
_TYPES: Mapping[str, tuple[type, ...]] = {"String": (str,), "Numeric": (int, float), "Boolean": (bool,)}


def holds(rule: Mapping[str, Any], data: Any, context: Any) -> bool:
    """Whether a choice rule holds."""
    for name, combine in (("And", all), ("Or", any)):
        if name in rule:
            return combine(holds(each, data, context) for each in rule[name])
    if "Not" in rule:
        return not holds(rule["Not"], data, context)
    found = look_up(str(rule["Variable"]), data, context)
    [(name, wanted)] = [(key, value) for key, value in rule.items() if key not in ("Variable", "Next", "Comment")]
    if name == "IsPresent":
        return (found is not NOTHING) is wanted
    if found is NOTHING:
        raise StateError("States.Runtime", f"{rule['Variable']} leads to nothing")
    if name == "IsNull":
        return (found is None) is wanted
    if name not in _COMPARED:
        raise UnresolvableError(f"{name}: is a comparison that the rehearsal does not know: use another one")
    kind = next(types for prefix, types in _TYPES.items() if name.startswith(prefix))
    return isinstance(found, kind) and _COMPARED[name](found, wanted)

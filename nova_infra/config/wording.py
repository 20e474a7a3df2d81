"""Words a fault in ``nova.toml`` in one line: the key, the value, what is wrong, and "did you mean"."""

import json
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from nova_infra.config.root import CONFIG_FILE, Config
from nova_infra.config.services.service import Service
from nova_infra.documents.text import counted
from nova_infra.toml import key_path


def follows_from_another(error: ErrorDetails) -> bool:
    """Whether it only follows from another fault: a list seems too short, or a default has nothing to follow."""
    if error["type"] == "default_factory_not_called":
        return True
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


_INSTEAD = {
    "openapi": "is not needed where the service serves its document: remove it, or name a file of requests in requests",
    "exec": "is the same for all services of an environment: write it in [[environments]]",
}
"""What to do instead of a key that others have."""

_OF_COPILOT = re.compile(
    r"cdn|env_file|http|logging|network|nlb|observability|publish|stickiness|storage|subscribe|tags|taskdef_overrides"
)
"""Keys of Copilot's manifests that no other key here resembles."""

_NAMED_HERE = {
    "alias": "hosts",
    "build": "dockerfile",
    "count": "scaling",
    "deployment": "rollout",
    "env": "environment",
    "grace_period": "start_seconds",
    "healthcheck": "health",
    "max": "max_tasks",
    "min": "min_tasks",
    "on": "schedule",
    "platform": "architecture",
    "requires_approval": "approval",
    "secretsmanager": "secret",
    "spot_from": "spot",
    "test_commands": "tests",
    "timeout": "timeout_seconds",
    "type": "kind",
    "variables": "environment",
}
"""The key here of what others call so, where a table has it."""

_REMEDIES = {
    "missing": "is missing: add it",
    "string_type": "is not text: put it in quotes",
    "int_type": "is not a whole number: write it without quotes or decimals",
    "float_type": "is not a number: write it without quotes",
    "finite_number": "is not a usable number: write a plain one",
    "bool_type": "is neither true nor false: write one of them, without quotes",
    "tuple_type": "is not a list: write it in brackets, or as [[…]] tables",
    "dict_type": "is not a table: write it as { key = value } or as a [table]",
    "model_type": "is not a table: write it as { key = value } or as a [table]",
    "model_attributes_type": "is not a table: write it as { key = value } or as a [table]",
}


_OF_WORDS = ("command", "entrypoint", "before_deploy")
_SHOWN = 80


def key_of(error: ErrorDetails) -> str:
    """The path of the key that a fault is about."""
    return key_path([part for part in error["loc"] if part != "[key]"])


def in_one_line(error: ErrorDetails) -> str:
    """One fault as one line: the key's path, the value where it helps, what is wrong and what to do."""
    key, value = key_of(error), error["input"]
    if error["type"] == "extra_forbidden" and _is_of_every_environment(error):
        return f"{CONFIG_FILE}: {key}: cannot differ between environments: write {error['loc'][-1]} in [[services]]"
    shown = "" if isinstance(value, dict | list | tuple) or error["type"] == "missing" else shortened(value)
    return " ".join(f"{CONFIG_FILE}: {f'{key}:' if key else ''} {shown} {fault_of(error)}".split())


def _is_of_every_environment(error: ErrorDetails) -> bool:
    """Whether an override is of a key that a service has, but the same in every environment."""
    match error["loc"]:
        case ("services", int(), "environments", str(), str(key)):
            return key in Service.model_fields and key not in ("name", "environments")
    return False


def fault_of(error: ErrorDetails, where: str = "") -> str:
    """What is wrong with a value, and what to do.

    Args:
        where: Words that belong between the two. Default: none.
    """
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            fault = _of_unknown(error["loc"])
        case "nova":
            return f"{context['fault']}{where}: {context['remedy']}"
        case "literal_error":
            fault = f"is not one of the choices: write {context['expected']}"
        case "too_short":
            fault = f"has too few entries: write at least {context['min_length']}"
        case "string_too_long" | "too_long" if isinstance(error["input"], str):
            fault = f"is too long: write at most {context['max_length']} characters"
        case "string_too_short":
            fault = f"is too short: write at least {counted(context['min_length'], 'character')}"
        case "too_long":
            fault = f"has too many entries: write at most {context['max_length']}"
        case "tuple_type" if error["loc"][-1] in _OF_WORDS and (words := _words(error["input"])):
            fault = f"is not a list: write its words, as in {json.dumps(words, ensure_ascii=False)}"
        case "string_type" if isinstance(error["input"], dict | list | tuple):
            fault = "is not text: write one value in quotes"
        case kind:
            message = error["msg"].removeprefix("Input ")
            fault = _REMEDIES.get(kind, f"is out of range: it {message}")
    return fault


def _words(text: Any) -> list[str]:
    """The words of a command that was written as one text; none where it cannot be taken apart, or shown in a line."""
    try:
        return shlex.split(text) if isinstance(text, str) and len(text) <= _SHOWN and text.isprintable() else []
    except ValueError:
        return []


def _of_unknown(path: tuple[int | str, ...]) -> str:
    *outer, key = path
    if key in _INSTEAD:
        return _INSTEAD[str(key)]
    inside = [name for name in known_keys(outer) if key in known_keys([*outer, name])]
    if _OF_COPILOT.fullmatch(str(key)) and not inside:
        return "is not a key that Nova knows: remove it; docs/copilot.md says what to do instead of Copilot's"
    close = [name for name in known_keys(outer) if name == _NAMED_HERE.get(str(key))] or get_close_matches(
        str(key), known_keys(outer), n=1, cutoff=0.88 if inside else 0.7
    )
    if len(inside) == 1 and not close:
        return f"is a key of {inside[0]}: write it there"
    remedy = f"did you mean {close[0]}?" if close else "remove it, or correct its spelling"
    if len(inside) == 1:
        remedy = f"did you mean {close[0]}, or {key} in {inside[0]}?"
    return f"is not a key that Nova knows: {remedy}"


def shortened(value: object) -> str:
    """The value as one reads it in the file, cut where it is long."""
    try:
        text = repr(value).lower() if isinstance(value, bool) else repr(value)
    except ValueError:  # Python writes no number of more than some thousand digits
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:77]}…"


def known_keys(path: Sequence[str | int]) -> Collection[str]:
    """The keys that a table may have; none where names of the user's own stand.

    Args:
        path: Where the table is, with places in lists.
    """
    annotation: Any = Config
    for part in path:
        if isinstance(part, int):
            continue
        named = next(_of_type(annotation, dict), None)
        model = next(_of_type(annotation, BaseModel), None)
        if named is not None:
            annotation = get_args(named)[1]
        elif model is not None and part in model.model_fields:
            annotation = model.model_fields[part].annotation
        else:
            return ()
    model = None if any(_of_type(annotation, dict)) else next(_of_type(annotation, BaseModel), None)
    return tuple(model.model_fields) if model is not None else ()


def _of_type(annotation: Any, wanted: type) -> Iterator[Any]:
    """The classes of a kind that an annotation mentions, outside of dictionaries."""
    origin = get_origin(annotation)
    if origin is dict:
        if wanted is dict:
            yield annotation
    elif isinstance(annotation, type) and issubclass(annotation, wanted):
        yield annotation
    else:
        for each in get_args(annotation):
            yield from _of_type(each, wanted)

"""Converts containers' variables and secrets; `reading/values` replaces what Copilot fills in."""

import re

from nova_infra.scaffold.copilot.reading.part import Part, TomlTable
from nova_infra.scaffold.copilot.reading.values import filled_in

_RESERVED = re.compile(r"PORT|STOP_TIMEOUT|NOVA_.*|AWS_.*|ECS_.*")


def variables_of(part: Part, table: TomlTable, application: str, *path: str) -> tuple[dict[str, str], dict[str, str]]:
    """Plain and secret variables of a container, whose keys are at a path; what cannot be had is noted."""
    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    for name, value in (part.peek(*path, "variables") or {}).items() if is_map(part, *path, "variables") else ():
        place = (*path, "variables", name)
        if isinstance(value, dict | list) or value is None:
            continue
        part.take(*place, kind=object)
        if _is_reserved(part, table, *place):
            continue
        if (text := filled(part, table, application, place)) is not None:
            plain[name] = text
    for name, value in (part.peek(*path, "secrets") or {}).items() if is_map(part, *path, "secrets") else ():
        place = (*path, "secrets", name)
        inner = isinstance(value, dict) and isinstance(value.get("secretsmanager"), str)
        if not inner and not isinstance(value, str):
            continue
        text = part.take(*place, *(["secretsmanager"] if inner else []), kind=str)
        if _is_reserved(part, table, *place):
            continue
        try:
            text = filled_in(text, application)
        except ValueError as error:
            table.notes.append(part.note(*place, what=sentence(error)))
            continue
        secret[name] = _secret(text, inner)
    return plain, secret


def _is_reserved(part: Part, table: TomlTable, *place: str) -> bool:
    """Whether a variable is not the service's to set, which is noted."""
    if _RESERVED.fullmatch(place[-1]) is None:
        return False
    table.notes.append(part.note(*place, what="Nova sets this itself, or AWS does: read its value, or rename yours."))
    return True


def filled(part: Part, table: TomlTable, application: str, place: tuple[str, ...]) -> str | None:
    """The text at a place with what Copilot fills in; None if it needs what only a shell knows, which is noted."""
    try:
        return filled_in(part.text(*place), application)
    except ValueError as error:
        table.notes.append(part.note(*place, what=sentence(error)))
        return None


def _secret(text: str, in_secrets_manager: bool) -> str:
    """Nova's short form of a secret's name or ARN, or a parameter's."""
    if in_secrets_manager or ":secret:" in text:
        return text.rstrip(":")
    return f"ssm:{text.partition(':parameter')[2] or text}"


def is_map(part: Part, *path: str) -> bool:
    """Whether there is a map at a place; anything else there is reported."""
    value = part.peek(*path)
    if value is not None and not isinstance(value, dict):
        part.fault(*path, what="is not a map: write names and values")
    return isinstance(value, dict)


def sentence(error: ValueError) -> str:
    """What an error says, as a sentence of a comment."""
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."

"""Converts containers' variables and secrets; `reading/values` replaces what Copilot fills in."""

from nova_infra.config.services.surroundings import is_reserved
from nova_infra.scaffold.copilot.reading.part import Part, TomlTable
from nova_infra.scaffold.copilot.reading.values import filled_in


def variables_of(part: Part, table: TomlTable, application: str, *path: str) -> tuple[dict[str, str], dict[str, str]]:
    """Plain and secret variables of a container, whose keys are at a path; what cannot be had is noted."""
    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    for name, value in (part.peek(*path, "variables") or {}).items() if is_map(part, *path, "variables") else ():
        place = (*path, "variables", name)
        if isinstance(value, dict | list) or value is None:
            continue
        part.take(*place, kind=object)
        text = filled(part, table, application, place)
        if text is not None and not _is_set(part, table, text, *place):
            plain[name] = text
    for name, value in (part.peek(*path, "secrets") or {}).items() if is_map(part, *path, "secrets") else ():
        place = (*path, "secrets", name)
        inner = isinstance(value, dict) and isinstance(value.get("secretsmanager"), str)
        if not inner and not isinstance(value, str):
            continue
        text = part.take(*place, *(["secretsmanager"] if inner else []), kind=str)
        if _is_set(part, table, "", *place):
            continue
        try:
            text = filled_in(text, application)
        except ValueError as error:
            table.notes.append(part.note(*place, what=sentence(error)))
            continue
        secret[name] = _secret(text, inner)
    return plain, secret


def _is_set(part: Part, table: TomlTable, text: str, *place: str) -> bool:
    """Whether a variable is set without the service, which is noted."""
    if not is_reserved(place[-1], text):
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

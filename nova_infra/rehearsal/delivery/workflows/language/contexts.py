"""Which contexts and functions an expression may name, by its place (GitHub: context-availability)."""

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from nova_infra.rehearsal.delivery.workflows.language.expressions import EMBEDDED, ExpressionError, embedded, named

_OF_A_RUN = {"github", "inputs", "vars"}
_OF_A_JOB = _OF_A_RUN | {"needs"}
_OF_A_COMBINATION = _OF_A_JOB | {"strategy", "matrix"}
_OF_A_STEP = _OF_A_COMBINATION | {"steps", "job", "runner", "env"}
_FILES = {"hashfiles"}
_STATUS = {"success", "failure", "always", "cancelled"}
_CREDENTIALS = _OF_A_COMBINATION | {"secrets", "env"}
_OF_A_CONTAINER = _OF_A_COMBINATION | {"secrets", "job", "runner", "env"}

_PLACES: dict[tuple[str, ...], set[str]] = {
    ("name",): set(),
    ("on",): set(),
    ("defaults",): set(),
    ("permissions",): set(),
    ("run-name",): _OF_A_RUN,
    ("concurrency",): _OF_A_RUN,
    ("env",): _OF_A_RUN | {"secrets"},
    ("on", "workflow_call", "inputs", "*", "default"): _OF_A_RUN,
    ("on", "workflow_call", "outputs", "*", "value"): _OF_A_RUN | {"jobs"},
    ("jobs", "*"): _OF_A_COMBINATION,
    ("jobs", "*", "uses"): set(),
    ("jobs", "*", "permissions"): set(),
    ("jobs", "*", "if"): _OF_A_JOB | _STATUS,
    ("jobs", "*", "strategy"): _OF_A_JOB,
    ("jobs", "*", "env"): _OF_A_COMBINATION | {"secrets"},
    ("jobs", "*", "secrets"): _OF_A_COMBINATION | {"secrets"},
    ("jobs", "*", "outputs"): _OF_A_STEP | {"secrets"},
    ("jobs", "*", "environment", "url"): _OF_A_STEP,
    ("jobs", "*", "defaults"): _OF_A_COMBINATION | {"env"},
    ("jobs", "*", "container", "credentials"): _CREDENTIALS,
    ("jobs", "*", "container", "env"): _OF_A_CONTAINER,
    ("jobs", "*", "services", "*", "credentials"): _CREDENTIALS,
    ("jobs", "*", "services", "*", "env"): _OF_A_CONTAINER,
    ("jobs", "*", "steps"): _OF_A_STEP | {"secrets"} | _FILES,
    ("jobs", "*", "steps", "*", "shell"): set(),
    ("jobs", "*", "steps", "*", "uses"): set(),
    ("jobs", "*", "steps", "*", "if"): _OF_A_STEP | _FILES | _STATUS,
}
"""The narrowest place counts; where none is given, GitHub reads no expressions."""

_TEXT = r"(?:(?:needs|steps)\.[\w-]+\.outputs|env|vars|secrets|github\.event\.inputs)\.[\w-]+"
_NEVER_EQUAL = re.compile(rf"(?:({_TEXT})\s*[=!]=\s*(true|false)\b|\b(true|false)\s*[=!]=\s*({_TEXT}))", re.IGNORECASE)


def misplaced(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[int, str]]:
    """What GitHub refuses in the expressions below a node of a workflow, with the line of each."""
    for line, text in _unclosed(node):
        yield line, f"{text!r} begins an expression that no }}}} ends"
    for line, place, expression in _expressions(node, path):
        where = next(each for each in reversed(place) if each != "*")
        if not expression.strip():
            yield line, "${{ }} holds no expression, not even in a script's comment, and GitHub expects one"
        try:
            contexts, functions = named(expression)
        except ExpressionError as error:
            yield line, str(error)
            continue
        allowed = _allowed(place)
        for name in sorted(contexts - (allowed or set())) if allowed is not None else ():
            yield line, f"{expression.strip()!r} names {name}, which GitHub does not know in {where}"
        for name in sorted(functions & (_FILES | _STATUS) - (allowed or set())) if allowed is not None else ():
            yield line, f"{expression.strip()!r} calls {name}(), which GitHub does not know in {where}"


def never_equal(node: Any) -> Iterator[str]:
    """Comparisons of a text with true or false, which hold or fail whatever the text says, in clauses."""
    for line, _, expression in _expressions(node, ()):
        for found in _NEVER_EQUAL.finditer(expression):
            text, truth = found[1] or found[4], found[2] or found[3]
            yield f"line {line} compares {text} with {truth}, but it is a text and never equals that: write '{truth}'"


def _allowed(place: tuple[str, ...]) -> set[str] | None:
    """What may be named in a place; None where nothing is known of it."""
    fitting = [each for each in _PLACES if all(a in ("*", b) for a, b in zip_longest(each, place[: len(each)]))]
    return _PLACES[max(fitting, key=len)] if fitting else None


def _expressions(node: Any, path: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...], str]]:
    """Each expression below a node, with its line and place. A group of parallel steps is a list of steps."""
    waiting = [(node, path)]
    while waiting:
        each, place = waiting.pop()
        if each.id == "mapping":
            waiting += [(value, _below(place, str(key.value))) for key, value in each.value]
        elif each.id == "sequence":
            waiting += [(value, (*place, "*")) for value in each.value]
        elif place[-1:] == ("if",) and "${{" not in each.value:
            if each.value.strip():
                yield each.start_mark.line + 1, place, each.value
        else:
            for expression in embedded(each.value):
                yield each.start_mark.line + 1, place, expression


def _below(place: tuple[str, ...], key: str) -> tuple[str, ...]:
    return place[:3] if key == "parallel" and place[:1] == ("jobs",) and len(place) == 4 else (*place, key)


def _unclosed(node: Any) -> Iterator[tuple[int, str]]:
    """The beginning of each expression without an end below a node, with its line."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if each.id == "scalar":
            _, begins, rest = EMBEDDED.sub("", each.value).partition("${{")
            if begins:
                yield each.start_mark.line + 1, f"{begins}{rest[:20]}"
        else:
            waiting += [part for pair in each.value for part in (pair[1:] if each.id == "mapping" else (pair,))]

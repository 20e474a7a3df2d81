"""Evaluates GitHub's expressions, such as ``needs.build.outputs.tag``. What a context does not have is empty.

What only a run on GitHub knows is ``UNKNOWN``, and so is what depends on it: a condition counts it as the value that it
wants.

See https://docs.github.com/en/actions/reference/workflows-and-actions/expressions.
"""

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nova_infra.rehearsal.delivery.workflows.language.values import (
    NUMBER,
    UNKNOWN,
    Unknown,
    are_same,
    as_integer,
    as_number,
    as_text,
    contains,
    is_unknown,
    key_of,
    made_comparable,
    member_of,
    truth_of,
)

_TOKEN = re.compile(
    rf"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>{NUMBER})|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[!<>().,\[\]*]))"
)
EMBEDDED = re.compile(r"\$\{\{((?:'(?:[^']|'')*'|[^'])*?)\}\}")
"""``${{ … }}`` in a text: a quoted text in it may hold braces."""

_PLACE = re.compile(r"\{\{|\}\}|\{(\d{1,4})\}|[{}]")
_STATUS = re.compile(r"\b(success|failure|always|cancelled)\s*\(", re.IGNORECASE)
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_CONSTANTS = {"true": True, "false": False, "null": None, "NaN": float("nan"), "Infinity": float("inf")}
_ORDERS: dict[str, Callable[[Any, Any], bool]]
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class ExpressionError(ValueError):
    """A text is no expression, or one that the rehearsal does not know."""


def fill(text: str, contexts: Mapping[str, Any], *, failed: bool = False) -> str:
    """A text with each ``${{ … }}`` replaced by its value."""
    values: list[Any] = []

    def filled(found: re.Match[str]) -> str:
        values.append(evaluate(found.group(1), contexts, failed=failed))
        return as_text(values[-1])

    whole = EMBEDDED.sub(filled, text)
    return Unknown(whole) if any(map(is_unknown, values)) else whole


def weighed(condition: str, contexts: Mapping[str, Any], *, failed: bool = False, skipped: bool = False) -> bool | None:
    """Whether a condition holds; None if only GitHub knows. Without a status, all before it must have succeeded, too.

    Args:
        condition: With or without ``${{ }}``.
        contexts: Name of a context, such as ``github``, to what it holds.
        failed: Whether something that came before has failed.
        skipped: Whether something that came before was skipped.
    """
    expression = bare(condition)
    if not _STATUS.search(_QUOTED.sub("", expression)) and (failed or skipped):
        evaluate("true" if "${{" in expression else expression or "true", contexts)  # what is wrong in it is said
        return False
    if "${{" in expression:
        # Between other text, expressions make a text, and every text but the empty one is true.
        filled = fill(condition, contexts, failed=failed)
        return True if filled else truth_of(filled)
    if not expression.strip():
        return True
    return truth_of(evaluate(expression, contexts, failed=failed, skipped=skipped))


def embedded(text: str) -> list[str]:
    """The expressions in a text, each without ``${{ }}``."""
    return EMBEDDED.findall(text)


def named(expression: str) -> tuple[set[str], set[str]]:
    """The contexts and the functions that an expression names.

    Raises:
        ExpressionError: It is not an expression.
    """
    if not expression.strip():
        return set(), set()
    tokens = [*_tokens(expression), ("", "")]
    found = [(tokens[at - 1][1], word, tokens[at + 1][1]) for at, (kind, word) in enumerate(tokens) if kind == "name"]
    words = [(word, after) for before, word, after in found if before != "." and word not in _CONSTANTS]
    contexts = {word for word, after in words if after != "("}
    evaluate(expression, dict.fromkeys(contexts, UNKNOWN))
    return {each.lower() for each in contexts}, {word.lower() for word, after in words if after == "("}


def bare(text: str) -> str:
    """An expression without ``${{ }}``; a text that holds more, even a line's end, stays as it is."""
    inner = text.removeprefix("${{").removesuffix("}}")
    return inner if text.startswith("${{") and text.endswith("}}") and "${{" not in inner else text


def evaluate(expression: str, contexts: Mapping[str, Any], *, failed: bool = False, skipped: bool = False) -> Any:
    """The value of an expression.

    Raises:
        ExpressionError: It is not an expression.
    """
    tokens = _tokens(expression)
    statuses = {"success": not (failed or skipped), "failure": failed, "always": True, "cancelled": False}
    parser = _Parser(expression.strip(), tokens, contexts, statuses)
    try:
        value = parser.either()
    except RecursionError:
        raise ExpressionError(f"{expression.strip()[:40]!r}… is nested too deeply") from None
    if parser.at < len(tokens):
        raise parser.error()
    return value


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    stripped = expression.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if match is None:
            raise ExpressionError(f"{expression.strip()!r} is not an expression that the rehearsal knows")
        tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        at = match.end()
    return tokens


class _Parser:
    def __init__(
        self, text: str, tokens: list[tuple[str, str]], contexts: Mapping[str, Any], statuses: Mapping[str, bool]
    ) -> None:
        self.at = 0
        self._text, self._tokens, self._contexts, self._statuses = text, tokens, contexts, statuses

    def error(self) -> ExpressionError:
        return ExpressionError(f"{self._text!r} is not an expression that the rehearsal knows")

    def either(self) -> Any:
        value = self._both()
        while self._takes("||"):
            other = self._both()
            known = truth_of(value)
            value = Unknown(as_text(other)) if known is None else value if known else other
        return value

    def _both(self) -> Any:
        value = self._equal()
        while self._takes("&&"):
            other = self._equal()
            known = truth_of(value)
            if known is None and truth_of(other) is not False:
                value = UNKNOWN
            elif known is not False:
                value = other
        return value

    def _equal(self) -> Any:
        value = self._ordered()
        while (equal := self._takes("==")) or self._takes("!="):
            other = self._ordered()
            value = UNKNOWN if is_unknown(value) or is_unknown(other) else are_same(value, other) is equal
        return value

    def _ordered(self) -> Any:
        value = self._single()
        while sign := next((sign for sign in _ORDERS if self._takes(sign)), None):
            other = self._single()
            unknown = is_unknown(value) or is_unknown(other)
            value = UNKNOWN if unknown else _ORDERS[sign](*made_comparable(value, other))
        return value

    def _single(self) -> Any:
        if self._takes("!"):
            known = truth_of(self._single())
            return UNKNOWN if known is None else not known
        if self._takes("("):
            value = self.either()
            self._needs(")")
            return self._path(value)
        kind, word = self._next()
        if kind == "text":
            return word[1:-1].replace("''", "'")
        if kind == "number":
            return as_number(word)
        if kind != "name":
            raise self.error()
        if self._takes("("):
            return self._path(self._call(word))
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        context = key_of(self._contexts, word)
        if context not in self._contexts:
            raise ExpressionError(f"{self._text!r} names {word}, which GitHub does not know there")
        return self._path(self._contexts[context])

    def _path(self, value: Any) -> Any:
        while True:
            if self._takes("."):
                kind, key = self._next()
                if kind != "name" and key != "*":
                    raise self.error()
                value = member_of(value, key, every=key == "*")
            elif self._takes("["):
                every = self._takes("*")
                value = member_of(value, "" if every else self.either(), every=every)
                self._needs("]")
            else:
                return value

    def _call(self, name: str) -> Any:
        arguments: list[Any] = []
        while not self._takes(")"):
            if arguments:
                self._needs(",")
            arguments.append(self.either())
        if name.lower() in self._statuses:
            return self._statuses[name.lower()]  # success and failure may name jobs
        match name.lower(), arguments:
            case "case", [_, _, *_] if len(arguments) % 2:
                return self._chosen(arguments)
            case "contains", [where, what]:
                return contains(where, what)
            case "startswith" | "endswith", [text, part]:
                whole, end = as_text(text).lower(), as_text(part).lower()
                known = whole.startswith(end) if name.lower() == "startswith" else whole.endswith(end)
                return UNKNOWN if is_unknown([text, part]) else known
            case "fromjson", [value]:
                return self._parsed(value)
            case "tojson", [value]:
                return UNKNOWN if is_unknown(value) else json.dumps(as_integer(value), indent=2, default=as_text)
            case "join", [values] | [values, _]:
                members = list(values) if isinstance(values, list) else [values]
                joined = (as_text(arguments[1]) if arguments[1:] else ",").join(map(as_text, members))
                return Unknown(joined) if is_unknown(arguments) else joined
            case "format", [text, *values]:
                return self._formatted(as_text(text), values, unknown=is_unknown(arguments))
            case "hashfiles", [_, *_]:
                return Unknown("0")
        raise self.error()

    def _chosen(self, arguments: Sequence[Any]) -> Any:
        """What ``case`` returns: the value behind the first condition that holds, or the last one."""
        for at in range(0, len(arguments) - 1, 2):
            if is_unknown(arguments[at]):
                return UNKNOWN
            if not isinstance(arguments[at], bool):
                raise ExpressionError(f"{self._text!r} has a condition in case() that is neither true nor false")
            if arguments[at]:
                return arguments[at + 1]
        return arguments[-1]

    def _formatted(self, text: str, values: Sequence[Any], *, unknown: bool) -> str:
        def put(found: re.Match[str]) -> str:
            if found[0] in ("{{", "}}"):
                return found[0][0]
            if found[1] is None or int(found[1]) >= len(values):
                raise ExpressionError(f"{self._text!r} formats {found[0]}, for which it gives nothing")
            return as_text(values[int(found[1])])

        whole = _PLACE.sub(put, text)
        return Unknown(whole) if unknown else whole

    def _parsed(self, value: Any) -> Any:
        if is_unknown(value):
            return UNKNOWN
        try:
            return json.loads(as_text(value))
        except (ValueError, RecursionError):
            raise ExpressionError(f"{self._text!r} reads {value!r}, which is not JSON") from None

    def _next(self) -> tuple[str, str]:
        if self.at >= len(self._tokens):
            raise self.error()
        self.at += 1
        return self._tokens[self.at - 1]

    def _takes(self, sign: str) -> bool:
        found = self.at < len(self._tokens) and self._tokens[self.at] == ("sign", sign)
        self.at += found
        return found

    def _needs(self, sign: str) -> None:
        if not self._takes(sign):
            raise self.error()

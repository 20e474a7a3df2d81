"""GitHub's expressions, as they stand in a workflow's conditions and values. What a context does not have is empty.

What only a run on GitHub knows is ``UNKNOWN``: it counts as any value that a condition wants.

See https://docs.github.com/en/actions/reference/workflows-and-actions/expressions.
"""

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[!<>().,\[\]*]))"
)
_EMBEDDED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_STATUS = ("success", "failure", "always", "cancelled")
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class _Unknown(str):
    __slots__ = ()


UNKNOWN = _Unknown()
"""A value that only a run on GitHub knows, such as an output of somebody's action. As a text it is empty."""


class ExpressionError(ValueError):
    """A text is no expression, or one that the rehearsal does not know."""


def fill(text: str, contexts: Mapping[str, Any], *, failed: bool = False) -> str:
    """A text with each ``${{ … }}`` replaced by its value."""
    return _EMBEDDED.sub(lambda found: as_text(evaluate(found.group(1), contexts, failed=failed)), text)


def holds(condition: str, contexts: Mapping[str, Any], *, failed: bool = False) -> bool:
    """Whether a condition holds. Unless it names a status, everything before must have succeeded, too.

    Args:
        condition: With or without ``${{ }}``.
        contexts: Name of a context, such as ``github``, to what it holds.
        failed: Whether something that came before has failed.
    """
    expression = bare(condition)
    if "${{" in expression:
        # Between other text, expressions make a text, and every text but the empty one is true.
        return bool(fill(condition, contexts, failed=failed)) and not failed
    names_status = re.search(rf"\b({'|'.join(_STATUS)})\s*\(", expression)
    value = _truth(evaluate(expression, contexts, failed=failed)) if expression.strip() else True
    return value and (bool(names_status) or not failed)


def bare(text: str) -> str:
    """An expression without ``${{ }}``; a text that holds more than one expression stays as it is."""
    stripped = text.strip()
    inner = stripped.removeprefix("${{").removesuffix("}}")
    return inner if stripped.startswith("${{") and stripped.endswith("}}") and "${{" not in inner else text


def evaluate(expression: str, contexts: Mapping[str, Any], *, failed: bool = False) -> Any:
    """The value of an expression.

    Raises:
        ExpressionError: It is not an expression.
    """
    tokens, at = [], 0
    stripped = expression.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if match is None:
            raise ExpressionError(f"{expression.strip()!r} is not an expression that the rehearsal knows")
        tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        at = match.end()
    parser = _Parser(expression.strip(), tokens, contexts, failed)
    value = parser.either()
    if parser.at < len(tokens):
        raise parser.error()
    return value


class _Parser:
    def __init__(self, text: str, tokens: list[tuple[str, str]], contexts: Mapping[str, Any], failed: bool) -> None:
        self.at = 0
        self._text, self._tokens, self._contexts, self._failed = text, tokens, contexts, failed

    def error(self) -> ExpressionError:
        return ExpressionError(f"{self._text!r} is not an expression that the rehearsal knows")

    def either(self) -> Any:
        value = self._both()
        while self._takes("||"):
            other = self._both()
            value = value if _truth(value) else other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._takes("&&"):
            other = self._compared()
            value = other if _truth(value) else value
        return value

    def _compared(self) -> Any:
        value = self._single()
        for sign in ("==", "!="):
            if self._takes(sign):
                other = self._single()
                return _unknown(value, other) or _same(value, other) is (sign == "==")
        for sign, order in _ORDERS.items():
            if self._takes(sign):
                other = self._single()
                return _unknown(value, other) or order(_as_number(value), _as_number(other))
        return value

    def _single(self) -> Any:
        if self._takes("!"):
            return not _truth(self._single())
        if self._takes("("):
            value = self.either()
            self._needs(")")
            return value
        if self.at >= len(self._tokens):
            raise self.error()
        kind, word = self._tokens[self.at]
        self.at += 1
        if kind == "text":
            return word[1:-1].replace("''", "'")
        if kind == "number":
            return float(word)
        if kind != "name":
            raise self.error()
        if self._takes("("):
            return self._call(word)
        constants = {"true": True, "false": False, "null": None}
        if word not in constants and word not in self._contexts:
            raise ExpressionError(f"{self._text!r} names {word}, which GitHub does not know there")
        return self._path(constants[word] if word in constants else self._contexts[word])

    def _path(self, value: Any) -> Any:
        while True:
            if self._takes("."):
                if self.at >= len(self._tokens):
                    raise self.error()
                key: Any = self._tokens[self.at][1]
                self.at += 1
            elif self._takes("["):
                key = self.either()
                self._needs("]")
            else:
                return value
            value = _member(value, key)

    def _call(self, name: str) -> Any:
        arguments = []
        while not self._takes(")"):
            arguments.append(self.either())
            self._takes(",")
        statuses = {"success": not self._failed, "failure": self._failed, "always": True, "cancelled": False}
        if name in statuses and not arguments:
            return statuses[name]
        match name, arguments:
            case "contains" | "startsWith" | "endsWith", [where, what]:
                return _unknown(where, what) or _TESTS[name](where, what)
            case "fromJSON", [value]:
                return self._parsed(value)
            case "toJSON", [value]:
                return value
            case "join", [values, *between]:
                return (as_text(between[0]) if between else ",").join(map(as_text, _listed(values)))
            case "format", [text, *values]:
                return as_text(text).format(*map(as_text, values))
            case "hashFiles", _:
                return "0"
        raise self.error()

    def _parsed(self, value: Any) -> Any:
        if not isinstance(value, str) or value is UNKNOWN:
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise ExpressionError(f"{self._text!r} reads {value!r}, which is not JSON") from None

    def _takes(self, sign: str) -> bool:
        found = self.at < len(self._tokens) and self._tokens[self.at] == ("sign", sign)
        self.at += found
        return found

    def _needs(self, sign: str) -> None:
        if not self._takes(sign):
            raise self.error()


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, str):
        return as_text(what).lower() in where.lower()
    return any(_same(each, what) for each in _listed(where))


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "contains": _contains,
    "startsWith": lambda text, part: as_text(text).lower().startswith(as_text(part).lower()),
    "endsWith": lambda text, part: as_text(text).lower().endswith(as_text(part).lower()),
}


def _member(value: Any, key: Any) -> Any:
    """What an object has under a key; with ``*``, what all of its members have."""
    if key == "*":
        return list(value.values()) if isinstance(value, Mapping) else value
    if isinstance(value, list) and not isinstance(key, float):
        return [_member(each, key) for each in value]
    if isinstance(value, list):
        return value[int(key)] if 0 <= int(key) < len(value) else ""
    return value if value is UNKNOWN else value.get(key, "") if isinstance(value, Mapping) else ""


def _truth(value: Any) -> bool:
    return value is UNKNOWN or value not in ("", None, False, 0)


def _unknown(*values: Any) -> bool:
    return any(value is UNKNOWN for value in values)


def _same(left: Any, right: Any) -> bool:
    return as_text(left).lower() == as_text(right).lower()


def _as_number(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return float("nan")


def as_text(value: Any) -> str:
    """A value as GitHub writes it into a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)

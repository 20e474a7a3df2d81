"""GitHub's expressions, as they stand in a workflow's conditions and values. What a context does not have is empty.

What only a run on GitHub knows is ``UNKNOWN``, and so is what depends on it: a condition counts it as the value that it
wants.

See https://docs.github.com/en/actions/reference/workflows-and-actions/expressions.
"""

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_NUMBER = r"[-+]?(?:0x[0-9a-fA-F]+|0o[0-7]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_TOKEN = re.compile(
    rf"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>{_NUMBER})|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[!<>().,\[\]*]))"
)
_EMBEDDED = re.compile(r"\$\{\{((?:'(?:[^']|'')*'|[^'])*?)\}\}")
_PLACE = re.compile(r"\{\{|\}\}|\{(\d{1,4})\}|[{}]")
_STATUS = re.compile(r"\b(success|failure|always|cancelled)\s*\(", re.IGNORECASE)
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_CONSTANTS = {"true": True, "false": False, "null": None, "NaN": float("nan"), "Infinity": float("inf")}
_ORDERS: dict[str, Callable[[Any, Any], bool]]
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class _Unknown(str):
    __slots__ = ()


UNKNOWN = _Unknown()
"""A value that only a run on GitHub knows, such as an output of somebody's action. As a text it is empty."""


def is_unknown(value: Any) -> bool:
    """Whether only a run on GitHub knows a value, or a part of it. Its text is then what is likely, or empty."""
    if isinstance(value, Mapping):
        return isinstance(value, Open) or any(map(is_unknown, value.values()))
    return isinstance(value, _Unknown) or (isinstance(value, list) and any(map(is_unknown, value)))


class Open(dict[str, Any]):
    """What only GitHub knows all members of: one that is not known here is not empty, as expressions assume."""

    def get(self, key: str, default: Any = None) -> Any:
        """What is known under a key, and ``UNKNOWN`` for everything else."""
        return super().get(key, UNKNOWN if default == "" else default)


class _Filtered(list[Any]):
    """What ``*`` found, whose members' members are asked for."""


class ExpressionError(ValueError):
    """A text is no expression, or one that the rehearsal does not know."""


def fill(text: str, contexts: Mapping[str, Any], *, failed: bool = False) -> str:
    """A text with each ``${{ … }}`` replaced by its value."""
    values: list[Any] = []

    def filled(found: re.Match[str]) -> str:
        values.append(evaluate(found.group(1), contexts, failed=failed))
        return as_text(values[-1])

    whole = _EMBEDDED.sub(filled, text)
    return _Unknown(whole) if any(map(is_unknown, values)) else whole


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
        return True if filled else _truth(filled)
    if not expression.strip():
        return True
    return _truth(evaluate(expression, contexts, failed=failed, skipped=skipped))


def bare(text: str) -> str:
    """An expression without ``${{ }}``; a text that holds more than one expression stays as it is."""
    stripped = text.strip()
    inner = stripped.removeprefix("${{").removesuffix("}}")
    return inner if stripped.startswith("${{") and stripped.endswith("}}") and "${{" not in inner else text


def evaluate(expression: str, contexts: Mapping[str, Any], *, failed: bool = False, skipped: bool = False) -> Any:
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
    statuses = {"success": not (failed or skipped), "failure": failed, "always": True, "cancelled": False}
    parser = _Parser(expression.strip(), tokens, contexts, statuses)
    try:
        value = parser.either()
    except RecursionError:
        raise ExpressionError(f"{expression.strip()[:40]!r}… is nested too deeply") from None
    if parser.at < len(tokens):
        raise parser.error()
    return value


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
            known = _truth(value)
            value = _Unknown(as_text(other)) if known is None else value if known else other
        return value

    def _both(self) -> Any:
        value = self._equal()
        while self._takes("&&"):
            other = self._equal()
            known = _truth(value)
            if known is None and _truth(other) is not False:
                value = UNKNOWN
            elif known is not False:
                value = other
        return value

    def _equal(self) -> Any:
        value = self._ordered()
        while (equal := self._takes("==")) or self._takes("!="):
            other = self._ordered()
            value = UNKNOWN if is_unknown(value) or is_unknown(other) else _same(value, other) is equal
        return value

    def _ordered(self) -> Any:
        value = self._single()
        while sign := next((sign for sign in _ORDERS if self._takes(sign)), None):
            other = self._single()
            unknown = is_unknown(value) or is_unknown(other)
            value = UNKNOWN if unknown else _ORDERS[sign](*_comparable(value, other))
        return value

    def _single(self) -> Any:
        if self._takes("!"):
            known = _truth(self._single())
            return UNKNOWN if known is None else not known
        if self._takes("("):
            value = self.either()
            self._needs(")")
            return self._path(value)
        kind, word = self._next()
        if kind == "text":
            return word[1:-1].replace("''", "'")
        if kind == "number":
            return _number(word)
        if kind != "name":
            raise self.error()
        if self._takes("("):
            return self._path(self._call(word))
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        context = _key(self._contexts, word)
        if context not in self._contexts:
            raise ExpressionError(f"{self._text!r} names {word}, which GitHub does not know there")
        return self._path(self._contexts[context])

    def _path(self, value: Any) -> Any:
        while True:
            if self._takes("."):
                kind, key = self._next()
                if kind != "name" and key != "*":
                    raise self.error()
                value = _member(value, key, every=key == "*")
            elif self._takes("["):
                every = self._takes("*")
                value = _member(value, "" if every else self.either(), every=every)
                self._needs("]")
            else:
                return value

    def _call(self, name: str) -> Any:
        arguments: list[Any] = []
        while not self._takes(")"):
            if arguments:
                self._needs(",")
            arguments.append(self.either())
        if name.lower() in self._statuses and not arguments:
            return self._statuses[name.lower()]
        match name.lower(), arguments:
            case "contains", [where, what]:
                return _contains(where, what)
            case "startswith" | "endswith", [text, part]:
                whole, end = as_text(text).lower(), as_text(part).lower()
                known = whole.startswith(end) if name.lower() == "startswith" else whole.endswith(end)
                return UNKNOWN if is_unknown([text, part]) else known
            case "fromjson", [value]:
                return self._parsed(value)
            case "tojson", [value]:
                return UNKNOWN if is_unknown(value) else json.dumps(_whole(value), indent=2, default=as_text)
            case "join", [values] | [values, _]:
                members = list(values) if isinstance(values, list) else [values]
                joined = (as_text(arguments[1]) if arguments[1:] else ",").join(map(as_text, members))
                return _Unknown(joined) if is_unknown(arguments) else joined
            case "format", [text, *values]:
                return self._formatted(as_text(text), values, unknown=is_unknown(arguments))
            case "hashfiles", [_, *_]:
                return _Unknown("0")
        raise self.error()

    def _formatted(self, text: str, values: Sequence[Any], *, unknown: bool) -> str:
        def put(found: re.Match[str]) -> str:
            if found[0] in ("{{", "}}"):
                return found[0][0]
            if found[1] is None or int(found[1]) >= len(values):
                raise ExpressionError(f"{self._text!r} formats {found[0]}, for which it gives nothing")
            return as_text(values[int(found[1])])

        whole = _PLACE.sub(put, text)
        return _Unknown(whole) if unknown else whole

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


def _contains(where: Any, what: Any) -> Any:
    if not isinstance(where, list):
        return UNKNOWN if is_unknown([where, what]) else as_text(what).lower() in as_text(where).lower()
    found = [UNKNOWN if is_unknown([each, what]) else _same(each, what) for each in where]
    return any(each is True for each in found) or (UNKNOWN if UNKNOWN in found else False)


def _key(where: Mapping[str, Any], key: Any) -> Any:
    """A key as an object writes it: GitHub ignores its case."""
    if key in where or not isinstance(key, str):
        return key
    return next((each for each in where if str(each).lower() == key.lower()), key)


def _member(value: Any, key: Any, *, every: bool) -> Any:
    """What an object has under a key; ``every`` for what all of its members have."""
    if isinstance(value, _Unknown):
        return UNKNOWN
    if isinstance(value, _Filtered) and not every:
        found = (_member(each, key, every=False) for each in value)
        return _Filtered(each for each in found if each != "")
    if every:
        open_ends = [UNKNOWN] if isinstance(value, Open) else []
        members = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
        return _Filtered([*members, *open_ends])
    if isinstance(value, list):
        index = _number(key)
        return value[int(index)] if 0 <= index < len(value) else ""
    if not isinstance(value, Mapping):
        return ""
    return UNKNOWN if is_unknown(key) else value.get(_key(value, as_text(key)), "")


def _truth(value: Any) -> bool | None:
    """Whether a value counts as true; None if only GitHub knows."""
    if isinstance(value, _Unknown):
        return None
    return isinstance(value, Mapping | list) or (value not in ("", None, False, 0) and value == value)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, Mapping | list) or isinstance(right, Mapping | list):
        return left is right
    first, second = _comparable(left, right)
    return bool(first == second)


def _comparable(left: Any, right: Any) -> tuple[Any, Any]:
    """Two texts without their case, or the numbers that GitHub compares where kinds differ."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower(), right.lower()
    return _number(left), _number(right)


def _number(value: Any) -> float:
    if value is None or isinstance(value, bool | int | float):
        return float(value or 0)
    text = value.strip() if isinstance(value, str) else "?"
    if not text or not re.fullmatch(_NUMBER, text):
        return float("nan") if text else 0.0
    return float(int(text[:200], 0)) if text.lstrip("+-")[:2] in ("0x", "0o") else float(text)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def as_text(value: Any) -> str:
    """A value as GitHub writes it into a text."""
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, Mapping | list):
        return "Object" if isinstance(value, Mapping) else "Array"
    if isinstance(value, float):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(value), f"{value:.15g}")
    return value if isinstance(value, str) else str(value)

"""GitHub's expressions, as they stand in a workflow's conditions and values. What a context does not have is empty.

See https://docs.github.com/en/actions/reference/workflows-and-actions/expressions.
"""

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[!<>().,\[\]*]))"
)
_EMBEDDED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_STATUS = ("success", "failure", "always", "cancelled")


class ExpressionError(ValueError):
    """A text is no expression, or one that the rehearsal does not know."""


def fill(text: str, contexts: Mapping[str, Any], *, failed: bool = False) -> str:
    """A text with each ``${{ … }}`` replaced by its value."""
    return _EMBEDDED.sub(lambda found: _as_text(evaluate(found.group(1), contexts, failed=failed)), text)


def holds(condition: str, contexts: Mapping[str, Any], *, failed: bool = False) -> bool:
    """Whether a condition holds. Unless it names a status, everything before must have succeeded, too.

    Args:
        condition: With or without ``${{ }}``.
        contexts: Name of a context, such as ``github``, to what it holds.
        failed: Whether something that came before has failed.
    """
    bare = _EMBEDDED.fullmatch(condition.strip())
    expression = bare.group(1) if bare else condition
    names_status = re.search(rf"\b({'|'.join(_STATUS)})\s*\(", expression)
    value = _truth(evaluate(expression, contexts, failed=failed)) if expression.strip() else True
    return value and (bool(names_status) or not failed)


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
                return _same(value, self._single()) is (sign == "==")
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
        return self._path({"true": True, "false": False, "null": None}.get(word, self._contexts.get(word, "")))

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
            value = value.get(key, "") if isinstance(value, Mapping) else ""

    def _call(self, name: str) -> Any:
        arguments = []
        while not self._takes(")"):
            arguments.append(self.either())
            self._takes(",")
        match name, arguments:
            case "success", []:
                return not self._failed
            case "failure", []:
                return self._failed
            case "always", []:
                return True
            case "cancelled", []:
                return False
            case "contains", [where, what]:
                return _as_text(what).lower() in (_as_text(where).lower() if isinstance(where, str) else where)
            case "startsWith", [text, part]:
                return _as_text(text).lower().startswith(_as_text(part).lower())
            case "endsWith", [text, part]:
                return _as_text(text).lower().endswith(_as_text(part).lower())
            case "fromJSON" | "toJSON", [value]:
                return value
            case "format", [text, *values]:
                return _as_text(text).format(*map(_as_text, values))
            case "hashFiles", _:
                return "0"
        raise self.error()

    def _takes(self, sign: str) -> bool:
        found = self.at < len(self._tokens) and self._tokens[self.at] == ("sign", sign)
        self.at += found
        return found

    def _needs(self, sign: str) -> None:
        if not self._takes(sign):
            raise self.error()


def _truth(value: Any) -> bool:
    return value not in ("", None, False, 0)


def _same(left: Any, right: Any) -> bool:
    return _as_text(left).lower() == _as_text(right).lower()


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)

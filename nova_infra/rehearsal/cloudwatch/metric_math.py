"""CloudWatch metric math, for one data point at a time.

But for the words of logic, every expression is also one in Python's grammar, so Python parses it.
A data point that is missing is None, and arithmetic with it is missing too, as is a division by zero.
See https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html.
"""

import ast
import functools
import math
import operator
import re
from collections.abc import Callable
from typing import Any

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISON: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_OF_ONE: dict[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
_LOGICAL = {"&&": " and ", "||": " or ", "AND": "and", "OR": "or"}
_OVER_SERIES: dict[str, Callable[[list[float]], float]] = {
    "SUM": sum,
    "MAX": max,
    "MIN": min,
    "AVG": lambda values: sum(values) / len(values),
}


def evaluate(expression: str, value_of: Callable[[str], float | None]) -> float | None:
    """The expression's value.

    Args:
        expression: Metric math with arithmetic, comparisons, ``AND`` and ``OR``, ``IF``, ``FILL`` with a number,
            ``ABS``, ``CEIL``, ``FLOOR``, and ``SUM``, ``MAX``, ``MIN``, ``AVG`` over a list.
        value_of: The data point of a metric or expression, by its id. Raises KeyError for an unknown one.

    Raises:
        ValueError: The expression uses something else, or an unknown id.
    """
    return _Evaluator(expression, value_of).visit(_parsed(expression))


@functools.cache  # Every minute of a rehearsal asks for the same ones.
def _parsed(expression: str) -> ast.expr:
    text = re.sub(r"&&|\|\||\b(?:AND|OR)\b", lambda found: _LOGICAL[found.group()], expression)
    try:
        if re.search(r"\b(and|or)\b", expression):
            raise ValueError(f"{expression!r} is not metric math that the rehearsal knows: write AND and OR")
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{expression!r} is not metric math that the rehearsal knows: {error.msg}") from None


class _Evaluator(ast.NodeVisitor):
    def __init__(self, expression: str, value_of: Callable[[str], float | None]) -> None:
        self._expression = expression
        self._value_of = value_of

    def visit(self, node: ast.AST) -> float | None:
        result: float | None = super().visit(node)
        return result

    def visit_Constant(self, node: ast.Constant) -> float:
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise self._unknown(node)
        return float(node.value)

    def visit_Name(self, node: ast.Name) -> float | None:
        try:
            return self._value_of(node.id)
        except KeyError:
            raise self._unknown(node) from None

    def visit_UnaryOp(self, node: ast.UnaryOp) -> float | None:
        value = self.visit(node.operand)
        if not isinstance(node.op, ast.USub):
            raise self._unknown(node)
        return None if value is None else -value

    def visit_BinOp(self, node: ast.BinOp) -> float | None:
        if type(node.op) not in _BINARY:
            raise self._unknown(node)
        left, right = self.visit(node.left), self.visit(node.right)
        if left is None or right is None:
            return None
        try:
            return _BINARY[type(node.op)](left, right)
        except ZeroDivisionError:
            return None

    def visit_BoolOp(self, node: ast.BoolOp) -> float | None:
        values = [self.visit(each) for each in node.values]
        if None in values:
            return None
        return float(all(values) if isinstance(node.op, ast.And) else any(values))

    def visit_Compare(self, node: ast.Compare) -> float | None:
        if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARISON:
            raise self._unknown(node)
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        if left is None or right is None:
            return None
        return float(_COMPARISON[type(node.ops[0])](left, right))

    def visit_Call(self, node: ast.Call) -> float | None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        match name, node.args:
            case "IF", [condition, then, *otherwise] if len(otherwise) < 2:
                # Both branches are worked out, so that an unknown name in the other one is found before it counts.
                chosen, values = self.visit(condition), [self.visit(then), *map(self.visit, otherwise), None]
                return None if chosen is None else values[not chosen]
            case _, [each] if name in _OF_ONE:
                value = self.visit(each)
                return None if value is None else float(_OF_ONE[name](value))
            case "FILL", [series, ast.Constant() as fill]:
                value = self.visit(series)
                return self.visit(fill) if value is None else value
            case _, [ast.List() as series] if name in _OVER_SERIES:
                points = [point for point in map(self.visit, series.elts) if point is not None]
                return _OVER_SERIES[name](points) if points else None
        raise self._unknown(node)

    def generic_visit(self, node: ast.AST) -> Any:
        raise self._unknown(node)

    def _unknown(self, node: ast.AST) -> ValueError:
        return ValueError(f"{ast.unparse(node)!r} in {self._expression!r} is not metric math that the rehearsal knows")

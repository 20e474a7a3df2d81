"""Jobs of a workflow that run once for each combination of a matrix.

See https://docs.github.com/en/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nova_infra.rehearsal.delivery.workflows.expressions import UNKNOWN, ExpressionError

Combination = dict[str, Any]


def combinations(content: Mapping[str, Any]) -> list[tuple[str, Combination]]:
    """What a job runs for: the end of each one's name, and the values of its ``matrix`` context.

    A matrix that an expression gives is known only on GitHub: the job then counts as one, without values.
    """
    strategy = content.get("strategy")
    matrix = strategy.get("matrix") if isinstance(strategy, Mapping) else None
    if not isinstance(matrix, Mapping) or not all(isinstance(values, Sequence) for values in matrix.values()):
        return [("", {})]
    if any(isinstance(values, str) for values in matrix.values()):
        return [("", {})]
    found = list(_combined(matrix))
    return [(f" ({', '.join(map(_said, each.values()))})", each) for each in found] or [("", {})]


def _combined(matrix: Mapping[str, Any]) -> Iterator[Combination]:
    axes = {key: values for key, values in matrix.items() if key not in ("include", "exclude")}
    product = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())] if axes else []
    kept = [each for each in product if not any(_fits(each, left_out) for left_out in matrix.get("exclude", ()))]
    alone = []
    for more in matrix.get("include", ()):
        # It adds to the combinations whose own values it does not change; one that fits none is a further one.
        shared = {key: value for key, value in more.items() if key in axes}
        fitting = [each for each in kept if _fits(each, shared)]
        for each in fitting:
            each.update(more)
        if not fitting:
            alone.append(dict(more))
    yield from (*kept, *alone)


def _fits(combination: Combination, values: Mapping[str, Any]) -> bool:
    return all(key in combination and combination[key] == value for key, value in values.items())


def _said(value: Any) -> str:
    return ", ".join(map(_said, value.values())) if isinstance(value, Mapping) else str(value)


def why_no_combinations(content: Mapping[str, Any], evaluated: Callable[[str], Any]) -> str:
    """Why GitHub finds nothing that a job with a matrix could run for; empty if it does.

    Args:
        evaluated: What an expression of the job is worth.
    """
    strategy = content.get("strategy")
    matrix = strategy.get("matrix") if isinstance(strategy, Mapping) else None
    if matrix is None:
        return ""
    try:
        whole = evaluated(matrix) if isinstance(matrix, str) else matrix
        for name, values in (whole if isinstance(whole, Mapping) else {}).items():
            found = evaluated(values) if isinstance(values, str) else values
            if name not in ("include", "exclude") and not found and found is not UNKNOWN:
                return f"GitHub finds no values {name!r} for its matrix"
    except ExpressionError as error:
        return f"GitHub cannot evaluate its matrix: {error}"
    return "" if whole or whole is UNKNOWN else "GitHub finds no values for its matrix"

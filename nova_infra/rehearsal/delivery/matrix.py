"""Jobs of a workflow that run once for each combination of a matrix.

See https://docs.github.com/en/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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

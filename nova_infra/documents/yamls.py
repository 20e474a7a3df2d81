"""YAML whose aliases repeat each other: a few lines may stand for more values than any machine can hold."""

from typing import Any

MOST_VALUES = 100_000


def is_boundless(root: Any) -> bool:
    """Whether a composed document stands for more than :data:`MOST_VALUES` values, or contains itself.

    Args:
        root: What ``yaml.compose`` returns; None for an empty document.
    """
    sizes: dict[int, int] = {}
    waiting = [root] if root is not None else []
    while waiting:
        node = waiting[-1]
        inner = _inner(node)
        if id(node) not in sizes:
            sizes[id(node)] = MOST_VALUES + 1  # until it is known: what contains itself stays so
            waiting += [each for each in inner if id(each) not in sizes]
        else:
            waiting.pop()
            sizes[id(node)] = min(1 + sum(sizes[id(each)] for each in inner), MOST_VALUES + 1)
    return root is not None and sizes[id(root)] > MOST_VALUES


def _inner(node: Any) -> list[Any]:
    if node.id == "mapping":
        return [each for pair in node.value for each in pair]
    return list(node.value) if node.id == "sequence" else []

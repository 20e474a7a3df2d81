"""Finds values that are used in more than one place."""

from collections.abc import Hashable, Iterator, Mapping
from typing import TypeVar

_T = TypeVar("_T", bound=Hashable)
_K = TypeVar("_K", bound=Hashable)


def repeated(values: Mapping[_K, _T]) -> Iterator[tuple[_K, _T, _K]]:
    """Each key whose value an earlier key has, the value, and that earlier key."""
    seen: dict[_T, _K] = {}
    for key, value in values.items():
        if value in seen:
            yield key, value, seen[value]
        seen.setdefault(value, key)

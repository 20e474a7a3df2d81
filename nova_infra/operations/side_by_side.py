"""Waiting for several things at once, in a way that Ctrl-C can end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def side_by_side(
    function: Callable[[_Item], _Result], items: Sequence[_Item]
) -> Iterator[tuple[_Item, _Result | BaseException]]:
    """Each item with its result, or with the exception that came instead, as soon as it is there.

    The threads are daemons: an interruption does not wait for what AWS is asked to finish in an hour, as those of an
    executor would.
    """
    results: queue.SimpleQueue[tuple[_Item, _Result | BaseException]] = queue.SimpleQueue()

    def run(item: _Item) -> None:
        try:
            results.put((item, function(item)))
        except BaseException as error:
            results.put((item, error))

    for item in items:
        threading.Thread(target=run, args=(item,), daemon=True).start()
    for _ in items:
        yield results.get()

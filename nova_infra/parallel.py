"""Asking for, and waiting for, several things at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

THREADS = 16
"""So many questions are asked of AWS at once: no API's rate limit is near, and nothing waits long for its turn."""


def threads() -> ThreadPoolExecutor:
    """Threads for the questions of one command. As a context, it ends when all are answered."""
    return ThreadPoolExecutor(max_workers=THREADS)


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

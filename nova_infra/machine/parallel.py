"""Concurrency: threads, coroutines, and collecting answers of which some may be missing."""

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from nova_infra.errors import NovaError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Other = TypeVar("_Other")

THREADS = 16
"""So many questions are asked of AWS at once: no API's rate limit is near, and nothing waits long for its turn."""


def threads(count: int = THREADS) -> ThreadPoolExecutor:
    """Threads for the questions of one command. As a context, it ends when all are answered."""
    return ThreadPoolExecutor(max_workers=count)


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


class PartialAnswers:
    """Collects answers and records what could not be read."""

    def __init__(self) -> None:
        """Nothing has been asked yet."""
        self._unread: dict[str, str] = {}

    @property
    def unread(self) -> tuple[str, ...]:
        """A line for each kind of thing that could not be read."""
        return tuple(f"{what}: {why}" for what, why in self._unread.items())

    def ask(self, what: str, question: Callable[[], _Result], otherwise: _Other) -> _Result | _Other:
        """The answer to a question, or a value to go on with.

        A kind of thing that could not be read once is not asked for again.
        """
        if what in self._unread:
            return otherwise
        try:
            return question()
        except NovaError as error:
            self._unread[what] = str(error)
            return otherwise


async def to_the_end(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end, however often its caller is cancelled meanwhile, and only then be cancelled.

    A task that is cancelled while it starts a process can wait for it forever, and half of a container would be left.
    """
    running, cancelled = asyncio.ensure_future(coroutine), False
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            cancelled = True
        except BaseException:  # Its own, which is raised below.
            break
    if cancelled:
        raise asyncio.CancelledError
    return running.result()


async def gather(*coroutines: Coroutine[Any, Any, _Result]) -> list[_Result]:
    """Run coroutines side by side; when one raises, cancel the others, wait for them, and raise what it raised.

    ``asyncio.gather`` would leave the others running, and what they start would outlive the rehearsal.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]

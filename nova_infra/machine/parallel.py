"""Concurrency: threads, coroutines, and collecting answers even if some are missing."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

from nova_infra.errors import NovaError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Other = TypeVar("_Other")
_Asked = ParamSpec("_Asked")

THREADS = 16
"""So many questions are asked of AWS at once: no API's rate limit is near, and nothing waits long for its turn."""


class Daemons(Executor):
    """Threads that an interruption does not wait for.

    ``ThreadPoolExecutor`` waits for its threads at the end of the program, and while AWS answers with errors a question
    is asked again for a minute.
    """

    def __init__(self, count: int) -> None:
        """Threads start with the first questions, at most so many."""
        self._count = count
        self._threads: list[threading.Thread] = []
        self._questions: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._changing = threading.Lock()
        self._ended = False

    def submit(self, fn: Callable[_Asked, _Result], /, *args: _Asked.args, **kwargs: _Asked.kwargs) -> Future[_Result]:
        """Call a function in a thread; the future holds what it returns or raises."""
        if self._ended:
            raise RuntimeError("these threads have ended")
        future: Future[_Result] = Future()
        self._questions.put((future, partial(fn, *args, **kwargs)))
        with self._changing:
            if len(self._threads) < self._count:
                thread = threading.Thread(target=self._answer, daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads, after all questions or, if these are cancelled, after those under way."""
        self._ended = True
        with contextlib.suppress(queue.Empty):
            while cancel_futures:
                if (question := self._questions.get_nowait()) is not None:
                    question[0].cancel()
        for _ in self._threads:
            self._questions.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def __exit__(self, kind: object, *_: object) -> None:
        """Wait for all answers; after an interruption for none, and after another exception for those under way."""
        self.shutdown(wait=kind is not KeyboardInterrupt, cancel_futures=kind is not None)

    def _answer(self) -> None:
        while (question := self._questions.get()) is not None:
            future, ask = question
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(ask())
            except BaseException as error:
                future.set_exception(error)


def threads(count: int = THREADS) -> Daemons:
    """Threads for the questions of one command. As a context, it ends when all are answered."""
    return Daemons(count)


def side_by_side(
    function: Callable[[_Item], _Result], items: Sequence[_Item]
) -> Iterator[tuple[_Item, _Result | BaseException]]:
    """Each item with its result or exception, as soon as it is there. An interruption waits for nothing."""
    asked = threads(len(items))
    try:
        answers = {asked.submit(function, item): item for item in items}
        for each in as_completed(answers):
            yield answers[each], each.exception() or each.result()
    finally:
        asked.shutdown(wait=False)


class SharedQuestion(Generic[_Result]):
    """A question that is asked once for all threads that wait for its answer at the same time."""

    def __init__(self, question: Callable[[], _Result]) -> None:
        self._question = question
        self._lock = threading.Lock()
        self._answers: list[tuple[float, _Result]] = []

    def ask(self) -> _Result:
        """An answer that came after this call began. An error is raised, and not kept."""
        since = time.monotonic()
        with self._lock:
            if not self._answers or self._answers[0][0] < since:
                answer = self._question()
                self._answers = [(time.monotonic(), answer)]
            return self._answers[0][1]


class PartialAnswers:
    """Collects answers and records what could not be read."""

    def __init__(self) -> None:
        self._unread: dict[str, str] = {}

    @property
    def unread(self) -> tuple[str, ...]:
        """A line for each kind of thing that could not be read."""
        return tuple(f"{what}: {why}" for what, why in self._unread.items())

    def ask(self, what: str, question: Callable[[], _Result], otherwise: _Other) -> _Result | _Other:
        """The answer, or a default. A kind of thing that could not be read once is not asked for again."""
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

"""Runs what keeps a processor busy in worker threads, so that the event loop goes on answering `/health`."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cached_property
from typing import BinaryIO, TypeVar

from nova_kit import deadlines
from nova_kit.deadlines import overloaded

T = TypeVar("T")


class Deadline:
    """How long a job may go on. A thread cannot be stopped from outside, so jobs ask in each of their steps."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._given_up = threading.Event()

    def begin(self, seconds: float) -> None:
        """Allow so many seconds from now on, but never more than at first."""
        self._end = min(self._end, time.monotonic() + seconds)

    def give_up(self) -> None:
        """Tell the job that nobody waits for its result any more."""
        self._given_up.set()

    def check(self) -> None:
        """Go on, or not.

        Raises:
            Problem: 503, the time is over. It is never the caller's mistake: a release that is ten times slower, or a
                busy machine, looks the same from here. What is too much whenever it is sent is refused by its size.
        """
        if self._given_up.is_set() or time.monotonic() > self._end:
            raise overloaded("The service could not finish this in time.")


class TimedFile:
    """A file whose reads stop when the time is over: a reader that never asks the deadline is held to it all the same.

    Args:
        file: What to read.
        deadline: Asked before every read.
    """

    def __init__(self, file: BinaryIO, deadline: Deadline) -> None:
        self._file = file
        self._deadline = deadline
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, or the rest."""
        self._deadline.check()
        return self._file.read(size)


class Workers:
    """A few worker threads, and a short queue in front of them.

    A job keeps its thread until it has really ended, also when its caller has left: callers who come and go do not make
    more threads than there are processors.

    Args:
        threads: How many jobs run at once. Default: 2, as many as the processors a task usually has.
        seconds: How long one job may take. Default: 30.
        waiting: How many further jobs may wait. Default: 32; each of them holds an upload, a large one on disk.
    """

    def __init__(self, *, threads: int = 2, seconds: float = 30.0, waiting: int = 32) -> None:
        self._threads = threads
        self._seconds = seconds
        self._most = threads + waiting
        self._lock = threading.Lock()
        self._jobs = 0
        self._usual_seconds = 0.0

    async def run(self, job: Callable[[Deadline], T]) -> T:
        """Run a job in a thread and return its result; when the caller is cancelled, the job ends at its next step.

        Raises:
            Problem: 503, the queue is full, or so long that the request would be over before its turn comes.
        """
        left = deadlines.seconds_left()
        with self._lock:
            wait = max(self._jobs - self._threads + 1, 0) * self._usual_seconds / self._threads
            if self._jobs >= self._most or (left is not None and wait > left):
                raise overloaded("The service is busy: too many requests are waiting.", wait)
            self._jobs += 1
        # From now on for the request, from its start on for the job.
        deadline = Deadline(math.inf if left is None else left)
        future = self._executor.submit(copy_context().run, self._timed, job, deadline)
        future.add_done_callback(self._leave)
        try:
            return await asyncio.wrap_future(future)
        finally:
            deadline.give_up()

    @cached_property
    def _executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="worker")

    def _timed(self, job: Callable[[Deadline], T], deadline: Deadline) -> T:
        begun = time.monotonic()
        deadline.begin(self._seconds)
        try:
            return job(deadline)
        finally:
            with self._lock:
                self._usual_seconds += 0.2 * (time.monotonic() - begun - self._usual_seconds)

    def _leave(self, _: object) -> None:
        with self._lock:
            self._jobs -= 1

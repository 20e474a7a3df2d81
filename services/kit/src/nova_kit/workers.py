"""Runs what keeps a processor busy in worker threads, so that the event loop goes on answering `/health`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import BinaryIO, TypeVar

from anyio import CapacityLimiter, to_thread

from nova_kit.problems import Problem

T = TypeVar("T")


class Deadline:
    """How long a job may go on. A thread cannot be stopped from outside, so jobs ask in each of their steps."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Tell the job that nobody waits for its result any more."""
        self._given_up.set()

    def check(self) -> None:
        """Go on, or not.

        Raises:
            Problem: 422, the time is over: what the caller sent takes more work than it may cost.
        """
        if self._given_up.is_set() or time.monotonic() > self._end:
            raise Problem(422, "The file takes too long to decode. Send a shorter or simpler one.")


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
    """A few worker threads; further jobs wait for a free one.

    Args:
        threads: How many jobs run at once. Default: 2, as many as the processors a task usually has.
        seconds: How long one job may take. Default: 30.
    """

    def __init__(self, *, threads: int = 2, seconds: float = 30.0) -> None:
        self._threads = threads
        self._seconds = seconds
        self._limiter: CapacityLimiter | None = None

    async def run(self, job: Callable[[Deadline], T]) -> T:
        """Run a job in a thread and return its result; when the caller is cancelled, the job ends at its next step."""
        # A limiter belongs to the event loop that runs when it is made, so it cannot be made on import.
        self._limiter = self._limiter or CapacityLimiter(self._threads)
        async with self._limiter:
            deadline = Deadline(self._seconds)
            try:
                return await to_thread.run_sync(partial(job, deadline), abandon_on_cancel=True)
            finally:
                deadline.give_up()

"""Time that passes only while nothing is under way: what waits for seconds takes none, however busy the machine is."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# For what one end of a connection has sent and the other has not been told of yet.
_SETTLE_SECONDS = 0.02


class _Selector(selectors.DefaultSelector):
    """Waits for nothing but files that are ready, and then lets the rest of the time have passed."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:  # Nothing but a file, or a thread, can end this wait.
            return super().select(None)
        ready = super().select(min(timeout, _SETTLE_SECONDS))
        if not ready:
            self.passed += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._files = _Selector()
        super().__init__(self._files)

    def time(self) -> float:
        return self._files.passed


def play(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine whose seconds pass as soon as all that it has begun waits for them.

    It has to be alone: what a process or a thread does takes real time, of which such a loop knows nothing.
    """
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(coroutine)

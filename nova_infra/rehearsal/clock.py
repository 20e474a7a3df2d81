"""Compressed time.

Bakes and alarm periods are counted in simulated minutes, and a simulated minute lasts a second by default. Processes
start, drain and answer in real time. A minute never ends before the load that belongs to it has been sent and answered,
so on a slow or busy machine the clock slows down and the outcome stays the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

HEALTH_CHECK_COMPRESSION = 20
"""How much faster health-check intervals pass: 10 s between checks become half a second."""


class Clock:
    """Counts simulated minutes.

    Attributes:
        minute: The current simulated minute.
        slow_minutes: Number of minutes that took more than twice as long as they should.
    """

    def __init__(self, *, seconds_per_minute: float = 1.0) -> None:
        """Start at minute 0.

        Args:
            seconds_per_minute: Real seconds in a simulated minute, at least.
        """
        self.minute = 0
        self.slow_minutes = 0
        self._seconds = seconds_per_minute
        self._ticked = asyncio.Event()

    async def run(self, during: Callable[[], Awaitable[None]], after: Callable[[], None]) -> None:
        """Tick until cancelled.

        Args:
            during: What has to be done in each minute; the minute lasts until it is.
            after: Called at the end of each minute, before those who wait for it go on.
        """
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.gather(asyncio.sleep(self._seconds), during())
            if loop.time() - began > 2 * self._seconds:
                self.slow_minutes += 1
            after()
            self.minute += 1
            self._ticked.set()
            self._ticked = asyncio.Event()

    async def next_minute(self) -> None:
        """Wait until the current minute has ended."""
        await self._ticked.wait()

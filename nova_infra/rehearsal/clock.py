"""The clock of a rehearsal: a simulated minute lasts a second, or longer if something slow must end in it.

Bakes and alarm periods are counted in simulated minutes, and a simulated minute lasts a second by default. Processes
start, drain and answer in real time. A minute never ends before the load that belongs to it has been sent and answered,
so on a slow or busy machine the clock slows down and the outcome stays the same. Nor does it hurry where nothing waits
for it: while tests are run, which take their time here as in AWS, a minute lasts longer.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from nova_infra.machine.parallel import gather


@dataclass(frozen=True)
class Pace:
    """How much faster time passes here than in AWS.

    Attributes:
        seconds_per_minute: Real seconds in a simulated minute, at least.
        checks: How much faster health-check intervals pass: 10 s between checks become half a second.
        timeouts: How much faster what takes more than a minute is given up, such as an idle timeout of an hour.
    """

    seconds_per_minute: float = 1.0
    checks: float = 20.0
    timeouts: float = 6.0

    @property
    def is_real(self) -> bool:
        """Whether a minute is a minute."""
        return self.seconds_per_minute >= 60


COMPRESSED = Pace()
REAL_TIME = Pace(seconds_per_minute=60.0, checks=1.0, timeouts=1.0)


_LOOK_SECONDS = 1.0
UNHURRIED = 5
"""How much a minute may stretch while nobody waits for it. More would hide what users see while tests run."""


def longest(seconds_per_minute: float) -> float:
    """The longest, in real seconds, that a minute nobody waits for may last: a real one, unless all last longer."""
    return min(UNHURRIED * seconds_per_minute, max(60.0, seconds_per_minute))


class ClockStoppedError(Exception):
    """The clock stopped while somebody waited for a minute."""


class Clock:
    """Counts simulated minutes.

    Attributes:
        slow_minutes: Number of minutes that took more than twice as long as they should.
    """

    def __init__(self, *, seconds_per_minute: float = 1.0) -> None:
        self.minute = 0
        self.slow_minutes = 0
        self.seconds_per_minute = seconds_per_minute
        self._tick: asyncio.Future[None] | None = None
        self._minute_began = float("inf")
        self._awaited = asyncio.Event()

    @property
    def seconds_between_looks(self) -> float:
        """How often ECS checks its tasks here, in real seconds."""
        return min(_LOOK_SECONDS, self.seconds_per_minute)

    async def run(self, during: Callable[[], Coroutine[Any, Any, None]], after: Callable[[], None]) -> None:
        """Tick until cancelled. If something in a minute raises, whoever waits for its end gets the error."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                began = self._minute_began = loop.time()
                await gather(asyncio.sleep(self.seconds_per_minute), during())
                if loop.time() - began > 2 * self.seconds_per_minute:
                    self.slow_minutes += 1
                await self._until_awaited(began)
                after()
                self.minute += 1
                tick, self._tick = self._current_tick(), None
                self._awaited.clear()
                tick.set_result(None)
        except BaseException as error:
            # Time stands still from here on: without this, present and later waiters would wait for ever.
            tick = self._current_tick()
            tick.set_exception(ClockStoppedError("the clock was stopped") if _is_cancellation(error) else error)
            tick.exception()  # Marks it as seen: perhaps nobody waits for it.
            raise

    async def _until_awaited(self, began: float) -> None:
        """Stretch a minute that nobody waits for, up to a real one."""
        left = began + longest(self.seconds_per_minute) - asyncio.get_running_loop().time()
        if left > 0 and not self._awaited.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awaited.wait(), left)

    def now(self) -> float:
        """Simulated minutes since the start, with the part of the current one that has passed."""
        passed = (asyncio.get_running_loop().time() - self._minute_began) / self.seconds_per_minute
        return self.minute + min(max(passed, 0.0), 1.0)

    async def next_minute(self) -> None:
        """Wait until the current minute has ended."""
        tick = self._current_tick()
        self._awaited.set()
        await asyncio.shield(tick)

    def _current_tick(self) -> asyncio.Future[None]:
        if self._tick is None:
            self._tick = asyncio.get_running_loop().create_future()
        return self._tick


def _is_cancellation(error: BaseException) -> bool:
    return isinstance(error, (asyncio.CancelledError, KeyboardInterrupt))

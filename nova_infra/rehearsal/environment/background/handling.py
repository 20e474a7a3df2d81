"""Measures how a worker handles messages, from what its caller says that the queue holds. Pure."""

import math
from collections import deque
from dataclasses import dataclass, field, replace

from nova_infra.rehearsal.record import QueueRecord

MOST_SECONDS = 60.0
"""Real seconds that a minute's messages may take: in AWS they have a minute."""
_MINUTES_TO_KNOW = 3
_MOST_A_MINUTE = 10
_BUSY_SECONDS = 20.0
"""What a minute's messages may keep one task busy for, so that a slow worker does not make the rehearsal slow."""
_HELD_SECONDS = 5.0
"""How long a minute's messages may hold the clock on average, once each example has been seen."""
_MOST_REST_MINUTES = 4
_MOST_NEW_MINUTES = 8
"""How long it is waited to see the end of a first message."""
_PATIENCE = 20.0
_IDLE = 2.0
_HIDDEN_SECONDS = 10.0
_TIMES_LONGER = 3


@dataclass(frozen=True)
class _Try:
    """A message in a worker's hands.

    Attributes:
        first: When it was received for the first time, in seconds.
        back: When it could last be received again; None if it never could.
        again: When it was last seen in hand again.
    """

    first: float
    back: float | None = None
    again: float = 0.0


@dataclass
class Handling:
    """The messages of one queue, minute after minute.

    Work takes real time, and how much is not known at first. So the first minute has a single message; from then on
    there are as many as a task handles in twenty seconds, up to ten. Where one takes it more than a minute, there is
    one every few minutes. For some minutes, and until the end of a message has been seen, but not forever, the worker
    is waited for as long as a minute may last, and messages are hidden for as long as in AWS; then both are as
    short as the worker was seen to allow. If one comes back all the same, either it failed, or this revision takes
    longer than the one before: once for each revision, some minutes are then as in AWS again.

    Attributes:
        gave_up: Whether it was waited in vain for a message that these tasks have taken.
        pause: The longest that messages waited, in seconds, while the worker had none in hand: it works after it has
            deleted them, or asks for more only now and then. None while it has not taken any.
    """

    record: QueueRecord
    pause: float | None = None
    _minutes: int = 0
    _began: float = 0.0
    _changed: float = 0.0
    _idle_since: float | None = None
    _in_hand: deque[_Try] = field(default_factory=deque)
    _given_back: deque[_Try] = field(default_factory=deque)
    _first_tries: float = 0.0
    _retried: list[tuple[float, float]] = field(default_factory=list)
    _doubted: int | None = None
    _rated: bool = False
    _touched: bool = False
    _seen: bool = False
    _first_look: bool = True
    _ended: bool = False
    _waiting: int = 0
    _taken: int = 0
    _done: int = 0
    _done_before: int = 0
    gave_up: bool = False

    def is_due(self, *, seen: bool) -> bool:
        """Whether the next minute has messages: not while the end of the first is still to be seen.

        Args:
            seen: Whether these tasks have got each of the examples. More of them would only hold the clock.
        """
        every = self.record.every
        if every == 1 and seen and self.has_finished and not self._is_new:
            held = math.ceil(self.record.rate * self.record.slowest / _HELD_SECONDS)
            every = max(min(held, _MOST_REST_MINUTES), 1)
        return self._minutes % every == 0 and (self._ended or not self._taken or not self._is_new)

    @property
    def is_stuck(self) -> bool:
        """Whether messages are in hand whose end is still to be seen, so that no others are sent."""
        return bool(self._taken) and not self._ended

    @property
    def why_so_few(self) -> str:
        """Why there are no more messages in a minute, in a clause; empty if there are as many as there ever are."""
        if self.is_stuck:
            return "its worker did not finish the first one"
        return f"one takes its worker {self.record.slowest:.0f} s" if self.record.rate < _MOST_A_MINUTE else ""

    def begin(self, now: float) -> None:
        """Begin a minute, whose messages have just been sent."""
        self._minutes += 1
        if self._minutes == 2 and not self._seen:
            self.record.rate = _MOST_A_MINUTE  # Nobody takes them: what waits has to show.
        self._began = self._changed = now
        self._touched, self._first_look = False, True

    def look(self, now: float, *, waiting: int, taken: int, done: int) -> bool:
        """Note what the queue holds; return whether to check again.

        Args:
            waiting: Messages that can be received.
            taken: Messages that have been received and not deleted.
            done: Messages that have been deleted since the queue was made.

        Returns:
            Whether the worker may still be about these messages.
        """
        # Nothing was sent since the last look of a minute: what can be received again has been received before.
        back = 0 if self._first_look else max(waiting - self._waiting, 0)
        self.record.came_back += back
        self._note_deaths(waiting, taken, done)
        self._note_work(now, back, taken, done)
        self._note_pause(now, waiting, taken, done)
        if self._first_look or (waiting, taken, done) != (self._waiting, self._taken, self._done):
            self._changed = now
        self._touched |= taken > 0 or done > self._done
        self._seen |= self._touched
        self._first_look = False
        self._waiting, self._taken, self._done = waiting, taken, done
        if not waiting and not taken:
            return False
        goes_on = now - self._changed < self._patience and now - self._began < MOST_SECONDS
        self.gave_up |= bool(taken) and not goes_on
        return goes_on

    def hide(self, seconds_per_minute: float) -> float:
        """Seconds for which a message that is received from now on has to be hidden.

        At first those of AWS, until it is known how long the worker takes. Later as few as the clock is faster, unless
        the worker needs more than that.

        Args:
            seconds_per_minute: Real seconds in a simulated minute.
        """
        if self._is_new:
            return self.record.hidden
        shortest = max(self.record.hidden * seconds_per_minute / 60, _HIDDEN_SECONDS)
        return min(max(shortest, _TIMES_LONGER * self.record.slowest), self.record.hidden)

    @property
    def _is_new(self) -> bool:
        """Whether it is still to be seen how long the worker takes."""
        return self._is_doubted or self._minutes <= (_MINUTES_TO_KNOW if self._ended else _MOST_NEW_MINUTES)

    @property
    def _is_doubted(self) -> bool:
        return self._doubted is not None and self._minutes <= self._doubted + _MINUTES_TO_KNOW

    @property
    def _patience(self) -> float:
        pause = self.pause or 0.0
        if self._minutes <= 1 or (self._seen and self._is_new and (self._taken or not self._is_doubted)):
            return MOST_SECONDS  # A minute that ended sooner would show a message as older than it is.
        if self._touched:
            return max(_PATIENCE, 2 * self.record.slowest, 2 * pause)
        return max(_IDLE, 2 * pause)

    def _note_deaths(self, waiting: int, taken: int, done: int) -> None:
        """Forget those that came back and are gone: they are dead, as nothing was sent since the last look."""
        gone = 0 if self._first_look else self._waiting + self._taken + self._done - waiting - taken - done
        for _ in range(min(gone, len(self._given_back))):
            self._given_back.popleft()

    def _note_work(self, now: float, back: int, taken: int, done: int) -> None:
        """How long messages are in hand, if those that were taken first are deleted or come back first."""
        ended = max(done - self._done, 0)
        for _ in range(taken - self._taken + ended + back):
            self._in_hand.append(replace(self._given_back.popleft(), again=now) if self._given_back else _Try(now))
        self._ended |= back > 0 or ended > 0
        for _ in range(back):
            self._given_back.append(replace(self._in_hand.popleft(), back=now))
        if back and self._doubted is None and not self._is_new:
            self._doubted = self._minutes
        for _ in range(ended):
            self._note_end(self._in_hand.popleft(), now)
        if ended:
            self._conclude()
        while len(self._in_hand) > taken:  # The others are dead.
            self._in_hand.popleft()
            self._ended = True

    def _note_end(self, message: _Try, now: float) -> None:
        if message.back is None:
            self._first_tries = max(self._first_tries, now - message.first)
        else:
            # Where nobody was seen to take it again, it may have been in the same hands all the time.
            again = message.again if message.again < now else message.back
            self._retried.append((now - again, now - message.first))

    def _conclude(self) -> None:
        """What the ends of messages say of the slowest, and of how many a task can handle.

        A message that was deleted after it had come back was in hand all the time, or its first try failed: it failed
        if it then took no longer than others do.
        """
        most = max(_IDLE, _TIMES_LONGER * self._first_tries)
        slowest = max([self._first_tries, *(again if again <= most else whole for again, whole in self._retried)])
        if not self._rated or slowest < self.record.slowest:
            took, self._rated = max(slowest, 1), True
            self.record.rate = min(max(int(_BUSY_SECONDS / took), 1), _MOST_A_MINUTE)
            self.record.every = max(math.ceil(took / MOST_SECONDS), 1)
        self.record.slowest = slowest

    def renew(self) -> None:
        """Note that the worker's tasks run another revision, which may take longer."""
        self._doubted, self._done_before, self.gave_up = None, self._done, False

    @property
    def has_finished(self) -> bool:
        """Whether a message has been deleted since the worker's tasks run what they run now."""
        return self._done > self._done_before

    def _note_pause(self, now: float, waiting: int, taken: int, done: int) -> None:
        if self._idle_since is not None and (taken or done > self._done):
            self.pause = min(max(self.pause or 0.0, now - self._idle_since), MOST_SECONDS)
            self._idle_since = None
        if waiting and not taken and self._idle_since is None:
            self._idle_since = now
        elif not waiting:
            self._idle_since = None


@dataclass
class Dying:
    """Messages that are dead here and are still being tried in AWS, where they are hidden between the tries.

    Attributes:
        minutes: How long all of a message's tries take in AWS.
    """

    minutes: int
    _seen: int = 0
    _dying: list[tuple[int, int]] = field(default_factory=list)

    def look(self, minute: int, *, sent: int, dead: int, given_back: bool) -> int:
        """How many of the dead messages are alive in AWS.

        Args:
            sent: The minute in which the oldest message was sent.
            dead: Messages that have died here since the queue was made.
            given_back: Whether their worker gave them back at once, so that no try waited for the one before.
        """
        if dead > self._seen:
            self._dying.append((minute if given_back else max(sent + self.minutes, minute), dead - self._seen))
            self._seen = dead
        self._dying = [(until, count) for until, count in self._dying if until > minute]
        return sum(count for _, count in self._dying)

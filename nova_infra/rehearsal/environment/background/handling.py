"""Measures how a worker handles its messages: how long each takes, which come back, and how often it asks for more.

Pure: its caller says what the queue holds, again and again, and when.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from nova_infra.rehearsal.record import QueueRecord

MOST_SECONDS = 60.0
"""Real seconds that a minute's messages may take: in AWS they have a minute."""
_MINUTES_TO_KNOW = 3
_MOST_A_MINUTE = 10
_BUSY_SECONDS = 20.0
"""What a minute's messages may keep one task busy for, so that a slow worker does not make the rehearsal slow."""
_MOST_NEW_MINUTES = 8
"""How long it is waited to see the end of a first message."""
_PATIENCE = 20.0
_IDLE = 2.0
_HIDDEN_SECONDS = 10.0
_TIMES_LONGER = 3


@dataclass
class Handling:
    """The messages of one queue, minute after minute.

    Work takes real time, and how much is not known at first. So the first minute has a single message; from then on
    there are as many as a task handles in twenty seconds, up to ten. Where one takes it more than a minute, there is
    one every few minutes. For some minutes, and until the end of a message has been seen, but not for ever, the worker
    is waited for as long as a minute may last, and messages are hidden for as long as in AWS; then both are as
    short as the worker was seen to allow.

    Attributes:
        record: What is seen is written here.
        pause: The longest that messages waited, in seconds, while the worker had none in hand: it works after it has
            deleted them, or asks for more only now and then. None while it has not taken any.
    """

    record: QueueRecord
    pause: float | None = None
    _minutes: int = 0
    _began: float = 0.0
    _changed: float = 0.0
    _idle_since: float | None = None
    _in_hand: deque[float] = field(default_factory=deque)
    _touched: bool = False
    _seen: bool = False
    _first_look: bool = True
    _ended: bool = False
    _taken_first: float | None = None
    _waiting: int = 0
    _taken: int = 0
    _done: int = 0

    @property
    def is_due(self) -> bool:
        """Whether the next minute has messages: not while the end of the first is still to be seen."""
        return self._minutes % self.record.every == 0 and (self._ended or not self._taken or not self._is_new)

    def begin(self, now: float) -> None:
        """Begin a minute, whose messages have just been sent.

        Args:
            now: When, in seconds.
        """
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
        first = done > 0 and not self._done
        self._note_work(now, back, taken, done)
        if first:
            # Not the slowest, which is not known of a message that was deleted after it had come back.
            self._set_rate(now - self._taken_first if self._taken_first is not None else 0.0)
        self._note_pause(now, waiting, taken, done)
        if self._first_look or (waiting, taken, done) != (self._waiting, self._taken, self._done):
            self._changed = now
        self._touched |= taken > 0 or done > self._done
        self._seen |= self._touched
        self._first_look = False
        self._waiting, self._taken, self._done = waiting, taken, done
        if not waiting and not taken:
            return False
        return now - self._changed < self._patience and now - self._began < MOST_SECONDS

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
        return self._minutes <= (_MINUTES_TO_KNOW if self._ended else _MOST_NEW_MINUTES)

    @property
    def _patience(self) -> float:
        pause = self.pause or 0.0
        if self._minutes <= 1 or (self._seen and self._is_new):
            return MOST_SECONDS  # A minute that ended sooner would show a message as older than it is.
        if self._touched:
            return max(_PATIENCE, 2 * self.record.slowest, 2 * pause)
        return max(_IDLE, 2 * pause)

    def _note_work(self, now: float, back: int, taken: int, done: int) -> None:
        """How long messages are in hand, if those that were taken first are deleted or come back first."""
        ended = max(done - self._done, 0)
        self._in_hand.extend([now] * (taken - self._taken + ended + back))
        if taken and self._taken_first is None:
            self._taken_first = now
        self._ended |= back > 0 or ended > 0
        for _ in range(back):
            self._in_hand.popleft()
        for _ in range(ended):
            self.record.slowest = max(self.record.slowest, now - self._in_hand.popleft())
        while len(self._in_hand) > taken:  # The others are dead.
            self._in_hand.popleft()
            self._ended = True

    def _set_rate(self, took: float) -> None:
        """Send as many messages as one task handles, from the seconds that it took for the first."""
        took = max(took, 1)
        self.record.rate = min(max(int(_BUSY_SECONDS / took), 1), _MOST_A_MINUTE)
        self.record.every = max(math.ceil(took / MOST_SECONDS), 1)

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
            minute: The current simulated minute.
            sent: The minute in which the oldest message was sent.
            dead: Messages that have died here since the queue was made.
            given_back: Whether their worker gave them back at once, so that no try waited for the one before.
        """
        if dead > self._seen:
            self._dying.append((minute if given_back else max(sent + self.minutes, minute), dead - self._seen))
            self._seen = dead
        self._dying = [(until, count) for until, count in self._dying if until > minute]
        return sum(count for _, count in self._dying)

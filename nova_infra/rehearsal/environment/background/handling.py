"""Measures how a worker handles its messages: how long each takes, and which come back.

Pure: it is told what the queue holds, again and again, and when.
"""

from dataclasses import dataclass

from nova_infra.rehearsal.record import QueueRecord

MOST_SECONDS = 60.0
"""Real seconds that a minute's messages may take: in AWS they have a minute."""
_PATIENCE = 5.0
_IDLE = 0.5


@dataclass
class Handling:
    """One minute's messages of one queue.

    Attributes:
        record: What is seen is written here.
        began: When they were sent, in seconds.
    """

    record: QueueRecord
    began: float
    _since: float = 0.0
    _changed: float = 0.0
    _waiting: int | None = None
    _taken: int = 0
    _done: int = 0

    def look(self, now: float, *, waiting: int, taken: int, done: int) -> bool:
        """Note what the queue holds; return whether to check again.

        Args:
            now: When, in seconds.
            waiting: Messages that can be received.
            taken: Messages that have been received and not deleted.
            done: Messages that have been deleted since the queue was made.

        Returns:
            Whether the worker may still be about these messages.
        """
        if self._waiting is None:
            self._since = self._changed = self.began
        else:
            # Nothing was sent since: what can be received again has been received before.
            self.record.came_back += max(waiting - self._waiting, 0)
            if done > self._done and self._taken:
                self.record.slowest = max(self.record.slowest, now - self._since)
            if done > self._done or not self._taken:
                self._since = now if done > self._done or taken else self._since
            if (waiting, taken, done) != (self._waiting, self._taken, self._done):
                self._changed = now
        self._waiting, self._taken, self._done = waiting, taken, done
        if not waiting and not taken:
            return False
        patience = max(_PATIENCE, 2 * self.record.slowest) if taken else _IDLE
        return now - self._changed < patience and now - self.began < MOST_SECONDS

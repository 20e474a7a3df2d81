"""Projects a task's CPU time from a minute that lasts a second onto one that lasts sixty.

A compressed minute holds the requests of a real one, so what they cost is the same; what a task also does, such as
spinning, goes on for sixty times as long. To tell one from the other, a short part of each minute has no requests.
"""

from dataclasses import dataclass, replace

from nova_infra.rehearsal.usage.processes import Usage

_MINUTE = 60.0
_LEAST = 0.3
QUIET = 0.5
"""Share of its processor time in a minute below which a task does not spin, whatever its parts without requests say."""
_IDLE = 0.1
"""Share of its processor time in a part without requests above which a task spins, or has yet to finish work."""


NOTHING = Usage(0.0, 0.0)


@dataclass
class Work:
    """One task's work in a simulated minute.

    Attributes:
        share: Processors that the task is granted, such as 0.25.
    """

    share: float
    _spent: float | None = None
    _had: float = 0.0
    _rate: float | None = None
    _rest: Usage = NOTHING
    _rests: Usage = NOTHING
    _idle: bool = False

    @property
    def known(self) -> bool:
        """Whether a part without requests was measured since the requests were noted."""
        return self._spent is None or self._rate is not None

    def note_requests(self, usage: Usage) -> None:
        """Note what it used while requests were sent."""
        self._spent, self._had, self._rate, self._rest = usage.spent, usage.had, None, NOTHING
        self._rests, self._idle = NOTHING, False

    def note_rest(self, usage: Usage, seconds: float) -> bool:
        """Note what it used in a part of the minute without requests: the quietest counts, or all where none is quiet.

        One short part says too little of a task that is never quiet: on a busy machine it may have got its processor
        time in the part before or in the next one.

        Args:
            seconds: How long that part was. If this machine had hardly a processor for it, it counts with the next.

        Returns:
            Whether it was quiet.
        """
        rest = _together(self._rest, usage)
        if rest.had < _LEAST * seconds:
            self._rest = rest
            return False
        self._rest, self._rests, rate = NOTHING, _together(self._rests, rest), rest.spent / rest.had
        if rate < _IDLE * self.share:
            self._rate, self._idle = min(rate, self._rate) if self._rate is not None else rate, True
        elif not self._idle:
            self._rate = self._rests.spent / self._rests.had
        return self._idle

    def percent(self, rest: Usage) -> float | None:
        """What it used of its processor time in the minute, as in AWS, from 0 to 100; then begin the next minute.

        None where this machine was too busy to tell requests from what goes on without any.

        Args:
            rest: What it used since it was last noted. A task that has just started was not noted before.
        """
        known = self.known or (self._spent or 0.0) < QUIET * self.share * self._had
        rate = self._rate or 0.0
        spent = rest.spent if self._spent is None else max(self._spent - rate * self._had, 0.0)
        self._spent, self._rate, self._rest = None, None, NOTHING
        return None if not known else min(100 * (rate * _MINUTE + spent) / _MINUTE / self.share, 100.0)

    def seconds_for(self, requests: int) -> float:
        """Processor time of one request, of those that were sent before the last :meth:`note_rest`."""
        if not requests or self._spent is None:
            return 0.0
        return max(self._spent - (self._rate or 0.0) * self._had, 0.0) / requests


def _together(one: Usage, other: Usage) -> Usage:
    return replace(one, spent=one.spent + other.spent, had=one.had + other.had)

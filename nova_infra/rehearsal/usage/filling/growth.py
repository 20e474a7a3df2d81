"""Whether a waiting task's memory or disk grows without requests, and when it would be full."""

import time
from dataclasses import dataclass, field
from itertools import pairwise

_PARTS = 4
_FEWEST_SECONDS = 4.0
LEAST = {"memory": 32.0, "disk": 1.0}
"""MiB below which a growth tells nothing: a runtime lets that much of its memory fill before it collects garbage."""
_STEADY = 0.5
_DAY = 86_400


@dataclass
class Growth:
    """How much a task held, from time to time.

    Attributes:
        whose: The task, in words.
        what: Its memory or its disk.
        most: MiB that it may hold.
        held: Seconds and MiB.
    """

    whose: str
    what: str
    most: float
    held: list[tuple[float, float]] = field(default_factory=list)

    def note(self, amount: float) -> None:
        """Note what it holds now, in MiB."""
        self.held.append((time.monotonic(), amount))

    def fills(self) -> str:
        """That it is full within a day if this goes on, a clause; empty if not, or if it was not seen for long."""
        if len(self.held) <= _PARTS or self.held[-1][0] - self.held[0][0] < _FEWEST_SECONDS:
            return ""
        ends = [self.held[round(part * (len(self.held) - 1) / _PARTS)] for part in range(_PARTS + 1)]
        steps = [after[1] - before[1] for before, after in pairwise(ends)]
        (began, first), (ended, last) = ends[0], ends[-1]
        slows = sum(steps[2:]) < _STEADY * sum(steps[:2])
        if min(steps) <= 0 or slows or last - first < LEAST[self.what]:
            return ""
        rate = (last - first) / (ended - began)
        seconds = max(self.most - last, 0) / rate
        if seconds > _DAY:
            return ""
        left = f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
        more = f"{self.whose} takes {60 * rate:.2g} MiB more of its {self.what} every minute"
        return f"{more}, even if nobody asks it anything: it is full in {left}"

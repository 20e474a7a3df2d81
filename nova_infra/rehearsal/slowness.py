"""How many times slower a new revision answers than the old one, and the old one while a command runs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from nova_infra.rehearsal.record import DeploymentRecord, Requests
from nova_infra.rehearsal.usage.crowding import with_others

SLOWER_TIMES = 5
"""What counts as slower: busy machines make small answers twice as slow by themselves."""
_FEWEST_ANSWERS = 6
"""Of each revision, in the minutes that are compared."""
_BLOCKED_TIMES = 10
_BLOCKED_SECONDS = 1.0
"""A request that waits for a lock takes both so many times as long as before, and as long as this."""
_FEWEST_BLOCKED = 2


def times_slower(deployment: DeploymentRecord) -> float:
    """How many times as long the new revision took for an answer as the old one; 0 where that is not known.

    Minutes in which both answered are compared, and the middle one counts: a busy machine slows down both. Its start
    slows down one of them alone, and so does a single wait for a processor: a handful of answers says nothing. Most
    answers are the old revision's, so it has most of the long waits: geometric means, because they would lift its
    arithmetic mean to a multiple of what its answers take.
    """
    ratios, answers = [], 0
    for sample in deployment.samples:
        old, new = sample.requests.get(deployment.old or ""), sample.requests.get(deployment.new)
        if old and new and old.served and new.served:
            ratios.append(usual_seconds(new) / usual_seconds(old))
            answers += min(new.served, old.served)
    return median(ratios) if answers >= _FEWEST_ANSWERS else 0.0


def usual_seconds(requests: Requests) -> float:
    """The geometric mean of what some answers took: a few long waits hardly move it."""
    return math.exp(requests.log_seconds / requests.served)


_Whose = tuple[str, str]
"""An operation, and the revision that answered it."""


@dataclass
class Meanwhile:
    """What users got while a command ran before a deployment, such as a migration that locks a table.

    Attributes:
        what: The command, in words.
        began: When it began, in seconds on the clock of the answers, as ``ended``.
        before: What they got until then.
    """

    what: str
    began: float
    before: dict[_Whose, Requests]
    ended: float = math.inf
    _answers: dict[_Whose, list[tuple[float, bool]]] = field(default_factory=dict)

    def note(self, whose: _Whose, sent: float, answered: float, *, failed: bool) -> None:
        """Note an answer, if its request was under way while the command ran, and its revision had served before."""
        if sent < self.ended and answered > self.began and whose in self.before:
            self._answers.setdefault(whose, []).append((answered - sent, failed))

    def clauses(self) -> Iterator[str]:
        """What got much worse meanwhile, at most a clause on failures and one on waits."""
        slow = sorted(
            (seconds, whose)
            for whose, answers in self._answers.items()
            for seconds, _ in answers
            if seconds > max(with_others(_BLOCKED_SECONDS), _BLOCKED_TIMES * usual_seconds(self.before[whose]))
        )
        if len(slow) >= _FEWEST_BLOCKED:
            seconds, (operation, revision) = slow[-1]
            usual = 1000 * usual_seconds(self.before[slow[-1][1]])
            yield (
                f"while {self.what} ran, {revision} took {seconds:.1f} s to answer {operation} ({usual:.0f} ms "
                "before), as if the command locked a table"
            )
        for (operation, revision), answers in self._answers.items():
            failed = sum(each for _, each in answers)
            if failed and not self.before[operation, revision].failed:
                yield f"while {self.what} ran, {revision} failed {failed} of {len(answers)} requests for {operation}"
                return


class Waits:
    """The answers of an environment, so that those of a command's time can be compared with those before it."""

    def __init__(self) -> None:
        """Begin without answers."""
        self._answers: dict[_Whose, Requests] = {}
        self._commands: list[Meanwhile] = []

    def note(self, operation: str, revision: str, sent: float, answered: float, *, failed: bool) -> None:
        """Note an answer: when its request was sent, and when it came."""
        whose = operation, revision
        for command in self._commands:
            command.note(whose, sent, answered, failed=failed)
        # Copied, not changed in place: commands keep what was there when they began.
        took = Requests(1, int(failed), log_seconds=math.log(max(answered - sent, 1e-6)))
        self._answers[whose] = self._answers.get(whose, Requests()) + took

    def begin(self, what: str, now: float) -> Meanwhile:
        """Note that a command begins."""
        self._commands.append(Meanwhile(what, now, dict(self._answers)))
        return self._commands[-1]

    def clauses(self) -> list[str]:
        """What users met while commands ran."""
        return [clause for command in self._commands for clause in command.clauses()]

"""A rollout as plain data: AWS and the rehearsal fill it, one renderer shows it."""

from dataclasses import dataclass, field
from typing import Literal

State = Literal["running", "waiting", "going back", "completed", "rolled back", "failed"]

OVER: tuple[State, ...] = ("completed", "rolled back", "failed")
"""How a rollout may end."""


@dataclass(frozen=True)
class RevisionView:
    """One of the two revisions of a rollout.

    Attributes:
        name: ``family:revision``; empty where it is not known.
        requests: Requests that it got; None where they are not known.
        latency_ms: 95th percentile of the latest minute; None where there is none, or of too few requests to be one.
    """

    name: str
    running: int = 0
    wanted: int = 0
    requests: int | None = None
    failed: int = 0
    latency_ms: float | None = None


@dataclass(frozen=True)
class AlarmView:
    """An alarm that watches a rollout.

    Attributes:
        threshold: Its threshold; None where it is not known.
        watched: Whether ECS watches it during this rollout.
        requests: Requests of the latest minute that it judged, over both revisions; None where they are not known.
        needs: Requests a minute below which it says nothing; 0 where it needs none.
        of_new: Requests that the new revision got in that minute; None where they are not known, or it has no users.
        needs_of_each: Requests a minute below which it leaves a revision out; 0 where it needs none.
    """

    kind: str
    red: bool
    value: float | None = None
    threshold: float | None = None
    breaching: bool = False
    watched: bool = True
    requests: int | None = None
    needs: int = 0
    of_new: int | None = None
    needs_of_each: int = 0

    @property
    def judges(self) -> bool:
        """Whether it had enough requests to judge by, if known."""
        return self.requests is None or self.requests >= self.needs

    @property
    def judges_new(self) -> bool:
        """Whether the new revision had enough of them to be judged, if known."""
        return self.judges and (self.of_new is None or self.of_new >= self.needs_of_each)


@dataclass(frozen=True)
class RolloutView:
    """One service's rollout.

    Attributes:
        stage: What it does now, in words.
        wanted: Share of the traffic that the new revision is meant to have, in percent; None where none is shifted.
        actual: Share that the listener rule gives it; None where that is not known.
        seconds_left: Until the bake, or the time to answer, is over; None where nothing ends by itself.
        at_most: Whether ``seconds_left`` is an upper bound: the beginning was not seen.
        why: Why it went back, or the event that stopped it; empty where nothing did.
        next: The commands that a person may want now.
        queue: How full a worker's queue is, in words; empty for other services.
    """

    service: str
    state: State
    stage: str
    wanted: float | None
    actual: float | None
    new: RevisionView
    old: RevisionView | None = None
    alarms: tuple[AlarmView, ...] = ()
    seconds_left: float | None = None
    at_most: bool = False
    why: str = ""
    next: tuple[str, ...] = ()
    queue: str = ""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in OVER

    @property
    def red(self) -> tuple[str, ...]:
        """Kinds of its alarms that are in ALARM."""
        return tuple(alarm.kind for alarm in self.alarms if alarm.red)

    @property
    def percent(self) -> float | None:
        """The share of the traffic that the new revision really has, if known."""
        return self.wanted if self.actual is None else self.actual


@dataclass(frozen=True)
class JobView:
    """A job shown with the rollouts.

    Attributes:
        last: What came of its latest run that has ended, and when, UTC; empty where none has.
        next: When its schedule starts it next, UTC; empty where nothing does.
        disabled: Whether it has a schedule that is disabled.
    """

    name: str
    running: int
    last: str = ""
    next: str = ""
    well: bool = True
    disabled: bool = False


@dataclass(frozen=True)
class ReleaseView:
    """All rollouts of an environment.

    Attributes:
        jobs: By name; none before they were looked at.
        unread: A line for each kind of thing that could not be read.
    """

    environment: str
    rollouts: tuple[RolloutView, ...] = field(default_factory=tuple)
    unread: tuple[str, ...] = ()
    jobs: tuple[JobView, ...] = ()

    @property
    def over(self) -> bool:
        """Whether all have ended."""
        return all(rollout.over for rollout in self.rollouts)

    @property
    def succeeded(self) -> bool:
        """Whether all were completed."""
        return all(rollout.state == "completed" for rollout in self.rollouts)

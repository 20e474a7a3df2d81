"""The data classes of a deployment in progress, as ECS, load balancer and CloudWatch have it; times are UTC."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

ENDED = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
"""What a service deployment's status may be when it is over.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
"""


@dataclass(frozen=True)
class LifecycleHook:
    """A hook that a deployment has come to.

    Attributes:
        id: What ContinueServiceDeployment knows it by.
        kind: ``PAUSE`` or ``AWS_LAMBDA``.
        status: ``AWAITING_ACTION``, ``IN_PROGRESS``, ``SUCCEEDED``, ``FAILED`` or ``TIMED_OUT``.
        expires: When its time is over, UTC.
        function: Name of the function that ECS calls; empty for a pause.
    """

    id: str
    kind: str
    status: str
    expires: datetime | None = None
    on_timeout: str = "ROLLBACK"
    function: str = ""


@dataclass(frozen=True)
class RevisionState:
    """One of the two revisions of a deployment.

    Attributes:
        revision: ``family:revision`` of its task definition; empty where it could not be read.
        weight: Share of the traffic that ECS wants it to have, in percent; None where ECS shifts none.
        target_group: ARN of its target group; empty where it has none, or it could not be read.
    """

    arn: str
    revision: str
    wanted_tasks: int
    running: int
    weight: float | None = None
    target_group: str = ""


@dataclass(frozen=True)
class ServiceDeployment:
    """One deployment of a service, as ECS describes it.

    Attributes:
        status: ECS's word, such as ``IN_PROGRESS``.
        stage: Its lifecycle stage, such as ``BAKE_TIME``; empty where it has none.
        strategy: ``ROLLING``, ``CANARY``, ``LINEAR`` or ``BLUE_GREEN``.
        old: The one that it replaces; None for a first deployment.
        triggered: Names of those that ended it.
        percent: The canary's share or a linear step, in percent; None for other strategies.
        step_bake: How long that bakes, in minutes.
        bake: How long all traffic bakes, in minutes.
        finished: When it ended, UTC.
        rollback_reason: Why it was rolled back, in ECS's words.
        event: ECS's latest message about the service.
        rule: ARN of the listener rule that leads to it; empty where it has none.
    """

    service: str
    arn: str
    status: str
    reason: str
    stage: str
    strategy: str
    new: RevisionState
    old: RevisionState | None = None
    hooks: tuple[LifecycleHook, ...] = ()
    watched: tuple[str, ...] = ()
    triggered: tuple[str, ...] = ()
    watching: bool = True
    percent: float | None = None
    step_bake: int = 0
    bake: int = 0
    started: datetime | None = None
    finished: datetime | None = None
    rollback_reason: str = ""
    event: str = ""
    rule: str = ""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in ENDED

    @property
    def waiting(self) -> tuple[LifecycleHook, ...]:
        """The pauses at which it waits for somebody."""
        return tuple(h for h in self.hooks if h.kind == "PAUSE" and h.status == "AWAITING_ACTION")

    @property
    def tested_by(self) -> tuple[LifecycleHook, ...]:
        """The functions that test the new revision now, before any user reaches it."""
        if self.stage != "POST_TEST_TRAFFIC_SHIFT":
            return ()
        return tuple(h for h in self.hooks if h.kind == "AWS_LAMBDA" and h.status == "IN_PROGRESS")


@dataclass(frozen=True)
class Traffic:
    """What a target group got since a deployment began, within the last hour.

    Attributes:
        errors: Number of 5xx answers of its targets.
        latency: 95th percentile of the latest minute that has one, in seconds; None where none has.
        per_minute: Requests of the latest whole minute that has any; 0 where none has.
    """

    requests: int = 0
    errors: int = 0
    latency: float | None = None
    per_minute: int = 0


@dataclass(frozen=True)
class RequestCount:
    """Counts the requests that new revisions get from some moment on.

    Attributes:
        begins_in: Seconds until it counts.
        read: Service to the requests that its new revision got since; one that cannot be counted is left out.
        lags: Seconds by which what is read may be late.
    """

    begins_in: float
    read: Callable[[], Mapping[str, int]]
    lags: float = 0.0


@dataclass(frozen=True)
class RequestRate:
    """How many requests a service gets, and how many each of its alarms needs to judge.

    Attributes:
        per_minute: Requests a minute over both target groups, on average of the last hour.
        needs: Kind of an alarm, such as ``errors``, to the requests a minute below which it says nothing; alarms that
            do not count requests are left out.
    """

    per_minute: float
    needs: Mapping[str, int]

    @property
    def silent(self) -> tuple[str, ...]:
        """Kinds of the alarms that say nothing, because there are too few requests."""
        return tuple(kind for kind, needed in sorted(self.needs.items()) if self.per_minute < needed)


@dataclass(frozen=True)
class AlarmReading:
    """An alarm, and how far from its threshold its metric is.

    Attributes:
        state: ``ALARM``; anything else where it is not red.
        threshold: Its threshold; None where it has no single one.
        needs: Requests a minute, over both revisions, below which it says nothing; 0 where it needs none.
        needs_of_each: Requests a minute of one revision below which it leaves that one out; 0 where it needs none.
    """

    name: str
    state: str
    value: float | None = None
    threshold: float | None = None
    comparison: str = "GreaterThanThreshold"
    minutes: int = 1
    needs: int = 0
    needs_of_each: int = 0

    @property
    def breaching(self) -> bool:
        """Whether the latest value is beyond the threshold."""
        if self.value is None or self.threshold is None:
            return False
        return {
            "GreaterThanThreshold": self.value > self.threshold,
            "GreaterThanOrEqualToThreshold": self.value >= self.threshold,
            "LessThanThreshold": self.value < self.threshold,
            "LessThanOrEqualToThreshold": self.value <= self.threshold,
        }.get(self.comparison, False)


@dataclass(frozen=True)
class Readings:
    """What CloudWatch and the load balancer know of deployments, as far as it could be read.

    Attributes:
        weights: ARN of a target group to its share of its rule's traffic, in percent.
        unread: A line for each kind of thing that could not be read.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    traffic: Mapping[str, Traffic] = field(default_factory=dict)
    alarms: Mapping[str, AlarmReading] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

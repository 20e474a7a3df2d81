"""Measures how far a bad release got (blast radius), minute by minute."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from nova_infra.rehearsal.record import NO_TARGET, USERS, DeploymentRecord, MinuteRecord, Requests


@dataclass(frozen=True)
class BlastRadius:
    """What a deployment did to the service's users.

    Times are simulated minutes from the start of the minute in which the new revision first failed a request. If
    it failed none, as a slow one does, they count from its first request. CloudWatch measures whole minutes, so a time
    may be up to a minute too long but never too short.

    A user is one of the :data:`~nova_infra.rehearsal.record.USERS` of the synthetic load: each sends a request every
    five simulated minutes, and none sticks to a target. The shares estimate users like these; heavier users are more
    likely to hit a bad canary.
    """

    timed_from: Literal["first failed answer", "first request"] | None
    to_alarm: float | None
    to_traffic_back: float | None
    to_old_alone: float | None
    old: Requests
    new: Requests
    unserved: int
    users: int
    reached: int
    hit: int

    @property
    def served(self) -> int:
        """Requests to the service during the deployment."""
        return self.old.served + self.new.served + self.unserved

    @property
    def failed(self) -> int:
        """Requests that got a 5xx or no answer."""
        return self.old.failed + self.new.failed + self.unserved

    @property
    def share_failed(self) -> float:
        """Share of the requests that failed, from 0 to 1."""
        return self.failed / self.served if self.served else 0.0

    @property
    def share_reached(self) -> float:
        """Share of the users who reached the new revision, from 0 to 1."""
        return self.reached / self.users

    @property
    def share_hit(self) -> float:
        """Share of the users who got a 5xx or no answer, from 0 to 1."""
        return self.hit / self.users

    def as_json(self) -> dict[str, Any]:
        """The figures as JSON-ready data."""
        return {
            **vars(self),
            "old": vars(self.old),
            "new": vars(self.new),
            "share_failed": self.share_failed,
            "share_reached": self.share_reached,
            "share_hit": self.share_hit,
        }


def compared(configured: BlastRadius, other: BlastRadius, canary: str) -> str:
    """What another canary would change, as a sentence."""
    if configured.to_alarm is not None and other.to_alarm is not None:
        later = round(other.to_alarm - configured.to_alarm)  # Nothing finer than a minute is known.
        when = f"{abs(later)} min {'later' if later > 0 else 'earlier'}" if later else "as soon"
        alarm = f"the alarm fires {when}"
    elif other.to_alarm is not None:
        alarm = f"an alarm fires after {other.to_alarm:g} min; as configured none fires"
    elif configured.to_alarm is not None:
        alarm = "no alarm fires"
    else:
        alarm = "no alarm fires either"
    if not (configured.hit or other.hit or configured.to_alarm or other.to_alarm):
        return f"With {canary} nothing changes: no alarm fires, and no user is hit."
    more = other.hit - configured.hit
    if more:
        users = f"{abs(more)} {'more' if more > 0 else 'fewer'} of {other.users} users are hit"
    else:
        users = f"as many users are hit ({other.hit} of {other.users})" if other.hit else "no user is hit either"
    return f"With {canary} {alarm}, and {users}."


def blast_radius(deployment: DeploymentRecord) -> BlastRadius:
    """The figures of one deployment."""
    totals = {"old": Requests(), "new": Requests()}
    unserved = 0
    for sample in deployment.samples:
        for revision, requests in sample.requests.items():
            if revision == NO_TARGET:
                unserved += requests.failed
            else:
                totals["new" if revision == deployment.new else "old"] += requests
    first_failure = _first(deployment, lambda requests: requests.failed)
    start = first_failure if first_failure is not None else _first(deployment, lambda requests: requests.served)
    rolled_back = deployment.outcome == "rolled back"
    return BlastRadius(
        timed_from=None if start is None else "first request" if first_failure is None else "first failed answer",
        to_alarm=_since(start, _alarm(deployment, start)),
        to_traffic_back=_since(start, _traffic_back(deployment)),
        to_old_alone=_since(start, deployment.ended if rolled_back else None),
        old=totals["old"],
        new=totals["new"],
        unserved=unserved,
        users=USERS,
        reached=len({user for sample in deployment.samples for user in sample.reached}),
        hit=len({user for sample in deployment.samples for user in sample.hit}),
    )


def _first(deployment: DeploymentRecord, count: Callable[[Requests], int]) -> float | None:
    """Start of the first minute in which the new revision's count is not 0, but not before it got traffic."""
    began = deployment.began
    traffic = next((step.began for step in deployment.traffic if step.percent > 0), began)
    for sample in deployment.samples:
        if count(sample.requests.get(deployment.new, Requests())):
            return max(began, min(traffic, sample.minute))
        began = sample.minute
    return None


def _alarm(deployment: DeploymentRecord, start: float | None) -> float | None:
    """End of the first minute after the start in which an alarm that ECS watched was red."""
    if start is None or deployment.unwatched:
        return None
    return next(
        (
            each.minute
            for each in deployment.samples
            if each.minute > start and set(each.red) - set(deployment.unlisted)
        ),
        None,
    )


def _traffic_back(deployment: DeploymentRecord) -> float | None:
    """When the new revision lost its traffic again: the minute of its last request if traffic follows the tasks."""
    if (back := next((step.began for step in deployment.traffic if step.percent == 0), None)) is not None:
        return back
    if deployment.outcome != "rolled back":
        return None
    got: list[MinuteRecord] = [s for s in deployment.samples if s.requests.get(deployment.new, Requests()).served]
    return got[-1].minute if got else None


def _since(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(max(end - start, 0.0), 1)

"""How far a bad release got: the figures of one deployment that was rolled back."""

from __future__ import annotations

from dataclasses import dataclass

from nova_infra.rehearsal.record import DeploymentRecord, Requests


@dataclass(frozen=True)
class BlastRadius:
    """What a deployment did to its users.

    Times are simulated minutes since the minute of the first failed answer or, where a fault fails none, since the new
    revision's first request; None where it got none, or what is timed never came.

    Attributes:
        to_alarm: Until an alarm was red.
        to_traffic_back: Until the new revision got no more traffic.
        to_old_alone: Until the old revision ran alone again.
        old: Requests to the old revision.
        new: Requests to the new revision.
    """

    to_alarm: float | None
    to_traffic_back: float | None
    to_old_alone: float | None
    old: Requests
    new: Requests

    @property
    def share_hit(self) -> float:
        """Share of all requests during the deployment that failed, from 0 to 1."""
        total = self.old + self.new
        return total.failed / total.served if total.served else 0.0


def blast_radius(deployment: DeploymentRecord) -> BlastRadius:
    """The figures of one deployment, from its samples."""
    totals = {"old": Requests(), "new": Requests()}
    first_bad: float | None = None
    first_request: float | None = None
    alarm: float | None = None
    for sample in deployment.samples:
        for revision, requests in sample.requests.items():
            side = "new" if revision == deployment.new else "old"
            totals[side] += requests
            begin = sample.minute - 1  # They came in the minute that ends here.
            if side == "new" and requests.failed and first_bad is None:
                first_bad = begin
            if side == "new" and requests.served and first_request is None:
                first_request = begin
        if sample.red and alarm is None:
            alarm = sample.minute
    back = next((step.began for step in deployment.traffic if step.percent == 0), None)
    rolled_back = deployment.outcome == "rolled back"
    first_bad = first_request if first_bad is None else first_bad
    return BlastRadius(
        to_alarm=_since(first_bad, alarm),
        to_traffic_back=_since(first_bad, back),
        to_old_alone=_since(first_bad, deployment.ended if rolled_back else None),
        old=totals["old"],
        new=totals["new"],
    )


def _since(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(max(end - start, 0.0), 1)

from __future__ import annotations

from nova_infra.rehearsal.blast import blast_radius
from nova_infra.rehearsal.record import DeploymentRecord, Requests, Sample, TrafficStep


def deployment(
    *minutes: tuple[int, int, bool], back: float | None = None, outcome: str = "rolled back"
) -> DeploymentRecord:
    """One minute each: requests to the new revision, failed ones of them, and whether an alarm was red at its end."""
    record = DeploymentRecord("Prod", "tiny", "CANARY", "tiny:1", "tiny:2", baseline=False, began=0.5)
    record.outcome = outcome  # type: ignore[assignment]
    record.samples = [
        Sample(number, 10, {"tiny:1": Requests(90), "tiny:2": Requests(served, failed)}, ["errors"] if red else [])
        for number, (served, failed, red) in enumerate(minutes, start=1)
    ]
    record.traffic = [TrafficStep(10, 0.5)] + ([TrafficStep(0, back)] if back is not None else [])
    record.ended = len(minutes) + 0.5
    return record


def test_times_run_from_the_minute_of_the_first_failed_answer() -> None:
    blast = blast_radius(deployment((10, 0, False), (10, 4, False), (10, 8, True), (0, 0, True), back=3.1))
    assert (blast.to_alarm, blast.to_traffic_back, blast.to_old_alone) == (2, 2.1, 3.5)
    assert (blast.old, blast.new) == (Requests(360), Requests(30, 12))
    assert blast.share_hit == 12 / 390


def test_a_fault_that_fails_nothing_is_timed_from_the_first_request() -> None:
    blast = blast_radius(deployment((0, 0, False), (10, 0, False), (10, 0, True), back=3))
    assert (blast.to_alarm, blast.to_traffic_back) == (2, 2)


def test_without_traffic_to_it_there_is_nothing_to_time() -> None:
    blast = blast_radius(deployment((0, 0, False)))
    assert (blast.to_alarm, blast.to_traffic_back, blast.to_old_alone, blast.share_hit) == (None, None, None, 0)


def test_a_release_that_went_through_never_left_the_old_one_alone() -> None:
    assert blast_radius(deployment((10, 5, True), outcome="completed")).to_old_alone is None

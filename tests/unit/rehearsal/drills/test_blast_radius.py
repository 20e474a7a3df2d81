from typing import Final

import pytest

from nova_infra.rehearsal.drills.blast_radius import BlastRadius, blast_radius, compared
from nova_infra.rehearsal.record import NO_TARGET, DeploymentRecord, MinuteRecord, Requests, TrafficRecord

OLD, NEW = "tiny:1", "tiny:2"


def deployment(
    *minutes: tuple[int, int, bool],
    steps: tuple[tuple[float, float], ...] = ((10, 0.5),),
    outcome: str = "rolled back",
    strategy: str = "CANARY",
) -> DeploymentRecord:
    """One minute each: requests to the new revision, failed ones of them, and whether an alarm was red at its end."""
    record = DeploymentRecord("Prod", "tiny", strategy, OLD, NEW, baseline=False, began=0.25)
    record.outcome = outcome  # type: ignore[assignment]
    record.samples = [
        MinuteRecord(number, 10, {OLD: Requests(90), NEW: Requests(served, failed)}, ["errors"] if red else [])
        for number, (served, failed, red) in enumerate(minutes, start=1)
    ]
    record.traffic = [TrafficRecord(percent, began) for percent, began in steps]
    record.ended = len(minutes) + 0.5
    return record


def times(blast: BlastRadius) -> tuple[object, ...]:
    return blast.timed_from, blast.to_alarm, blast.to_traffic_back, blast.to_old_alone


FAILS: Final = "first failed answer"
WAITS: Final = "first request"
BACK = ((10, 0.5), (0, 3.1))


@pytest.mark.parametrize(
    ("went", "expected"),
    [
        # From the beginning of the minute of the first failed answer, which is the end of the one before.
        (deployment((10, 0, False), (10, 4, False), (10, 8, True), (0, 0, True), steps=BACK), (FAILS, 2, 2.1, 3.5)),
        # In the first minute it cannot have failed anything before it got traffic.
        (deployment((10, 4, False), (10, 8, False), (10, 8, True), steps=BACK), (FAILS, 2.5, 2.6, 3)),
        # The load may be late: requests of a step that began in the minute's last instant belong to that minute.
        (deployment((1, 1, False), (9, 9, True), steps=((10, 1.2), (0, 2))), (FAILS, 1, 1, 1.5)),
        # Traffic that went back before the last answers failed was back at once.
        (deployment((0, 0, False), (3, 3, True), steps=((10, 0.5), (0, 0.9))), (FAILS, 1, 0, 1.5)),
        # A fault that fails nothing is timed from the new revision's first request.
        (deployment((0, 0, False), (10, 0, False), (10, 0, True), steps=((10, 1.4), (0, 3))), (WAITS, 1.6, 1.6, 2.1)),
        # Without traffic to it there is nothing to time.
        (deployment((0, 0, False), (0, 0, True), steps=()), (None, None, None, None)),
        # A release that went through gave no traffic back, and the old revision was never alone again.
        (deployment((10, 5, True), outcome="completed"), (FAILS, 0.5, None, None)),
        # An alarm that was red before the first failure says nothing of it.
        (deployment((0, 0, True), (9, 3, True), steps=((10, 1.0), (0, 2))), (FAILS, 1, 1, 1.5)),
        # Where traffic follows the tasks, it is back when the last request to the new revision is over.
        (
            deployment((9, 9, False), (9, 9, True), (0, 0, True), steps=(), strategy="ROLLING"),
            (FAILS, 1.8, 1.8, 3.2),
        ),
        (deployment((9, 9, True), steps=(), strategy="ROLLING", outcome="failed"), (FAILS, 0.8, None, None)),
    ],
)
def test_times_run_from_the_first_bad_minute(went: DeploymentRecord, expected: tuple[object, ...]) -> None:
    assert times(blast_radius(went)) == pytest.approx(expected)


def test_an_alarm_that_ecs_was_not_given_stops_nothing() -> None:
    went = deployment((9, 9, True), (9, 9, True), steps=((10, 0.5),), outcome="completed")
    went.unlisted = ["errors"]
    assert times(blast_radius(went)) == (FAILS, None, None, None)


def blast(*, alarm: float | None, hit: int) -> BlastRadius:
    return BlastRadius(
        FAILS, alarm, alarm, alarm, old=Requests(9), new=Requests(1, 1), unserved=0, users=200, reached=9, hit=hit
    )


@pytest.mark.parametrize(
    ("configured", "other", "sentence"),
    [
        ((2, 10), (9.4, 52), "the alarm fires 7 min later, and 42 more of 200 users are hit."),
        ((9, 52), (2, 10), "the alarm fires 7 min earlier, and 42 fewer of 200 users are hit."),
        ((2, 10), (2.4, 10), "the alarm fires as soon, and as many users are hit (10 of 200)."),
        ((None, 10), (3, 4), "an alarm fires after 3 min; as configured none fires, and 6 fewer of 200 users are hit."),
        ((3, 4), (None, 10), "no alarm fires, and 6 more of 200 users are hit."),
        ((None, 4), (None, 10), "no alarm fires either, and 6 more of 200 users are hit."),
        ((2, 0), (2, 0), "the alarm fires as soon, and no user is hit either."),
        ((None, 0), (None, 0), "nothing changes: no alarm fires, and no user is hit."),
    ],
)
def test_another_canary_is_compared_in_a_sentence(
    configured: tuple[float | None, int], other: tuple[float | None, int], sentence: str
) -> None:
    before, after = (blast(alarm=alarm, hit=hit) for alarm, hit in (configured, other))
    assert compared(before, after, "5 % for 10 min") == f"With 5 % for 10 min {sentence}"


def test_an_alarm_that_ecs_does_not_watch_is_no_answer_to_the_fault() -> None:
    went = deployment((10, 5, True), outcome="completed")
    went.unwatched = ["errors"]
    assert blast_radius(went).to_alarm is None


def test_requests_are_counted_by_revision_and_those_without_a_target_apart() -> None:
    went = deployment((10, 4, False), (20, 8, True))
    went.samples[1].requests[NO_TARGET] = Requests(3, 3)
    blast = blast_radius(went)
    assert (blast.old, blast.new, blast.unserved) == (Requests(180), Requests(30, 12), 3)
    assert (blast.served, blast.failed) == (213, 15)
    assert blast.share_failed == 15 / 213


def test_a_user_is_counted_once_however_often_they_are_hit() -> None:
    went = deployment((10, 4, False), (20, 8, True))
    for sample, reached, hit in zip(went.samples, (["1", "2"], ["2", "3", "4"]), (["1"], ["1", "9"]), strict=True):
        sample.reached, sample.hit = reached, hit
    blast = blast_radius(went)
    assert (blast.users, blast.reached, blast.hit) == (200, 4, 2)
    assert (blast.share_reached, blast.share_hit) == (0.02, 0.01)


def test_a_deployment_without_a_request_failed_none() -> None:
    blast = blast_radius(DeploymentRecord("Prod", "tiny", "CANARY", OLD, NEW, baseline=False))
    assert (blast.served, blast.share_failed, blast.share_hit) == (0, 0, 0)


def test_the_figures_are_in_the_json_with_their_shares() -> None:
    went = deployment((10, 4, True), steps=((10, 0.5), (0, 1)))
    went.samples[0].reached = went.samples[0].hit = ["7"]
    assert blast_radius(went).as_json() == {
        "timed_from": FAILS,
        "to_alarm": 0.5,
        "to_traffic_back": 0.5,
        "to_old_alone": 1,
        "old": {"served": 90, "failed": 0, "seconds": 0, "log_seconds": 0, "slow": 0},
        "new": {"served": 10, "failed": 4, "seconds": 0, "log_seconds": 0, "slow": 0},
        "unserved": 0,
        "users": 200,
        "reached": 1,
        "hit": 1,
        "share_failed": 0.04,
        "share_reached": 0.005,
        "share_hit": 0.005,
    }

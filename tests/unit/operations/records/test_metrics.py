"""The four metrics, from ledgers that tell a story."""

from datetime import UTC, datetime, timedelta

import pytest

from nova_infra.operations.records.ledger import Entry, Outcome
from nova_infra.operations.records.metrics import duration, metrics, releases

MONDAY = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def entry(release: str, outcome: Outcome, minutes: float, committed: float | None = None) -> Entry:
    """An entry so many minutes after Monday morning."""
    committed_at = None if committed is None else MONDAY + timedelta(minutes=committed)
    return Entry(release, {}, MONDAY + timedelta(minutes=minutes), outcome, "pipeline", committed_at=committed_at)


def daily(count: int, *, lead: float = 60) -> list[Entry]:
    """A good release a day, each verified so many minutes after its commit."""
    return [entry(f"r{day}", "verified", day * 1440, committed=day * 1440 - lead) for day in range(count)]


def told(entries: list[Entry]) -> dict[str, str]:
    return {metric.name: metric.value for metric in metrics(entries)}


def test_a_release_a_day_is_seven_a_week_with_its_lead_time_and_no_failure() -> None:
    assert told(daily(8)) == {
        "Deployment frequency": "7.0 a week (8 in 7 days)",
        "Lead time": "60 min (median of 8)",
        "Change failure rate": "0% (0 of 8)",
        "Time to restore": "nothing had to be restored",
    }


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_releases_are_no_number_but_a_reason(count: int) -> None:
    known = {metric.name: metric.known for metric in metrics(daily(count))}
    assert not any(known.values())
    assert told(daily(count))["Change failure rate"] == f"not enough releases to tell ({count}, of at least 5)"


def test_five_releases_are_enough_for_every_metric() -> None:
    story = [*daily(4), entry("r4", "failed", 5760, committed=5700), entry("r3", "rolled-back", 5770)]
    assert told([*story, entry("r5", "verified", 7200, committed=7140)]) == {
        "Deployment frequency": "7.0 a week (6 in 5 days)",
        "Lead time": "60 min (median of 5)",
        "Change failure rate": "17% (1 of 6)",
        "Time to restore": "10 min (median of 1)",
    }
    assert told(daily(5))["Deployment frequency"] == "7.0 a week (5 in 4 days)"


def test_a_release_that_is_rolled_back_has_failed_and_was_restored_by_the_rollback() -> None:
    story = [
        *daily(5),
        entry("bad", "failed", 10_004),
        entry("r4", "rolled-back", 10_016),
    ]
    assert told(story)["Change failure rate"] == "17% (1 of 6)"
    assert told(story)["Time to restore"] == "12 min (median of 1)"


def test_without_an_entry_of_its_failure_a_release_counts_as_failed_from_its_deployment() -> None:
    story = [
        *daily(5),
        entry("worse", "verified", 10_000),
        entry("r4", "rolled-back", 10_060),
    ]
    assert told(story)["Time to restore"] == "60 min (median of 1)"


def test_a_rollback_after_which_it_is_not_well_yet_restores_nothing_and_is_no_release() -> None:
    story = [
        *daily(5),
        entry("bad", "verified", 10_000),
        entry("r4", "deployed", 10_020),
        entry("r4", "rolled-back", 10_045),
    ]
    assert told(story[:-1])["Time to restore"] == "not restored yet"
    assert told(story)["Time to restore"] == "45 min (median of 1)"
    assert told(story)["Change failure rate"] == "17% (1 of 6)"


def test_what_a_rollback_brought_back_is_no_release_even_when_it_is_verified_again() -> None:
    story = [*daily(2), entry("r0", "rolled-back", 5000), entry("r0", "verified", 5010)]
    assert [release.name for release in releases(story)] == ["r0", "r1"]


def test_a_release_again_after_it_was_rolled_back_is_one_more_release() -> None:
    story = [*daily(2), entry("r0", "rolled-back", 5000), entry("r1", "verified", 6000)]
    assert [release.name for release in releases(story)] == ["r0", "r1", "r1"]


def test_a_failure_is_restored_by_the_next_good_release_or_by_a_retry() -> None:
    forward = [entry("a", "failed", 0), entry("b", "verified", 40)]
    retry = [entry("a", "failed", 0), entry("a", "verified", 25)]
    assert told(forward)["Time to restore"] == "40 min (median of 1)"
    assert told(retry)["Time to restore"] == "25 min (median of 1)"


def test_a_failure_that_nothing_has_fixed_yet_is_said_to_be_open() -> None:
    assert told([entry("a", "failed", 0)])["Time to restore"] == "not restored yet"
    mended = [entry("a", "failed", 0), entry("b", "verified", 10), entry("c", "failed", 20)]
    assert told(mended)["Time to restore"] == "10 min (median of 1; 1 not restored yet)"


def test_releases_within_one_day_give_no_frequency() -> None:
    story = [entry(f"r{n}", "verified", n * 60) for n in range(6)]
    assert told(story)["Deployment frequency"] == "not enough time to tell (all 6 within a day)"


def test_lead_time_counts_good_releases_whose_commit_time_is_known() -> None:
    story = [*daily(4), entry("x", "verified", 9000), entry("y", "failed", 9500, committed=9000)]
    assert told(story)["Lead time"].startswith("not enough releases to tell (4 good ones")


def test_the_order_of_the_entries_means_nothing() -> None:
    assert metrics(daily(6)) == metrics(daily(6)[::-1])


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        *((-5, "0 s"), (40, "40 s"), (89, "89 s")),
        *((90, "2 min"), (720, "12 min"), (89 * 60, "89 min")),
        *((90 * 60, "1.5 h"), (3.5 * 3600, "3.5 h"), (35.9 * 3600, "35.9 h")),
        *((36 * 3600, "1.5 days"), (2.1 * 86400, "2.1 days")),
    ],
)
def test_a_duration_is_shown_in_the_unit_that_fits(seconds: float, says: str) -> None:
    assert duration(timedelta(seconds=seconds)) == says

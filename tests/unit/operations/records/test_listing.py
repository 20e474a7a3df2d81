"""``nova releases``: what was released when, by whom, and how well."""

from datetime import UTC, datetime, timedelta

import pytest

from nova_infra.documents.terminal import as_text
from nova_infra.operations.records.holds import Hold
from nova_infra.operations.records.ledger import Entry, Ledger, ReleasedImage
from nova_infra.operations.records.listing import document

MONDAY = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def name(day: int) -> str:
    """The commit of a day."""
    return f"{day:02x}".ljust(40, "0")


def entry(day: int, reason: str = "", **tags: str) -> Entry:
    """A verified release of a day, with the tags of its images."""
    images = {name: ReleasedImage(tag, f"sha256:{tag}") for name, tag in tags.items()}
    at = MONDAY + timedelta(days=day)
    return Entry(name(day), images, at, "verified", "pipeline", reason, committed_at=at - timedelta(minutes=50))


def test_a_release_is_a_row_with_what_changed_who_released_it_and_whether_it_is_on_hold() -> None:
    ledger = Ledger((entry(2, "in spite of it", carts="v2", users="v1"), entry(1, carts="v1", users="v1")), 2)
    newest, oldest, *_ = as_text(document(ledger, [Hold(name(2), "slow", "me", MONDAY, {})]), width=200).splitlines()
    assert (
        newest.split(maxsplit=1)[1] == "2026-11-04 09:00 UTC  verified, on hold  carts         pipeline: in spite of it"
    )
    assert oldest.split(maxsplit=1)[1] == "2026-11-03 09:00 UTC  verified           all services  pipeline"


def test_each_metric_is_shown_with_its_definition() -> None:
    ledger = Ledger(tuple(entry(day) for day in reversed(range(8))), 8)
    lines = as_text(document(ledger, []), width=200).splitlines()
    start = lines.index("Deployment frequency  7.0 a week (8 in 7 days)")
    assert lines[start + 1 : start + 4] == [
        "                      deployments per week, failed ones included, from the first to the latest in the ledger",
        "Lead time             50 min (median of 8)",
        "                      median time from commit to its release seen to run as it should",
    ]


def test_an_empty_ledger_says_so() -> None:
    assert as_text(document(Ledger((), 0), [])).startswith("nothing was released here yet\n")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (0, "no image"),
        (1, "a"),
        (3, "a, b, c"),
        (4, "a, b and 2 more"),
        (7, "a, b and 5 more"),
    ],
)
def test_of_many_changed_services_two_are_named_and_the_others_counted(changed: int, said: str) -> None:
    names = "abcdefg"
    after = entry(2, **{each: "new" if place < changed else "old" for place, each in enumerate(names)})
    ledger = Ledger((after, entry(1, **dict.fromkeys(names, "old"))), 2)
    row = as_text(document(ledger, []), width=200).splitlines()[0]
    assert row.split("verified")[1].removesuffix("pipeline").strip() == said

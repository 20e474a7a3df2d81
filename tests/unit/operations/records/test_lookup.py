"""Which release a rollback goes back to, as a table."""

from datetime import UTC, datetime, timedelta

import pytest

from nova_infra.errors import RefusedError
from nova_infra.operations.records.ledger import Entry, Ledger, ReleasedImage
from nova_infra.operations.records.lookup import ago, current, find, last_good, names, short

AT = datetime(2026, 11, 24, tzinfo=UTC)


def entry(text: str) -> Entry:
    """``A1 verified``: release A with image 1 of the only service."""
    release, image, outcome = text[0], text[1], text.split()[1]
    images = {"audio": ReleasedImage(image, f"sha256:{image * 64}")}
    return Entry(release * 40, images, AT, outcome, "nova")  # type: ignore[arg-type]


def ledger(*oldest_first: str) -> Ledger:
    return Ledger(tuple(entry(text) for text in reversed(oldest_first)), len(oldest_first))


def deployed(image: str) -> dict[str, str | None]:
    return {"audio": f"sha256:{image * 64}"}


@pytest.mark.parametrize(
    ("entries", "held", "runs", "target"),
    [
        (["a1 verified", "b2 verified"], "", "2", "a"),
        (["a1 verified", "b2 failed"], "", "2", "a"),
        # What runs and was never seen to run well is nothing to go back to.
        (["a1 verified", "b2 deployed"], "", "2", "a"),
        (["a1 verified", "b2 verified", "c3 verified"], "", "3", "b"),
        (["a1 verified", "b2 verified", "c3 verified"], "b", "3", "a"),
        (["a1 verified", "b2 failed", "c3 verified"], "", "3", "a"),
        # Only infrastructure changed between b and c: going back to b would change nothing.
        (["a1 verified", "b2 verified", "c2 verified"], "", "2", "a"),
        # What runs is in no ledger: parts of two releases, or a change by hand.
        (["a1 verified", "b2 verified"], "", "9", "b"),
        # A rollback that was interrupted before it was recorded is finished.
        (["a1 verified", "b2 verified"], "b", "1", "a"),
        # One that is in force is not followed by another.
        (["a1 verified", "b2 verified", "c3 verified", "b2 rolled-back"], "c", "2", "b"),
        # One after which the environment was not well yet is finished, not followed by another.
        (["a1 verified", "b2 verified", "c3 verified", "b2 deployed"], "c", "2", "b"),
    ],
)
def test_the_release_to_roll_back_to(entries: list[str], held: str, runs: str, target: str) -> None:
    assert last_good(ledger(*entries), {h * 40 for h in held}, deployed(runs)).release == target * 40


@pytest.mark.parametrize(
    ("entries", "held"),
    [([], ""), (["a1 verified"], ""), (["a1 failed", "b2 verified"], ""), (["a1 verified", "b2 verified"], "a")],
)
def test_where_there_is_none_it_is_refused(entries: list[str], held: str) -> None:
    with pytest.raises(RefusedError, match="none to roll back to"):
        last_good(ledger(*entries), {h * 40 for h in held}, deployed("2" if len(entries) == 2 else "1"))


def test_of_many_verified_releases_the_five_newest_are_offered() -> None:
    known = ledger(*(f"{letter}1 verified" for letter in "abcdef"))
    with pytest.raises(RefusedError) as refused:
        find(known, "9999")
    offered = ", ".join(letter * 12 for letter in "fedcb")
    assert str(refused.value).endswith(f"was never released here: choose one such as {offered}")


def test_a_release_is_found_by_its_beginning() -> None:
    known = ledger("a1 verified", "b2 failed", "b2 verified", "b3 failed")
    assert find(known, "aaaa").release == "a" * 40
    assert find(known, "b" * 40).images["audio"].tag == "2"
    for text, fault in (("aaa", "was never released here"), ("cccc", "choose one such as b"), ("", "was never")):
        with pytest.raises(RefusedError, match=fault):
            find(known, text)


def test_where_no_release_is_verified_none_is_offered() -> None:
    with pytest.raises(RefusedError, match=r"here, and no other release is verified: see `nova releases`$"):
        find(ledger("a1 failed"), "bbbb")


def test_a_beginning_of_two_releases_is_refused() -> None:
    two = Ledger(tuple(Entry(f"abcd{n}", {}, AT, "verified", "nova") for n in (1, 2)), 2)
    with pytest.raises(RefusedError, match="is ambiguous: it could be"):
        find(two, "abcd")


def test_what_runs_is_the_latest_entry_or_nothing_known() -> None:
    known = ledger("a1 verified", "b2 verified")
    assert current(known, deployed("2")) == known.entries[0]
    assert current(known, deployed("1")) is None
    assert current(known, {"audio": None}) is None
    assert current(Ledger((), 0), deployed("1")) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s ago"),
        (0, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7199, "119 min ago"),
        (7200, "2 h ago"),
        (172_799, "47 h ago"),
        (172_800, "2 d ago"),
    ],
)
def test_ages_use_the_largest_unit_of_which_there_are_two(seconds: int, said: str) -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    assert ago(now - timedelta(seconds=seconds), now) == said


@pytest.mark.parametrize(
    ("release", "written", "is_one"),
    [
        ("a1" * 20, "a1" * 6, True),
        ("A1" * 20, "A1" * 20, False),
        ("a1" * 19 + "a", ("a1" * 19 + "a"), False),
        ("release-of-the-twelfth-of-march-2026-late", "release-of-the-twelfth-of-march-2026-late", False),
        ("summer-release-2026-with-forty-letters-x", "summer-release-2026-with-forty-letters-x", False),
    ],
)
def test_only_forty_digits_in_lower_case_are_a_commit_and_can_be_shortened(
    release: str, written: str, is_one: bool
) -> None:
    assert short(release) == written
    assert names(release[:10], release) is is_one
    assert names(release, release)

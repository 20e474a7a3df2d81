"""What is written in the ledger is what is read from it, and it fits into a parameter."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.deployed.model import ParameterVersion
from nova_infra.operations.records.ledger import Entry, ReleasedImage, encode_entry, read_entry, read_ledger
from nova_infra.operations.records.parameter import Fields

COMMIT = "0123456789abcdef0123456789abcdef01234567"
AT = datetime(2026, 11, 24, 2, 10, 11, tzinfo=UTC)
ADVANCED_TIER_BYTES = 8192


def entry(services: int = 2, **changes: Any) -> Entry:
    images = {
        f"service-{number:02}-{'x' * 29}": ReleasedImage(f"{number + 1000:064x}", f"sha256:{number:064x}")
        for number in range(services)
    }
    values = {"release": COMMIT, "images": images, "at": AT, "outcome": "verified", "by": "alice", **changes}
    return Entry(**values)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"outcome": "rolled-back", "reason": "5xx in audio: “Überlast”"},
        {"committed_at": datetime(2026, 11, 23, 23, 0, tzinfo=UTC)},
        {"assembly": "0123456789abcdef" * 4},
        {"images": {}},
        {"images": {"carts-service": ReleasedImage(COMMIT, f"sha256:{'ab' * 32}")}},
    ],
)
def test_an_entry_is_read_as_it_was_written(changes: dict[str, Any]) -> None:
    assert read_entry(Fields(encode_entry(entry(**changes)))) == entry(**changes)


def test_an_entry_of_as_many_services_as_an_environment_can_have_fits_into_a_parameter() -> None:
    assert len(encode_entry(entry(45, reason="w" * 5000)).encode()) <= ADVANCED_TIER_BYTES


def test_the_tags_of_earlier_releases_are_read_as_they_were_written() -> None:
    for tag in ("0123456789abcdef", "v1.4", "a" * 43):
        images = {"carts-service": ReleasedImage(tag, f"sha256:{'ab' * 32}")}
        written = encode_entry(entry(images=images))
        assert f'"{tag}@' in written
        assert read_entry(Fields(written)).images == images


def test_a_tag_that_repeats_the_release_takes_no_room() -> None:
    tagged = {"carts-service": ReleasedImage(COMMIT, f"sha256:{'0' * 64}")}
    assert encode_entry(entry(images=tagged)).count(COMMIT) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v1.4",
        "[]",
        "{}",
        encode_entry(entry()).replace("verified", "splendid"),
        encode_entry(entry()).replace("@", "@é"),
    ],
)
def test_what_is_no_entry_does_not_count_as_one(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        read_entry(Fields(text))


def test_only_what_was_seen_to_run_is_good_to_roll_back_to() -> None:
    good = {outcome: entry(outcome=outcome).good for outcome in ("deployed", "verified", "failed", "rolled-back")}
    assert good == {"deployed": False, "verified": True, "failed": False, "rolled-back": True}


def test_an_entry_that_was_written_twice_counts_once() -> None:
    """A call that was repeated writes the same again; entries without a nonce are older than it, and all count."""
    values = [encode_entry(entry(nonce=nonce)) for nonce in ("a", "a", "b", "a")]
    fields = json.loads(values[0])
    del fields["nonce"]
    values += [json.dumps(fields)] * 2
    versions = [ParameterVersion(number, value) for number, value in enumerate(values, start=1)]
    environment = SimpleNamespace(prefix="nova-prod", name="prod", history=lambda _: versions)
    ledger = read_ledger(environment)
    assert ([each.nonce for each in ledger.entries], ledger.version) == (["", "", "a", "b"], 6)

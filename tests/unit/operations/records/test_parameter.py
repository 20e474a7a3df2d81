"""Values in Parameter Store: what is written can be read, and what is not ours is said to be unreadable."""

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.exhaustive import one_of_each
from nova_infra.operations.records.answers import read_answer
from nova_infra.operations.records.ledger import read_entry
from nova_infra.operations.records.parameter import SCHEMA, Fields, UnreadableError, encode
from nova_infra.operations.records.scaling import read_scaling

AT = datetime(2026, 11, 24, 3, 4, 5, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = ("v", "kind", "nonce", "release", "images", "at", "until", "outcome", "by", "why", "reason", "committed")
MORE_KEYS = ("service", "services", "least", "most", "action")


def test_what_is_written_can_be_read() -> None:
    fields = Fields(encode({"why": "", "least": 3, "at": AT, "images": {"a": "1"}, "subjects": ("x",), "left": None}))
    assert (fields.text("why"), fields.number("least"), fields.time("at")) == ("", 3, AT)
    assert (fields.mapping("images"), fields.texts("subjects"), "left" in fields) == ({"a": "1"}, ("x",), False)


def test_no_two_values_are_alike() -> None:
    assert encode({"why": "x"}) != encode({"why": "x"})


@pytest.mark.parametrize("written", ["2026-11-24T03:04:05Z", "2026-11-24T04:04:05+01:00", "2026-11-24T03:04:05"])
def test_times_are_utc_whoever_wrote_them(written: str) -> None:
    assert Fields(json.dumps({"at": written})).time("at") == AT
    assert Fields(encode({"at": AT.astimezone(timezone(timedelta(hours=9)))})).text("at") == "2026-11-24T03:04:05Z"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        (json.dumps({"v": SCHEMA + 1}), f"its schema {SCHEMA + 1} is newer than this Nova, which knows {SCHEMA}"),
        ("{}", "release is missing"),
        ('{"release": 5}', "release is 5, which is not text"),
        ('{"release": "r", "images": []}', r"images is \[\], which is not an object"),
        ('{"release": "r", "images": {"a": "v1@é"}}', "images: 'é' is not a digest"),
        ('{"release": "r", "images": {}, "at": "noon"}', "at: Invalid isoformat string: 'noon'"),
        ('{"release": "r", "images": {}, "at": "0001-01-01T00:00:00+09:00"}', "at: date value out of range"),
        ('{"release": "r", "images": {}, "at": "2026-11-24", "outcome": "so-so"}', "outcome 'so-so' is not one of"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        read_entry(Fields(text))


@pytest.mark.parametrize("read", one_of_each([read_entry, read_scaling, read_answer]))
@given(value=st.dictionaries(st.sampled_from(KEYS + MORE_KEYS), JSON))
def test_whatever_is_there_is_read_or_said_to_be_unreadable(read: Callable[[Fields], Any], value: Any) -> None:
    with contextlib.suppress(UnreadableError):
        assert read(Fields(json.dumps(value)))

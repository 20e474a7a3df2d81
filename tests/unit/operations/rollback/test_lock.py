"""Rollbacks that begin at the same moment, as threads: one of them has the environment, and the others know it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from nova_infra.deployed.model import ParameterVersion
from nova_infra.deployed.protocol import RecordedEnvironment
from nova_infra.errors import AwsError, RefusedError
from nova_infra.operations.records.ledger import Entry, append, read_ledger
from nova_infra.operations.records.parameter import encode
from nova_infra.operations.rollback.lock import SILENCE, Claim, RollbackLock, holder, read_claim

WRITERS = 6
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


class ParameterStore:
    """Parameter Store for one environment: every write is a version, in the order in which it got the lock."""

    platform, name, prefix = "nova", "prod", "nova-prod"

    def __init__(self) -> None:
        self.versions: list[ParameterVersion] = []
        self.written: Callable[[], object] = lambda: None
        self._one = threading.Lock()

    def put_parameter(self, _: str, value: str) -> int:
        with self._one:
            number = len(self.versions) + 1
            at = AT + timedelta(seconds=number)
            self.versions.append(ParameterVersion(version=number, value=value, at=at))
        self.written()
        return number

    def history(self, _: str) -> tuple[ParameterVersion, ...]:
        with self._one:
            return tuple(self.versions)

    def caller(self) -> str:
        return "somebody"

    def now(self) -> datetime:
        return AT


def begin(store: ParameterStore, number: int, left: Callable[[], object] = lambda: None) -> str:
    """Take the lock as one of several; its number where it has it, else what it is told."""
    environment = cast("RecordedEnvironment", store)
    lock = RollbackLock(environment, Claim(nonce=f"n{number}", release=f"r{number}"), lambda _: None)
    try:
        with lock:
            left()
            return str(number)
    except RefusedError as error:
        left()
        return str(error)


def all_begin(store: ParameterStore) -> list[str]:
    """Each in a thread of its own; who has the lock keeps it until all others have been told."""
    ended = threading.Barrier(WRITERS, timeout=30)
    with ThreadPoolExecutor(WRITERS) as pool:
        begun = [pool.submit(begin, store, number, ended.wait) for number in range(WRITERS)]
        return [each.result(timeout=30) for each in begun]


def test_of_several_that_write_before_any_of_them_reads_the_first_has_the_environment() -> None:
    store = ParameterStore()
    together = threading.Barrier(WRITERS)
    # Only the claims meet there: who has the lock writes once more, when it gives it back.
    store.written = lambda: together.wait(30) if len(store.versions) <= WRITERS else None
    said = all_begin(store)
    winners = [each for each in said if each.isdigit()]
    assert len(winners) == 1
    assert f'"n{winners[0]}"' in store.versions[0].value
    for each in said:
        assert each in winners or each.startswith("rollback: somebody started one at the same moment and was first")


def test_a_second_one_is_refused_and_takes_nothing_away() -> None:
    store = ParameterStore()
    environment = cast("RecordedEnvironment", store)
    with RollbackLock(environment, Claim(nonce="first"), lambda _: None) as lock:
        assert begin(store, 2).startswith("rollback: somebody started one")
        assert read_claim(environment).nonce == "first"
        lock.check()
    assert begin(store, 3) == "3", "it was given back"


def test_a_sign_that_aws_refuses_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nova_infra.operations.rollback.lock.SECONDS_BETWEEN_SIGNS", 0.001)
    store = ParameterStore()
    seen = threading.Event()
    refused: list[int] = []

    def written() -> None:
        if len(store.versions) == 2:
            refused.append(2)
            raise AwsError("throttled")
        if len(store.versions) > 3:
            seen.set()

    store.written = written
    with RollbackLock(cast("RecordedEnvironment", store), Claim(nonce="one"), lambda _: None):
        assert seen.wait(30), "one refusal ended the signs of life"
    assert refused == [2]


def test_of_entries_that_are_written_at_once_the_ledger_keeps_each() -> None:
    store = ParameterStore()
    environment: Any = store
    together = threading.Barrier(WRITERS)
    store.written = lambda: together.wait(30)
    entry = Entry("a" * 40, {}, AT, "verified", "somebody")
    with ThreadPoolExecutor(WRITERS) as pool:
        entries = [replace(entry, by=f"writer {number}") for number in range(WRITERS)]
        versions = list(pool.map(lambda each: append(environment, each), entries))
    assert sorted(versions) == list(range(1, WRITERS + 1)), "each is told of its own"
    assert {each.by for each in read_ledger(environment).entries} == {each.by for each in entries}


def sign(seconds: float, nonce: str, state: str = "running") -> ParameterVersion:
    written = {"nonce": nonce, "state": state, "release": "r", "by": nonce}
    return ParameterVersion(version=1, value=encode(written), at=AT + timedelta(seconds=seconds))


SILENT = SILENCE.total_seconds()


@pytest.mark.parametrize(
    ("signs", "held"),
    [
        ([sign(0, "a")], ("a", "running")),
        ([sign(0, "a", "interrupted")], ("a", "interrupted")),
        ([sign(0, "a"), sign(1, "b")], ("a", "running")),
        ([sign(0, "a"), sign(SILENT - 1, "b")], ("a", "running")),
        ([sign(0, "a"), sign(SILENT, "b")], ("b", "running")),
        ([sign(0, "a"), sign(SILENT, "b"), sign(SILENT + 1, "a")], ("b", "running")),
        ([sign(0, "a"), sign(1, "b", "done")], ("a", "running")),
        ([sign(0, "a"), sign(SILENT, "b", "done")], ("a", "running")),
        ([sign(0, "a"), sign(SILENT, "b", "interrupted")], ("a", "running")),
        ([sign(0, "a"), sign(SILENT * 3, "a", "done")], ("a", "done")),
        ([sign(0, "a", "done"), sign(1, "b")], ("b", "running")),
        ([sign(0, "a", "interrupted"), sign(1, "b")], ("b", "running")),
        ([sign(0, "a", "interrupted"), sign(1, "b", "interrupted")], ("a", "interrupted")),
        ([ParameterVersion(version=1, value="by hand", at=AT), sign(1, "b")], ("b", "running")),
        ([sign(0, "a"), ParameterVersion(version=1, value="by hand", at=AT)], ("a", "running")),
    ],
)
def test_a_claim_holds_until_it_is_ended_or_silent(signs: list[ParameterVersion], held: tuple[str, str]) -> None:
    claim = holder(signs)
    assert (claim.nonce, claim.state) == held
    assert claim.seen == max(each.at for each in signs if f'"{claim.nonce}"' in each.value and each.at)


@pytest.mark.parametrize(
    ("claim", "unfinished"),
    [
        (Claim(), False),
        (Claim(nonce="a", state="running", ledger=4), True),
        (Claim(nonce="a", state="interrupted", ledger=4), True),
        (Claim(nonce="a", state="interrupted", ledger=3), False),
        (Claim(nonce="a", state="done", ledger=4), False),
        (Claim(state="interrupted", ledger=4), False),
    ],
)
def test_what_was_interrupted_is_unfinished_until_something_is_released(claim: Claim, unfinished: bool) -> None:
    assert claim.unfinished(4) == unfinished

"""What the preflight asks an environment for, and what it concludes from the ledger and the stacks."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.deployed.stack import Stack
from nova_infra.operations.gates import preflight
from nova_infra.operations.gates.preflight import Conditions, blockers, survey
from nova_infra.operations.records.ledger import Entry, Ledger, Outcome, ReleasedImage

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
IMAGES = {"audio": ReleasedImage("v1", f"sha256:{'a' * 64}")}


def entry(release: str, outcome: Outcome, minutes: float) -> Entry:
    return Entry(release, IMAGES, NOW - timedelta(minutes=minutes), outcome, "pipeline")


Ask = Callable[..., Conditions]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Asks a quiet environment with a ledger and stacks: ask(entries, stacks) -> its conditions."""

    def run(entries: Sequence[Entry] = (), stacks: Sequence[Stack] = ()) -> Conditions:
        monkeypatch.setattr(preflight, "read_ledger", lambda _: Ledger(tuple(entries), len(entries)))
        monkeypatch.setattr(preflight, "read_holds", lambda _: ())
        monkeypatch.setattr(preflight, "read_waivers", lambda _: ())
        monkeypatch.setattr(
            preflight, "read_claim", lambda _: SimpleNamespace(by="", release="", alive=lambda _: False)
        )
        nothing = dict.fromkeys(("services", "alarms", "certificates"), tuple)
        answers = {"stacks": lambda: tuple(stacks), "vcpu_quota": lambda: None, "now": lambda: NOW}
        environment: Any = SimpleNamespace(prefix="nova-prod", template=dict, **answers, **nothing)
        return survey(environment)

    return run


def test_a_release_that_failed_is_not_the_last_good_one(ask: Ask) -> None:
    ledger = [entry("newest", "failed", 1), entry("good", "verified", 2), entry("older", "verified", 3)]
    assert ask(ledger).last_good == "good"


def test_a_release_that_was_rolled_back_to_is_the_last_good_one(ask: Ask) -> None:
    assert ask([entry("back", "rolled-back", 1), entry("good", "verified", 2)]).last_good == "back"


def test_where_nothing_was_good_there_is_no_last_good_release(ask: Ask) -> None:
    assert ask([entry("newest", "failed", 1)]).last_good is None


@pytest.mark.parametrize("name", ["nova-prod-platform", "nova-prod-overview", "nova-prod-audio"])
def test_every_stack_is_looked_at_and_not_only_those_of_services(ask: Ask, name: str) -> None:
    good = Stack("nova-prod-other", "UPDATE_COMPLETE")
    conditions = ask(stacks=[good, Stack(name, "UPDATE_ROLLBACK_FAILED")])
    [found] = blockers(conditions, "release", {}, now=NOW)
    assert found.text.startswith(f"{name}: is UPDATE_ROLLBACK_FAILED")


@pytest.mark.parametrize("status", ["UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_IN_PROGRESS"])
def test_a_stack_that_is_under_way_is_waited_for_whichever_it_is(ask: Ask, status: str) -> None:
    [found] = blockers(ask(stacks=[Stack("nova-prod-platform", status)]), "release", {}, now=NOW)
    assert "nova-prod-platform" in found.text

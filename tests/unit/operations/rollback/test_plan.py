"""What a rollback leaves, and what keeps it from beginning."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nova_infra.deployed.model import Image, TaskRevision
from nova_infra.deployed.stack import Stack
from nova_infra.errors import RefusedError
from nova_infra.operations.records.ledger import Entry, Ledger, ReleasedImage
from nova_infra.operations.rollback.lock import Claim
from nova_infra.operations.rollback.plan import (
    Deployed,
    blockers,
    busy_stacks,
    change_set_prefix,
    make_plan,
    restored_release,
)

AT = datetime(2026, 11, 24, tzinfo=UTC)
GOOD, BAD = "a" * 40, "b" * 40


def digest(tag: str) -> str:
    return f"sha256:{tag.encode().hex():0>64}"


def entry(release: str, outcome: str = "verified", **tags: str) -> Entry:
    images = {name: ReleasedImage(tag, digest(tag)) for name, tag in tags.items()}
    return Entry(release, images, AT, outcome, "pipeline")  # type: ignore[arg-type]


def deployed(name: str, tag: str, status: str = "UPDATE_COMPLETE") -> Deployed:
    image = Image(f"registry/nova/{name}", tag, digest(tag))
    return Deployed(name, Stack(f"nova-prod-{name}", status), {}, TaskRevision(f"{name}:1", True, str(image)), image)


def test_after_one_service_rolled_back_the_rest_rolls_back_from_the_release_that_brought_it() -> None:
    first = entry(GOOD, audio="v1", video="v1")
    before = Ledger((entry(BAD, audio="v2", video="v2"), first), 2)
    plan = make_plan(before, first, [deployed("audio", "v2"), deployed("video", "v2")], ["audio"])
    mixed = entry(plan.result, "rolled-back", audio="v1", video="v2")
    after = Ledger((mixed, *before.entries), 3)
    rest = make_plan(after, first, [deployed("audio", "v1"), deployed("video", "v2")], [])
    assert (plan.bad, rest.bad) == (BAD, BAD)  # what is put on hold: a mixture is nobody's release
    assert rest.result == GOOD


@pytest.mark.parametrize(
    ("release", "left"), [("0" * 40, BAD), (GOOD, "c" * 40), (f"{GOOD[:-1]}b", BAD), ("f" * 40, BAD)]
)
def test_only_an_interrupted_rollback_to_the_same_release_still_knows_what_it_left(release: str, left: str) -> None:
    first = entry(GOOD, audio="v1")
    claim = Claim("ab", "interrupted", release, left="c" * 40, ledger=2)
    plan = make_plan(Ledger((entry(BAD, audio="v2"), first), 2), first, [deployed("audio", "v2")], [], claim=claim)
    assert plan.bad == left


def test_what_no_release_had_is_named_by_the_image_of_its_first_service() -> None:
    first = entry(GOOD, audio="v1", video="v1")
    plan = make_plan(Ledger((first,), 1), first, [deployed("audio", "v7"), deployed("video", "v8")], [])
    assert plan.bad == "unrecorded-v7"


def test_a_service_that_the_release_did_not_have_stays_and_one_that_is_gone_does_not_come_back() -> None:
    first = entry(GOOD, audio="v1", gone="v1")
    before = Ledger((entry(BAD, audio="v2", new="v2"), first), 2)
    plan = make_plan(before, first, [deployed("audio", "v2"), deployed("new", "v2")], [])
    assert [move.service.name for move in plan.moves] == ["audio"]
    assert plan.settled == ()


@pytest.mark.parametrize(
    ("status", "cancelled"), [("UPDATE_IN_PROGRESS", True), ("UPDATE_ROLLBACK_IN_PROGRESS", False)]
)
def test_only_an_update_can_be_cancelled_and_the_line_says_so(status: str, cancelled: bool) -> None:
    with pytest.raises(RefusedError) as refused:
        busy_stacks([deployed("audio", "v2", status)], Claim())
    assert ("`nova rollback --cancel` cancels the updates first" in str(refused.value)) == cancelled


@pytest.mark.parametrize(
    ("status", "command"),
    [("ROLLBACK_COMPLETE", "delete-stack"), ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback")],
)
def test_a_stack_that_cannot_be_changed_is_reported_with_its_remedy(status: str, command: str) -> None:
    first = entry(GOOD, audio="v1")
    plan = make_plan(Ledger((entry(BAD, audio="v2"), first), 2), first, [deployed("audio", "v2", status)], [])
    there = Image("registry/nova/audio", "v1", digest("v1"))
    [why] = blockers(plan, {"audio": (there, there)})
    assert f"nova-prod-audio: is {status} and cannot be updated: " in why
    assert f"`aws cloudformation {command} --stack-name nova-prod-audio`" in why


@pytest.mark.parametrize(
    ("release", "named"),
    [("v1.4", "nova-rollback-v1-4-n0nce"), ("0123456789abcdef" * 2 + "01234567", "nova-rollback-0123456789ab-n0nce")],
)
def test_change_sets_are_named_by_the_release_as_cloudformation_takes_names(release: str, named: str) -> None:
    assert change_set_prefix(entry(release), "n0nce") == named


@pytest.mark.parametrize(
    ("runs", "status", "drifted"),
    [
        ("registry/nova/audio:v1", "UPDATE_COMPLETE", False),
        ("registry/nova/audio:v2", "UPDATE_COMPLETE", True),
        (f"registry/nova/audio:v1@{digest('v1')}", "UPDATE_COMPLETE", False),
        (f"registry/nova/audio:v1@{digest('v0')}", "UPDATE_COMPLETE", True),
        (f"registry/nova/audio:v1@{digest('v9')}", "UPDATE_COMPLETE", True),
        ("registry/nova/audio:v2", "UPDATE_IN_PROGRESS", False),
        ("", "UPDATE_COMPLETE", False),
    ],
)
def test_what_was_changed_past_cloudformation_is_known_by_its_image(runs: str, status: str, drifted: bool) -> None:
    service = replace(deployed("audio", "v1", status), definition=TaskRevision("audio:1", True, runs))
    assert service.drifted is drifted


@pytest.mark.parametrize(
    ("outcome", "tag", "status", "restored"),
    [
        ("verified", "v1", "UPDATE_ROLLBACK_COMPLETE", GOOD),
        ("failed", "v1", "UPDATE_ROLLBACK_COMPLETE", ""),
        ("verified", "v2", "UPDATE_ROLLBACK_COMPLETE", ""),
        ("verified", "v1", "UPDATE_ROLLBACK_FAILED", ""),
    ],
)
def test_a_stopped_update_restores_a_release_only_if_that_was_verified_and_runs_everywhere(
    outcome: str, tag: str, status: str, restored: str
) -> None:
    ledger = Ledger((entry(GOOD, outcome, audio="v1", video="v1"),), 1)
    assert restored_release(ledger, [deployed("audio", "v1"), deployed("video", tag, status)]) == restored


def test_a_service_that_runs_another_image_than_its_template_names_is_not_restored() -> None:
    audio = deployed("audio", "v1")
    drifted = replace(audio, definition=replace(audio.definition, image="registry/nova/audio:v3"))
    assert restored_release(Ledger((entry(GOOD, audio="v1"),), 1), [drifted]) == ""

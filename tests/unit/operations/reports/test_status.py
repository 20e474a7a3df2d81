"""``nova status``: what is said of each service, and how it is shown."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from nova_infra.deployed.model import RunningService
from nova_infra.deployed.rollouts import RequestRate
from nova_infra.deployed.stack import Stack
from nova_infra.documents.terminal import as_text
from nova_infra.errors import AwsError, NotDeployedError
from nova_infra.operations.records.ledger import Entry, ReleasedImage
from nova_infra.operations.reports.status import (
    EnvironmentStatus,
    deployment_in_words,
    release_of,
    service_status,
    status,
)
from nova_infra.operations.reports.status_table import as_json, document


def shown(found: Any, width: int = 80) -> str:
    return as_text(document(found), width=width)


def test_a_service_that_runs_as_it_should_needs_no_attention(make: Any) -> None:
    found = service_status(make.service(), [make.alarm("audio-errors")], [make.entry(audio="tag1")])
    assert (found.well, found.deployment, found.alarms, found.release) == (True, "steady", (), make.good[:12])


@pytest.mark.parametrize(
    ("changes", "alarm_state", "says"),
    [
        ({"running": 1}, "OK", "steady"),
        ({}, "ALARM", "steady"),
        ({"deployments": ()}, "OK", "never deployed"),
        ({"state": "FAILED"}, "OK", "failed"),
        ({"state": "IN_PROGRESS", "failed": 3}, "OK", "under way for 12 min, 3 tasks failed"),
    ],
)
def test_what_needs_attention_is_marked(make: Any, changes: dict[str, Any], alarm_state: str, says: str) -> None:
    if "state" in changes:
        changes = {"deployments": (make.deployment(changes["state"], failed=changes.get("failed", 0)),)}
    found = service_status(make.service(**changes), [make.alarm("audio-errors", alarm_state)], [])
    assert (found.well, found.deployment) == (False, says)


def test_two_deployments_at_once_are_under_way_whatever_the_newest_says(make: Any) -> None:
    both = make.service(deployments=(make.deployment(), make.deployment(status="ACTIVE")))
    assert deployment_in_words(both) == ("under way for 12 min", False)


def test_the_release_is_known_by_digest_and_by_tag_and_otherwise_the_tag_is_shown(make: Any) -> None:
    entries = [make.entry(audio="tag1")]
    digest = entries[0].images["audio"].digest
    assert release_of(make.service(tag="other", digest=digest), entries) == make.good[:12]
    assert release_of(make.service(tag="tag1"), entries) == make.good[:12]
    assert release_of(make.service(tag="tag2"), entries) == "tag2"
    assert release_of(make.service(tag="tag1", digest="sha256:0"), entries) == "tag1"
    assert release_of(make.service(tasks=()), entries) == ""


def test_an_unchanged_image_belongs_to_the_latest_release_that_has_it(make: Any) -> None:
    entries = [make.entry(make.bad, audio="tag1"), make.entry(make.good, audio="tag1")]
    assert release_of(make.service(tag="tag1"), entries) == make.bad[:12]


def test_an_alarm_belongs_to_the_service_with_the_longest_name_that_fits(make: Any) -> None:
    stub = make.stub(
        held_services=(make.service("audio"), make.service("audio-extra")),
        held_alarms=(make.alarm("audio-extra-errors", "ALARM"), make.alarm("canary-errors", "ALARM", composite=True)),
    )
    [found] = status(["prod"], lambda _: stub)
    assert [(s.service, s.alarms) for s in found.services] == [("audio", ()), ("audio-extra", ("errors",))]
    assert found.alarms == ()


def test_an_environment_that_cannot_be_reached_is_a_row_that_says_why_and_hides_no_other(make: Any) -> None:
    broken = make.stub(name="dev", broken={"services": AwsError("AWS: the network is down")})
    good = make.stub(held_services=(make.service(),), entries=(make.entry(audio="tag1"),))
    found = status(["dev", "prod"], lambda name: {"dev": broken, "prod": good}[name])
    assert [(e.environment, e.error, e.exit_code) for e in found] == [
        ("dev", "AWS: the network is down", 3),
        ("prod", "", 0),
    ]
    text = shown(found)
    assert "not reached, see below" in text
    assert "dev: AWS: the network is down" in text
    assert make.good[:12] in text


def test_the_table_fits_a_terminal_of_80_columns_and_drops_no_word(make: Any) -> None:
    name = "a-service-whose-name-is-forty-letters-xx"
    busy = make.service(name, deployments=(make.deployment("IN_PROGRESS", failed=12),))
    alarms = [make.alarm(f"{name}-{kind}", "ALARM") for kind in ("errors", "latency")]
    alarms += [make.alarm(f"{name}-cpu", "INSUFFICIENT_DATA")]
    stub = make.stub(held_services=(busy,), held_alarms=tuple(alarms), entries=(make.entry(**{name: "tag1"}),))
    text = shown(status(["prod"], lambda _: stub))
    assert max(map(len, text.splitlines())) <= 80
    assert {"errors,", "latency;", "cpu", "under", "12", "attention", "2/2"} <= set(text.split())


def test_programs_get_everything_as_json(make: Any) -> None:
    stub = make.stub(held_services=(make.service(),), entries=(make.entry(audio="tag1"),))
    [found] = json.loads(as_json(status(["prod"], lambda _: stub)))
    assert (found["environment"], found["release"], found["outcome"]) == ("prod", make.good, "verified")
    assert found["services"][0] == {
        "service": "audio",
        "release": make.good[:12],
        "running": 2,
        "desired": 2,
        "deployment": "steady",
        "alarms": [],
        "unknown_alarms": [],
        "well": True,
        "faults": [],
        "queue": "",
        "judged_by": 4,
        "silent": {"errors": 20, "latency": 20},
        "would_stop": [],
        "watched": False,
    }


def test_environments_are_looked_at_side_by_side(make: Any) -> None:
    import threading

    all_there = threading.Barrier(3, timeout=20)

    class Waiting(type(make.stub())):  # type: ignore[misc]
        def services(self) -> tuple[RunningService, ...]:
            all_there.wait()  # would break, were they asked one after the other
            return ()

    found = status(["a", "b", "c"], lambda name: Waiting(name=name))
    assert [e.error for e in found] == ["", "", ""]


def release(name: str, tag: str, outcome: str = "verified") -> Entry:
    return Entry(name, {"audio": ReleasedImage(tag, digest_of(tag))}, datetime.now(UTC), outcome, "ci")  # type: ignore[arg-type]


def digest_of(tag: str) -> str:
    return f"sha256:{tag.encode().hex():0>64}"


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "mixed releases": (
        {"entries": (release("a" * 40, "v1"), release("b" * 40, "v2"))},
        "audio: runs aaaaaaaaaaaa, and release bbbbbbbbbbbb was recorded last: roll it back with `nova rollback prod "
        "--service audio --to bbbbbbbbbbbb`",
    ),
    "drift": (
        {"entries": (release("a" * 40, "v1"),), "revisions": {"nova-prod-audio": "family:9"}},
        "audio: drifted: ECS is set to run family:1, but its stack made family:9: roll it back with `nova rollback",
    ),
    "a stack in a bad state": (
        {"held_stacks": (Stack("nova-prod-audio", "UPDATE_ROLLBACK_FAILED"),)},
        "nova-prod-audio: is UPDATE_ROLLBACK_FAILED: finish its rollback first",
    ),
    "a first deployment that failed": (
        {"held_stacks": (Stack("nova-prod-audio", "CREATE_COMPLETE"), Stack("nova-prod-new", "ROLLBACK_COMPLETE"))},
        "nova-prod-new: is ROLLBACK_COMPLETE: its first deployment failed, so it can only be deleted",
    ),
    "a stranger": ({"held_stacks": ()}, "audio: has no stack nova-prod-audio: it was not deployed by Nova"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_the_columns_do_not_show_is_a_red_row(make: Any, what: str) -> None:
    state, said = FAULTS[what]
    audio = make.service("audio", tag="v1", digest=digest_of("v1"))
    healthy = make.stub(name="prod", held_services=(audio,), entries=(release("a" * 40, "v1"),))
    broken = make.stub(**{"name": "prod", "held_services": (audio,), "entries": (release("a" * 40, "v1"),), **state})
    assert wide(healthy).splitlines()[1].startswith("✓")
    text = wide(broken)
    assert text.splitlines()[1].startswith("✗")
    assert said in text


def test_the_revisions_of_stacks_being_updated_are_not_asked_for(make: Any) -> None:
    asked: list[str] = []

    class Counting(type(make.stub())):  # type: ignore[misc]  # the stub's class is known to the fixture alone
        def stack_revisions(self, stacks: Any) -> dict[str, str]:
            asked.extend(stack.name for stack in stacks)
            return {}

    stacks = (Stack("nova-prod-audio", "UPDATE_IN_PROGRESS"), Stack("nova-prod-video", "UPDATE_ROLLBACK_COMPLETE"))
    services = (make.service("audio"), make.service("video"))
    status(["prod"], lambda _: Counting(name="prod", held_services=services, held_stacks=stacks))
    assert asked == ["nova-prod-video"]


def test_an_environment_whose_first_deployment_failed_is_red_and_says_what_to_do(make: Any) -> None:
    failed = (Stack("nova-prod-platform", "ROLLBACK_COMPLETE"),)
    text = wide(make.stub(held_stacks=failed, broken={"services": NotDeployedError("environment: none there")}))
    assert text.splitlines()[1].startswith("✗")
    assert "nova-prod-platform: is ROLLBACK_COMPLETE: its first deployment failed" in text


def wide(environment: Any) -> str:
    return shown(status(["prod"], lambda _: environment), width=1000)


@pytest.mark.parametrize(
    ("rate", "cell", "below"),
    [
        (None, "ok", ""),
        (RequestRate(41.26, {"errors": 20, "latency": 30}), "ok by 41.3/min", ""),
        (RequestRate(24, {"errors": 20, "latency": 30}), "silent by 24/min", "latency needs 30: audio (24)"),
        (
            RequestRate(4, {"latency": 30, "errors": 20}),
            "silent by 4/min",
            "errors needs 20, latency needs 30: audio (4)",
        ),
        (RequestRate(0, {}), "ok", ""),
    ],
)
def test_it_says_by_how_many_requests_alarms_judged(make: Any, rate: RequestRate | None, cell: str, below: str) -> None:
    found = service_status(make.service(), [make.alarm("audio-errors")], [], rate=rate)
    assert found.well, "too few requests are nothing that runs badly"
    lines = [line.rstrip() for line in shown([EnvironmentStatus("prod", services=(found,))], width=120).splitlines()]
    [row] = [line for line in lines if "audio" in line and "2/2" in line]
    assert row.endswith(cell)
    assert lines[-1] == (f"prod: too few requests a minute for alarms: {below}" if below else row)


def test_a_service_without_an_alarm_is_not_said_to_be_ok(make: Any) -> None:
    found = service_status(make.service(), [], [])
    [row] = [line for line in shown([EnvironmentStatus("prod", services=(found,))]).splitlines() if "audio" in line]
    assert row.rstrip().endswith("none")


@pytest.mark.parametrize(
    ("listed", "would"),
    [(("cpu",), ("errors",)), (("errors", "cpu"), ()), ((), ()), (("errors",), ("cpu",))],
    ids=["not in the list", "in the list", "no list: it rolls nothing back", "another one"],
)
def test_an_alarm_that_is_not_trusted_with_a_rollback_would_stop_a_deployment(
    make: Any, listed: Any, would: Any
) -> None:
    audio = make.service(deployment_alarms=tuple(f"nova-prod-audio-{kind}" for kind in listed))
    red = [make.alarm(f"audio-{kind}", "ALARM") for kind in ("unhealthy", *(would or ("errors",)))]
    found = service_status(audio, red, [])
    assert found.would_stop == would
    text = shown([EnvironmentStatus("prod", services=(found,))], width=200)
    said = "prod: in ALARM, and would stop a deployment if they were deployment alarms: audio"
    assert (f"{said} ({', '.join(would)})" in text) is bool(would)


def test_requests_that_cannot_be_read_keep_nothing_from_the_rest(make: Any) -> None:
    stub = make.stub(held_services=(make.service(),), broken={"request_rates": AwsError("no")})
    [found] = status(["prod"], lambda _: stub)
    assert (found.error, [each.judged_by for each in found.services]) == ("", [None])

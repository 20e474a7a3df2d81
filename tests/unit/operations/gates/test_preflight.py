"""What stands against a deployment: each blocker alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from nova_infra.deployed.model import Alarm, Deployment, RunningService, RunningTask
from nova_infra.deployed.stack import Certificate, Stack
from nova_infra.operations.gates.preflight import Blocker, Conditions, blockers
from nova_infra.operations.records.holds import Hold

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
DIGEST = f"sha256:{'a' * 64}"
TASK = RunningTask("audio:1", "RUNNING", True, "x/audio:v1", DIGEST, 1024)
DONE = Deployment("PRIMARY", "COMPLETED", "", "audio:1", None, 2, 2, 0)
AUDIO = RunningService("audio", "nova-prod-audio", "audio:1", 2, 2, (DONE,), (TASK, TASK), ("nova-prod-audio-errors",))
ERRORS = Alarm("nova-prod-audio-errors", "OK", "fine", None)
CERTIFICATE = Certificate("nova.example.com", "ISSUED", NOW + timedelta(days=14))
FINE = Conditions((AUDIO,), (Stack("nova-prod-audio", "UPDATE_COMPLETE"),), (ERRORS,), (), (CERTIFICATE,), 4.0)
HOLD = Hold("bad", "noise", "alice", NOW, {"audio": DIGEST})


def blockers_of(conditions: Conditions, release: str = "good", images: dict[str, str] | None = None) -> list[Blocker]:
    return blockers(conditions, release, images or {"audio": f"sha256:{'b' * 64}"}, now=NOW)


def test_nothing_stands_against_a_deployment_to_a_quiet_environment() -> None:
    assert blockers_of(FINE) == []


@pytest.mark.parametrize(
    ("conditions", "blocker"),
    [
        (
            replace(FINE, alarms=(replace(ERRORS, state="ALARM"),)),
            "is already in ALARM, so ECS would watch no alarm of audio",
        ),
        (replace(FINE, alarms=(replace(ERRORS, state="INSUFFICIENT_DATA"),)), "has no data, so it cannot fire"),
        (replace(FINE, alarms=()), "nova-prod-audio-errors: does not exist"),
        (
            replace(FINE, holds=(replace(HOLD, release="good"),)),
            "good has been on hold since 2026-11-24 02:00 UTC, by alice",
        ),
        (
            replace(FINE, services=(replace(AUDIO, deployments=(replace(DONE, rollout_state="IN_PROGRESS"),)),)),
            "a deployment is under way",
        ),
        (replace(FINE, stacks=(Stack("nova-prod-audio", "UPDATE_IN_PROGRESS"),)), "an update is under way"),
        (replace(FINE, stacks=(Stack("nova-prod-audio", "ROLLBACK_COMPLETE"),)), "is ROLLBACK_COMPLETE and cannot be"),
        (replace(FINE, vcpu_quota=3.9), "may need 4 vCPUs at once, but the account may run 3.9"),
        (replace(FINE, certificates=(replace(CERTIFICATE, status="EXPIRED"),)), "nova.example.com: is EXPIRED"),
        (
            replace(FINE, certificates=(replace(CERTIFICATE, expires=NOW + timedelta(days=14, seconds=-1)),)),
            "expires on 2026-12-08 and was not renewed",
        ),
    ],
)
def test_a_blocker_is_named(conditions: Conditions, blocker: str) -> None:
    [found] = blockers_of(conditions)
    assert blocker in found.text


def test_a_held_image_is_refused_in_a_later_release_too() -> None:
    [found] = blockers_of(replace(FINE, holds=(HOLD,)), images={"audio": DIGEST})
    assert "audio: has the same image as release bad, which alice put on hold: noise" in found.text
    assert blockers_of(replace(FINE, holds=(HOLD,))) == []


def test_a_quota_that_is_not_known_blocks_nothing() -> None:
    assert blockers_of(replace(FINE, vcpu_quota=None)) == []


def test_parts_of_a_vcpu_count_too() -> None:
    """Twice the tasks, of half a vCPU and of a quarter: 1.5 in all."""
    small = replace(AUDIO, tasks=(replace(TASK, cpu=512), replace(TASK, cpu=256)))
    assert blockers_of(replace(FINE, services=(small,), vcpu_quota=1.5)) == []
    [found] = blockers_of(replace(FINE, services=(small,), vcpu_quota=1.4))
    assert "may need 1.5 vCPUs at once, but the account may run 1.4" in found.text


def test_red_alarms_do_not_stand_against_the_way_back() -> None:
    red = replace(FINE, alarms=(replace(ERRORS, state="ALARM"),), last_good="good")
    assert blockers_of(red) == []
    assert blockers_of(red, release="next") != []
    assert blockers(red, None, {}, now=NOW) != []

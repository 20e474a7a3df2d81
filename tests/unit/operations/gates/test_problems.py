"""What is wrong with a running environment: each fault alone, from an environment in which all is well."""

from dataclasses import replace
from typing import Any

import pytest

from nova_infra.deployed.model import Alarm, Answer, Deployment, RunningService, RunningTask
from nova_infra.deployed.stack import Stack
from nova_infra.operations.gates.problems import Seen, alarms_of, faults, under_way, way_out
from nova_infra.operations.records.ledger import ReleasedImage

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
IMAGE = "444444444444.dkr.ecr.us-east-1.amazonaws.com/nova/audio:v2"
TASK = RunningTask("nova-prod-audio:2", "RUNNING", True, IMAGE, DIGEST, 256)
DEPLOYMENT = Deployment("PRIMARY", "COMPLETED", "", "nova-prod-audio:2", None, 2, 2, 0)
AUDIO = RunningService(
    "audio", "nova-prod-audio", "nova-prod-audio:2", 2, 2, (DEPLOYMENT,), (TASK, TASK), ("nova-prod-audio-errors",)
)
STACK = Stack("nova-prod-audio", "UPDATE_COMPLETE")
ERRORS = Alarm("nova-prod-audio-errors", "OK", "fine", None)
WELL = Seen((AUDIO,), (STACK,), (ERRORS,), {"audio": Answer(200, '{"service": "audio", "release": "v2"}')})
RELEASE = {"audio": ReleasedImage("v2", DIGEST)}


def service(**changes: Any) -> Seen:
    return replace(WELL, services=(replace(AUDIO, **changes),))


def tasks(**changes: Any) -> Seen:
    return service(tasks=(replace(TASK, **changes), TASK))


def test_an_environment_in_which_all_is_well_has_no_fault() -> None:
    assert faults(RELEASE, WELL) == []


NOW, LATER = False, True


@pytest.mark.parametrize(
    ("seen", "fault", "may_pass"),
    [
        (replace(WELL, services=()), "audio: is part of the release but not deployed", NOW),
        (replace(WELL, stacks=()), "audio: has no stack nova-prod-audio", NOW),
        (replace(WELL, stacks=(replace(STACK, status="UPDATE_IN_PROGRESS"),)), "its stack is being updated", LATER),
        (
            replace(WELL, stacks=(replace(STACK, status="UPDATE_ROLLBACK_FAILED"),)),
            "is UPDATE_ROLLBACK_FAILED: finish its rollback first",
            NOW,
        ),
        (service(deployments=()), "ECS has no deployment of it", NOW),
        (
            service(deployments=(replace(DEPLOYMENT, rollout_state="FAILED", reason="tasks failed to start"),)),
            "its deployment failed: tasks failed to start",
            NOW,
        ),
        (
            service(deployments=(replace(DEPLOYMENT, rollout_state="IN_PROGRESS"),)),
            "its deployment is not complete",
            LATER,
        ),
        (service(desired=0, running=0, tasks=()), "is scaled to zero", NOW),
        (service(desired=3), "2 of 3 tasks run", LATER),
        (tasks(status="PENDING"), "1 of 2 tasks run", LATER),
        (tasks(healthy=False), "1 of 2 tasks fail their health check", LATER),
        (
            tasks(digest=OTHER, image=IMAGE.replace("v2", "v1")),
            "1 of 2 tasks run v1 (sha256:bbbbbbbbbbbb) instead of v2",
            NOW,
        ),
        (tasks(digest=None), "1 of 2 tasks run v2 (not pulled yet) instead of", LATER),
        (replace(WELL, alarms=(replace(ERRORS, state="ALARM", reason="9 > 5"),)), "is in ALARM: 9 > 5", LATER),
        (replace(WELL, alarms=(replace(ERRORS, state="INSUFFICIENT_DATA"),)), "has no data yet", LATER),
        (replace(WELL, versions={"audio": Answer(502, "Bad Gateway")}), "does not answer through the load", LATER),
        (replace(WELL, versions={"audio": Answer(0, "timed out")}), "balancer: timed out", LATER),
        (replace(WELL, versions={"audio": Answer(500, "x" * 300)}), f"balancer: 500 {'x' * 196}", LATER),
        (replace(WELL, versions={"audio": Answer(200, '{"release": "v1"}')}), "answers v1, not v2", LATER),
        (replace(WELL, versions={"audio": Answer(200, "<html>")}), "answers something else, not v2", LATER),
    ],
)
def test_a_fault_is_found_and_waited_for_only_if_it_may_pass(seen: Seen, fault: str, may_pass: bool) -> None:
    [found] = faults(RELEASE, seen)
    assert fault in found.text
    assert found.may_pass is may_pass


NIGHTLY = Stack("nova-prod-nightly", "UPDATE_COMPLETE")
FAILED, MISSED = (Alarm(f"nova-prod-nightly-{kind}", "OK", "fine", None) for kind in ("failed", "missed"))
JOB = replace(
    WELL, stacks=(STACK, NIGHTLY), alarms=(ERRORS, FAILED, MISSED), jobs={"nightly": ("nova-prod-nightly", "v2")}
)


@pytest.mark.parametrize(
    ("seen", "fault", "may_pass"),
    [
        (replace(JOB, stacks=(STACK,)), "nightly: has no stack nova-prod-nightly: it was not deployed by Nova", NOW),
        (
            replace(JOB, stacks=(STACK, replace(NIGHTLY, status="UPDATE_IN_PROGRESS"))),
            "nightly: its stack is being updated (UPDATE_IN_PROGRESS)",
            LATER,
        ),
        (
            replace(JOB, stacks=(STACK, replace(NIGHTLY, status="ROLLBACK_COMPLETE"))),
            "nightly: its stack is ROLLBACK_COMPLETE: ",
            NOW,
        ),
        (replace(JOB, jobs={"nightly": ("nova-prod-nightly", "v1")}), "nightly: its next run uses v1 instead of", NOW),
        (
            replace(
                JOB,
                stacks=(STACK, replace(NIGHTLY, status="UPDATE_ROLLBACK_COMPLETE", reason="no table")),
                jobs={"nightly": ("nova-prod-nightly", "v1")},
            ),
            f"nightly: its next run uses v1 instead of v2 ({OTHER[:19]}): its last update was rolled back (no table)",
            NOW,
        ),
        (
            replace(JOB, alarms=(ERRORS, replace(FAILED, state="ALARM", reason="1 run"), MISSED)),
            "nova-prod-nightly-failed: is in ALARM: 1 run",
            LATER,
        ),
        (
            replace(JOB, alarms=(ERRORS, FAILED, replace(MISSED, state="ALARM", reason="0 runs"))),
            "nova-prod-nightly-missed: is in ALARM: 0 runs",
            LATER,
        ),
    ],
)
def test_a_job_is_judged_by_its_stack_its_next_image_and_its_own_alarms(seen: Seen, fault: str, may_pass: bool) -> None:
    release = RELEASE | {"nightly": ReleasedImage("v2", OTHER)}
    [found] = faults(release, seen)
    assert found.text.startswith(fault)
    assert found.may_pass is may_pass
    assert faults(release, JOB) == []
    assert faults(release, replace(JOB, jobs={"nightly": ("nova-prod-nightly", OTHER)})) == [], "by its digest"
    others = (ERRORS, FAILED, MISSED, replace(FAILED, name="nova-prod-weekly-failed", state="ALARM"))
    assert faults(release, replace(JOB, alarms=others)) == []


def test_a_rolled_back_update_is_named_where_the_wrong_image_runs() -> None:
    stack = replace(STACK, status="UPDATE_ROLLBACK_COMPLETE", reason="alarm errors")
    [found] = faults(RELEASE, replace(tasks(digest=OTHER), stacks=(stack,)))
    assert found.text.endswith(": its last update was rolled back (alarm errors)")
    assert faults(RELEASE, replace(WELL, stacks=(stack,))) == []


def test_a_release_that_was_deployed_under_another_tag_is_the_same_release() -> None:
    tagged = replace(TASK, image=IMAGE.replace("v2", "c0ffee"))
    seen = replace(
        WELL,
        services=(replace(AUDIO, tasks=(tagged, tagged)),),
        versions={"audio": Answer(200, '{"release": "c0ffee"}')},
    )
    assert faults(RELEASE, seen) == []


def test_a_service_that_is_not_in_the_release_is_not_judged() -> None:
    other = replace(AUDIO, name="video", stack="nova-prod-video", desired=0)
    assert faults(RELEASE, replace(WELL, services=(AUDIO, other))) == []


def test_alarms_of_a_service_with_a_longer_name_are_not_its_own() -> None:
    longer = replace(AUDIO, name="audio-two", stack="nova-prod-audio-two")
    theirs = replace(ERRORS, name="nova-prod-audio-two-errors")
    assert alarms_of(AUDIO, [ERRORS, theirs], [AUDIO, longer]) == [ERRORS]
    assert alarms_of(longer, [ERRORS, theirs], [AUDIO, longer]) == [theirs]


@pytest.mark.parametrize(
    ("status", "command"),
    [
        ("ROLLBACK_COMPLETE", "delete-stack"),
        ("CREATE_FAILED", "delete-stack"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("IMPORT_ROLLBACK_FAILED", "describe-stack-events"),
    ],
)
def test_a_stack_that_cannot_be_updated_has_a_way_out_of_its_own(status: str, command: str) -> None:
    assert f"`aws cloudformation {command} --stack-name nova-prod-audio`" in way_out(Stack("nova-prod-audio", status))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("UPDATE_IN_PROGRESS", "or cancel it, which restores what ran before"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "it is only removing what is no longer used, and cannot be stopped"),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "it is only removing what is no longer used"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "it is rolling back to what ran before"),
        ("CREATE_IN_PROGRESS", "this is its first deployment"),
        ("ROLLBACK_IN_PROGRESS", "this is its first deployment"),
        ("DELETE_IN_PROGRESS", "it is being deleted"),
        ("IMPORT_IN_PROGRESS", "wait until IMPORT_IN_PROGRESS has ended"),
    ],
)
def test_of_a_stack_that_is_busy_it_says_what_it_is_waiting_for(status: str, said: str) -> None:
    assert said in way_out(Stack("nova-prod-audio", status))


def test_what_refuses_to_be_deleted_is_unprotected_first() -> None:
    said = way_out(Stack("nova-prod-audio", "ROLLBACK_COMPLETE", protected=True))
    off, delete = "update-termination-protection --no-enable-termination-protection", "delete-stack"
    commands = [f"`aws cloudformation {each} --stack-name nova-prod-audio`" for each in (off, delete)]
    assert ", then ".join(commands) in said
    assert "termination" not in way_out(Stack("nova-prod-audio", "ROLLBACK_COMPLETE"))


@pytest.mark.parametrize("status", ["ROLLBACK_FAILED", "DELETE_FAILED"])
def test_a_platforms_load_balancers_are_unprotected_before_it_is_deleted(status: str) -> None:
    said = way_out(Stack("nova-prod-platform", status))
    assert said.index("deletion protection of its load balancers") < said.index("delete-stack")
    assert "load balancers" not in way_out(Stack("nova-prod-audio", status))
    assert "load balancers" not in way_out(Stack("nova-prod-platform", "REVIEW_IN_PROGRESS"))


def test_deployments_under_way_are_reported() -> None:
    busy = replace(STACK, status="UPDATE_IN_PROGRESS")
    rolling = replace(AUDIO, deployments=(DEPLOYMENT, DEPLOYMENT))
    assert under_way([AUDIO], [STACK]) == []
    assert len(under_way([rolling], [busy])) == 2


def test_a_red_alarm_that_ecs_list_lacks_would_have_stopped_the_deployment() -> None:
    def said(*listed: str) -> str:
        audio = replace(AUDIO, deployment_alarms=listed)
        red = replace(ERRORS, state="ALARM", reason="9 > 5")
        [problem] = faults(RELEASE, replace(WELL, services=(audio,), alarms=(red,)))
        return problem.text

    would = "it would have stopped the deployment if it were a deployment alarm"
    assert said("nova-prod-audio-cpu").endswith(would)
    assert would not in said("nova-prod-audio-errors")
    assert would not in said()

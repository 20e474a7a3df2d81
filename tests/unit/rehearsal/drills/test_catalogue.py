from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nova_infra.assembly import Assembly
from nova_infra.errors import NovaError
from nova_infra.rehearsal.delivery.definition import ApprovalAction, BuildAction, DeployAction, Pipeline, Stage
from nova_infra.rehearsal.drills.catalogue import DRILLS, choose
from nova_infra.rehearsal.drills.plan import lacking, only, plan
from nova_infra.rehearsal.pipeline.builds import left_to_suite
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.pipeline.simulated import new_record
from nova_infra.rehearsal.record import (
    NO_TARGET,
    DeploymentRecord,
    MinuteRecord,
    Notification,
    Record,
    Requests,
    TrafficRecord,
)
from nova_infra.rehearsal.tasks.faults import LABEL

COMMAND = ["python", "-m", "serve", "tiny:app"]


@pytest.fixture
def candidate(tmp_path: Path, write_assembly: Callable[..., Path]) -> Release:
    directory = write_assembly(tmp_path / "assembly")
    for name in ("Dev.json", "Prod.json"):
        template = json.loads((directory / name).read_text())
        template["Resources"]["Task"]["Properties"]["ContainerDefinitions"][0]["Command"] = COMMAND
        (directory / name).write_text(json.dumps(template))
    return Release("candidate", Assembly(directory), tmp_path)


def test_drills_are_chosen_by_name_and_all_means_all() -> None:
    assert [chosen.name for chosen in choose(["errors", "crash-at-start"])] == ["crash-at-start", "errors"]
    assert choose(["all"]) == list(DRILLS)
    assert choose([]) == []


def test_an_unknown_drill_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(NovaError, match=r"--drill nonsense: .* crash-at-start, checkout-file"):
        choose(["errors", "nonsense"])


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("errors", ["Prod"]),
        ("one-of-four", ["Prod"]),
        ("approval-rejected", ["ApproveProduction", "Prod"]),
        ("integration-red", ["Dev", "ApproveProduction", "Prod"]),
    ],
)
def test_a_drill_plays_the_part_that_its_fault_can_reach(candidate: Release, name: str, stages: list[str]) -> None:
    [chosen] = choose([name])
    assert [stage.name for stage in plan(chosen, candidate).pipeline.stages] == stages


@pytest.mark.parametrize(
    ("name", "first"), [("browser-red", "Dev"), ("integration-red", "Dev"), ("approval-rejected", "ApproveProduction")]
)
def test_a_step_with_settings_is_no_test_and_the_pipeline_s_own_approval_is_not_production_s(
    candidate: Release, name: str, first: str
) -> None:
    pipeline = candidate.pipeline()
    verify = BuildAction("Verify", 99, (), ("true",), {"SETUP": "runtime"}, privileged=False, updates_pipeline=False)
    stages = [replace(s, actions=(*s.actions, verify)) if s.name == "Prod" else s for s in pipeline.stages]
    own = Stage("ApprovePipeline", (ApprovalAction("ApprovePipeline", 1),))

    class Longer(Release):
        def pipeline(self) -> Pipeline:
            return replace(pipeline, stages=(stages[0], own, *stages[1:]))

    [chosen] = choose([name])
    played = plan(chosen, Longer(candidate.name, candidate.assembly, candidate.sources)).pipeline
    assert played.stages[0].name == first


def test_nothing_but_the_fault_differs_between_the_releases_of_a_drill(candidate: Release) -> None:
    [chosen] = choose(["errors"])
    planned = plan(chosen, candidate)
    [action] = planned.pipeline.stages[0].actions
    assert isinstance(action, DeployAction)
    bad, good = (release.template(action)["Resources"] for release in (planned.candidate, planned.baseline))
    assert {key for key in bad if bad[key] != good[key]} == {"Task"}
    containers = [r["Task"]["Properties"]["ContainerDefinitions"][0] for r in (bad, good)]
    assert containers[0].pop("DockerLabels") == {LABEL: "errors:0.8"}
    assert containers[0]["Command"] == containers[1]["Command"] == COMMAND
    assert planned.service == "tiny"


class Went:
    """A drill that went as it must, to be changed."""

    def __init__(self, candidate: Release, name: str, outcome: str = "rolled back", reason: str = "") -> None:
        [self.drill] = choose([name])
        self.plan = plan(self.drill, candidate)
        self.record: Record = new_record(self.plan.pipeline, candidate=candidate, baseline=candidate)
        self.record.stages[0].status = "failed"
        self.record.stages[0].actions[0].status = "failed"
        self.deployment = DeploymentRecord("Prod", "prod-tiny", "CANARY", "tiny:1", "tiny:2", baseline=False)
        self.deployment.outcome, self.deployment.reason = outcome, reason  # type: ignore[assignment]
        self.deployment.samples = [MinuteRecord(1, 10, {"tiny:1": Requests(9)}, [])]
        self.record.deployments = [self.deployment]
        self.tell("prod-tiny-errors is in ALARM", "nova failed in Prod", "Approve waits for an approval")

    def tell(self, *messages: str) -> None:
        self.record.notifications = [Notification("Prod", 1, "alerts", message) for message in messages]

    @property
    def misses(self) -> list[str]:
        return self.drill.check(self.record, self.plan.service)


RED = "alarm prod-tiny-errors went to ALARM at 10 % of the traffic"
BROKEN = "3 tasks failed in a row (the circuit breaker opened): it crashed"


def test_a_drill_that_goes_as_it_must_misses_nothing(candidate: Release) -> None:
    assert Went(candidate, "errors", reason=RED).misses == []
    assert Went(candidate, "crash-at-start", reason=BROKEN).misses == []


def test_a_canary_that_gets_all_of_the_traffic_before_it_goes_back_fails_its_drill(candidate: Release) -> None:
    went = Went(candidate, "errors", reason=RED)
    went.deployment.traffic = [TrafficRecord(10, 1), TrafficRecord(0, 2)]
    assert went.misses == []
    went.deployment.traffic.insert(1, TrafficRecord(100, 1.5))
    assert went.misses == ["prod-tiny had all of the traffic before it rolled back"]
    went.deployment.traffic.pop(0)
    assert went.misses == [], "a rollout without a canary has no other share"


def test_a_bad_release_that_goes_through_fails_its_drill(candidate: Release) -> None:
    went = Went(candidate, "errors", "completed")
    went.record.stages[0].actions[0].status = went.record.stages[0].status = "succeeded"
    assert went.misses == [
        "prod-tiny ended completed, not rolled back",
        "Prod succeeded, and its deploy did not stop it",
    ]


def test_a_release_that_goes_back_for_another_reason_fails_its_drill(candidate: Release) -> None:
    assert Went(candidate, "errors", reason="3 tasks").misses == ["prod-tiny rolled back for another reason: 3 tasks"]


def test_requests_that_the_old_revision_fails_or_nobody_takes_fail_the_drill(candidate: Release) -> None:
    went = Went(candidate, "errors", reason=RED)
    went.deployment.samples[0].requests = {"tiny:1": Requests(9, 2), NO_TARGET: Requests(4, 4)}
    assert went.misses == ["the old revision failed 2 requests meanwhile", "4 requests found no target meanwhile"]


def test_a_drill_of_which_nobody_is_told_fails(candidate: Release) -> None:
    went = Went(candidate, "errors", reason=RED)
    went.tell()
    assert went.misses == ["nobody was notified (failed in)", "nobody was notified (is in ALARM)"]


def test_traffic_to_a_service_that_never_started_fails_its_drill(candidate: Release) -> None:
    went = Went(candidate, "crash-at-start", reason=BROKEN)
    went.deployment.samples[0].requests["tiny:2"] = Requests(3)
    assert went.misses == ["it got 3 requests"]


def test_tasks_that_grow_must_be_killed_and_roll_back(candidate: Release) -> None:
    went = Went(candidate, "killed-by-kernel", reason="alarm prod-tiny-memory went to ALARM at 100 % of the traffic")
    assert went.misses == ["no task was killed for its memory"]
    went.deployment.losses = ["it ended: OutOfMemoryError: it held 600 MiB"]
    assert went.misses == []


def test_a_task_that_ignores_its_signal_must_be_killed_without_a_lost_request(candidate: Release) -> None:
    went = Went(candidate, "hang-on-sigterm", "completed")
    went.record.load = {"Prod": Requests(80, 1)}
    assert went.misses == ["every task stopped on SIGTERM", "1 requests failed"]
    went.deployment.killed_at_stop, went.record.load = 2, {"Prod": Requests(80)}
    assert went.misses == []


def test_a_red_alarm_must_leave_the_deployment_unwatched(candidate: Release) -> None:
    went = Went(candidate, "alarm-already-red", "completed")
    assert went.misses == ["ECS watched its alarms anyway"]
    went.deployment.unwatched = ["prod-tiny-errors"]
    assert went.misses == []


def test_a_release_that_is_deployed_in_spite_of_a_red_alarm_fails_the_drill(candidate: Release) -> None:
    went = Went(candidate, "preflight", "completed")
    for action in went.record.stages[0].actions:
        action.kind = "build"
    assert went.misses == ["prod-tiny was deployed, and ended completed"]
    went.record.deployments = []
    assert went.misses == []


def test_a_good_neighbour_that_does_not_go_through_fails_the_drill(candidate: Release) -> None:
    went = Went(candidate, "one-of-four", reason=BROKEN)
    other = DeploymentRecord("Prod", "prod-other", "CANARY", "other:1", "other:2", baseline=False)
    went.record.deployments.append(other)
    assert went.misses == ["prod-other ended in progress"]
    other.outcome = "completed"
    assert went.misses == []


def test_a_pipeline_that_goes_on_after_a_red_test_fails_the_drill(candidate: Release) -> None:
    went = Went(candidate, "integration-red")
    assert went.misses == ["Dev failed, and its build did not stop it"]
    for action in went.record.stages[0].actions:
        action.status = "failed" if action.kind == "build" else "succeeded"
    assert went.misses == []
    went.record.stages[1].status = "succeeded"
    assert went.misses == ["ApproveProduction was reached"]


def test_every_drill_says_what_must_follow() -> None:
    assert all(drill.expected for drill in DRILLS)
    [chosen] = choose(["crash-at-start"])
    assert chosen.expected == (
        "the circuit breaker rolls it back, before it gets any traffic, the old revision answers every request "
        "meanwhile, the stage fails, the pipeline's topic is notified"
    )


def test_a_drill_about_gates_has_one_in_both_releases_and_another_drill_has_none(candidate: Release) -> None:
    def hooks(release: Release) -> list[object]:
        [template] = [t for t in release_templates(release) if "Service" in t["Resources"]]
        return template["Resources"]["Service"]["Properties"]["DeploymentConfiguration"].get("LifecycleHooks", [])

    def release_templates(release: Release) -> list[dict[str, object]]:
        actions = [a for stage in release.pipeline().stages for a in stage.actions if isinstance(a, DeployAction)]
        return [release.template(actions[-1])]

    [gated], [other] = choose(["gate-unanswered"]), choose(["errors"])
    planned = plan(gated, candidate)
    timed = {"TimeoutInMinutes": 2, "Action": "ROLLBACK"}
    expected = [{"TargetType": "PAUSE", "LifecycleStages": ["POST_SCALE_UP"], "TimeoutConfiguration": timed}]
    assert hooks(planned.candidate) == hooks(planned.baseline) == expected
    assert hooks(plan(other, candidate).candidate) == []


def test_a_drill_of_one_service_keeps_the_suite_that_answers_for_it_alone() -> None:
    deploy = DeployAction("shop.Deploy", 2, "acme-live-shop", "shop.json", None)
    settings = {"GATED": "cart shop", "SUITE": "make e2e"}
    gate = BuildAction("Gate", 2, (), ("make gate ENVIRONMENT=live",), settings, False, False)
    verify = BuildAction("Verify", 3, (), ("make verify",), {}, False, False)

    class OneService:
        def template(self, _: str) -> dict[str, object]:
            container = {"Name": "app", "Image": "registry/acme/shop:1"}
            task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [container]}}
            return {"Resources": {"Task": task}}

    kept = only(Stage("Live", (deploy, gate, verify)), "shop", OneService())  # type: ignore[arg-type]
    assert [action.name for action in kept.actions] == ["shop.Deploy", "Gate"]
    assert kept.actions[1] == replace(gate, environment={"GATED": "shop", "SUITE": "make e2e"})
    assert left_to_suite(
        replace(kept, actions=(DeployAction("p", 1, "acme-live-platform", "", None), *kept.actions))
    ) == {"acme-live-shop"}


def test_without_a_suite_there_is_no_drill_about_one(candidate: Release) -> None:
    for drill in choose(["suite-red", "suite-hangs", "suite-elsewhere"]):
        assert lacking(drill, candidate) == "no test suite answers its gate"


@pytest.fixture
def background(tmp_path: Path, write_assembly: Callable[..., Path]) -> Callable[..., Release]:
    """Adds resources to what Prod deploys."""

    def make(kind: str, *resources: dict[str, object], service: bool = True) -> Release:
        directory = write_assembly(tmp_path / kind)
        template = json.loads((directory / "Prod.json").read_text())
        template["Resources"] |= {f"More{number}": each for number, each in enumerate(resources)}
        if not service:
            del template["Resources"]["Service"]
        (directory / "Prod.json").write_text(json.dumps(template))
        return Release("candidate", Assembly(directory), tmp_path)

    return make


MIGRATION = {"Type": "Custom::NovaBeforeDeploy", "Properties": {"Key": "a", "Command": ["migrate"]}}
SCHEDULE = {"Type": "AWS::Scheduler::Schedule", "Properties": {}}


def machine(text: str) -> dict[str, object]:
    return {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionString": text}}


def test_drills_of_migrations_and_jobs_need_what_they_are_about(
    candidate: Release, background: Callable[..., Release]
) -> None:
    fails, overlaps, job = (choose([name])[0] for name in ("migration-fails", "job-overlaps", "job-fails"))
    assert lacking(fails, candidate) == "no web with a before_deploy is delivered"
    assert lacking(fails, background("migrating", MIGRATION)) == ""
    looks = machine('{"Parameters": {"DesiredStatus": "RUNNING"}}')
    once = background("once", looks, SCHEDULE, service=False)
    assert (lacking(overlaps, once), lacking(job, once)) == ("", "")
    twice = background("twice", machine("{}"), SCHEDULE, service=False)
    assert lacking(overlaps, twice) == "no job that runs once at a time is delivered"
    released = background("released", looks, SCHEDULE, MIGRATION, service=False)
    assert lacking(job, released) == "no job that nothing but its schedule starts is delivered"


def test_a_migration_that_fails_must_stop_the_stage_before_anything_is_deployed(candidate: Release) -> None:
    [drill] = choose(["migration-fails"])
    planned = plan(choose(["errors"])[0], candidate)
    record = new_record(planned.pipeline, candidate=candidate, baseline=candidate)
    action = record.stages[0].actions[0]
    record.stages[0].status = action.status = "failed"
    action.note = "tiny: before_deploy failed: it did not end in time: no output"
    record.notifications = [Notification("Prod", 1, "alerts", "nova failed in Prod")]
    assert drill.check(record, "tiny") == []
    action.note = "it crashed"
    record.load = {"Prod": Requests(9, 2)}
    record.deployments = [DeploymentRecord("Prod", "prod-tiny", "CANARY", "tiny:1", "tiny:2", baseline=False)]
    assert drill.check(record, "tiny") == [
        "Prod failed, and not because of before_deploy failed",
        "prod-tiny was deployed, and ended in progress",
        "2 requests failed",
    ]


def test_two_runs_of_a_job_at_once_fail_the_drill_and_so_does_none(candidate: Release) -> None:
    [drill] = choose(["job-overlaps"])
    record = new_record(candidate.pipeline(), candidate=candidate, baseline=candidate)
    assert drill.check(record, "report") == ["no second run of report was due while the first was going"]
    record.at_once = {"nova-prod-report": 2}
    assert drill.check(record, "report") == ["2 runs of report went on at once"]
    record.at_once = {"nova-prod-report": 1}
    assert drill.check(record, "report") == []


def test_a_drill_about_tests_or_an_approval_is_left_out_where_the_pipeline_has_none(
    candidate: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests, approval, errors = (choose([name])[0] for name in ("integration-red", "approval-rejected", "errors"))
    assert lacking(tests, candidate) == lacking(approval, candidate) == lacking(errors, candidate) == ""
    whole = candidate.pipeline()
    stages = [
        replace(stage, actions=tuple(each for each in stage.actions if isinstance(each, DeployAction)))
        for stage in whole.stages
    ]
    monkeypatch.setattr(Release, "pipeline", lambda _: replace(whole, stages=tuple(stages)))
    assert lacking(tests, candidate) == "the pipeline has no stage for a drill about its first tests"
    assert lacking(approval, candidate) == "the pipeline has no stage for a drill about its approval"
    assert lacking(errors, candidate) == ""
    with pytest.raises(NovaError, match="no stage for a drill about its first tests: leave that drill out"):
        plan(tests, candidate)

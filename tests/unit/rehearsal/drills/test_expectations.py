"""What a drill expects of its release, and what misses it."""

import copy

from nova_infra.rehearsal.drills.catalogue import choose
from nova_infra.rehearsal.drills.plan import plan
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


class Went:
    """A drill that ended as expected, to be changed."""

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


def test_what_keeps_a_container_from_starting_may_stop_its_before_deploy_already(candidate: Release) -> None:
    never, errors = Went(candidate, "crash-at-start", reason=BROKEN), Went(candidate, "errors", reason=RED)
    for went in (never, errors):
        went.record.deployments = []
        went.record.stages[0].actions[0].note = "prod-tiny: before_deploy failed: exec: no-such-program: not found"
    assert never.misses == []
    assert "tiny was not deployed" in errors.misses
    never.record.stages[0].actions[0].note = "prod-tiny: the bucket exists"
    assert "tiny was not deployed" in never.misses


def test_a_canary_that_gets_all_of_the_traffic_before_it_rolls_back_fails_its_drill(candidate: Release) -> None:
    went = Went(candidate, "errors", reason=RED)
    went.deployment.traffic = [TrafficRecord(10, 1), TrafficRecord(0, 2)]
    assert went.misses == []
    went.deployment.traffic.insert(1, TrafficRecord(100, 1.5))
    assert went.misses == ["prod-tiny had all traffic before it rolled back"]
    went.deployment.traffic.pop(0)
    assert went.misses == [], "a rollout without a canary has no other share"


def test_a_bad_release_that_goes_through_fails_its_drill(candidate: Release) -> None:
    went = Went(candidate, "errors", "completed")
    went.record.stages[0].actions[0].status = went.record.stages[0].status = "succeeded"
    assert went.misses == [
        "prod-tiny completed instead of rolling back",
        "Prod succeeded, and its deploy did not stop it",
    ]


def test_a_release_that_rolls_back_for_another_reason_fails_its_drill(candidate: Release) -> None:
    assert Went(candidate, "errors", reason="3 tasks").misses == ["prod-tiny rolled back for another reason: 3 tasks"]


def test_a_suite_that_is_the_gate_may_stop_what_an_alarm_would(candidate: Release) -> None:
    went = Went(candidate, "errors", reason="its suite was red")
    gate = copy.copy(went.record.stages[0].actions[0])
    gate.kind = "build"
    went.record.stages[0].actions.append(gate)
    went.tell("nova failed in Prod")
    assert went.misses == []
    went.deployment.reason = RED
    assert any("did not stop it" in clause for clause in went.misses), "the action failed for another reason"
    hanging = Went(candidate, "never-healthy", reason="its suite was red")
    assert any("rolled back for another reason" in clause for clause in hanging.misses)


def test_requests_that_the_old_revision_fails_or_nobody_takes_fail_the_drill(candidate: Release) -> None:
    went = Went(candidate, "errors", reason=RED)
    went.deployment.samples[0].requests = {"tiny:1": Requests(9, 2), NO_TARGET: Requests(4, 4)}
    assert went.misses == ["the old revision failed 2 requests meanwhile", "4 requests found no target meanwhile"]


def test_a_drill_that_notifies_nobody_fails(candidate: Release) -> None:
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
    assert went.misses == ["every task stopped on SIGTERM, so none was killed", "1 request failed"]
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
    assert went.misses == ["prod-tiny was deployed and ended completed"]
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


def test_a_migration_that_fails_must_stop_the_stage_before_anything_is_deployed(candidate: Release) -> None:
    [drill] = choose(["migration-fails"])
    planned = plan(choose(["errors"])[0], candidate)
    record = new_record(planned.pipeline, candidate=candidate, baseline=candidate)
    action = record.stages[0].actions[0]
    record.stages[0].status = action.status = "failed"
    action.note = "tiny: before_deploy failed: it did not end within 14 minutes: no output"
    record.notifications = [Notification("Prod", 1, "alerts", "nova failed in Prod")]
    assert drill.check(record, "tiny") == []
    action.note = "it crashed"
    record.load = {"Prod": Requests(9, 2)}
    record.deployments = [DeploymentRecord("Prod", "prod-tiny", "CANARY", "tiny:1", "tiny:2", baseline=False)]
    assert drill.check(record, "tiny") == [
        "Prod failed, but not because of before_deploy failed",
        "prod-tiny was deployed and ended in progress",
        "2 requests failed",
    ]


def test_two_runs_of_a_job_at_once_fail_the_drill_and_so_does_none(candidate: Release) -> None:
    [drill] = choose(["job-overlaps"])
    record = new_record(candidate.pipeline(), candidate=candidate, baseline=candidate)
    assert drill.check(record, "report") == ["no second run of report was due while the first was running"]
    record.at_once = {"nova-prod-report": 2}
    assert drill.check(record, "report") == ["2 runs of report overlapped"]
    record.at_once = {"nova-prod-report": 1}
    assert drill.check(record, "report") == []

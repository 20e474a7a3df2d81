"""What serves in a stage that failed, service by service: above all where it is the bad revision."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.rehearsal.delivery.definition import DeployAction, Stage
from nova_infra.rehearsal.delivery.workflows.sure_failures import why_cut
from nova_infra.rehearsal.record import ActionRecord, DeploymentRecord, Record, Requests, StageRecord
from nova_infra.rehearsal.report.verdict import verdict

Make = Callable[..., Record]


@pytest.mark.parametrize(
    ("failed", "answers", "said"),
    [
        (9, {500: 4, 200: 6}, "the previous release serves service-1; service-1 fails, too: GET /a answers 500."),
        (0, {500: 4, 200: 6}, "the previous release serves service-1."),
        (9, {500: 1, 200: 29}, "the previous release serves service-1."),
    ],
)
def test_a_previous_release_that_fails_since_is_said_to_fail(
    rehearsed: Make, failed: int, answers: dict[int, int], said: str
) -> None:
    """What a release leaves behind, such as a changed schema, stays when it has been rolled back."""
    record = rehearsed(1, bad=1)
    deployment = record.deployments[-1]
    deployment.answers_before = {"GET /a": answers}
    deployment.samples[-1].requests["service-1:1"].failed = failed
    assert verdict(record).why.endswith(f"In Prod now: {said}")


def test_what_only_aws_knows_is_said_of_a_release_that_is_stopped_here(rehearsed: Make) -> None:
    record = rehearsed(1, bad=1)
    record.granted = ["only AWS knows where desk gets by 'https://' (desk.py:3) in live: here all is HTTP"]
    said = verdict(record)
    assert said.sign == "✗"
    assert said.why.endswith(
        " Besides, only AWS knows where desk gets by 'https://' (desk.py:3) in live: here all is HTTP."
    )


def test_a_deployment_that_did_not_roll_back_serves_the_failed_release(rehearsed: Make) -> None:
    record = rehearsed(1, bad=1)
    deployment = record.deployments[-1]
    deployment.outcome, deployment.traffic[-1].percent = "failed", 40
    assert verdict(record).why.endswith(
        "service-1 gets 40 % of its requests answered by the release until CloudFormation rolls back (not played)."
    )


@pytest.mark.parametrize(
    ("changes", "served", "said"),
    [
        (
            {"outcome": "failed", "traffic": [], "strategy": "ROLLING"},
            30,
            "service-1 gets 75 % of its requests answered",
        ),
        ({"outcome": "failed", "traffic": [], "strategy": "ROLLING"}, 0, "the previous release serves service-1."),
        ({"outcome": "in progress"}, 0, "the previous release serves service-1."),
        ({"outcome": "failed", "old": None}, 0, "nothing serves service-1, which is new."),
        ({"outcome": "rolled back", "old": None}, 0, "nothing serves service-1, which is new."),
    ],
)
def test_what_serves_after_an_odd_ending_is_what_answers(
    rehearsed: Make, changes: dict[str, Any], served: int, said: str
) -> None:
    record = rehearsed(1, bad=1)
    deployment = record.deployments[-1]
    for name, value in changes.items():
        setattr(deployment, name, value)
    deployment.samples[-1].requests = {"service-1:2": Requests(served), "service-1:1": Requests(10)}
    assert f"In Prod now: {said}" in verdict(record).why


@pytest.mark.parametrize(
    ("outcome", "serves"),
    [
        ("completed", "the previous release serves"),
        ("rolled back", "the release serves"),
        ("failed", "the release serves"),
    ],
)
def test_a_release_that_could_not_be_rolled_back_is_said_to_serve(rehearsed: Make, outcome: Any, serves: str) -> None:
    record = rehearsed(2, bad=1)
    for name in ("service-1", "service-2"):
        record.deployments.append(
            DeploymentRecord("Prod", name, "CANARY", f"{name}:2", f"{name}:1", baseline=False, takes_back=True)
        )
        record.deployments[-1].outcome = outcome
    assert verdict(record).why.endswith(f"In Prod now: {serves} service-1, service-2.")


def test_a_deployment_that_goes_on_without_its_job_is_not_said_to_be_undone() -> None:
    live = Stage("Live", (DeployAction("shop.Deploy", 1, "live-shop", "live.json", None),))
    why = why_cut("10", live, lambda _: 12, whole_job=True)
    action = ActionRecord("deploy-live: Deploy", "build", 1, "failed", note=why)
    said = verdict(Record("pipe", "working tree", "HEAD", [StageRecord("Live", [action], "failed")])).why
    assert said.endswith("they go on, and nobody waits for them.")


ENDED = "a task of service-1:2 did not stay up: within 9 s of its start it ended while it was serving: it exited with 0"
LOST = "service-1 lost a task while serving, the last because it exited with 3"


@pytest.mark.parametrize(
    ("failed", "lost", "outcome", "losses", "besides"),
    [
        (5, [ENDED], "completed", [], [ENDED]),
        (5, [ENDED.replace("1:2", "8:2")], "completed", [], []),
        (0, [ENDED], "completed", ["it exited with 3"], []),
        (3, [ENDED], "completed", ["it exited with 3"], [ENDED, LOST]),
        (3, [], "rolled back", ["it exited with 3"], []),  # its own story says so
    ],
)
def test_tasks_that_end_by_themselves_are_named_where_a_later_step_fails(
    rehearsed: Make, failed: int, lost: list[str], outcome: Any, losses: list[str], besides: list[str]
) -> None:
    record = rehearsed(1)
    [stage] = [each for each in record.stages if each.name == "Dev"]
    stage.status = "failed"
    stage.actions.append(ActionRecord("E2ETests", "build", 2, "failed", note="2 tests failed"))
    record.load["Dev"], record.lost = Requests(100, failed), lost
    [deployment] = [each for each in record.deployments if each.environment == "Dev"]
    deployment.outcome, deployment.losses, deployment.answers = outcome, losses, {"GET /a": {200: 5, 502: 4}}
    why = verdict(record).why
    assert "E2ETests: 2 tests failed. The cause: in service-1, GET /a answers 502 to 4 of 9 requests." in why
    assert why.partition(" Besides, ")[2] == ". Besides, ".join(besides) + "." * bool(besides)

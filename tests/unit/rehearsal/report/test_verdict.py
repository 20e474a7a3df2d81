from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.rehearsal.drills.drill import DrillResult
from nova_infra.rehearsal.record import (
    UNMEASURED,
    ActionRecord,
    MinuteRecord,
    Record,
    Requests,
    StageRecord,
)
from nova_infra.rehearsal.report.verdict import verdict

Make = Callable[..., Record]
Drilled = Callable[..., DrillResult]


def test_a_release_that_went_through_is_taken_by_the_last_environment(rehearsed: Make) -> None:
    said = verdict(rehearsed())
    assert (said.passed, said.headline, said.why) == (
        True,
        "Prod would take this release",
        "All 3 stages succeeded.",
    )
    assert said.next_step == "See what stops a bad release: make drills"


def test_drills_that_ended_as_they_must_are_counted(rehearsed: Make, drilled: Drilled) -> None:
    said = verdict(rehearsed(), [drilled("errors"), drilled("slow")])
    assert said.passed
    assert said.why == "All 3 stages succeeded, and all 2 drills ended as expected."
    assert "each of" not in verdict(rehearsed(), [drilled("errors")]).why


def test_a_drill_that_did_not_end_as_it_must_is_named_with_what_it_missed(rehearsed: Make, drilled: Drilled) -> None:
    said = verdict(rehearsed(), [drilled("errors", "nobody was told", "it went through"), drilled("slow")])
    assert not said.passed
    assert said.headline == "Prod would take this release, but might not stop a bad one"
    assert said.why == "1 of 2 drills failed: errors: nobody was told, it went through."
    assert said.next_step.endswith("nova rehearse --drill errors")


def test_a_failed_drill_hides_nothing_that_is_wrong_without_a_drill(rehearsed: Make, drilled: Drilled) -> None:
    record = rehearsed()
    record.lost = ["a task of gate:2 did not last: within 47 s of its start it failed its checks"]
    said = verdict(record, [drilled("slow", "it went through"), drilled("errors")])
    assert (said.passed, said.sign) == (False, "✗")
    assert said.why == (
        "1 of 2 drills failed: slow: it went through. Besides, a task of gate:2 did not last: within 47 s of its start "
        "it failed its checks. Bakes were over by then; in AWS they last minutes."
    )


@pytest.mark.parametrize(
    ("answers", "origin", "lost", "remedy"),
    [
        ({"GET /shop": {404: 9}, "POST /shop": {405: 1, 404: 3}}, "paths", "GET /shop answers 404", "Add requests to"),
        ({"GET /shop": {404: 9}}, "files", "GET /shop answers 404", "Handle those requests, or correct what names"),
        ({"gRPC /a.Health/Check": {405: 7}}, "paths", "gRPC /a.Health/Check answers UNIMPLEMENTED", "Add requests to"),
        ({"GET /shop": {404: 9}, "POST /shop": {422: 3}}, "files", "", "See what stops"),
        ({"GET /shop": {401: 9}}, "files", "", "See what stops"),
    ],
)
def test_a_service_that_handles_nothing_it_is_asked_was_not_tested(
    rehearsed: Make, answers: dict[str, dict[int, int]], origin: str, lost: str, remedy: str
) -> None:
    record = rehearsed(1)
    record.deployments[0].answers = record.deployments[0].answers_before = answers
    record.deployments[0].asked_from = f"their {origin}"
    said = verdict(record)
    assert said.next_step.startswith(remedy)
    assert said.sign == ("!" if lost else "✓")
    assert (f"nothing in service-1 handles what it was asked: {lost}" in said.why) is bool(lost)


def test_a_machine_that_does_not_show_what_containers_use_is_named(rehearsed: Make) -> None:
    record = rehearsed()
    record.tasks = "as containers of their images, by Docker"
    assert verdict(record).tasks == "Services ran as containers of their images, by Docker."
    record.not_rehearsed.append(UNMEASURED)
    assert verdict(record).tasks.endswith(
        " What they used could not be measured, so no alarm on CPU or memory could fire."
    )


def test_another_canary_answers_a_question_and_fails_nothing(rehearsed: Make, drilled: Drilled) -> None:
    said = verdict(rehearsed(), [drilled("errors"), drilled("errors", "it went through", canary="1 % for 1 min")])
    assert said.passed
    assert said.why == "All 3 stages succeeded, and the drill ended as expected."


def test_a_part_of_the_pipeline_says_nothing_of_production(rehearsed: Make) -> None:
    record = rehearsed()
    record.until = "Dev"
    said = verdict(record)
    assert (said.passed, said.headline) == (True, "Nothing stops this release up to Dev")
    assert said.why == "All 3 stages that were played succeeded; those after Dev were not played."


def test_a_release_that_is_stopped_says_where_why_and_what_users_have(rehearsed: Make) -> None:
    said = verdict(rehearsed(2, bad=1))
    assert (said.passed, said.headline) == (False, "This release would be stopped in Prod")
    assert said.why == (
        "service-1: alarm service-1-errors went to ALARM at 10 % of the traffic. In Prod now: the release serves "
        "service-2; the previous release serves service-1."
    )
    assert said.next_step == "Fix that and play it again: make rehearse"
    assert "(2 more actions failed)" in verdict(rehearsed(4, bad=3)).why


def test_a_release_that_is_stopped_says_what_the_firewall_refused_there(rehearsed: Make) -> None:
    record = rehearsed(2, bad=1)
    record.refused = {"Dev": ["3 requests (SizeRestrictions_BODY)"], "Prod": ["1 request (NoUserAgent_HEADER)"]}
    assert "traffic. The firewall of Prod refused 1 request (NoUserAgent_HEADER). In Prod now" in verdict(record).why


@pytest.mark.parametrize(
    ("action", "why", "next_step"),
    [
        (
            ActionRecord("Tests", "build", 1, "failed", note="`make test` exited with 1"),
            "Tests: `make test` exited with 1.",
            "Fix that and play it again: make rehearse",
        ),
        (
            ActionRecord("ApproveProduction", "approval", 1, "failed", note="the approval was refused"),
            "ApproveProduction: the approval was refused.",
            "Answer y to approve, or add --approve",
        ),
        (ActionRecord("Later", "build", 1), "Gate: it failed.", "Fix that and play it again: make rehearse"),
    ],
)
def test_the_next_step_fits_what_stopped_it(action: ActionRecord, why: str, next_step: str) -> None:
    said = verdict(Record("pipe", "working tree", "HEAD", [StageRecord("Gate", [action], "failed")]))
    serves = " Nothing was deployed after Gate: what ran there before serves."
    assert (said.passed, said.why, said.next_step) == (False, why + serves, next_step)


@pytest.mark.parametrize(
    ("deployments", "said"),
    [
        (
            {"shop": "not reached", "stock": "not reached"},
            " Nothing was deployed in Prod or after it: what ran there before serves.",
        ),
        ({"shop": "failed", "stock": "not reached"}, " shop keeps what ran there before."),
        ({"shop": "succeeded", "stock": "not reached"}, ""),
    ],
)
def test_what_serves_is_said_where_no_service_was_deployed(deployments: dict[str, Any], said: str) -> None:
    actions = [ActionRecord("Check", "build", 1, "failed", note="it exited with 5")]
    actions += [ActionRecord(f"{name}.Deploy", "deploy", 2, status) for name, status in deployments.items()]
    why = verdict(Record("pipe", "working tree", "HEAD", [StageRecord("Prod", actions, "failed")])).why
    assert why.partition("exited with 5")[2].partition(".")[2] == said


def test_what_users_met_is_not_passed_over_where_nothing_stopped_the_release(rehearsed: Make) -> None:
    record = rehearsed()
    record.load = {"Dev": Requests(80), "Prod": Requests(100, 7)}
    record.deployments[0].losses = ["it ended: killed"]
    record.deployments[1].ignores_sigterm = True
    said = verdict(record)
    assert (said.passed, said.warns, said.sign) == (True, True, "!")
    assert said.headline == "Prod would take this release, but your users would notice its faults"
    assert said.next_step == "Fix that and play it again: make rehearse"
    assert said.why == (
        "All 3 stages succeeded, but nothing stops what is wrong: 7 of 100 requests in Prod failed, and "
        f"{record.deployments[0].service} lost a task while serving, the last because it ended: killed, and "
        f"every task of {record.deployments[1].service} was killed at the end of its stop timeout, with whatever it "
        "was doing: it does not stop on SIGTERM or its STOPSIGNAL, or not in time."
    )


def test_what_is_wrong_in_every_environment_is_reported_once(rehearsed: Make, deployed: Callable[..., Any]) -> None:
    record = rehearsed()
    record.load = {"Dev": Requests(80, 3), "Staging": Requests(90), "Prod": Requests(100, 7)}
    record.deployments = [deployed(f"{place}-shop", place.title()) for place in ("dev", "staging", "prod")]
    for each, count in zip(record.deployments, (1, 2, 3), strict=True):
        each.ignores_sigterm = True
        each.answers, each.answers_before = {"GET /a": {500: count, 200: 9}}, {"GET /a": {200: 9}}
    assert verdict(record).why == (
        "All 3 stages succeeded, but nothing stops what is wrong: 3 of 80 requests in Dev failed (also 7 of "
        "100 in Prod), and in dev-shop, GET /a answers 500 to 1 of 10 requests (200 before) (also in Staging "
        "and Prod), and every task of dev-shop was killed at the end of its stop timeout, with whatever it was "
        "doing: it does not stop on SIGTERM or its STOPSIGNAL, or not in time (also in Staging and Prod)."
    )


def test_what_nobody_asked_in_any_environment_is_reported_once(rehearsed: Make, deployed: Callable[..., Any]) -> None:
    record = rehearsed()
    record.deployments = [deployed(f"{place}-shop", place.title()) for place in ("dev", "prod")]
    for each in record.deployments:
        each.samples = []
    assert verdict(record).why == "All 3 stages succeeded, but dev-shop got no requests (also in Prod)."


def test_a_stage_that_may_not_be_entered_says_why(rehearsed: Make) -> None:
    record = rehearsed()
    record.stages[-1].status, record.stages[-1].note = "stopped", "the transition into Prod is disabled: a freeze"
    record.stages[-1].actions[0].status = "not reached"
    assert verdict(record).why == "Prod: the transition into Prod is disabled: a freeze."


@pytest.mark.parametrize(
    ("held", "limit", "minutes"),
    [
        ([300, 320, 340, 360, 380], 512, 7),
        ([300, 320, 319, 340, 360, 380], 512, 8),
        ([60, 60.1, 60.2, 60.3, 60.4], 512, None),
        ([60, 160, 160, 160, 160], 512, None),
        ([60, 40, 61, 41, 62], 512, None),
        ([300, 320, 340], 512, None),
    ],
    ids=[
        "it grows with every minute",
        "it rests for one",
        "it takes a day",
        "it fills a cache once",
        "it comes and goes",
        "too few minutes to tell",
    ],
)
def test_memory_that_will_be_full_after_the_bake_is_not_passed_over(
    rehearsed: Make, held: list[float], limit: float, minutes: int | None
) -> None:
    record = rehearsed()
    deployment = record.deployments[-1]
    deployment.memory = limit
    asked = {deployment.new: Requests(40, 0, 0.4)}
    deployment.samples = [MinuteRecord(n, 100, asked, [], memory=memory) for n, memory in enumerate(held)]
    said = verdict(record)
    assert said.passed
    assert (f"it runs out of memory in {minutes} minutes" in said.why) is (minutes is not None)
    assert said.warns is (minutes is not None)


@pytest.mark.parametrize(("minutes", "watched", "sign"), [(2, "prod-cpu", "!"), (1, "prod-cpu", "✓"), (2, "x", "✓")])
def test_what_a_busy_machine_could_not_measure_is_not_said_to_be_good(
    rehearsed: Make, minutes: int, watched: str, sign: str
) -> None:
    record = rehearsed()
    deployment = record.deployments[-1]
    deployment.samples = [MinuteRecord(n, 100, {deployment.new: Requests(40, 0, 0.4)}, []) for n in range(3)]
    deployment.watched = [watched]
    record.unknown_cpu = {deployment.service: minutes}
    said = verdict(record)
    assert said.sign == sign
    assert ("this machine was too busy to measure the CPU time of" in said.why) is (sign == "!")
    assert ("when this machine is quiet" in said.next_step) is (sign == "!")


def test_tasks_that_do_not_outlast_the_bakes_are_no_good_release(rehearsed: Make) -> None:
    record = rehearsed()
    record.lost = ["a task of gate:2 did not last: within 47 s of its start it failed its checks"]
    said = verdict(record)
    assert (said.passed, said.sign) == (True, "!")
    assert said.headline == "Prod would take this release, but its tasks do not stay up"
    assert "but a task of gate:2 did not last: within 47 s of its start it failed its checks. Bakes" in said.why
    assert said.next_step.endswith("nova rehearse --real-time")


def test_a_release_of_which_nothing_runs_here_is_not_called_good(rehearsed: Callable[..., Record]) -> None:
    record = rehearsed()
    record.runs_tasks = False
    said = verdict(record)
    assert (said.passed, said.sign) == (True, "!")
    assert "nothing was played: it deploys no service, worker or job" in said.why
    assert "requests" not in said.next_step


def test_a_release_whose_alarms_had_too_few_requests_was_not_tested_by_them(rehearsed: Make) -> None:
    record = rehearsed()
    deployment = record.deployments[-1]
    deployment.needs = {f"{deployment.service}-errors": 10**6}
    deployment.samples = [MinuteRecord(n, 10, {deployment.new: Requests(40)}, []) for n in range(3)]
    said = verdict(record)
    assert (said.passed, said.warns) == (True, True)
    assert "had 40 requests a minute, too few for its alarms to judge (errors needs 1000000)" in said.why
    assert said.next_step == "Lower alarms.min_requests, and play it again: make rehearse"


def test_an_alarm_that_would_have_stopped_a_release_that_went_through_is_a_warning(rehearsed: Make) -> None:
    record = rehearsed()
    deployment = record.deployments[-1]
    name = f"{deployment.service}-memory"
    deployment.unlisted = [name]
    deployment.samples = [MinuteRecord(n, 10, {deployment.new: Requests(40)}, [name]) for n in range(3)]
    said = verdict(record)
    assert (said.passed, said.warns) == (True, True)
    assert said.headline == "Prod would take this release, but an alarm would have stopped it"
    assert f"{name} fired and would have ended the deployment" in said.why


@pytest.mark.parametrize(
    "wrong",
    [
        "your users would notice its faults",
        "its tasks do not stay up",
        "an alarm would have stopped it",
        "not all of it was tested",
    ],
)
def test_what_only_aws_knows_is_said_whatever_else_is_wrong(rehearsed: Make, wrong: str) -> None:
    record = rehearsed()
    deployment = record.deployments[-1]
    record.granted = ["only AWS knows whether the secret shop/db exists, which DB comes from"]
    match wrong:
        case "your users would notice its faults":
            record.unsafe = ["2 runs of report overlap"]
        case "its tasks do not stay up":
            record.lost = ["a task of gate:2 did not last"]
        case "an alarm would have stopped it":
            deployment.unlisted = ["memory"]
            deployment.samples = [MinuteRecord(1, 10, {deployment.new: Requests(40)}, ["memory"])]
    said = verdict(record)
    assert said.headline == f"Prod would take this release, but {wrong}"
    assert said.why.count("only AWS knows whether the secret shop/db exists, which DB comes from.") == 1


def test_what_borrowed_packages_may_hide_is_seen_in_what_is_deployed(rehearsed: Make) -> None:
    record = rehearsed()
    record.borrowed = [
        "the baseline's templates are made with the packages installed here, not those of its poetry.lock"
    ]
    record.granted = list(record.borrowed)
    assert verdict(record).next_step == "Compare the templates with those that are deployed: npx cdk diff"
    record.granted.append("only AWS knows whether the secret shop/db exists, which DB comes from")
    assert verdict(record).next_step.endswith("nova doctor")

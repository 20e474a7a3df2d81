"""A test suite that answers deployments, by ECS's own requests."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from helpers.rollouts import target_group
from nova_infra.errors import PassingError

from .conftest import Release, together


@pytest.mark.exhaustive("test_a_service_that_does_not_come_is_not_waited_for_for_ever")
def test_a_green_suite_lets_all_that_wait_go_on_after_one_run(release: Release) -> None:
    release.plan = [
        lambda: release.begins("s01-service"),
        lambda: release.begins("s02-service"),
        lambda: release.waits("s01-service"),
        lambda: release.waits("s02-service"),
    ]
    assert release.answer("s01-service", "s02-service", suite=release.suite()) == []
    assert release.runs == [("s01-service", "s02-service")]
    assert release.told == [("continue", "s01-service"), ("continue", "s02-service")]


def test_a_red_suite_sends_back_what_waits_and_says_why(release: Release) -> None:
    release.plan = [lambda: release.begins("s01-service"), lambda: release.waits("s01-service")]
    red = release.answer("s01-service", suite=release.suite("FAILED test_cart"))
    assert red == ["s01-service: FAILED test_cart"]
    assert release.told == [("stop", "s01-service")]


def test_a_service_that_does_not_come_is_not_waited_for_for_ever(release: Release) -> None:
    release.plan = [
        together(
            lambda: release.begins("s01-service"),
            lambda: release.begins("s02-service"),
            lambda: release.waits("s01-service"),
        ),
        *[lambda: None] * 20,
        lambda: release.ends("s02-service", "UPDATE_ROLLBACK_COMPLETE"),
    ]
    assert release.answer("s01-service", "s02-service", suite=release.suite()) == []
    assert release.runs == [("s01-service",)]
    assert release.told == [("continue", "s01-service")]


def test_each_step_is_answered_by_a_run_of_its_own(release: Release) -> None:
    release.plan = [lambda: release.begins("s01-service"), lambda: release.waits("s01-service")]
    first: list[int] = []

    def suite(_: Callable[[], bool], __: float) -> str:
        first.append(1)
        if len(first) == 1:  # The deployment comes to its next gate at once.
            rollout = release.world.rollouts[0]
            release.plan = [lambda: None]
            rollout.hooks = [{"hookId": "next", "targetType": "PAUSE", "status": "AWAITING_ACTION"}]
        return ""

    assert release.answer("s01-service", suite=suite) == []
    assert {params["hookId"] for what, params in release.world.answered if what == "continue"} == {"next"}


def test_what_was_answered_by_somebody_else_is_reported_and_not_answered_again(release: Release) -> None:
    release.plan = [lambda: release.begins("s01-service"), lambda: release.waits("s01-service")]
    suite = release.suite(meanwhile=lambda: release.ends("s01-service"))
    assert release.answer("s01-service", suite=suite) == []
    assert release.told == []
    assert any("s01-service: no longer waits" in line for line in release.lines)


def test_a_release_that_runs_already_needs_no_suite(release: Release) -> None:
    release.ends("s01-service")
    assert release.answer("s01-service", suite=release.suite()) == []
    assert release.runs == release.told == []


def test_what_is_never_deployed_is_not_called_tested(release: Release) -> None:
    began = release.world.now
    assert release.answer("s01-service", suite=release.suite(), patience=300) == []
    assert release.lines == ["not deployed, so nothing was tested: s01-service"]
    assert (release.world.now - began).total_seconds() == 300


def test_a_look_that_aws_does_not_answer_is_repeated(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    look, failures = release.environment.service_deployments, [PassingError("too many calls")]

    def sometimes(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return look(*arguments)

    monkeypatch.setattr(release.environment, "service_deployments", sometimes)
    release.plan = [lambda: release.begins("s01-service"), lambda: release.waits("s01-service")]
    assert release.answer("s01-service", suite=release.suite()) == []
    assert release.told == [("continue", "s01-service")]
    assert "the last look failed: too many calls" in release.lines


def test_a_first_deployment_that_is_red_is_left_to_ecs_after_one_run(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = release.world.described
    monkeypatch.setattr(release.world, "described", lambda r: {**described(r), "sourceServiceRevisions": []})
    release.plan = [
        lambda: release.begins("s01-service"),
        lambda: release.waits("s01-service"),
        *[lambda: None] * 5,
        lambda: release.ends("s01-service", "ROLLBACK_COMPLETE"),
    ]
    assert release.answer("s01-service", suite=release.suite("FAILED test_cart")) == ["s01-service: FAILED test_cart"]
    assert len(release.runs) == 1
    assert release.told == []
    assert any("is deployed for the first time, so there is nothing to roll back to" in line for line in release.lines)


@pytest.mark.exhaustive("test_a_metric_that_could_not_be_read_is_not_0_requests")
def test_a_green_suite_that_never_met_a_new_revision_is_red_for_that_one(release: Release) -> None:
    release.world.requests[target_group("s01-service", "green")] = 0
    release.world.requests[target_group("s01-service", "blue")] = 700  # The old revision gets the users' requests.
    release.plan = [
        together(lambda: release.begins("s01-service"), lambda: release.begins("s02-service")),
        together(lambda: release.waits("s01-service"), lambda: release.waits("s02-service")),
    ]
    [red] = release.answer("s01-service", "s02-service", suite=release.suite())
    assert red.startswith(
        "s01-service: the suite is green, but 0 requests reached the new revision: have it call the service at BASE_URL"
    )
    assert release.told == [("stop", "s01-service"), ("continue", "s02-service")]


def test_requests_count_from_the_first_whole_minute_of_the_suite_on(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[datetime] = []
    counted: list[dict[str, Any]] = []
    answer = release.world.get_metric_data

    def counting(params: dict[str, Any]) -> dict[str, Any]:
        counted.append(params)
        return answer(params)

    monkeypatch.setattr(release.world, "get_metric_data", counting)
    release.plan = [lambda: release.begins("s01-service"), lambda: release.waits("s01-service")]
    release.answer("s01-service", suite=release.suite(meanwhile=lambda: began.append(release.world.now)))
    assert began == [counted[0]["StartTime"]]
    assert (began[0].second, began[0].microsecond) == (0, 0)


@pytest.mark.exhaustive("test_requests_count_from_the_first_whole_minute_of_the_suite_on")
def test_late_requests_are_waited_for_and_met(release: Release) -> None:
    group = target_group("s01-service", "green")
    release.world.requests[group] = 0
    release.plan = [
        lambda: release.begins("s01-service"),
        lambda: release.waits("s01-service"),
        *[lambda: None] * 12,
        lambda: release.world.requests.update({group: 2}),
    ]
    assert release.answer("s01-service", suite=release.suite()) == []
    assert release.told == [("continue", "s01-service")]


def test_a_revision_that_is_not_described_is_read_again_and_does_not_count_as_idle(
    release: Release,
) -> None:
    release.world.refused["DescribeServiceRevisions"] = "ThrottlingException"
    release.plan = [
        lambda: release.begins("s01-service"),
        lambda: release.waits("s01-service"),
        *[lambda: None] * 3,
        release.world.refused.clear,
    ]
    assert release.answer("s01-service", suite=release.suite()) == []
    assert release.told == [("continue", "s01-service")]
    assert any("s01-service: ECS did not describe the new revision" in line for line in release.lines)


@pytest.mark.parametrize("status", ["InternalError", "Forbidden"])
def test_a_metric_that_could_not_be_read_is_not_0_requests(
    release: Release, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = release.world.get_metric_data

    def unread(params: dict[str, Any]) -> dict[str, Any]:
        results = answer(params)["MetricDataResults"]
        return {
            "MetricDataResults": [{**each, "Values": [], "Timestamps": [], "StatusCode": status} for each in results]
        }

    monkeypatch.setattr(release.world, "get_metric_data", unread)
    release.plan = [lambda: release.begins("s01-service"), lambda: release.waits("s01-service")]
    [red] = release.answer("s01-service", suite=release.suite())
    assert red.startswith("s01-service: it is not known whether the suite reached it")


def test_requests_that_cannot_be_counted_are_no_green(release: Release) -> None:
    release.world.refused["GetMetricData"] = "ThrottlingException"
    release.plan = [lambda: release.begins("s01-service"), lambda: release.waits("s01-service")]
    [red] = release.answer("s01-service", suite=release.suite())
    assert red.startswith("s01-service: it is not known whether the suite reached it: ")
    assert release.told == [("stop", "s01-service")]


def test_the_tests_of_a_function_are_over_before_the_suite_begins(release: Release) -> None:
    smoke = {"hookId": "smoke", "targetType": "AWS_LAMBDA", "status": "IN_PROGRESS"}

    def tested(*, over: bool) -> None:
        [rollout] = release.world.rollouts
        rollout.hooks = [hook for hook in rollout.hooks if hook != smoke] + ([] if over else [smoke])

    release.plan = [
        lambda: release.begins("s01-service"),
        together(lambda: release.waits("s01-service"), lambda: tested(over=False)),
        *[lambda: None] * 20,
        lambda: tested(over=True),
    ]
    hooks: list[int] = []
    suite = release.suite(meanwhile=lambda: hooks.append(len(release.world.rollouts[0].hooks)))
    assert release.answer("s01-service", suite=suite) == []
    assert hooks == [1], "the suite's own gate alone"


@pytest.mark.exhaustive("test_requests_count_from_the_first_whole_minute_of_the_suite_on")
def test_where_users_have_met_the_new_revision_requests_are_not_counted(release: Release) -> None:
    release.world.refused["GetMetricData"] = "AccessDenied"
    release.world.pass_by(7)  # A count begins with the next whole minute.
    began: list[datetime] = []
    release.plan = [lambda: release.begins("s01-service"), lambda: release.waits("s01-service", weight=10.0)]
    suite = release.suite(meanwhile=lambda: began.append(release.world.now))
    waits = release.world.now + timedelta(seconds=20)
    assert release.answer("s01-service", suite=suite) == []
    assert release.told == [("continue", "s01-service")]
    assert began == [waits], "nothing is counted, so there is nothing to wait for"


@pytest.mark.parametrize(("lags", "minutes"), [(240.0, 15), (3600.0, 9.5)], ids=["its lag", "half at most"])
def test_the_suite_leaves_the_time_in_which_its_requests_can_be_counted(
    release: Release, monkeypatch: pytest.MonkeyPatch, lags: float, minutes: float
) -> None:
    count = release.environment.count_requests
    monkeypatch.setattr(release.environment, "count_requests", lambda found: replace(count(found), lags=lags))
    limits: list[float] = []

    def suite(_: Callable[[], bool], limit: float) -> str:
        limits.append(limit)
        return ""

    def waits() -> None:
        release.waits("s01-service")
        [rollout] = release.world.rollouts
        rollout.hooks[0]["expiresAt"] = release.world.now + timedelta(minutes=20)

    release.plan = [lambda: release.begins("s01-service"), waits]
    assert release.answer("s01-service", suite=suite) == []
    assert limits == [pytest.approx(minutes * 60, abs=60)]


def test_nobody_waits_for_a_revision_whose_gate_was_answered(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no users yet, and comes to no gate again before it has."""
    ran: list[datetime] = []

    def obey() -> None:
        for rollout in release.world.rollouts if release.world.answered else ():
            rollout.hooks = [each for each in rollout.hooks if (each["hookId"], len(ran)) == ("s02-service", 1)]

    def meanwhile() -> None:
        ran.append(release.world.now)
        first = [lambda: None, lambda: None, lambda: release.waits("s02-service")]
        release.plan = (
            first if len(ran) == 1 else [lambda: release.ends("s01-service"), lambda: release.ends("s02-service")]
        )

    monkeypatch.setattr(release, "obey", obey)
    release.plan = [
        together(lambda: release.begins("s01-service"), lambda: release.begins("s02-service")),
        lambda: release.waits("s01-service"),
    ]
    assert release.answer("s01-service", "s02-service", suite=release.suite(meanwhile=meanwhile)) == []
    assert ran[1] - ran[0] < timedelta(minutes=2)

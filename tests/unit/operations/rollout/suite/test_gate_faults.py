"""A suite's gate over a bad connection: the suite runs once, and every deployment gets its answer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.errors import AwsError, PassingError

from .conftest import Release, together


@pytest.mark.parametrize("looks", [2, 1000])
def test_a_revision_that_ecs_does_not_describe_is_asked_for_again_before_the_suite_runs(
    release: Release, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    count, failures = release.environment.count_requests, [PassingError("s01-service: not described")] * looks

    def sometimes(deployments: Any) -> Any:
        if failures:
            raise failures.pop()
        return count(deployments)

    monkeypatch.setattr(release.environment, "count_requests", sometimes)
    release.plan = [lambda: release.begins("s01-service"), lambda: release.waits("s01-service")]
    red = release.answer("s01-service", suite=release.suite())
    if looks == 2:
        assert (red, release.told) == ([], [("continue", "s01-service")])
    else:
        assert red == ["s01-service: it is not known whether the suite reached it: s01-service: not described"]
        assert release.told == [("stop", "s01-service")]


@pytest.mark.parametrize("operation", ["DescribeServiceDeployments", "DescribeServices"])
def test_a_suite_is_not_run_again_because_a_look_after_it_is_throttled(release: Release, operation: str) -> None:
    refused = release.world.refused
    release.plan = [
        lambda: release.begins("s01-service"),
        lambda: release.waits("s01-service"),
        lambda: None,  # The count begins.
        refused.clear,
    ]
    suite = release.suite(meanwhile=lambda: refused.update({operation: "ThrottlingException"}))
    assert release.answer("s01-service", suite=suite) == []
    assert release.runs == [("s01-service",)]
    assert release.told == [("continue", "s01-service")]


def test_a_throttled_look_while_the_suite_runs_does_not_stop_it(release: Release) -> None:
    still: list[bool] = []

    def suite(still_wanted: Callable[[], bool], _: float) -> str:
        release.world.refused["DescribeServices"] = "ThrottlingException"
        still.append(still_wanted())
        release.world.refused.clear()
        return ""

    release.plan = [lambda: release.begins("s01-service"), lambda: release.waits("s01-service")]
    assert release.answer("s01-service", suite=suite) == []
    assert still == [True]


@pytest.mark.parametrize(("what", "why"), [("continue", ""), ("stop", "FAILED test_cart")])
def test_an_answer_that_one_service_did_not_get_is_given_again(
    release: Release, monkeypatch: pytest.MonkeyPatch, what: str, why: str
) -> None:
    method = f"{what}_deployment"
    give, failures = getattr(release.environment, method), [PassingError("too many calls")]

    def sometimes(deployment: Any, *arguments: Any) -> None:
        if deployment.service == "s02-service" and failures:
            raise failures.pop()
        give(deployment, *arguments)

    monkeypatch.setattr(release.environment, method, sometimes)
    release.plan = [
        together(lambda: release.begins("s01-service"), lambda: release.begins("s02-service")),
        together(lambda: release.waits("s01-service"), lambda: release.waits("s02-service")),
    ]
    release.answer("s01-service", "s02-service", suite=release.suite(why))
    assert release.told == [(what, "s01-service"), (what, "s02-service")]
    assert len(release.runs) == 1


@pytest.mark.parametrize(("what", "why"), [("continue", ""), ("stop", "it took too long")])
@pytest.mark.parametrize("after", one_of_each([True, False]), ids=["after the suite", "before the next answer"])
def test_an_answer_of_the_last_minute_is_given_after_one_run(
    release: Release, monkeypatch: pytest.MonkeyPatch, what: str, why: str, after: bool
) -> None:
    release.plan = [lambda: release.begins("s01-service"), lambda: release.waits_until("s01-service", minutes=20)]
    limits: list[float] = []

    def suite(_: Callable[[], bool], limit: float) -> str:
        limits.append(limit)
        release.world.pass_by(limit)
        failing = release.environment, "service_deployments" if after else f"{what}_deployment"
        call, failures = getattr(*failing), [PassingError("too many calls")] * 3

        def sometimes(*arguments: Any) -> Any:
            if failures:
                raise failures.pop()
            return call(*arguments)

        monkeypatch.setattr(*failing, sometimes)
        return why

    red = release.answer("s01-service", suite=suite)
    assert release.told == [(what, "s01-service")]
    assert red == ([f"s01-service: {why}"] if why else [])
    assert limits == [19 * 60], "a minute is kept for the answer"


def test_a_gate_that_times_out_unanswered_is_left_to_ecs(release: Release) -> None:
    release.plan = [
        lambda: release.begins("s01-service"),
        lambda: release.waits_until("s01-service", minutes=3),
        *[lambda: None] * 60,
        lambda: release.ends("s01-service", "UPDATE_ROLLBACK_COMPLETE"),
    ]
    throttled = {"ContinueServiceDeployment": "ThrottlingException"}
    suite = release.suite(meanwhile=lambda: release.world.refused.update(throttled))
    assert release.answer("s01-service", suite=suite) == []
    assert release.runs == [("s01-service",)]
    assert sum("got no answer in time" in line for line in release.lines) == 1


def test_one_service_that_somebody_else_answers_does_not_keep_the_others(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.plan = [
        together(lambda: release.begins("s01-service"), lambda: release.begins("s02-service")),
        together(lambda: release.waits("s01-service"), lambda: release.waits("s02-service")),
    ]
    count = release.environment.count_requests

    def meanwhile(deployments: Any) -> Any:
        counted = count(deployments)

        def read() -> Any:  # Between the look after the suite and its answer.
            release.ends("s01-service")
            return counted.read()

        return replace(counted, read=read)

    monkeypatch.setattr(release.environment, "count_requests", meanwhile)
    assert release.answer("s01-service", "s02-service", suite=release.suite()) == []
    assert release.told == [("continue", "s02-service")]
    assert len(release.runs) == 1


def test_what_the_ledger_lacks_stops_no_release(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> int:
        raise AwsError("AWS: ssm:put_parameter: no more")

    monkeypatch.setattr(release.environment, "put_parameter", refuse)
    release.plan = [lambda: release.begins("s01-service"), lambda: release.waits("s01-service")]
    assert release.answer("s01-service", suite=release.suite()) == []
    assert release.told == [("continue", "s01-service")]
    assert any("the ledger does not have it" in line for line in release.lines)


def test_without_a_ledger_a_service_that_ecs_did_not_answer_for_is_answered_for_again(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise AwsError("AWS: ssm:put_parameter: no more")

    give, failures = release.environment.continue_deployment, [PassingError("too many calls")]

    def sometimes(deployment: Any, hook: Any) -> None:
        if deployment.service == "s02-service" and failures:
            raise failures.pop()
        give(deployment, hook)

    monkeypatch.setattr(release.environment, "put_parameter", refuse)
    monkeypatch.setattr(release.environment, "continue_deployment", sometimes)
    release.plan = [
        together(lambda: release.begins("s01-service"), lambda: release.begins("s02-service")),
        together(lambda: release.waits("s01-service"), lambda: release.waits("s02-service")),
    ]
    assert release.answer("s01-service", "s02-service", suite=release.suite()) == []
    assert release.told == [("continue", "s01-service"), ("continue", "s02-service")]
    assert release.runs == [("s01-service", "s02-service")]
    [first, _] = [line for line in release.lines if "the ledger does not have it" in line]
    assert "s02-service: not promoted: too many calls" in first


def test_an_answer_that_is_not_allowed_is_reported_once(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    release.world.refused["ContinueServiceDeployment"] = "AccessDeniedException"
    release.plan = [
        lambda: release.begins("s01-service"),
        lambda: release.waits("s01-service"),
        *[lambda: None] * 5,
        lambda: release.ends("s01-service", "UPDATE_ROLLBACK_COMPLETE"),
    ]
    release.answer("s01-service", suite=release.suite())
    assert len(release.runs) == 1
    assert sum("AWS does not allow ecs:continue_service_deployment" in line for line in release.lines) == 1

"""Experiments whose answers change while they run: gates, steering, paths and counts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.experiments import MADE, WENT_BACK, verdicts
from helpers.sandbox import BEGUN, SandboxAccount, denied, refused
from nova_infra.assumptions.experiments import traffic
from nova_infra.assumptions.sandbox.requests import SandboxAnswer

AWAITING = {"lifecycleHookDetails": [{"hookId": "hook-1", "status": "AWAITING_ACTION"}], "status": "IN_PROGRESS"}


def steering(may: Any, may_not: Any) -> Callable[[SandboxAccount], None]:
    def prepare(account: SandboxAccount) -> None:
        for name, answer in (("May", may), ("MayNot", may_not)):
            account.roles[name] = SandboxAccount()
            for operation in ("continue_service_deployment", "stop_service_deployment"):
                account.roles[name].answers[operation] = answer

    return prepare


@pytest.mark.parametrize(
    ("may", "may_not", "expected"),
    [(refused, denied, "held"), (denied, denied, "refuted"), (refused, refused, "undecided")],
)
def test_a_role_that_may_steer_learns_that_there_is_no_deployment(may: Any, may_not: Any, expected: str) -> None:
    account = SandboxAccount()
    steering(may, may_not)(account)
    assert verdicts("steering-permissions", account) == {"steering-permissions": expected}


@pytest.mark.parametrize(
    ("statuses", "later", "expected"),
    [
        # The update ends without another deployment; with one that waits, too; the first never waited.
        ((AWAITING, AWAITING), {}, "held"),
        ((AWAITING, AWAITING), {3: AWAITING}, "refuted"),
        (({}, AWAITING), {}, "refuted"),
    ],
)
def test_a_gate_pauses_the_first_deployment_and_not_the_way_back(statuses: Any, later: Any, expected: str) -> None:
    account = SandboxAccount()
    account.ends["first-pause"] = [MADE, WENT_BACK]
    account.deployments = dict(enumerate(statuses, 1)) | later

    def answered(action: str, serviceDeploymentArn: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        account.deployments[int(serviceDeploymentArn[-1])] = {}
        if action == "ROLLBACK" and later:
            account.stacks["nova-prove-first-pause"]["deployed"] += 1
        return {}

    account.answers["continue_service_deployment"] = answered
    assert verdicts("first-pause", account) == {"first-pause": expected}


@pytest.mark.parametrize(
    ("matched", "expected"), [({"/plain"}, "refuted"), ({"/plain", "/%70lain"}, "held"), (set(), "undecided")]
)
def test_paths_are_normalized_where_another_spelling_matches(
    monkeypatch: pytest.MonkeyPatch, matched: set[str], expected: str
) -> None:
    monkeypatch.setattr(
        traffic,
        "ask",
        lambda _, path, **__: SandboxAnswer(200, "matched") if path in matched else SandboxAnswer(404, "none"),
    )
    assert verdicts("path-normalization", SandboxAccount()) == {"path-normalization": expected}


@pytest.mark.parametrize(
    ("requests", "answered", "left", "looks", "expected"),
    one_of_each(
        [
            # What a load balancer counts that counts a request when it comes: all of them, in the first minute.
            ([71, 1], [40, 7], 15, 2, ["held", "held", "held", "held", "held"]),
            # Its figures come minutes later.
            ([71, 1], [40, 7], 15, 20, ["held", "refuted", "held", "held", "held"]),
            # One that counts only what was answered, when that was.
            ([40, 7], [40, 7], 0, 2, ["refuted", "held", "refuted", "refuted", "refuted"]),
            # One that counts those that it gave up, and not those who left.
            ([56, 1], [40, 7], 15, 2, ["held", "held", "held", "refuted", "held"]),
        ],
        kind=lambda case: (case[3], "refuted" in case[-1]),
    ),
)
def test_requests_are_counted_by_the_minute(
    monkeypatch: pytest.MonkeyPatch,
    requests: list[int],
    answered: list[int],
    left: int,
    looks: int,
    expected: list[str],
) -> None:
    account = SandboxAccount()

    def asked(_: str, path: str, *, patience: float = 90.0, **__: Any) -> SandboxAnswer:
        if path.endswith("/hang"):
            return SandboxAnswer(0) if patience < 60 else SandboxAnswer(504)
        return SandboxAnswer(200, str(left))

    def counted(MetricDataQueries: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        minutes = [BEGUN, BEGUN + timedelta(minutes=1)]
        by_name = {"RequestCount": requests, "HTTPCode_Target_2XX_Count": answered}
        found = []
        for query in MetricDataQueries:
            counts = by_name.get(query["MetricStat"]["Metric"]["MetricName"], [])
            values = [float(count) for count in counts] if account.calls["get_metric_data"] > looks else []
            found.append({"Id": query["Id"], "Values": values, "Timestamps": minutes[: len(values)]})
        return {"MetricDataResults": found}

    account.answers["get_metric_data"] = counted
    monkeypatch.setattr(traffic, "ask", asked)
    rows = ["closed-to-target", "metric-delay", "unanswered-requests", "closed-by-client", "metric-minutes"]
    assert verdicts("request-counts", account) == dict(zip(rows, expected, strict=True))

from collections.abc import Callable

import pytest

from nova_infra.rehearsal.record import Record
from nova_infra.rehearsal.report.confidence import confidence

Make = Callable[..., Record]


def line(record: Record, begins: str) -> str:
    return next((each for each in confidence(record) if each.startswith(begins)), "")


def test_it_says_what_was_asked_and_what_was_not(rehearsed: Make) -> None:
    record = rehearsed(2)
    for deployment in record.deployments[1:]:
        deployment.answers = {"GET /a": {200: 9}, "GET /b": {200: 8}}
        deployment.asked_from = "their OpenAPI documents"
    said = line(record, "Played")
    assert "4 operations were called, with requests from their OpenAPI documents (3 deployments)" in said
    assert line(rehearsed(1), "Played").endswith("service-1 got no requests.")


def test_an_operation_that_only_ever_refused_is_not_covered(rehearsed: Make) -> None:
    """A made-up request may be refused for what it says, so nothing is known of what the operation does."""
    record = rehearsed(1)
    [released, *_] = [each for each in record.deployments if not each.baseline]
    released.answers = {"POST /refused": {422: 9}, "GET /fine": {200: 8}, "POST /mixed": {422: 3, 200: 1}}
    released.answers_before = {"POST /refused": {422: 7}, "POST /mixed": {422: 4}}
    said = line(record, "Not covered: POST")
    assert "POST /refused of service-1 (422). Every request was refused" in said
    assert "/fine" not in said
    assert "/mixed" not in said
    released.answers_before["POST /refused"][200] = 1
    assert line(record, "Not covered: POST") == "", "it is known, and worse now"


def test_what_users_may_ask_besides_is_not_covered_and_said_once(rehearsed: Make) -> None:
    record = rehearsed(2)
    released = [each for each in record.deployments if not each.baseline]
    for deployment in released:
        deployment.not_asked = ["gRPC /shop.Shop/Watch streams"]
    assert line(record, "Not covered, requests") == "", "of what was not asked at all, the verdict says why"
    for deployment in released:
        deployment.answers = {"gRPC /shop.Shop/Place": {200: 9}}
    said = line(record, "Not covered, requests: ")
    assert said.count("gRPC /shop.Shop/Watch streams") == len({each.service for each in released})
    assert f"{released[0].service}: gRPC /shop.Shop/Watch streams" in said


def test_what_is_not_covered_is_grouped_by_its_reason(rehearsed: Make) -> None:
    record = rehearsed()
    record.not_rehearsed = [
        "IAM",
        "the drill errors: no service is delivered",
        "TLS",
        "jobs: outside",
        "the drills a, b: no",
    ]
    assert [each for each in confidence(record) if each.startswith("Not covered")] == [
        "Not covered: jobs: outside.",
        "Not covered, drills: errors: no service is delivered; a, b: no.",
        "Not covered, parts of AWS: IAM; TLS.",
    ]


def test_what_a_compressed_minute_cannot_show_is_reported_and_nothing_about_a_real_one(rehearsed: Make) -> None:
    record = rehearsed()
    record.lived = 13.4
    assert "up for at most 13 s" in line(record, "Projected")
    record.real_time = True
    assert line(record, "Projected") == ""


@pytest.mark.parametrize(
    ("open_for", "closed_after", "said"),
    [
        (0.4, None, " So do idle connections that a service closes before the load balancer."),
        (17.2, None, " So do idle connections that a service closes after 17 s or more, before the load balancer."),
        (60.0, None, ""),
        (5.0, 5.0, ""),
        (None, None, ""),
    ],
)
def test_for_how_long_idle_connections_were_watched_is_said(
    rehearsed: Make, open_for: float | None, closed_after: float | None, said: str
) -> None:
    record = rehearsed(1)
    [released, *_] = [each for each in record.deployments if not each.baseline]
    released.kept_open = {} if open_for is None else {released.new: open_for}
    released.idle = {} if closed_after is None else {released.new: closed_after}
    assert line(record, "Projected: a minute").partition("only with --real-time.")[2] == said


@pytest.mark.parametrize(
    ("reason", "rests_on"),
    [
        ("3 tasks failed in a row (the circuit breaker opened): exit", "the circuit breaker also works with canary"),
        ("alarm a-unanswered went to ALARM at 10 %", "RequestCount includes requests that are never answered"),
        ("alarm a-errors went to ALARM at 10 %", "a minute's data reaches an alarm"),
    ],
)
def test_open_assumptions_are_named_where_the_verdict_rests_on_them(
    rehearsed: Make, reason: str, rests_on: str
) -> None:
    record = rehearsed(bad=1)
    [back] = [each for each in record.deployments if each.outcome == "rolled back"]
    back.reason = reason
    assert rests_on in line(record, "Assumed")
    assert line(rehearsed(), "Assumed") == ""

"""What users of a service meet where somebody else answers them since the release."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.rehearsal.record import DeploymentRecord, Record
from nova_infra.rehearsal.report.answers import broken_operations, displaced_operations
from nova_infra.rehearsal.report.users import what_users_meet
from nova_infra.rehearsal.report.verdict import verdict
from nova_infra.rehearsal.rerouted import Elsewhere

GOES = "GET / goes to search now, and answers"
TO_BOTH = "GET / goes to search, mail now, and answers"
REFUSED = "GET / reaches no service, and the load balancer answers"
NOWHERE = "GET / finds no listener rule, and the load balancer answers 404 itself"


@pytest.mark.parametrize(
    ("before", "others", "nobody", "said"),
    [
        ({200: 3}, {"search:7": {200: 9}}, {}, ""),
        ({200: 3}, {"search:7": {404: 9}}, {}, f"{GOES} 404 to 9 of 9 requests (200 before)"),
        ({201: 3}, {"search:7": {405: 9}}, {}, f"{GOES} 405 to 9 of 9 requests (201 before)"),
        ({200: 3}, {"search:7": {302: 9}}, {}, f"{GOES} 302 to 9 of 9 requests (200 before)"),
        ({200: 3}, {"search:7": {200: 2}, "mail:4": {404: 6}}, {}, f"{TO_BOTH} 404 to 6 of 8 requests (200 before)"),
        ({404: 3}, {"search:7": {404: 9}}, {}, ""),
        ({302: 3}, {"search:7": {302: 9}}, {}, ""),
        ({}, {"search:7": {200: 9}}, {}, "GET / is taken by the listener rule of search, which comes first"),
        ({200: 3}, {}, {404: 5}, NOWHERE),
        ({}, {}, {404: 5}, NOWHERE),
        ({200: 3}, {}, {301: 5, 503: 8}, "GET / reaches no service, and the load balancer answers 301 itself"),
        ({200: 3}, {}, {200: 5}, "GET / reaches no service, and the load balancer answers 200 itself"),
        ({302: 3}, {}, {301: 5}, ""),
        ({}, {}, {403: 5}, f"{REFUSED} 403 itself: is that meant?"),  # a firewall's rule
        ({}, {}, {401: 5}, f"{REFUSED} 401 itself: is that meant?"),
        ({}, {}, {400: 5}, f"{REFUSED} 400 itself"),
        ({200: 3}, {}, {403: 5}, f"{REFUSED} 403 itself"),
        ({}, {}, {302: 5}, ""),  # a login before a new page
        ({}, {}, {302: 5, 403: 1}, ""),
        ({403: 3}, {}, {403: 5}, ""),
        ({200: 3}, {}, {503: 5}, ""),  # counted among the requests that failed
    ],
)  # fmt: skip
def test_another_service_that_answers_worse_is_reported(
    before: dict[int, int], others: dict[str, dict[int, int]], nobody: dict[int, int], said: str
) -> None:
    elsewhere = Elsewhere(before={"GET /": before} if before else {})
    for revision, answers in [*others.items(), (None, nobody)]:
        for status, count in answers.items():
            for _ in range(count):
                elsewhere.note("GET /", revision, status)
    assert displaced_operations(elsewhere) == ([said] if said else [])


def test_users_of_a_service_that_the_release_does_not_deploy_are_asked_after(rehearsed: Callable[..., Record]) -> None:
    record = rehearsed()
    assert what_users_meet(record) == []
    for environment in ("Dev", "Prod"):
        record.elsewhere[environment] = {
            "shop": Elsewhere({"GET /": {200: 4}}, by_nobody={"GET /": {404: 3}}),
            "mail": Elsewhere({"GET /mail": {200: 4}}),
        }
    assert what_users_meet(record) == [f"in shop, {NOWHERE} (also in Prod)"]
    assert verdict(record).sign == "!"


def test_they_are_the_cause_where_a_stage_fails_and_nothing_that_it_deployed_is_worse(
    rehearsed: Callable[..., Any],
) -> None:
    record = rehearsed(bad=1)
    [stage] = [each for each in record.stages if each.status == "failed"]
    record.elsewhere[stage.name] = {"shop": Elsewhere({"GET /": {200: 4}}, by_nobody={"GET /": {404: 3}})}
    assert f"The cause: in shop, {NOWHERE}." in verdict(record).why


def test_answers_that_lack_what_they_had_are_seen_unless_they_serve_nobody(
    rehearsed: Callable[..., Record], deployed: Callable[..., DeploymentRecord]
) -> None:
    record, deployment = rehearsed(), deployed("shop")
    record.deployments = [deployment]
    deployment.poorer = ["GET /a answers without the field b now, which 4 answers had before"]
    assert what_users_meet(record) == [f"in shop, {deployment.poorer[0]}"]
    deployment.outcome = "rolled back"
    assert what_users_meet(record) == []


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [
        # A file asks for one item that exists and one that does not, by turns that chance decides.
        ({200: 33, 404: 31}, {200: 32, 404: 32}, False),
        ({200: 40, 404: 24}, {200: 30, 404: 34}, False),
        ({200: 32, 302: 32}, {200: 31, 302: 33}, False),
        ({200: 33, 422: 31}, {200: 4, 422: 7}, False),
        ({200: 59, 500: 1}, {200: 48, 500: 2}, False),
        ({200: 32, 404: 32}, {404: 64}, True),
        ({200: 20, 404: 40}, {404: 60}, True),
        ({200: 32, 302: 32}, {302: 40}, True),
        ({200: 33, 422: 31}, {422: 60}, True),
        ({200: 59, 500: 1}, {200: 40, 500: 20}, True),
        ({200: 60}, {200: 59, 500: 1}, True),
        # One earlier failure excuses no new revision.
        ({200: 9, 500: 1}, {200: 4, 500: 6}, True),
        ({200: 4, 500: 1}, {500: 3}, True),
        ({200: 98, 500: 2}, {200: 92, 500: 8}, True),
        ({200: 59, 500: 1}, {200: 54, 0: 6}, True),
        ({200: 24, 503: 36}, {503: 40}, True),
        ({200: 1, 503: 8}, {503: 4}, False),
        ({200: 9, 500: 1}, {200: 8, 500: 2}, False),
        ({200: 60}, {200: 45, 404: 15}, True),
        # One of two requests in a file, and one of ten.
        ({200: 163}, {200: 221, 422: 218}, True),
        ({200: 163}, {200: 396, 415: 44}, True),
        ({200: 60}, {200: 54, 415: 6}, False),
        ({200: 9}, {200: 8, 422: 1}, False),
        ({}, {500: 1}, True),
    ],
)
def test_an_operation_is_worse_only_beyond_what_chance_explains(
    deployed: Callable[..., DeploymentRecord], before: dict[int, int], after: dict[int, int], worse: bool
) -> None:
    deployment = deployed("shop")
    deployment.answers_before, deployment.answers = {"GET /items/{id}": before}, {"GET /items/{id}": after}
    assert bool(broken_operations(deployment)) is worse

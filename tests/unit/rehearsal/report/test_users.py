import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nova_infra.rehearsal.record import ConnectionsRecord, DeploymentRecord, MinuteRecord, Record, Requests
from nova_infra.rehearsal.report.confidence import confidence
from nova_infra.rehearsal.report.users import what_users_meet
from nova_infra.rehearsal.report.verdict import verdict

Make = Callable[..., Record]
CLOSES_SOONER = "shop closes idle connections after 5 s, but the load balancer after 40 s"


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ([20, 24, 28, 32], "in 2 hours"),
        ([10, 29, 29.1, 29.2, 29.3], ""),
        ([10, 12, 29, 29.1, 29.2, 29.3, 29.4], ""),
    ],
    ids=["it leaks", "it is still starting", "it starts for longer"],
)
def test_a_program_that_is_still_starting_does_not_leak(
    deployed: Callable[..., DeploymentRecord], rehearsed: Make, held: list[float], said: str
) -> None:
    record, deployment = rehearsed(), deployed("shop")
    deployment.memory = 512
    deployment.samples = [MinuteRecord(n, 100, {}, [], memory=memory) for n, memory in enumerate(held)]
    record.deployments = [deployment]
    found = "; ".join(what_users_meet(record))
    assert said in found
    assert bool(found) is bool(said)


@pytest.mark.parametrize(
    ("held", "hours"),
    [
        ([100, 101.5, 103, 104.5, 106, 107.5, 109], 4),
        ([100, 100.5, 101, 101.5, 102, 102.5, 103], 14),
        ([100, 100.3, 101.2, 101.4, 102.2, 102.5, 103.4], None),
        ([100, 102, 103, 103.5, 103.8, 103.9, 104], None),
        ([100, 100.5, 101, 100.9, 101.5, 102, 102.5], None),
        ([100, 100.1, 100.2, 100.3, 100.4, 100.5, 100.6], None),
    ],
    ids=[
        "it grows all the time",
        "it grows slowly and by as much each minute",
        "its garbage is not collected yet",
        "it warms up",
        "it gives some back",
        "it takes days",
    ],
)
def test_memory_that_fills_a_task_within_a_day_is_seen(
    deployed: Callable[..., DeploymentRecord], rehearsed: Make, held: list[float], hours: int | None
) -> None:
    record, deployment = rehearsed(), deployed("shop")
    deployment.memory = 512
    deployment.samples = [MinuteRecord(n, 100, {}, [], memory=memory) for n, memory in enumerate(held)]
    record.deployments = [deployment]
    found = what_users_meet(record)
    assert [f"in {hours} hours" in each for each in found] == [True] * (hours is not None)


@pytest.mark.parametrize(
    ("held", "minutes", "hours"),
    [
        ([0, 40, 80, 120, 160], 1, 8),
        ([1, 41, 81, 121, 123], 0.1, 8),
        ([40, 40, 40, 40, 40], 1, None),
        ([0, 40, 80, 20, 60], 1, None),
        ([0, 5, 10, 15, 20], 1, None),
    ],
    ids=["it fills", "a part of a minute", "it stays", "it deletes", "it takes days"],
)
def test_a_disk_that_fills_within_a_day_is_seen(
    deployed: Callable[..., DeploymentRecord], rehearsed: Make, held: list[float], minutes: float, hours: int | None
) -> None:
    record, deployment = rehearsed(), deployed("shop")
    deployment.disk = 20480
    samples = [MinuteRecord(n, 100, {}, [], disk=disk) for n, disk in enumerate(held)]
    samples[-1].minute = samples[-2].minute + minutes
    deployment.samples, record.deployments = samples, [deployment]
    found = what_users_meet(record)
    assert [
        f"to its disk every minute: at this traffic it runs out of disk in {hours} hours" in each for each in found
    ] == [True] * (hours is not None)


@pytest.mark.parametrize(
    ("operation", "before", "after", "said"),
    [
        ("POST /orders", {201: 40}, {201: 38, 502: 2}, "received POST /orders and did not answer it, 2 times of 40"),
        ("PATCH /orders", {}, {0: 1, 200: 3}, "received PATCH /orders and did not answer it, once of 4"),
        ("POST /orders", {504: 4, 201: 36}, {504: 4, 201: 36}, ""),
        ("POST /orders", {201: 40}, {500: 40}, ""),
        ("PUT /orders", {200: 40}, {502: 2, 200: 38}, ""),
    ],
)
def test_a_change_whose_answer_was_lost_is_made_twice(
    deployed: Callable[..., DeploymentRecord],
    rehearsed: Make,
    operation: str,
    before: dict[int, int],
    after: dict[int, int],
    said: str,
) -> None:
    record, deployment = rehearsed(), deployed("shop")
    deployment.answers_before, deployment.answers = {operation: before}, {operation: after}
    record.deployments = [deployment]
    found = "; ".join(what_users_meet(record))
    assert said in found
    assert ("clients that retry do it twice" in found) is bool(said)


def test_the_operation_that_broke_is_the_cause_of_a_release_that_is_stopped(rehearsed: Make) -> None:
    record = rehearsed(bad=1)
    [back] = [each for each in record.deployments if each.outcome == "rolled back"]
    back.answers = {"GET /rare": {500: 4}, "GET /usual": {200: 9}}
    back.answers_before = {"GET /rare": {200: 7}, "GET /usual": {200: 70}}
    assert "The cause: in service-1, GET /rare answers 500 to 4 of 4 requests (200 before)." in verdict(record).why


def test_what_broke_elsewhere_is_not_why_a_revision_did_not_start(rehearsed: Make) -> None:
    record = rehearsed(bad=1)
    [back] = [each for each in record.deployments if each.outcome == "rolled back"]
    other = replace(back, service="greet", outcome="completed")
    other.answers, other.answers_before = {"GET /rare": {500: 4}}, {"GET /rare": {200: 7}}
    record.deployments.append(other)
    [stage] = [each for each in record.stages if each.status == "failed"]
    [failed] = [each for each in stage.actions if each.status == "failed"]
    failed.name = f"{back.service}.Deploy"
    back.samples = []
    assert "Also: in greet, GET /rare answers 500 to 4 of 4 requests (200 before)." in verdict(record).why
    back.samples = [MinuteRecord(1, 100, {back.new: Requests(40, 4, 0.4)}, [])]
    assert "The cause: in greet, GET /rare" in verdict(record).why


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [
        ({200: 9}, {200: 4}, False),
        ({200: 9}, {404: 4}, True),
        ({422: 9}, {422: 4}, False),
        ({422: 9}, {400: 4}, False),
        ({422: 9}, {404: 4}, True),
        ({400: 5, 422: 4}, {403: 3, 422: 1}, True),
        ({422: 9}, {404: 1, 422: 8}, False),
        ({422: 9}, {405: 2, 422: 8}, True),
        ({422: 9, 405: 1}, {405: 2, 422: 8}, False),
        ({404: 9}, {404: 4}, False),
        ({401: 9}, {403: 4}, False),
        ({200: 9}, {200: 3, 500: 1}, True),
        ({200: 9}, {0: 1, 200: 8}, True),
        ({503: 4, 200: 5}, {503: 2, 200: 2}, False),
        ({}, {200: 3}, False),
        ({200: 9}, {302: 4}, True),
        ({302: 9}, {302: 4}, False),
        ({200: 9}, {304: 4}, False),
        ({200: 9}, {302: 1, 200: 3}, False),
        ({}, {500: 3}, True),
        ({}, {404: 3}, False),
        ({401: 9}, {200: 4}, False),
    ],
)
def test_an_answer_is_worse_than_before_or_it_is_not(
    deployed: Callable[..., DeploymentRecord],
    rehearsed: Make,
    before: dict[int, int],
    after: dict[int, int],
    worse: bool,
) -> None:
    record, deployment = rehearsed(), deployed("shop")
    deployment.answers, deployment.answers_before = {"GET /a": after}, {"GET /a": before} if before else {}
    record.deployments = [deployment]
    assert bool(what_users_meet(record)) is worse


def test_what_nobody_asked_is_not_tested_and_no_tick(rehearsed: Make) -> None:
    record = rehearsed(1)
    record.deployments[-1].samples = [MinuteRecord(1, 100, {record.deployments[-1].new: Requests()}, [])]
    said = verdict(record)
    assert (said.sign, said.passed) == ("!", True)
    assert "service-1 got no requests" in said.why


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (
            77,
            "database in Prod allows 77 connections (as tried), but a rollout with the most tasks needs 78: "
            "6 per task of shop × 12 tasks + 2 per task of mail × 3 tasks = 78",
        ),
        (78, ""),
        (None, ""),
    ],
)
def test_connections_times_the_most_tasks_are_held_against_the_limit(
    deployed: Callable[..., DeploymentRecord], rehearsed: Make, limit: int | None, said: str
) -> None:
    """Of what serves in the end: a revision that was rolled back, and other environments, do not count."""
    record = rehearsed()
    wanted: list[tuple[str, str, int, Any]] = [
        ("shop", "a:1", 12, "completed"),
        ("mail", "b:1", 3, "completed"),
        ("shop", "a:2", 12, "rolled back"),
    ]
    record.deployments = []
    for service, revision, tasks, outcome in wanted:
        each = deployed(service)
        each.environment, each.new, each.most_tasks, each.outcome = "Prod", revision, tasks, outcome
        record.deployments.append(each)
    record.connections = {"Prod": {"database": ConnectionsRecord(limit, "as tried", {"a:1": 6, "a:2": 99, "b:1": 2})}}
    assert [each for each in what_users_meet(record) if "connections" in each] == ([said] if said else [])
    counted = [each for each in confidence(record) if "connections when a rollout runs its most tasks" in each]
    assert bool(counted) is (limit == 78)


@pytest.mark.parametrize(
    ("idle", "kept_open", "said", "named"),
    [
        ({"shop:2": 5.04}, 6, CLOSES_SOONER, True),
        ({"shop:2": 5.04}, math.inf, CLOSES_SOONER, True),
        ({"shop:1": 41, "shop:2": 5.04}, 41, CLOSES_SOONER, True),
        ({"shop:1": 5, "shop:2": 5}, 5, "", True),
        ({"shop:2": 5.04}, 4.9, "", True),
        ({"shop:2": 5.04}, None, "", True),
        ({"shop:2": 41}, 50, "", False),
        ({"shop:1": 5}, 5, "", False),
    ],
    ids=[
        "it is new",
        "no connection was kept before",
        "before, later than the load balancer",
        "it was so before",
        "what ran before ended too soon to tell",
        "what ran before was not seen at all",
        "later than the load balancer",
        "it is over",
    ],
)
def test_a_release_that_closes_idle_connections_first_is_seen(
    deployed: Callable[..., DeploymentRecord],
    rehearsed: Make,
    idle: dict[str, float],
    kept_open: float | None,
    said: str,
    named: bool,
) -> None:
    record, deployment = rehearsed(), deployed("shop")
    deployment.old, deployment.new, deployment.idle, deployment.idle_timeout = "shop:1", "shop:2", idle, 40.0
    deployment.kept_open = {} if kept_open is None else {"shop:1": kept_open}
    record.deployments = [deployment]
    found = "; ".join(each for each in what_users_meet(record) if "idle" in each)
    assert found.startswith(said)
    assert bool(found) is bool(said)
    assert any("idle connections. " in each for each in confidence(record)) is named


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            Requests(90, slow=0),
            Requests(100, slow=10),
            "takes a second or longer for 10 of 100 answers (0 of 90 before)",
        ),
        (Requests(90, slow=2), Requests(100, slow=12), "for 12 of 100 answers (2 of 90 before)"),
        (Requests(90, slow=4), Requests(100, slow=12), ""),
        (Requests(90, slow=0), Requests(100, slow=2), ""),
        (Requests(90, slow=0), Requests(9, slow=2), ""),
        (Requests(0), Requests(100, slow=50), ""),
    ],
    ids=["a tail", "a longer tail", "slow before", "two of a hundred", "two answers", "a first deployment"],
)
def test_a_few_slow_answers_are_seen_although_the_mean_hardly_moves(
    deployed: Callable[..., DeploymentRecord], rehearsed: Make, old: Requests, new: Requests, said: str
) -> None:
    record, deployment = rehearsed(), deployed("shop")
    deployment.samples = [MinuteRecord(1, 50, {str(deployment.old): old, deployment.new: new}, [])]
    record.deployments = [deployment]
    found = "; ".join(what_users_meet(record))
    assert said in found
    assert bool(found) is bool(said)


def test_what_several_services_share_is_said_once(deployed: Callable[..., DeploymentRecord], rehearsed: Make) -> None:
    record = rehearsed()
    record.deployments = [deployed(name) for name in ("shop", "shop-desk", "cart", "mail", "bank", "post")]
    for each in record.deployments[:-1]:
        each.losses = ["it exited with 1"]
    record.deployments[0].losses = ["it exited with 1", "it exited with 1"]
    assert what_users_meet(record) == [
        "shop lost 2 tasks while serving, the last because it exited with 1",
        "shop-desk lost a task while serving, the last because it exited with 1 (so do cart, mail, bank)",
    ]

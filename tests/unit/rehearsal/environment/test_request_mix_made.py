"""What a POST has made is read again, by tasks that made it and tasks that did not."""

import json
from collections.abc import Callable
from itertools import count

import pytest
from aiohttp import web

from helpers.behind import Answer, Behind
from nova_infra.rehearsal.environment.request_mix import Asked
from nova_infra.rehearsal.load_balancer.client import port_of
from nova_infra.rehearsal.record import REQUESTS_PER_MINUTE, DeploymentRecord
from nova_infra.rehearsal.report.answers import broken_operations
from nova_infra.rehearsal.requests.sample import sample

MAKE, READ = "POST /tiny/notes", "GET /tiny/notes/{name}"
OWN, OTHERS, RELEASES = (f"{READ} after {MAKE}{where}" for where in ("", " in another task", " in another release"))
SAID = "requests (200 before): is it kept in one task's memory?"
TWINS = ("tiny:2", "tiny:2")
PATHS: dict[str, dict[str, dict[str, str]]] = {
    "/tiny/notes": {"post": {}},
    "/tiny/notes/{name}": {"get": {}},
    "/tiny/more": {"get": {}},
}


def keeping(
    *,
    shared: bool,
    made: int = 201,
    packed: dict[str, str] | None = None,
    once: bool = False,
    late: bool = False,
    described: bool = True,
) -> tuple[Answer, list[str]]:
    """A service that keeps notes, each task its own or all of them the same; and what it was asked for."""
    kept: set[tuple[int, str]] = set()
    numbers, asked = count(1), []

    def answer(request: web.BaseRequest, _: str) -> web.Response:
        whose = 0 if shared else port_of(request)
        name = request.path.removeprefix("/tiny/notes/")
        asked.append(f"{request.method} {request.path}")
        if request.path == "/tiny/openapi.json" and described:
            good = {"responses": {"200": {"description": "good"}}}
            place = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}, "example": "none"}
            paths = {
                path: {method: {**good, **({"parameters": [place]} if "{" in path else {})} for method in methods}
                for path, methods in PATHS.items()
            }
            document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}
            return web.Response(text=json.dumps(document))
        if request.method == "POST":
            name = f"{next(numbers)}"
            kept.add((whose, name))
            return web.json_response({"id": int(name)}, status=made, headers=packed)
        found = (whose, name) in kept and not late
        kept.difference_update({(whose, name)} if once else ())
        return web.Response(status=200 if found or request.path == "/tiny/more" else 404)

    return answer, asked


def total(asked: Asked, operation: str, revision: str = "tiny:2") -> int:
    return sum(asked.answers[revision].get(operation, {}).values())


def said_of(asked: Asked, make: Callable[..., DeploymentRecord], before: str = "") -> list[str]:
    deployment = make("tiny")
    deployment.answers, deployment.answers_before = asked.answers["tiny:2"], asked.answers.get(before, {})
    return broken_operations(deployment)


def test_what_one_task_keeps_in_its_memory_is_said_and_named(deployed: Callable[..., DeploymentRecord]) -> None:
    answer, _ = keeping(shared=False)
    behind = Behind(answer, weights=(50, 50), revisions=TWINS)
    asked = behind.run(4)
    lost = asked.answers["tiny:2"][OTHERS][404]
    assert set(asked.answers["tiny:2"][OWN]) == {200}
    assert said_of(asked, deployed) == [
        f"{OTHERS} answers 404 to {lost} of {lost} requests: is it kept in one task's memory?"
    ]
    made = sum(request.method == "POST" for request in behind.asked)
    reads = [request.path for request in behind.asked if request.method == "GET" and request.path != "/tiny/more"]
    assert len(behind.asked) == 4 * REQUESTS_PER_MINUTE, "the rate is what it was"
    assert abs(made - len(reads)) <= 2, "and so is the mix"
    assert 3 <= reads.count("/tiny/notes/none") < len(reads) / 3
    asked.unheard = {READ}
    asked.note(OTHERS, "tiny:2", 404, 0.1)
    assert asked.unheard == set(), "it was asked, by whichever id"


@pytest.mark.parametrize("once", [False, True])
def test_what_all_tasks_know_or_what_is_given_once_is_no_fault(
    deployed: Callable[..., DeploymentRecord], *, once: bool
) -> None:
    answer, _ = keeping(shared=True, once=once)
    asked = Behind(answer, weights=(50, 50), revisions=TWINS).run(4)
    assert total(asked, OTHERS) >= 10
    assert (404 in asked.answers["tiny:2"][OTHERS]) is once
    assert said_of(asked, deployed) == []


@pytest.mark.parametrize(
    ("answer", "sticky", "proofs"),
    [
        (keeping(shared=False, made=202), False, 0),  # accepted, and made later
        (keeping(shared=False, packed={"Content-Encoding": "gzip"}), False, 0),  # which it is not
        (keeping(shared=False, late=True), False, 1),
        (keeping(shared=False), True, 0),
    ],
)
def test_what_its_own_task_does_not_give_at_once_is_not_read_again(
    answer: tuple[Answer, list[str]], proofs: int, *, sticky: bool
) -> None:
    asked = Behind(answer[0], weights=(50, 50), revisions=TWINS, sticky=sticky).run(1)
    assert (total(asked, OWN), total(asked, OTHERS)) == (proofs, 0)
    assert answer[1].count("GET /tiny/notes/none") >= 10


def test_what_was_kept_so_before_is_no_fault_of_the_release(deployed: Callable[..., DeploymentRecord]) -> None:
    answer, _ = keeping(shared=False)
    asked = Behind(answer, weights=(50, 50)).run(4)
    assert set(asked.answers["tiny:1"][RELEASES]) == set(asked.answers["tiny:2"][RELEASES]) == {404}
    assert said_of(asked, deployed, "tiny:1") == []
    asked.answers["tiny:1"][OTHERS] = {200: 6, 404: 6}
    asked.answers["tiny:2"] = {OWN: {200: 14}, OTHERS: {200: 3, 404: 9}}
    assert said_of(asked, deployed, "tiny:1") == [], "9 of 12 is no more than 6 of 12 by chance"
    asked.answers["tiny:2"] = {OWN: {200: 3}, OTHERS: {404: 3}}
    assert said_of(asked, deployed) == [], "so few may come of chance"
    asked.answers["tiny:2"] = {OWN: {200: 14}, OTHERS: {200: 3, 404: 9}}
    asked.answers["tiny:1"][OTHERS] = {200: 1}
    assert said_of(asked, deployed, "tiny:1") == [f"{OTHERS} answers 404 to 9 of 12 {SAID}"]


def test_requests_of_a_file_are_read_again_as_those_of_a_document() -> None:
    answer, sent = keeping(shared=False, described=False)
    written = [sample(*each, origin="file") for each in (("POST", "/tiny/notes"), ("GET", "/tiny/notes/977?full=yes"))]
    behind = Behind(answer, weights=(50, 50), revisions=TWINS)
    asked = behind.run(1, files=written)
    assert asked.answers["tiny:2"]["GET /tiny/notes/{id} after POST /tiny/notes in another task"][404] >= 3
    assert "GET /tiny/notes/2" in sent
    assert {request.query_string for request in behind.asked if request.method == "GET"} == {"full=yes"}

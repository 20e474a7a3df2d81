"""What a service says when it has too much to do, and how long it works for whom."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from nova_kit import deadlines, outgoing
from nova_kit.app import create_app, router
from nova_kit.limits import Limits
from nova_kit.problems import Problem
from nova_kit.workers import Deadline, Workers


def held(workers: Workers, release: threading.Event, count: int) -> Callable[[], Any]:
    """Keep workers busy with so many jobs that end on release."""

    async def start() -> list[asyncio.Task[None]]:
        def job(deadline: Deadline) -> None:
            release.wait(10)

        tasks = [asyncio.create_task(workers.run(job)) for _ in range(count)]
        await asyncio.sleep(0)
        return tasks

    return start


async def _refusal(workers: Workers) -> Problem:
    with pytest.raises(Problem) as raised:
        await workers.run(lambda _: None)
    return raised.value


def test_a_full_queue_is_503_with_the_time_after_which_to_try_again() -> None:
    workers, release = Workers(threads=1, waiting=2), threading.Event()

    async def scenario() -> Problem:
        tasks = await held(workers, release, 3)()
        refusal = await _refusal(workers)
        release.set()
        await asyncio.gather(*tasks)
        assert await workers.run(lambda _: "there is room again") == "there is room again"
        return refusal

    refusal = asyncio.run(scenario())
    assert (refusal.status_code, refusal.headers) == (503, {"Retry-After": "1"})
    assert "busy" in refusal.detail


def test_a_request_that_would_be_over_before_its_turn_does_not_wait() -> None:
    workers, release = Workers(threads=1), threading.Event()

    async def scenario() -> Problem:
        for _ in range(3):
            await workers.run(lambda _: time.sleep(0.05))  # So long does a job usually take.
        tasks = await held(workers, release, 4)()
        token = deadlines.begin(60, "20")
        refusal = await _refusal(workers)
        deadlines.end(token)
        release.set()
        await asyncio.gather(*tasks)
        return refusal

    assert asyncio.run(scenario()).status_code == 503


def test_callers_who_leave_do_not_free_a_thread_that_still_works() -> None:
    workers, release, running = Workers(threads=1, waiting=0), threading.Event(), threading.Event()

    def stubborn(deadline: Deadline) -> None:
        running.set()
        release.wait(10)

    async def scenario() -> None:
        task = asyncio.create_task(workers.run(stubborn))
        await asyncio.to_thread(running.wait)
        task.cancel()
        await asyncio.wait([task])
        assert (await _refusal(workers)).status_code == 503
        release.set()
        async with asyncio.timeout(10):
            while True:
                try:
                    return await workers.run(lambda _: None)
                except Problem:
                    await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_a_job_that_waits_when_its_caller_leaves_never_begins() -> None:
    workers, release = Workers(threads=1), threading.Event()
    begun: list[bool] = []

    async def scenario() -> None:
        tasks = await held(workers, release, 1)()
        waiting = asyncio.create_task(workers.run(lambda _: begun.append(True)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        release.set()
        await asyncio.gather(*tasks)
        await workers.run(lambda _: None)

    asyncio.run(scenario())
    assert begun == []


@pytest.mark.parametrize("late", ["the job's own time", "the request's", "the caller's"])
def test_time_that_is_over_is_503_whoever_set_it(late: str) -> None:
    workers = Workers(seconds=0.05 if late == "the job's own time" else 60)

    def job(deadline: Deadline) -> None:
        while True:
            deadline.check()

    async def scenario() -> Problem:
        token = deadlines.begin(0.05 if late == "the request's" else 60, "50" if late == "the caller's" else None)
        try:
            with pytest.raises(Problem) as raised:
                await workers.run(job)
        finally:
            deadlines.end(token)
        return raised.value

    problem = asyncio.run(scenario())
    assert (problem.status_code, problem.headers) == (503, {"Retry-After": "1"})


@pytest.mark.parametrize(
    ("offered", "least", "most"),
    [
        (None, 29, 30),
        ("2500", 2, 2.5),
        ("90000", 29, 30),
        ("0", 0, 0),
        ("-1", 29, 30),
        ("\u0661", 29, 30),
        ("x", 29, 30),
    ],
)
def test_a_caller_can_shorten_the_time_and_never_lengthen_it(offered: str | None, least: float, most: float) -> None:
    token = deadlines.begin(30, offered)
    left = deadlines.seconds_left()
    deadlines.end(token)
    assert left is not None
    assert least <= left <= most
    assert deadlines.seconds_left() is None


routes = router()
arrived = asyncio.Event()


@routes.get("/sample/carried")
async def carried() -> dict[str, str]:
    return outgoing.headers()


@routes.post("/sample/hold")
async def hold(seconds: float) -> None:
    arrived.set()
    await asyncio.sleep(seconds)


@routes.post("/sample/body")
async def body(value: dict[str, int]) -> None:
    arrived.set()
    await asyncio.sleep(value["seconds"])


client = TestClient(create_app("sample", routes, summary="A sample.", limits=Limits(request_seconds=7, bodies=1)))


def test_what_is_left_of_the_time_goes_along_with_outgoing_calls() -> None:
    for offered, least, most in ((None, 6000, 7000), ("3000", 2000, 3000)):
        headers = {"X-Request-Id": "id-7"} | ({deadlines.HEADER: offered} if offered else {})
        found = client.get("/sample/carried", headers=headers).json()
        assert found["x-request-id"] == "id-7"
        assert least < int(found[deadlines.HEADER]) <= most


def test_a_request_whose_caller_no_longer_waits_is_503_with_retry_after() -> None:
    response = client.post("/sample/hold?seconds=5", headers={deadlines.HEADER: "50"})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json()["detail"] == "The service could not finish this in time. Try again in 1 s."


def test_bodies_beyond_the_limit_are_503_while_everything_else_is_answered() -> None:
    app = create_app("sample", routes, summary="A sample.", limits=Limits(bodies=1))

    async def scenario() -> tuple[int, int, int, int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sample") as caller:
            arrived.clear()
            first = asyncio.create_task(caller.post("/sample/body", json={"seconds": 1}))
            await arrived.wait()
            second = await caller.post("/sample/body", json={"seconds": 0})
            health = await caller.get("/health")
            return second.status_code, int(second.headers["retry-after"]), health.status_code, (await first).status_code

    assert asyncio.run(scenario()) == (503, 1, 200, 200)

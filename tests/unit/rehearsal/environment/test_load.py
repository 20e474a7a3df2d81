from __future__ import annotations

import asyncio
from collections import Counter
from itertools import islice

from aiohttp import web

from nova_infra.rehearsal.environment.load import Load, in_turns
from nova_infra.rehearsal.load_balancer.routing import USER_HEADER
from nova_infra.rehearsal.record import REQUESTS_PER_MINUTE, USERS, Requests


def asked(minutes: int, status: int = 200) -> tuple[list[str], Requests]:
    """Which user sent each of the requests, and what the load counted."""
    users: list[str] = []
    totals: dict[str, Requests] = {}

    async def answer(request: web.BaseRequest) -> web.Response:
        assert request.path == "/tiny/version"
        users.append(request.headers[USER_HEADER])
        return web.Response(status=status)

    async def run() -> None:
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        load = Load(totals, "Prod", seconds=0.01)
        load.add_service(f"http://127.0.0.1:{runner.addresses[0][1]}", ["/tiny/*", "/", "/tiny/*"])
        await load.start()
        try:
            for _ in range(minutes):
                await load.minute()
        finally:
            await load.stop()
            await runner.cleanup()

    asyncio.run(asyncio.wait_for(run(), 30))
    return users, totals["Prod"]


def test_every_user_asks_once_and_then_again_in_another_order() -> None:
    minutes = USERS // REQUESTS_PER_MINUTE
    users, _ = asked(2 * minutes)
    first, second = users[:USERS], users[USERS:]
    assert Counter(first) == Counter(second) == Counter(map(str, range(1, USERS + 1)))


def test_the_order_of_the_users_changes_with_every_turn_and_is_the_same_in_every_rehearsal() -> None:
    # One order would lead the same users to a canary, which gets every tenth request.
    turns = [list(islice(turn, 2 * USERS)) for turn in (in_turns(), in_turns())]
    assert turns[0] == turns[1]
    assert set(turns[0][:USERS:10]) != set(turns[0][USERS::10])


def test_a_minute_is_over_when_its_requests_are_answered_and_failures_are_counted() -> None:
    _, total = asked(1, status=503)
    assert total == Requests(REQUESTS_PER_MINUTE, REQUESTS_PER_MINUTE)

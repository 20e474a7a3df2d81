from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import cast

import aiohttp
import psutil
import pytest
from aiohttp import web

from nova_infra.rehearsal.metrics import MetricStore
from nova_infra.rehearsal.proxy import LoadBalancer
from nova_infra.rehearsal.routing import (
    USER_HEADER,
    Audience,
    FixedResponse,
    Redirect,
    Rule,
    Target,
    TargetGroup,
    TargetGroupSettings,
    WeightedGroup,
)
from nova_infra.rehearsal.task import Task

PIECE = b"x" * 2**18


def task_on(port: int) -> Task:
    return cast(Task, SimpleNamespace(port=port, definition=SimpleNamespace(revision="tiny:2")))


async def service(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    match request.path:
        case "/dies":
            request.transport.abort()
            return web.Response()
        case "/dies-half-way":
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b"half")
            request.transport.abort()
            return response
        case "/streams":
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(40):
                await response.write(PIECE)
            return response
        case "/fails":
            return web.Response(status=500)
        case "/slow":
            await asyncio.sleep(0.2)
    length = sum([len(chunk) async for chunk in request.content.iter_any()])
    return web.json_response({"path": request.raw_path, "body": length, "headers": dict(request.headers)})


class World:
    """A load balancer in front of one target."""

    def __init__(self) -> None:
        self.store = MetricStore()
        self.siblings: dict[str, str] = {}
        self.balancer = self.listener("HTTP", 80)
        settings = TargetGroupSettings("/health", 1, 5, 2, 2, "200", 20)
        self.group = TargetGroup("group", settings)
        self.balancer.rules = [Rule("r", 1, forward=[WeightedGroup(self.group, 1)])]

    def listener(self, protocol: str, port: int) -> LoadBalancer:
        return LoadBalancer(
            full_name="lb", protocol=protocol, public_port=port, siblings=self.siblings, store=self.store
        )

    def count(self, name: str, *, of_group: bool = False) -> float:
        dimensions = 2 if of_group else 1
        found = [m for m in self.store._values if m.name == name and len(m.dimensions) == dimensions]
        return sum(sum(self.store.values(metric, range(1))) for metric in found)

    def play(self, story: Callable[[aiohttp.ClientSession, str, Target], Awaitable[None]]) -> World:
        async def run() -> None:
            runner = web.ServerRunner(web.Server(service))
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            target = Target(task_on(runner.addresses[0][1]), healthy=True)
            self.group.targets.append(target)
            await self.balancer.start()
            try:
                async with aiohttp.ClientSession() as client:
                    await story(client, self.balancer.url, target)
            finally:
                await self.balancer.stop()
                await runner.cleanup()

        asyncio.run(asyncio.wait_for(run(), 30))
        return self


def test_a_request_reaches_the_target_as_it_was_sent() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.put(f"{url}/a?b=%20c", data=b"12345", headers={"X-Own": "1"}) as response:
            got = await response.json()
        assert (got["path"], got["body"], got["headers"]["X-Own"]) == ("/a?b=%20c", 5, "1")
        assert got["headers"]["X-Forwarded-For"] == "127.0.0.1"
        assert got["headers"]["X-Forwarded-Proto"] == "http"
        assert got["headers"]["Host"] == url.removeprefix("http://")

    World().play(story)


def test_large_bodies_pass_in_pieces_both_ways_and_a_client_may_ask_first() -> None:
    async def pieces() -> object:
        for _ in range(40):
            yield PIECE

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.post(f"{url}/up", data=pieces()) as response:
            assert (await response.json())["body"] == 40 * len(PIECE)
        async with client.post(f"{url}/up", data=PIECE, expect100=True) as response:
            assert (await response.json())["body"] == len(PIECE)
        async with client.get(f"{url}/streams") as response:
            assert len(await response.read()) == 40 * len(PIECE)
        async with client.head(f"{url}/x") as response:
            assert (response.status, await response.read()) == (200, b"")

    assert World().play(story).count("HTTPCode_Target_2XX_Count", of_group=True) == 4


def test_an_error_of_the_target_is_counted_as_its_own() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/fails") as response:
            assert response.status == 500
        assert (target.served, target.failed) == (1, 1)

    world = World().play(story)
    assert world.count("HTTPCode_Target_5XX_Count", of_group=True) == 1
    assert world.count("HTTPCode_ELB_5XX_Count") == 0


def test_a_target_that_closes_the_connection_is_an_error_of_the_load_balancer() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.post(f"{url}/dies") as response:
            assert response.status == 502
        assert (target.served, target.failed) == (1, 1)

    world = World().play(story)
    assert world.count("HTTPCode_ELB_502_Count") == 1
    assert world.count("HTTPCode_ELB_5XX_Count", of_group=True) == 0, "that count has no target group in AWS"
    assert world.count("RequestCount", of_group=True) == 1


def test_half_an_answer_does_not_look_like_a_whole_one() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        with pytest.raises(aiohttp.ClientPayloadError):
            async with client.get(f"{url}/dies-half-way") as response:
                await response.read()
        assert target.failed == 1

    World().play(story)


def test_a_client_that_goes_away_is_not_the_targets_failure() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/streams") as response:
            await response.content.readany()
            response.close()
        await target.idle.wait()
        assert target.failed == 0

    world = World().play(story)
    assert world.count("HTTPCode_ELB_5XX_Count") == 0


def test_without_a_healthy_target_the_answer_is_503() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        target.healthy = None
        async with client.get(url) as response:
            assert response.status == 503

    assert World().play(story).count("HTTPCode_ELB_503_Count") == 1


def test_what_each_user_met_is_kept_for_the_target_group() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        for user, path in (("1", "/good"), ("2", "/fails"), ("3", "/dies"), ("2", "/good")):
            async with client.get(f"{url}{path}", headers={USER_HEADER: user}):
                pass
        async with client.get(f"{url}/fails"):
            pass
        assert world.group.audience == Audience({"tiny:2": {"1", "2", "3"}}, hit={"2", "3"})
        target.healthy = None
        async with client.get(url, headers={USER_HEADER: "4"}):
            pass
        assert world.group.audience == Audience({"tiny:2": {"1", "2", "3"}}, hit={"2", "3", "4"}, unserved=1)

    world.play(story)


def test_the_first_rule_by_priority_that_matches_decides() -> None:
    world = World()
    world.balancer.rules.append(Rule("first", 0.5, paths=("/own",), answer=FixedResponse(418, "text/plain", "own")))

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/own") as own, client.get(f"{url}/other") as other:
            assert (own.status, await own.text(), other.status) == (418, "own", 200)
        world.balancer.rules = []
        async with client.get(url) as response:
            assert response.status == 404

    world.play(story)


def test_a_redirect_to_another_listener_of_the_load_balancer_leads_there() -> None:
    world = World()
    https = world.listener("HTTPS", 443)
    https.rules = world.balancer.rules
    redirect = Redirect(301, "HTTPS", "#{host}", "443", "/#{path}", "#{query}")
    world.balancer.rules = [Rule("redirect", float("inf"), answer=redirect)]

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        await https.start()
        try:
            async with client.get(f"{url}/x/y?q=1") as response:
                assert str(response.url) == f"{https.url}/x/y?q=1"
                assert (await response.json())["headers"]["X-Forwarded-Proto"] == "https"
        finally:
            await https.stop()

    world.play(story)


def test_a_target_is_drained_before_it_leaves() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async def ask() -> int:
            async with client.get(f"{url}/slow") as response:
                return response.status

        asking = asyncio.create_task(ask())
        while target.idle.is_set():
            await asyncio.sleep(0.001)
        await world.balancer.deregister(world.group, target)
        assert world.group.targets == []
        assert target.idle.is_set()
        assert await asking == 200

    world.play(story)


def test_a_target_becomes_unhealthy_and_healthy_again_after_its_thresholds() -> None:
    world = World()
    status = 200

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        nonlocal status

        async def health(request: web.BaseRequest) -> web.Response:
            return web.Response(status=status)

        runner = web.ServerRunner(web.Server(health))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        checked = world.balancer.register(world.group, task_on(runner.addresses[0][1]))
        assert await world.balancer.wait_healthy(world.group, checked)
        checking = asyncio.create_task(world.balancer.keep_checking(world.group, checked))
        status = 503
        while checked.healthy:
            await asyncio.sleep(0.01)
        assert checked.last_fault == "GET /health answered 503"
        status = 200
        while not checked.healthy:
            await asyncio.sleep(0.01)
        checking.cancel()
        await runner.cleanup()

    world.play(story)


@pytest.mark.parametrize("steps", range(10))
def test_a_start_that_is_interrupted_leaves_no_port(steps: int) -> None:
    def listening() -> set[object]:
        return {c.laddr for c in psutil.Process().net_connections("tcp") if c.status == psutil.CONN_LISTEN}

    async def play() -> None:
        balancer = World().listener("HTTP", 80)
        starting = asyncio.create_task(balancer.start())
        for _ in range(steps):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await balancer.stop()
        assert listening() <= before

    before = listening()
    asyncio.run(play())

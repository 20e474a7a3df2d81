from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import aiohttp
import psutil
import pytest
from aiohttp import web

from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.load_balancer import proxy
from nova_infra.rehearsal.load_balancer.client import open_client
from nova_infra.rehearsal.load_balancer.proxy import LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import USER_HEADER, FixedResponse, Redirect, RoutingRule, WeightedGroup
from nova_infra.rehearsal.load_balancer.targets import Audience, Target, TargetGroup, TargetGroupSettings
from nova_infra.rehearsal.tasks.task import Task

PIECE = b"x" * 2**18


def task_on(port: int) -> Task:
    return cast(Task, SimpleNamespace(port=port, definition=SimpleNamespace(revision="tiny:2", fault="")))


class Sent:
    """Bytes on their way: how many the sender is ahead of the reader."""

    ahead = 0
    most = 0
    asked = 0

    def sent(self, count: int) -> None:
        self.ahead += count
        self.most = max(self.most, self.ahead)


sent = Sent()


async def read_slowly(request: web.BaseRequest) -> int:
    while chunk := await request.content.read(2**16):
        sent.ahead -= len(chunk)
        await asyncio.sleep(0)
    return sent.most


async def service(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    match request.path:
        case "/dies":
            request.transport.abort()
            return web.Response()
        case "/dies-every-third-time":
            sent.asked += 1
            if sent.asked % 3 == 0:
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
        case "/hangs-half-way":
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b"half")
            await asyncio.sleep(60)
        case "/hangs":
            await asyncio.sleep(60)
        case "/cookies":
            answer = web.Response(
                text="two", headers={"Connection": "X-Hop", "X-Hop": "mine", "Keep-Alive": "timeout=9"}
            )
            answer.headers.add("Set-Cookie", "a=1")
            answer.headers.add("Set-Cookie", "b=2")
            return answer
        case "/reads-slowly":
            return web.json_response({"most": await read_slowly(request)})
        case "/heard":
            heard = [(key.decode(), value.decode()) for key, value in request.raw_headers]
            return web.json_response({"path": request.raw_path, "headers": heard})
        case "/zipped":
            return web.Response(body=gzip.compress(b"text"), headers={"Content-Encoding": "gzip"})
        case "/elsewhere":
            return web.Response(status=302, headers={"Location": "/fails"})
        case "/streams-as-fast-as-it-can":
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(256):
                sent.sent(len(PIECE))
                await response.write(PIECE)
            return response
        case "/fails":
            return web.Response(status=500)
        case "/slow":
            await asyncio.sleep(0.2)
        case "/ends-slowly":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"begun")
            await asyncio.sleep(0.5)
            return response
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
        self.balancer.rules = [RoutingRule("r", 1, forward=[WeightedGroup(self.group, 1)])]

    def listener(self, protocol: str, port: int) -> LoadBalancer:
        return LoadBalancer(
            full_name="lb", protocol=protocol, public_port=port, siblings=self.siblings, store=self.store
        )

    def count(self, name: str, *, of_group: bool = False) -> float:
        dimensions = 2 if of_group else 1
        found = [m for m in self.store.metrics() if m.name == name and len(m.dimensions) == dimensions]
        return sum(sum(self.store.values(metric, range(1))) for metric in found)

    def counts_of_group(self) -> dict[str, float]:
        """All that was counted for the target group."""
        found = {m.name for m in self.store.metrics() if len(m.dimensions) == 2} - {"TargetResponseTime"}
        return {name: self.count(name, of_group=True) for name in found}

    async def speak(self, text: str) -> str:
        """Send a request as it stands, and read all that comes until the connection is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.balancer.port)
        writer.write(text.replace("\n", "\r\n").encode())
        answer = await reader.read()
        writer.close()
        return answer.decode()

    def play(self, story: Callable[[aiohttp.ClientSession, str, Target], Awaitable[None]]) -> World:
        async def run() -> None:
            runner = web.ServerRunner(web.Server(service), shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            target = Target(task_on(runner.addresses[0][1]), healthy=True)
            self.group.targets.append(target)
            await self.balancer.start()
            try:
                async with open_client() as client:
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


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH"])
def test_a_request_that_the_target_cuts_off_is_never_sent_again(method: str) -> None:
    sent.asked = 0

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        answers = []
        for _ in range(12):
            async with client.request(method, f"{url}/dies-every-third-time") as response:
                answers.append(response.status)
        assert answers == [200, 200, 502] * 4

    assert World().play(story).count("HTTPCode_ELB_502_Count") == 4
    assert sent.asked == 12


def heard(answer: str) -> dict[str, list[str]]:
    """The headers that the target heard, by name."""
    found: dict[str, list[str]] = {}
    for key, value in json.loads(answer.partition("\r\n\r\n")[2])["headers"]:
        found.setdefault(key.lower(), []).append(value)
    return found


@pytest.mark.parametrize(
    ("sent", "rest"),
    [
        ("Root=1-67891233-abcdef012345678912345678", ";Root=1-67891233-abcdef012345678912345678"),
        ("Self=1-1-2;Root=1-67891233-abcdef;CalledFrom=app", ";Root=1-67891233-abcdef;CalledFrom=app"),
        ("App=mine", ";App=mine"),
    ],
)
def test_a_trace_is_continued_with_the_load_balancers_own_part(sent: str, rest: str) -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        answer = await world.speak(f"GET /heard HTTP/1.1\nHost: a\nX-Amzn-Trace-Id: {sent}\nConnection: close\n\n")
        [trace] = heard(answer)["x-amzn-trace-id"]
        assert re.fullmatch(r"Self=1-[0-9a-f]{8}-[0-9a-f]{24}" + re.escape(rest), trace)

    world.play(story)


def test_a_trace_in_headers_of_more_than_seven_kilobytes_is_begun_again() -> None:
    """Source: Request tracing for your Application Load Balancer, limitations."""
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        head = "GET /heard HTTP/1.1\nHost: a\nConnection: close\nX-Amzn-Trace-Id: Root=1-67891233-abcdef\n"
        [kept] = heard(await world.speak(f"{head}X-Long: {'a' * 6900}\n\n"))["x-amzn-trace-id"]
        assert kept.endswith(";Root=1-67891233-abcdef")
        [new] = heard(await world.speak(f"{head}X-Long: {'a' * 7200}\n\n"))["x-amzn-trace-id"]
        assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", new)

    world.play(story)


def test_the_target_hears_who_asks_and_nothing_that_the_client_did_not_say() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        answer = await world.speak("GET /heard HTTP/1.1\nHost: shop.example.com\nConnection: close\n\n")
        said = heard(answer)
        assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", said.pop("x-amzn-trace-id")[0])
        assert said == {
            "host": ["shop.example.com"],
            "x-forwarded-for": ["127.0.0.1"],
            "x-forwarded-proto": ["http"],
            "x-forwarded-port": ["80"],
        }

    world.play(story)


def test_what_a_client_says_of_its_way_is_appended_to_or_replaced() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        said = "X-Forwarded-For: 203.0.113.7\nX-Forwarded-Proto: https\nX-Forwarded-Port: 1\nConnection: close\n\n"
        got = heard(await world.speak(f"GET /heard HTTP/1.1\nHost: x\n{said}"))
        assert got["x-forwarded-for"] == ["203.0.113.7, 127.0.0.1"]
        assert (got["x-forwarded-proto"], got["x-forwarded-port"]) == (["http"], ["80"])

    world.play(story)


def test_headers_of_a_connection_end_with_it_in_both_directions() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        said = "TE: trailers\nKeep-Alive: timeout=5\nX-Own: 1\nX-Hop: 2\nConnection: close, X-Hop\n\n"
        assert set(heard(await world.speak(f"GET /heard HTTP/1.1\nHost: x\n{said}"))) == {
            "host",
            "x-own",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-port",
            "x-amzn-trace-id",
        }
        async with client.get(f"{url}/cookies") as response:
            assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
            assert not {"X-Hop", "Keep-Alive"} & set(response.headers)

    world.play(story)


def test_an_old_client_gets_a_streamed_answer_that_ends_with_the_connection() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        head, _, body = (await world.speak("GET /streams HTTP/1.0\nHost: x\n\n")).partition("\r\n\r\n")
        assert head.startswith("HTTP/1.0 200")
        assert "chunked" not in head.lower()
        assert len(body) == 40 * len(PIECE)

    world.play(story)


def test_a_request_that_names_the_whole_address_reaches_the_path_in_it() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        answer = await world.speak("GET http://x/heard?a=1 HTTP/1.1\nHost: x\nConnection: close\n\n")
        assert json.loads(answer.partition("\r\n\r\n")[2])["path"] == "/heard?a=1"

    world.play(story)


def test_a_websocket_is_refused_and_not_played_wrong() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        said = "Upgrade: websocket\nConnection: close, Upgrade\n\n"
        assert (await world.speak(f"GET /heard HTTP/1.1\nHost: x\n{said}")).startswith("HTTP/1.1 501")
        assert target.served == 0

    world.play(story)


def test_an_upload_goes_no_faster_than_the_target_reads_it() -> None:
    sent.ahead = sent.most = 0
    size = 256 * len(PIECE)

    async def pieces() -> object:
        for _ in range(256):
            sent.sent(len(PIECE))
            yield PIECE

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.post(f"{url}/reads-slowly", data=pieces()) as response:
            most = (await response.json())["most"]
        assert sent.ahead == 0
        # What the sockets' own buffers hold on two connections, and no more.
        assert most < size / 2

    World().play(story)


def test_an_answer_comes_no_faster_than_the_client_reads_it() -> None:
    sent.ahead = sent.most = 0

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/streams-as-fast-as-it-can") as response:
            while chunk := await response.content.read(2**16):
                sent.ahead -= len(chunk)
                await asyncio.sleep(0)
        assert sent.ahead == 0
        assert sent.most < 128 * len(PIECE)

    World().play(story)


def test_an_answer_is_passed_on_as_it_is() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with aiohttp.ClientSession(auto_decompress=False) as plain:
            async with plain.get(f"{url}/zipped") as response:
                assert response.headers["Content-Encoding"] == "gzip"
                assert gzip.decompress(await response.read()) == b"text"
            async with plain.get(f"{url}/elsewhere", allow_redirects=False) as response:
                assert (response.status, response.headers["Location"]) == (302, "/fails")

    World().play(story)


def test_a_target_that_hangs_is_asked_and_has_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "IDLE_TIMEOUT_SECONDS", 0.1)

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/hangs") as response:
            assert response.status == 504
        assert (target.served, target.failed) == (1, 1)

    world = World().play(story)
    assert world.count("HTTPCode_ELB_504_Count") == 1
    assert world.counts_of_group() == {"RequestCount": 1}


def test_a_target_that_hangs_half_way_is_cut_off_after_an_answer_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "IDLE_TIMEOUT_SECONDS", 0.1)

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        with pytest.raises(aiohttp.ClientPayloadError):
            async with client.get(f"{url}/hangs-half-way") as response:
                await response.read()
        assert (target.served, target.failed) == (1, 1)

    world = World().play(story)
    assert world.counts_of_group() == {"RequestCount": 1, "HTTPCode_Target_2XX_Count": 1}
    assert world.count("HTTPCode_ELB_5XX_Count") == 0, "its own answer would have come too late"


def test_a_target_that_does_not_listen_is_a_connection_that_failed() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            target.task = task_on(closed.getsockname()[1])
            async with client.get(url) as response:
                assert response.status == 502

    world = World().play(story)
    assert world.count("HTTPCode_ELB_502_Count") == 1
    assert world.counts_of_group() == {"RequestCount": 1, "TargetConnectionErrorCount": 1}


def test_the_response_time_is_that_until_the_answer_begins() -> None:
    begins: list[float] = []

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        for path in ("/slow", "/ends-slowly"):
            asked = asyncio.get_running_loop().time()
            async with client.get(f"{url}{path}") as response:
                begins.append(asyncio.get_running_loop().time() - asked)
                await response.read()

    world = World().play(story)
    [metric] = [m for m in world.store.metrics() if m.name == "TargetResponseTime" and len(m.dimensions) == 2]
    waited, began_at_once = world.store.values(metric, range(1))
    assert waited >= 0.2
    assert [waited <= begins[0], began_at_once <= begins[1]] == [True, True]


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
    assert world.count("HTTPCode_ELB_502_Count") == world.count("HTTPCode_ELB_5XX_Count") == 1
    assert world.count("HTTPCode_ELB_5XX_Count", of_group=True) == 0, "that count has no target group in AWS"
    assert world.counts_of_group() == {"RequestCount": 1}


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
    world.balancer.rules.append(
        RoutingRule("first", 0.5, paths=("/own",), answer=FixedResponse(418, "text/plain", "own"))
    )

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
    world.balancer.rules = [RoutingRule("redirect", float("inf"), answer=redirect)]

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        await https.start()
        try:
            async with client.get(f"{url}/x/y?q=1") as response:
                assert str(response.url) == f"{https.url}/x/y?q=1"
                assert (await response.json())["headers"]["X-Forwarded-Proto"] == "https"
        finally:
            await https.stop()

    world.play(story)


def test_a_redirect_to_another_host_leads_there() -> None:
    world = World()
    world.siblings["https:443"] = "http://127.0.0.1:1"
    redirect = Redirect(302, "HTTPS", "www.example.com", "443", "/#{path}", "#{query}")
    world.balancer.rules = [RoutingRule("redirect", 1, answer=redirect)]

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/x", allow_redirects=False) as response:
            assert response.headers["Location"] == "https://www.example.com:443/x"

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
        leaving = asyncio.create_task(world.balancer.deregister(world.group, target))
        await asyncio.sleep(0)
        assert world.group.next_target() is None, "it gets nothing new"
        assert world.group.targets == [target], "but may finish what it has"
        await leaving
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


def test_checks_that_fail_now_and_then_but_not_in_a_row_change_nothing() -> None:
    world = World()
    world.group.settings = replace(world.group.settings, unhealthy_threshold=2, healthy_threshold=5)
    seen: list[bool | None] = []

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        over = asyncio.Event()

        async def health(request: web.BaseRequest) -> web.Response:
            seen.append(target.healthy)
            if len(seen) == 6:
                over.set()
            return web.Response(status=503 if len(seen) % 2 else 200)

        runner = web.ServerRunner(web.Server(health))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target.task = task_on(runner.addresses[0][1])
        checking = asyncio.create_task(world.balancer.keep_checking(world.group, target))
        await over.wait()
        checking.cancel()
        await runner.cleanup()

    world.play(story)
    assert seen == [True] * 6

"""Target groups of HTTP/2 and gRPC: their health checks, and what the load balancer passes on to their targets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from helpers.http2_balancer import group_of, target_at, through_the_balancer
from helpers.http2_server import Answer, Reply, said, serving
from nova_infra.rehearsal.cloudwatch.metrics import Metric
from nova_infra.rehearsal.load_balancer.client import ask_task, open_client, probe
from nova_infra.rehearsal.load_balancer.http2 import client as http2
from nova_infra.rehearsal.load_balancer.http2.grpc import HEADERS, framed, status_for_users, status_in_words
from nova_infra.rehearsal.load_balancer.targets import TargetGroup, read_target_group

HTTP1 = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
GOAWAY = b"\0\0\0\x04\0\0\0\0\0" + b"\0\0\x08\x07\0\0\0\0\0" + bytes(8)
CHECK = "/grpc.health.v1.Health/Check"


async def probed(group: TargetGroup, port: int) -> tuple[bool, str]:
    target = target_at(port)
    async with open_client() as client:
        return await probe(client, group, target), target.last_fault


def checked(group: TargetGroup, answer: Answer) -> tuple[bool, str]:
    async def play() -> tuple[bool, str]:
        async with serving(answer) as port:
            return await probed(group, port)

    return asyncio.run(play())


@pytest.mark.parametrize(
    ("status", "codes", "healthy"), [(200, "200", True), (204, "200-299", True), (500, "200", False)]
)
def test_a_check_of_http2_asks_its_path_and_judges_the_status(status: int, codes: str, healthy: bool) -> None:
    asked: list[tuple[str, ...]] = []

    def answer(headers: dict[str, str], _: bytes) -> Reply:
        asked.append((headers[":method"], headers[":path"], headers[":authority"]))
        return Reply(status)

    found, fault = checked(group_of("HTTP2", HealthCheckPath="/healthz", Matcher={"HttpCode": codes}), answer)
    assert (found, asked) == (healthy, [("GET", "/healthz", "10.0.3.4:8080")])
    assert healthy or fault == "GET /healthz answered 500"


@pytest.mark.parametrize(
    ("reply", "codes", "fault"),
    [
        (said(b"\x08\x01"), "0", ""),
        (said(b"\x08\x02"), "0", ""),  # NOT_SERVING: the load balancer reads no message
        (said(status=12), "0", f"gRPC {CHECK} answered UNIMPLEMENTED"),
        (said(status=12), "0-99", ""),
        (said(status=5), "12", f"gRPC {CHECK} answered NOT_FOUND"),
        (Reply(200), "0", f"gRPC {CHECK} answered without a grpc-status"),
        (Reply(503), "0-99", f"gRPC {CHECK} answered 503 of HTTP"),
    ],
)
def test_a_check_of_grpc_calls_its_method_and_judges_grpc_s_status(reply: Reply, codes: str, fault: str) -> None:
    asked: list[tuple[str, str, bytes]] = []

    def answer(headers: dict[str, str], body: bytes) -> Reply:
        asked.append((headers[":path"], headers["content-type"], body))
        return reply

    healthy, why = checked(group_of("GRPC", HealthCheckPath=CHECK, Matcher={"GrpcCode": codes}), answer)
    assert asked == [(CHECK, "application/grpc", framed(b""))]
    assert (healthy, "" if healthy else why) == (not fault, fault)


def test_a_group_of_grpc_that_says_nothing_has_the_defaults_of_grpc() -> None:
    settings = read_target_group({"ProtocolVersion": "GRPC"})
    assert (settings.health_path, settings.codes) == ("/AWS.ALB/healthcheck", "12")


@pytest.mark.parametrize(
    ("bytes_sent", "fault"),
    [
        (HTTP1, "it speaks HTTP/1.1, not HTTP/2"),
        (bytes(60), "it does not speak HTTP/2"),
        (GOAWAY, "it ended the connection"),
        (b"", "it closed the connection before its answer had ended"),
        (None, "did not answer within 0.3 s"),
    ],
)
@pytest.mark.parametrize("version", ["HTTP2", "GRPC"])
def test_a_target_with_another_protocol_is_unhealthy_and_says_why(
    version: str, bytes_sent: bytes | None, fault: str
) -> None:
    async def play() -> tuple[bool, str]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(24)
            if bytes_sent is None:
                await asyncio.sleep(5)
            writer.write(bytes_sent or b"")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            return await probed(group_of(version), server.sockets[0].getsockname()[1])
        finally:
            server.close()

    healthy, said_of_it = asyncio.run(play())
    assert not healthy
    assert fault in said_of_it


@pytest.mark.parametrize("size", [0, 5, 70_000, 400_000])
def test_bodies_of_any_size_come_and_go_whole(size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)

    async def play() -> http2.Http2Answer:
        async with serving(lambda _, sent: Reply(200, sent[::-1])) as port:
            return await http2.ask(port, "POST", "/echo", [("Host", "shop.example")], body[:size])

    assert asyncio.run(play()).body == body[:size][::-1]


def test_a_request_reaches_a_target_of_http2_and_its_answer_comes_back() -> None:
    seen: dict[str, str] = {}

    def answer(headers: dict[str, str], body: bytes) -> Reply:
        seen.update(headers)
        return Reply(201, b"made of " + body, [("x-own", "1"), ("content-length", str(8 + len(body)))])

    async def send(client: aiohttp.ClientSession, url: str) -> tuple[int, str, str]:
        async with client.post(f"{url}/orders?a=%20b", data=b"tea", headers={"X-Mine": "2"}) as response:
            return response.status, response.headers["x-own"], await response.text()

    got, group, _ = through_the_balancer("HTTP2", answer, send)
    assert got == (201, "1", "made of tea")
    assert (seen[":method"], seen[":path"], seen["x-mine"]) == ("POST", "/orders?a=%20b", "2")
    assert seen["x-forwarded-proto"] == "https"
    assert "connection" not in seen
    assert (group.targets[0].served, group.targets[0].failed) == (1, 0)


@pytest.mark.exhaustive("test_a_request_reaches_a_target_of_http2_and_its_answer_comes_back")
def test_an_upload_to_a_target_of_http2_may_be_as_large_as_one_over_http1() -> None:
    async def send(client: aiohttp.ClientSession, url: str) -> tuple[int, str]:
        async with client.post(url, data=bytes(3_000_000)) as response:
            return response.status, await response.text()

    got, _, _ = through_the_balancer("HTTP2", lambda _, body: Reply(200, b"%d" % len(body)), send)
    assert got == (200, "3000000")


@contextlib.asynccontextmanager
async def taking_nothing() -> AsyncIterator[int]:
    """A target of HTTP/2 that gives no room for more than the first 64 KiB of a body."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))  # SETTINGS without any
        while await reader.read(65536):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def in_pieces(count: int, size: int, pause: float = 0) -> AsyncIterator[bytes]:
    for _ in range(count):
        await asyncio.sleep(pause)
        SENT.append(size)
        yield bytes(size)


SENT: list[int] = []


def test_an_upload_that_a_target_of_http2_does_not_take_waits_at_its_client_and_is_given_up() -> None:
    SENT.clear()

    async def send(client: aiohttp.ClientSession, url: str) -> int:
        async with client.post(url, data=in_pieces(400, 2**18)) as response:
            return response.status

    status, group, _ = through_the_balancer("HTTP2", taking_nothing(), send, idle=0.5)
    assert (status, group.targets[0].failed) == (504, 1)
    assert sum(SENT) < 2**26, "what the sockets hold, and no more"


def test_a_client_of_a_target_of_http2_may_take_longer_than_the_idle_timeout_unless_it_is_silent() -> None:
    async def send(client: aiohttp.ClientSession, url: str) -> list[int]:
        answers = []
        for pause in (0.1, 0.5):
            async with client.post(url, data=in_pieces(6, 5, pause)) as response:
                answers.append(response.status)
        return answers

    statuses, group, _ = through_the_balancer("HTTP2", lambda _, body: Reply(200, body), send, idle=0.3)
    assert (statuses, group.targets[0].failed) == ([200, 408], 0)


def test_a_failure_of_grpc_hits_its_user_and_no_metric_sees_it() -> None:
    async def send(client: aiohttp.ClientSession, url: str) -> int:
        async with client.post(f"{url}/shop.Shop/List", data=framed(b""), headers=HEADERS) as response:
            return status_for_users(response.status, response.headers)

    status, group, store = through_the_balancer("GRPC", lambda headers, _: said(status=13 * ("te" in headers)), send)
    assert (status, status_in_words("gRPC /shop.Shop/List", status)) == (500, "INTERNAL")
    assert group.targets[0].failed == 1
    of_it = {"LoadBalancer": "app/b/1", "TargetGroup": "g"}
    counted = [Metric.of("AWS/ApplicationELB", f"HTTPCode_Target_{kind}XX_Count", of_it) for kind in "25"]
    assert [store.values(metric, range(1)) for metric in counted] == [[1], []]


@pytest.mark.parametrize("version", ["HTTP2", "GRPC"])
def test_a_target_that_is_gone_is_a_502(version: str) -> None:
    async def send(client: aiohttp.ClientSession, url: str) -> int:
        async with client.get(f"{url}/") as response:
            return response.status

    def gone(_: dict[str, str], __: bytes) -> Reply:
        raise ConnectionResetError

    status, group, _ = through_the_balancer(version, gone, send)
    assert (status, group.targets[0].failed) == (502, 1)


def test_a_task_is_asked_in_its_own_protocol() -> None:
    async def play() -> list[tuple[int, bytes]]:
        async with open_client() as client, serving(lambda *_: said(b"m", 0)) as port:
            return [
                await ask_task(client, port, "GRPC", "POST", "/a.B/C", headers=HEADERS, body=framed(b"")),
                await ask_task(client, port, "HTTP1", "GET", "/"),
            ]

    assert asyncio.run(play()) == [(200, framed(b"m")), (0, b"")]


def test_every_status_of_grpc_has_one_of_http_and_back() -> None:
    found = [status_for_users(200, {"grpc-status": str(code)}) for code in range(17)]
    assert len({*found}) == 17
    assert status_for_users(200, {"grpc-status": "99"}) == status_for_users(200, {"grpc-status": "2"}) == 520
    assert [code for code, status in enumerate(found) if status >= 500] == [2, 4, 13, 14, 15]
    assert status_for_users(503, {"grpc-status": "0"}) == 503
    assert status_in_words("GET /shop", 500) == "500"


@pytest.mark.parametrize(("port", "host"), [(8080, "10.0.3.4:8080"), (80, "10.0.3.4")])
def test_a_check_asks_for_the_targets_own_address(port: int, host: str) -> None:
    """What checks the hosts that it is asked for, as Django's ALLOWED_HOSTS does, has to let this one pass."""
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request.headers["Host"])
        return web.Response()

    async def play() -> bool:
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target = target_at(runner.addresses[0][1])
        cast(Any, target.task).definition.port = port
        async with open_client() as client:
            found = await probe(client, group_of("HTTP1"), target)
        await runner.cleanup()
        return found

    assert (asyncio.run(play()), asked) == (True, [host])


@pytest.mark.parametrize("version", ["HTTP1", "HTTP2"])
@pytest.mark.parametrize(
    ("allowed", "healthy", "doubted"),
    [
        ((), True, False),
        (("10.0.0.10:8080",), True, False),
        (("127.0.0.1:8080", "shop.example.com"), True, True),
        (("shop.example.com",), False, False),
    ],
)
def test_a_process_that_lets_only_this_machine_s_address_pass_is_doubted(
    version: str, allowed: tuple[str, ...], healthy: bool, doubted: bool
) -> None:
    """In AWS a check names the task's address, which no list of hosts has by itself."""
    doubts: list[str] = []

    def status(host: str) -> int:
        return 200 if not allowed or host in allowed else 400

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status(request.headers["Host"]))

    async def play(port: int) -> bool:
        target = target_at(port)
        task = cast(Any, target.task)
        task.address, task.doubt, task.definition.port = "127.0.0.1", doubts.append, 8080
        async with open_client() as client:
            return await probe(client, group_of(version), target)

    async def played() -> bool:
        if version == "HTTP2":
            async with serving(lambda headers, _: Reply(status(headers[":authority"]))) as port:
                return await play(port)
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found = await play(runner.addresses[0][1])
        await runner.cleanup()
        return found

    assert asyncio.run(played()) == healthy
    assert ["lets health checks pass" in each for each in doubts] == [True] * doubted


def test_a_check_that_is_answered_badly_is_not_asked_again_by_another_name() -> None:
    asked: list[str] = []
    statuses = [503, 200, 503, 400, 200, 200]

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request.headers["Host"])
        return web.Response(status=statuses[len(asked) - 1])

    async def play() -> list[bool]:
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target = target_at(runner.addresses[0][1])
        task = cast(Any, target.task)
        task.address, task.doubt = "127.0.0.1", pytest.fail
        async with open_client() as client:
            found = [await probe(client, group_of("HTTP1"), target) for _ in range(5)]
        await runner.cleanup()
        return found

    assert asyncio.run(play()) == [False, True, False, False, True]
    assert {each.partition(":")[0] for each in asked} == {"10.0.0.10"}

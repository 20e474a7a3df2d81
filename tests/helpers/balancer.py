"""A load balancer of the rehearsal in front of one target, and what that target answers."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
from aiohttp import web

from helpers import virtual_time
from nova_infra.rehearsal.clock import COMPRESSED, Pace
from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.load_balancer.client import open_client
from nova_infra.rehearsal.load_balancer.proxy import IDLE_TIMEOUT_SECONDS, LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import RoutingRule, WeightedGroup
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup, TargetGroupSettings
from nova_infra.rehearsal.tasks.task import Task

PIECE = b"x" * 2**18


def task_on(port: int) -> Task:
    return cast(
        Task,
        SimpleNamespace(
            port=port,
            address="10.0.3.4",
            definition=SimpleNamespace(revision="tiny:2", fault="", port=8080),
            explained=str,
        ),
    )


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
    kind, _, size = request.path.strip("/").partition("/")
    if kind in ("headers", "cookies") and size:  # so many KiB, in one header or in many
        answer = web.Response(headers={"X-Long": "x" * 1024 * int(size)} if kind == "headers" else {})
        for number in range(int(size) if kind == "cookies" else 0):
            answer.headers.add("Set-Cookie", f"c{number}={'x' * 1000}")
        return answer
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
        case "/names-itself":
            name = f"https://{request.host}"
            links = {"all": f"{name}/a?b=1 {name.replace('https', 'http')} {name}.evil/ {name}:8443/"}
            moved = {"Location": f"{name}/new", "Link": f"<{name}/2>; rel=next"}
            heard_of = {
                key: value[::-1] for key, value in request.headers.items()
            }  # Reversed, it stays as it was heard.
            answer = web.json_response({**links, **heard_of}, status=302, headers=moved)
            answer.headers.add("Set-Cookie", f"__Host-a=1; Secure; Domain={request.host}")
            return answer
        case "/names-itself-otherwise":
            name, how = request.host, request.query_string
            text = f"https://{name}:443/1 https:\\/\\/{name}\\/2 https://{name}".encode()
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            if how == "zipped":
                text, response.headers["Content-Encoding"] = gzip.compress(text), "gzip"
            if how == "untrue":
                text, response.headers["Content-Encoding"] = b"text", "gzip"
            if how == "not-modified":
                text, response.headers["Content-Encoding"] = b"", "gzip"
            if how == "whole":
                response.content_length = len(text)
            await response.prepare(request)
            for start in range(0, len(text), 7):
                await response.write(text[start : start + 7])
                await asyncio.sleep(0.001)
            return response
        case "/zipped":
            return web.Response(body=gzip.compress(b"text"), headers={"Content-Encoding": "gzip"})
        case "/peer":
            return web.Response(text=str(request.transport.get_extra_info("peername")[1]))
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

    def __init__(self, *, idle_timeout: float = IDLE_TIMEOUT_SECONDS, pace: Pace = COMPRESSED) -> None:
        self.pace = pace
        self.store = MetricStore()
        self.idle_timeout = idle_timeout
        self.siblings: dict[str, str] = {}
        self.balancer = self.listener("HTTP", 80)
        settings = TargetGroupSettings("/health", 1, 5, 2, 2, "200", 20)
        self.group = TargetGroup("group", settings)
        self.balancer.rules = [RoutingRule("r", 1, forward=[WeightedGroup(self.group, 1)])]

    def listener(self, protocol: str, port: int) -> LoadBalancer:
        return LoadBalancer(
            full_name="lb",
            protocol=protocol,
            public_port=port,
            siblings=self.siblings,
            store=self.store,
            pace=self.pace,
            idle_timeout=self.idle_timeout,
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

    def play(
        self,
        story: Callable[[aiohttp.ClientSession, str, Target], Awaitable[None]],
        *,
        play: Callable[[Coroutine[Any, Any, None]], None] = virtual_time.play,
        tls: ssl.SSLContext | None = None,
    ) -> World:
        async def run() -> None:
            runner = web.ServerRunner(web.Server(service, max_field_size=2**16), shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
            target = Target(task_on(runner.addresses[0][1]), healthy=True)
            self.group.targets.append(target)
            await self.balancer.start()
            try:
                async with open_client(auto_decompress=True) as client:
                    await story(client, self.balancer.url, target)
            finally:
                await self.balancer.stop()
                await runner.cleanup()

        play(run())
        return self


def heard(answer: str) -> dict[str, list[str]]:
    """The headers that the target heard, by name."""
    found: dict[str, list[str]] = {}
    for key, value in json.loads(answer.partition("\r\n\r\n")[2])["headers"]:
        found.setdefault(key.lower(), []).append(value)
    return found

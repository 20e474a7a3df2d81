"""Targets that are asked over TLS: their certificates are not looked at, and those that do not speak it get nothing."""

import asyncio
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from helpers.balancer import World, task_on
from helpers.http2_balancer import group_of, through_the_balancer
from helpers.http2_server import Reply, serving
from helpers.tls import server_context
from nova_infra.rehearsal.load_balancer.client import ask_task, open_client, probe
from nova_infra.rehearsal.load_balancer.targets import Target, read_target_group

NO_TLS = "GET /health got no answer: its port does not speak TLS, which its health checks do"


@pytest.mark.parametrize(
    ("speaks", "asked", "checked", "status", "fault"),
    [
        (True, True, True, 200, ""),
        (False, True, True, 502, NO_TLS),
        (False, True, False, 502, ""),
        (True, False, False, 502, "GET /health got no answer"),
    ],
)
def test_a_target_is_asked_and_checked_as_its_group_says(
    speaks: bool, asked: bool, checked: bool, status: int, fault: str
) -> None:
    world = World()
    world.group.settings = replace(world.group.settings, tls=asked, checks_tls=checked)

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/good") as response:
            assert response.status == status
        assert await probe(client, world.group, target) is not bool(fault)
        if fault:
            assert target.last_fault.startswith(fault)

    world.play(story, tls=server_context() if speaks else None)
    assert world.count("TargetTLSNegotiationErrorCount", of_group=True) == (asked and not speaks)
    assert world.count("TargetConnectionErrorCount", of_group=True) == 0


@pytest.mark.parametrize("listens", [True, False])
def test_who_hangs_up_on_the_first_message_is_told_from_who_does_not_listen(listens: bool) -> None:
    group = group_of("HTTP1", Protocol="HTTPS", HealthCheckProtocol="HTTPS", HealthCheckPath="/health")

    async def play() -> str:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        target = Target(task_on(server.sockets[0].getsockname()[1]))
        if not listens:
            server.close()
        async with open_client() as client:
            assert not await probe(client, group, target)
        server.close()
        return target.last_fault

    assert asyncio.run(play()) == (NO_TLS if listens else "GET /health got no answer (connection refused)")


@pytest.mark.parametrize("speaks", [True, False])
def test_http2_is_spoken_over_tls_where_both_do(speaks: bool) -> None:
    async def play() -> tuple[int, bytes]:
        tls = server_context("h2") if speaks else None
        async with open_client() as client, serving(lambda *_: Reply(200, b"here"), tls=tls) as port:
            return await ask_task(client, port, "HTTP2", "GET", "/", tls=True)

    assert asyncio.run(play()) == ((200, b"here") if speaks else (0, b""))


@pytest.mark.parametrize("speaks", [True, False])
def test_a_failed_negotiation_over_http2_is_counted_as_one(speaks: bool) -> None:
    async def send(client: aiohttp.ClientSession, url: str) -> int:
        async with client.get(url) as response:
            return response.status

    server = serving(lambda *_: Reply(), tls=server_context("h2") if speaks else None)
    status, _, store = through_the_balancer("HTTP2", server, send, Protocol="HTTPS")
    counted = {each.name for each in store.metrics() if each.name.endswith("ErrorCount")}
    assert (status, counted) == ((200, set()) if speaks else (502, {"TargetTLSNegotiationErrorCount"}))


@pytest.mark.parametrize(
    ("properties", "tls", "checks_tls"),
    [
        ({"Protocol": "HTTPS"}, True, False),
        ({"Protocol": "HTTPS", "HealthCheckProtocol": "HTTPS"}, True, True),
        ({"Protocol": "HTTP", "HealthCheckProtocol": "HTTPS"}, False, True),
        ({"Protocol": "HTTP"}, False, False),
    ],
)
def test_health_checks_speak_plain_http_unless_the_group_says_otherwise(
    properties: dict[str, Any], tls: bool, checks_tls: bool
) -> None:
    settings = read_target_group(properties)
    assert (settings.tls, settings.checks_tls) == (tls, checks_tls)

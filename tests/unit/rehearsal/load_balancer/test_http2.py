"""Target groups of HTTP/2 and gRPC: a container that does not speak HTTP/2 is never healthy."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.rehearsal.environment.asked import Asked
from nova_infra.rehearsal.load_balancer.client import open_client, probe
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup, read_target_group

SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
HTTP1 = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
GOAWAY = b"\0\0\x08\x07\0\0\0\0\0" + bytes(8)


def probed(answer: bytes | None, version: str) -> tuple[bool, str]:
    async def play() -> tuple[bool, str]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert (await reader.readexactly(24)).startswith(b"PRI * HTTP/2.0")
            if answer is None:
                await asyncio.sleep(5)
            writer.write(answer or b"")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        task: Any = SimpleNamespace(port=server.sockets[0].getsockname()[1])
        settings = read_target_group({"ProtocolVersion": version, "HealthCheckTimeoutSeconds": 0.2})
        target = Target(task)
        try:
            async with open_client() as client:
                return await probe(client, TargetGroup("g", settings), target), target.last_fault
        finally:
            server.close()

    return asyncio.run(play())


@pytest.mark.parametrize("version", ["HTTP2", "GRPC"])
def test_a_container_that_speaks_http2_is_healthy(version: str) -> None:
    assert probed(SETTINGS, version)[0]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (HTTP1, "it speaks another protocol"),
        (GOAWAY, "it speaks another protocol"),
        (b"", "HTTP/2 got no answer (IncompleteReadError)"),
        (None, "HTTP/2 was not answered within 0.2 s"),
    ],
)
def test_one_that_does_not_is_unhealthy_and_says_why(answer: bytes | None, fault: str) -> None:
    healthy, said = probed(answer, "GRPC")
    assert not healthy
    assert fault in said


@pytest.mark.parametrize(("version", "spoken"), [("HTTP2", "HTTP/2"), ("GRPC", "gRPC")])
def test_users_of_http_do_not_ask_it_and_the_verdict_says_so(version: str, spoken: str) -> None:
    group = TargetGroup("g", read_target_group({"ProtocolVersion": version}))
    service: Any = SimpleNamespace(is_asked=True, groups=[group])
    asked = Asked(service, [])

    async def learn() -> None:
        async with open_client() as client:
            await asked.learn(client, 1, "one", baseline=True)  # nothing listens there

    asyncio.run(learn())
    assert asked.operations == []
    assert len(asked.left_out) == 1
    assert f"it speaks {spoken}, which synthetic users do not" in asked.left_out[0]

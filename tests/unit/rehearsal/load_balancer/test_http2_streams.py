"""Answers over HTTP/2 that take their time: they flow as they come, and a silent target is given up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import h2.config
import h2.connection
import h2.events
import pytest

from helpers.http2_balancer import through_the_balancer
from nova_infra.rehearsal.load_balancer.http2.grpc import HEADERS, framed


@contextlib.asynccontextmanager
async def dripping(*pauses: float) -> AsyncIterator[int]:
    """A target of HTTP/2 that sends a byte after each pause, in one answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        while not any(
            isinstance(each, h2.events.StreamEnded) for each in connection.receive_data(await reader.read(65536))
        ):
            pass
        connection.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
        for pause in pauses:
            writer.write(connection.data_to_send())
            await asyncio.sleep(pause)
            connection.send_data(1, b"!")
        connection.send_headers(1, [("grpc-status", "0")], end_stream=True)
        writer.write(connection.data_to_send())
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def test_an_answer_of_http2_comes_in_pieces_for_as_long_as_its_target_is_not_silent() -> None:
    async def send(client: aiohttp.ClientSession, url: str) -> list[float]:
        loop, times = asyncio.get_running_loop(), []
        async with client.get(url) as response:
            async for _ in response.content.iter_any():
                times.append(loop.time())
        return [time - times[0] for time in times]

    times, group, _ = through_the_balancer("HTTP2", dripping(0.1, 0.6, 0.6), send, idle=1)
    assert len(times) == 3, "not held until the end"
    assert times[-1] > 1, "longer than the idle timeout"
    assert group.targets[0].failed == 0


@pytest.mark.parametrize(("pauses", "status"), [((0.1, 0.6, 0.6), 200), ((0.1, 3), 504)])
def test_an_answer_of_grpc_is_whole_and_its_target_may_not_be_silent(pauses: tuple[float, ...], status: int) -> None:
    async def send(client: aiohttp.ClientSession, url: str) -> tuple[int, str, bytes]:
        async with client.post(url, data=framed(b""), headers=HEADERS) as response:
            return response.status, response.headers.get("grpc-status", ""), await response.read()

    got, group, _ = through_the_balancer("GRPC", dripping(*pauses), send, idle=1)
    assert (got[0], group.targets[0].failed) == (status, status == 504)
    assert status == 504 or got[1:] == ("0", b"!!!")


def test_an_answer_of_http2_that_breaks_off_is_not_taken_for_whole() -> None:
    async def send(client: aiohttp.ClientSession, url: str) -> bytes:
        async with client.get(url) as response:
            return await response.read()

    with pytest.raises(aiohttp.ClientPayloadError):
        through_the_balancer("HTTP2", dripping(0.1, 3), send, idle=0.5)

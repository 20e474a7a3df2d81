import asyncio
import math

import pytest

from helpers import virtual_time
from helpers.tls import server_context
from nova_infra.rehearsal.load_balancer.http2.client import unverified
from nova_infra.rehearsal.usage.idle import seconds_kept

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
Kept = float | None


def ask(
    answer: bytes,
    *,
    rest: bytes = b"",
    after: float = 0.05,
    port_of_nobody: bool = False,
    ends: str = "",
    tls: bool = False,
) -> tuple[Kept | str, float | None]:
    """How long a server keeps the connection that answers so, sends a rest later, and closes it again later.

    Also for how long it was seen to stay open, if that is known. One that ``ends`` refuses the next connection, or
    closes it without an answer.
    """
    seen: list[float] = []
    asked: list[bool] = []

    server: asyncio.Server

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if ends == "silent" and asked:
            writer.close()
            return
        asked.append(True)
        await reader.readuntil(b"\r\n\r\n")
        if ends == "refuses":
            server.close()
        writer.write(answer)
        for _ in range(2 if rest else 1):
            await asyncio.sleep(after)
            writer.write(rest)
        writer.close()

    async def play() -> tuple[Kept | str, float | None]:
        nonlocal server
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context() if tls else None)
        port = server.sockets[0].getsockname()[1]
        if port_of_nobody:
            server.close()
        try:
            asking = seconds_kept(port, "/health", seen.append, unverified("http/1.1") if tls else None)
            kept: Kept | str = await asyncio.wait_for(asking, 0.6)
        except TimeoutError:
            kept = "kept"
        finally:
            server.close()
        return kept, seen[0] if seen else None

    return virtual_time.play(play())


@pytest.mark.parametrize("tls", [False, True])
def test_a_connection_that_is_closed_by_itself_was_kept_since_the_last_byte(tls: bool) -> None:
    kept, seen_open = ask(OK + b"\r\n", rest=b"fi", after=0.2, tls=tls)
    assert isinstance(kept, float)
    assert seen_open == kept
    assert kept < 0.2, "the time before the last byte does not count"


def test_a_connection_that_stays_open_is_waited_for() -> None:
    kept, seen_open = ask(OK + b"\r\nfine", after=5)
    assert kept == "kept"
    assert seen_open is not None
    assert seen_open > 0.3, "until nobody looked any more"


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Connection: close\r\n\r\nfine",
        OK + b"connection:close\r\n\r\nfine",
        OK + b"Connection: X-Hop,  Close \r\n\r\nfine",
        b"HTTP/1.1 200 OK\r\nServer: tiny\r\n\r\nfine",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nfine",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nfine",
        b"HTTP/1.0 200 OK\r\n\r\nfine",
    ],
)
def test_a_connection_that_ends_with_its_answer_is_never_idle(answer: bytes) -> None:
    assert ask(answer) == (None, math.inf)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nKeep-Alive: timeout=5\r\n\r\n",
        b"HTTP/1.1 200\r\ncontent-length:0\r\n\r\n",
    ],
)
def test_one_whose_answer_ends_by_itself_is_kept(answer: bytes) -> None:
    assert isinstance(ask(answer)[0], float)


@pytest.mark.parametrize("ends", ["refuses", "silent"])
def test_a_task_that_is_gone_has_not_closed_an_idle_connection(ends: str) -> None:
    kept, seen_open = ask(OK + b"\r\nfine", ends=ends)
    assert kept is None
    assert seen_open is not None


def test_of_one_that_gets_no_answer_nothing_is_known() -> None:
    assert ask(b"") == (None, None)
    assert ask(OK, port_of_nobody=True) == (None, None)

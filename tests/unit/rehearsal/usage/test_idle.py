from __future__ import annotations

import asyncio

import pytest

from nova_infra.rehearsal.usage.idle import seconds_kept

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
Kept = float | None


def ask(answer: bytes, *, rest: bytes = b"", after: float = 0.05, port_of_nobody: bool = False) -> Kept | str:
    """How long a server keeps the connection that answers so, sends a rest later, and closes it again later."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        for _ in range(2 if rest else 1):
            await asyncio.sleep(after)
            writer.write(rest)
        writer.close()

    async def play() -> Kept | str:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        if port_of_nobody:
            server.close()
        try:
            return await asyncio.wait_for(seconds_kept(port, "/health"), 0.6)
        except TimeoutError:
            return "kept"
        finally:
            server.close()

    return asyncio.run(play())


def test_a_connection_that_is_closed_by_itself_was_kept_since_the_last_byte() -> None:
    kept = ask(OK + b"\r\n", rest=b"fi", after=0.2)
    assert isinstance(kept, float)
    assert kept < 0.35, "the time before the last byte does not count"


def test_a_connection_that_stays_open_is_waited_for() -> None:
    assert ask(OK + b"\r\nfine", after=5) == "kept"


@pytest.mark.parametrize("answer", [OK + b"Connection: close\r\n\r\nfine", b"HTTP/1.0 200 OK\r\n\r\nfine", b""])
def test_one_that_says_that_it_is_not_kept_is_none_to_cross(answer: bytes) -> None:
    assert ask(answer) is None
    assert ask(answer, port_of_nobody=True) is None

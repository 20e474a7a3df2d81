"""How long a task keeps idle connections: one that closes before the load balancer does causes a 502.

A load balancer keeps connections to its targets open. A target that closes one first may do so while a request is on
its way to it, which the load balancer then answers with 502: see "HTTP 502" in
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html. That happens to
a few requests in a thousand, so no rehearsal would meet it: one connection is watched instead.
"""

import asyncio
import contextlib
import http.client
import io
import math
import ssl
from collections.abc import Callable

_FIRST_ANSWER_SECONDS = 10.0
_NO_BODY = (204, 304)


async def seconds_kept(
    port: int, path: str, seen_open: Callable[[float], None], tls: ssl.SSLContext | None = None
) -> float | None:
    """Send a task on this machine one request, and wait until it closes the connection.

    Args:
        seen_open: Called at the end, also where this is cancelled, with the seconds for which the connection was seen
            to stay open; with infinity where it ends with its answer, so that nothing can cross its closing.
        tls: For a task that speaks TLS.

    Returns:
        How many seconds it kept the connection; None where the connection ends with the answer, there is no answer, or
        the task has ended and its connections with it. It may take forever: cancel it.
    """
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    except OSError:
        return None
    loop = asyncio.get_running_loop()
    try:
        if not _is_kept(await _asked(path, reader, writer)):
            seen_open(math.inf)
            return None
        last = loop.time()
        try:
            with contextlib.suppress(OSError):  # It may as well reset the connection.
                while await reader.read(2**16):
                    last = loop.time()
        finally:
            kept = loop.time() - last
            seen_open(kept)
        return kept if await _answers(port, path, tls) else None
    except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
        return None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _asked(path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send a request on a connection; return the answer's status line and header fields."""
    # A host without a port: this machine's port is not the service's own.
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: ELB-HealthChecker/2.0\r\n\r\n".encode())
    async with asyncio.timeout(_FIRST_ANSWER_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        while 100 <= _code(head) < 200:  # the answer itself is to come
            head = await reader.readuntil(b"\r\n\r\n")
    return head


async def _answers(port: int, path: str, tls: ssl.SSLContext | None) -> bool:
    """Whether a task still answers: a killed one closes its connections, too, before its end is noticed."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    except OSError:
        return False
    try:
        return bool(await _asked(path, reader, writer))
    except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
        return False
    finally:
        writer.close()


def _is_kept(head: bytes) -> bool:
    """Whether the connection outlives an answer with this status line and header fields (RFC 9112, 6.3, 9.3)."""
    status_line, _, fields = head.partition(b"\r\n")
    if not status_line.upper().startswith(b"HTTP/1.1 "):
        return False
    try:
        headers = http.client.parse_headers(io.BytesIO(fields))
    except http.client.HTTPException:  # more of them than a client of Python's reads
        return False
    if "close" in _tokens(headers, "Connection"):
        return False
    coding = _tokens(headers, "Transfer-Encoding")
    if coding:
        return coding[-1] == "chunked"
    return "Content-Length" in headers or _code(head) in _NO_BODY


def _code(head: bytes) -> int:
    """The status code of an answer; 0 where it has none."""
    words = head.split(maxsplit=2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def _tokens(headers: http.client.HTTPMessage, name: str) -> list[str]:
    """The members of a header field that is a list, in lower case."""
    return [each.strip().lower() for value in headers.get_all(name, []) for each in value.split(",") if each.strip()]

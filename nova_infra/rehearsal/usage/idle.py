"""When a task, not the load balancer, closes a connection that nobody uses.

A load balancer keeps connections to its targets open. A target that closes one first may do so while a request is on
its way to it, which the load balancer then answers with 502: see "HTTP 502" in
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html. That happens to
a few requests in a thousand, so no rehearsal would meet it: one connection is watched instead.
"""

from __future__ import annotations

import asyncio
import contextlib

_FIRST_ANSWER_SECONDS = 10.0


async def seconds_kept(port: int, path: str) -> float | None:
    """Ask a task of this machine for something once, and wait until it closes the connection.

    Args:
        port: Its port.
        path: What to ask for, such as its health check.

    Returns:
        How many seconds it kept the connection; None where it says with its answer that it does not keep it, or gives
        none. It may take for ever: cancel it.
    """
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None
    try:
        # A host without a port: that of this machine is none of its own.
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: ELB-HealthChecker/2.0\r\n\r\n".encode())
        async with asyncio.timeout(_FIRST_ANSWER_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if not head.startswith("http/1.1") or "\r\nconnection: close\r\n" in head:
            return None
        loop = asyncio.get_running_loop()
        last = loop.time()
        while await reader.read(2**16):
            last = loop.time()
        return loop.time() - last
    except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
        return None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

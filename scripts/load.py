"""Asks one address at a steady rate over connections that stay open, as a load balancer does.

Answers are read, not waited for, before the next request is due: a service that falls behind is seen to.
"""

import asyncio
import time
from dataclasses import dataclass, field


@dataclass
class Load:
    """What became of the requests.

    Attributes:
        seconds: Time of each answer after its request was due, in seconds.
        failed: Answers other than 200, and requests without one.
    """

    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    def percentile(self, percent: float) -> float:
        """Return the time that so many percent of the answers took at most."""
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]


async def steady(port: int, path: str, *, rate: int, seconds: float, connections: int = 16) -> Load:
    """Ask so many times a second.

    Args:
        port: Where the service listens on this machine.
        path: What to ask for.
        rate: Requests a second, over all connections.
        seconds: How long.
        connections: How many; each has one request under way at a time.
    """
    load = Load()
    begun = time.perf_counter()
    workers = (_ask(port, path, load, begun + at / rate, connections / rate, seconds) for at in range(connections))
    await asyncio.gather(*workers)
    return load


async def _ask(port: int, path: str, load: Load, first: float, pause: float, seconds: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    due = first
    try:
        while due < first + seconds:
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            load.failed += not head.startswith(b"HTTP/1.1 200 ")
            load.seconds.append(time.perf_counter() - due)
            due += pause
    except (OSError, EOFError):
        load.failed += round((first + seconds - due) / pause)
    finally:
        writer.close()

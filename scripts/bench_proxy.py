"""Times the rehearsal's load balancer against asking its target directly: ``make bench``.

Target, load balancer and client each run in a process of their own, as in a rehearsal the services do. The client
sends a steady stream over a pool of connections, now to the one and now to the other, so that whatever else the machine
does falls on both alike. Exits with 1 when a limit is passed. The limits are for two quiet cores.
"""

import asyncio
import multiprocessing
import statistics
import sys
import time
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import cast

from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.load_balancer.proxy import LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import RoutingRule, WeightedGroup
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup, TargetGroupSettings
from nova_infra.rehearsal.tasks.task import Task

RATE = 1000
SECONDS = 2
ROUNDS = 5
CONNECTIONS = 32
MAX_OVERHEAD_MS = 2.0
MIN_SHARE = 0.99

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
_REQUEST = b"GET /tiny/version HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nX-Rehearsal-User: 17\r\n\r\n"


class _Answers(asyncio.Protocol):
    """A service that takes next to no time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request in what came."""
        self._transport.write(_ANSWER * data.count(b"\r\n\r\n"))


class _Asks(asyncio.Protocol):
    """A connection of the client: one request at a time."""

    def __init__(self) -> None:
        """Begin without a request."""
        self.answered: asyncio.Future[None] | None = None
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """The answer is whole with its two bytes of body."""
        self.received += data
        if self.received.endswith(b"\r\n\r\nok") and self.answered is not None:
            assert self.received.startswith(b"HTTP/1.1 200"), self.received
            self.answered.set_result(None)

    async def ask(self) -> float:
        """Seconds until the answer."""
        loop = asyncio.get_running_loop()
        self.received, self.answered = b"", loop.create_future()
        began = loop.time()
        self._transport.write(_REQUEST)
        await self.answered
        return loop.time() - began

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


async def _serve_target(parent: Connection) -> None:
    server = await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", 0, backlog=256)
    parent.send(server.sockets[0].getsockname()[1])
    await asyncio.to_thread(parent.recv)


async def _serve_proxy(parent: Connection) -> None:
    target_port = parent.recv()
    balancer = LoadBalancer(full_name="lb", protocol="HTTP", public_port=80, siblings={}, store=MetricStore())
    task = cast(Task, SimpleNamespace(port=target_port, definition=SimpleNamespace(revision="tiny:1")))
    group = TargetGroup("group", TargetGroupSettings("/health", 10, 5, 2, 2, "200", 0), [Target(task, healthy=True)])
    balancer.rules = [RoutingRule("rule", 1, ("/tiny/*",), forward=[WeightedGroup(group, 1)])]
    await balancer.start()
    parent.send(balancer.port)
    processor = time.process_time()
    await asyncio.to_thread(parent.recv)
    parent.send(1000 * (time.process_time() - processor) / max(group.targets[0].served, 1))
    await balancer.stop()


def _run(serve: str, parent: Connection) -> None:
    asyncio.run({"target": _serve_target, "proxy": _serve_proxy}[serve](parent))


async def _stream(port: int) -> tuple[list[float], float]:
    """Send the stream: how long each answer took, and how many came in a second."""
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(_Asks, "127.0.0.1", port))[1] for _ in range(CONNECTIONS)]
    idle: asyncio.Queue[_Asks] = asyncio.Queue()
    for connection in connections:
        idle.put_nowait(connection)
    took: list[float] = []
    began = loop.time()

    async def one() -> None:
        connection = await idle.get()
        took.append(await connection.ask())
        idle.put_nowait(connection)

    async with asyncio.TaskGroup() as group:
        for number in range(RATE * SECONDS):
            await asyncio.sleep(max(began + number / RATE - loop.time(), 0))
            group.create_task(one())
    rate = len(took) / max(loop.time() - began, SECONDS)
    for connection in connections:
        connection.close()
    return took, rate


async def _measure(direct: int, through: int) -> int:
    took: dict[str, list[float]] = {"direct": [], "through": []}
    rates: dict[str, list[float]] = {"direct": [], "through": []}
    await _stream(through)
    for _ in range(ROUNDS):
        for name, port in (("direct", direct), ("through", through)):
            seconds, rate = await _stream(port)
            took[name] += seconds
            rates[name].append(rate)
    medians = {name: 1000 * statistics.median(seconds) for name, seconds in took.items()}
    for name, seconds in took.items():
        p99 = 1000 * statistics.quantiles(seconds, n=100)[98]
        print(f"{name:8} median {medians[name]:6.2f} ms   p99 {p99:7.2f} ms   {statistics.median(rates[name]):6.0f} /s")
    overhead = medians["through"] - medians["direct"]
    rate = statistics.median(rates["through"])
    print(f"load balancer: adds {overhead:.2f} ms at the median, carries {rate:.0f} of {RATE} requests a second")
    return int(overhead > MAX_OVERHEAD_MS or rate < MIN_SHARE * RATE)


def main() -> int:
    """Start target and load balancer, measure both, stop both."""
    context = multiprocessing.get_context("spawn")
    started = {}
    for name in ("target", "proxy"):
        ours, theirs = context.Pipe()
        process = context.Process(target=_run, args=(name, theirs), daemon=True)
        process.start()
        started[name] = (process, ours)
    try:
        target_port = started["target"][1].recv()
        started["proxy"][1].send(target_port)
        return asyncio.run(_measure(target_port, started["proxy"][1].recv()))
    finally:
        for name, (process, ours) in started.items():
            ours.send("stop")
            if name == "proxy" and ours.poll(5):
                print(f"load balancer: takes {ours.recv():.2f} ms of a processor for a request")
            process.join(5)


if __name__ == "__main__":
    sys.exit(main())

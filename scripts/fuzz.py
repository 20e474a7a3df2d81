"""Sends damaged files and damaged requests to the services, and watches ``/health`` meanwhile: ``make fuzz``.

    python scripts/fuzz.py [--seconds 60] [--seed 1] [SERVICE…]

What a service takes stands in its ``tests/fuzz.py``: ``SAMPLES``, from a name to ``(path, media type, content)``; with
``form`` as the media type the content is sent as the form's file. A finding is an answer of 500, a process that ended,
health that took longer than a second, or memory that does not come back. Exits with 1 after a finding; what was sent
stands then in ``.nova/fuzz``.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
from bench_services import SERVICES, is_healthy, running
from mutations import ENDLESS, HEADS, mutated

FOUND = Path(".nova/fuzz")
MAX_HEALTH_SECONDS = 1.0
MAX_GROWTH = 300 * 1024 * 1024
SENDERS, ENDLESS_SENDERS = 4, 5

Sample = tuple[str, str, bytes]


@dataclass
class Run:
    """What is known about one service.

    Attributes:
        port: Where it listens.
        end: When to stop, on the clock of ``time.monotonic``.
        sent: Requests so far.
        slowest: Longest answer of ``/health``, in seconds.
        findings: What went wrong, one line each.
    """

    service: str
    port: int
    end: float
    sent: int = 0
    slowest: float = 0.0
    findings: list[str] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        """Whether there is time left, and nothing found that would only be found again."""
        return time.monotonic() < self.end and len(self.findings) < 5

    def report(self, what: str, content: bytes = b"") -> None:
        """Keep a finding, and what was sent."""
        name = f"{self.service}-{self.sent}.bin"
        if content:
            FOUND.mkdir(parents=True, exist_ok=True)
            (FOUND / name).write_bytes(content)
        self.findings.append(f"{what}{f', sent {FOUND / name}' if content else ''}")


def samples_of(service: str) -> Mapping[str, Sample]:
    """Load what a service takes; nothing for one without samples."""
    path = SERVICES / service / "tests" / "fuzz.py"
    if not path.exists():
        return {}
    spec = importlib.util.spec_from_file_location(f"fuzz_{service}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    samples: Mapping[str, Sample] = module.SAMPLES
    return samples


async def send_files(run: Run, session: aiohttp.ClientSession, chance: random.Random, samples: list[Sample]) -> None:
    """Send one damaged file after the other."""
    contents = [content for _, _, content in samples]
    while run.goes_on and samples:
        path, media_type, content = chance.choice(samples)
        content = mutated(chance, content, contents)
        data: bytes | aiohttp.FormData = content
        headers = {"Content-Type": media_type}
        if media_type == "form":
            data, headers = aiohttp.FormData(), {}
            data.add_field("file", content, filename="sample", content_type="application/octet-stream")
        run.sent += 1
        try:
            async with session.post(f"http://127.0.0.1:{run.port}{path}", data=data, headers=headers) as response:
                await response.read()
                if response.status == 500:
                    run.report(f"POST {path} answered 500", content)
        except aiohttp.ClientError as error:
            run.report(f"POST {path} got no answer ({type(error).__name__})", content)


async def send_heads(run: Run, chance: random.Random) -> None:
    """Send one damaged request after the other, and read what comes back."""
    while run.goes_on:
        head = chance.choice(HEADS)
        if chance.random() < 0.7:
            head = mutated(chance, head, HEADS)
        run.sent += 1
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
            try:
                writer.write(head)
                async with asyncio.timeout(2):
                    if (await reader.read(12)).endswith(b" 500"):
                        run.report("a damaged request was answered with 500", head)
            finally:
                writer.transport.abort()


async def send_without_end(run: Run, beginning: bytes, piece: bytes, pause: float) -> None:
    """Begin a request that never ends, again and again."""
    while run.goes_on:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", run.port)
            try:
                writer.write(beginning)
                while run.goes_on:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(pause)
            finally:
                writer.transport.abort()


async def watch(run: Run, process: psutil.Process) -> None:
    """Ask for the health, each time as a new caller, and look at the process."""
    while run.goes_on:
        begun = time.perf_counter()
        timeout = aiohttp.ClientTimeout(10)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session:
                healthy = await is_healthy(session, f"http://127.0.0.1:{run.port}")
        except (TimeoutError, aiohttp.ClientError):
            healthy = False
        seconds = time.perf_counter() - begun
        run.slowest = max(run.slowest, seconds)
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            run.report("the process ended")
            run.end = 0
        elif not healthy or seconds > MAX_HEALTH_SECONDS:
            run.report(f"/health took {seconds:.1f} s" if healthy else f"/health failed after {seconds:.1f} s")
        await asyncio.sleep(0.05)


async def fuzz(service: str, seconds: float, seed: int) -> bool:
    """Fuzz one service; print a line for each finding, and return whether there is none."""
    samples = list(samples_of(service).values())
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        running(service, session) as (port, process, _),
    ):
        run = Run(service, port, time.monotonic() + seconds)
        before = process.memory_info().rss
        chances = [random.Random(f"{seed} {service} {number}") for number in range(2 * SENDERS)]  # noqa: S311 - a seed repeats them
        async with asyncio.TaskGroup() as group:
            group.create_task(watch(run, process))
            for files, heads in zip(chances[:SENDERS], chances[SENDERS:], strict=True):
                group.create_task(send_files(run, session, files, samples))
                group.create_task(send_heads(run, heads))
            for number in range(ENDLESS_SENDERS):
                beginning, piece = ENDLESS[number % len(ENDLESS)]
                group.create_task(send_without_end(run, beginning, piece, pause=(0.0, 0.01, 0.1, 0.01, 1.0)[number]))
        growth = process.memory_info().rss - before if process.is_running() else 0
        if growth > MAX_GROWTH:
            run.report(f"memory grew by {growth / 1024**2:.0f} MiB")
    line = f"{run.sent} requests, /health {run.slowest * 1000:.0f} ms at most, memory {growth / 1024**2:+.0f} MiB"
    print(f"{service:16} {line}", flush=True)
    for finding in run.findings:
        print(f"{'':16} {finding}", flush=True)
    return not run.findings


async def main(arguments: list[str]) -> int:
    """Fuzz the named services, or all."""
    parser = argparse.ArgumentParser(description="Send damaged files and requests to the services.")
    parser.add_argument(
        "services", nargs="*", default=sorted(each.parent.name for each in SERVICES.glob("*/Dockerfile"))
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="for all services together")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    seconds = options.seconds / len(options.services)
    results = [await fuzz(service, seconds, options.seed) for service in options.services]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))

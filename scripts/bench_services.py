"""Times the services as processes: start, ``/health`` under load, a minute of sound: part of ``make bench``.

Exits with 1 when a limit is passed. Figures from a machine that does other work meanwhile say little.
"""

from __future__ import annotations

import asyncio
import io
import os
import socket
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil

SERVICES = Path(__file__).parents[1] / "services"
STARTS = 5
RATE, SECONDS = 200, 5
MAX_START, MAX_P99, MAX_ANALYSIS = 1.5, 0.010, 0.5


@asynccontextmanager
async def running(service: str, session: aiohttp.ClientSession) -> AsyncIterator[tuple[str, float, float]]:
    """Run a service; yield its address, the seconds until it was healthy and the seconds of CPU that it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = os.pathsep.join(str(SERVICES / name / "src") for name in ("kit", service))
    environment = {**os.environ, "PYTHONPATH": path, "HOST": "127.0.0.1", "PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "nova_kit.serve", f"{service.replace('-', '_')}.main:app"]
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not await is_healthy(session, url):
            assert process.returncode is None, f"{service} does not start"
            await asyncio.sleep(0.005)
        seconds = time.perf_counter() - begun
        used = psutil.Process(process.pid).cpu_times()
        yield url, seconds, used.user + used.system
    finally:
        process.terminate()
        await process.wait()


async def is_healthy(session: aiohttp.ClientSession, url: str) -> bool:
    """Ask once."""
    try:
        async with session.get(f"{url}/health") as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def p99_of_health(session: aiohttp.ClientSession, url: str) -> float:
    """Ask at a steady rate, whether or not earlier answers are there; return the 99th percentile in seconds."""

    async def ask() -> float:
        begun = time.perf_counter()
        assert await is_healthy(session, url)
        return time.perf_counter() - begun

    begun, asked = time.perf_counter(), []
    for number in range(RATE * SECONDS):
        await asyncio.sleep(max(begun + number / RATE - time.perf_counter(), 0))
        asked.append(asyncio.create_task(ask()))
    times = sorted(await asyncio.gather(*asked))
    return times[len(times) * 99 // 100]


async def analysis_of_a_minute(session: aiohttp.ClientSession, url: str) -> float:
    """Have a minute of stereo at 48 kHz measured; return the least of three times in seconds."""
    target = io.BytesIO()
    with wave.open(target, "wb") as output:
        output.setnchannels(2)
        output.setsampwidth(2)
        output.setframerate(48_000)
        output.writeframes(os.urandom(4 * 48_000) * 60)
    times = []
    for _ in range(3):
        form = aiohttp.FormData()
        form.add_field("file", target.getvalue(), filename="noise.wav", content_type="audio/wav")
        begun = time.perf_counter()
        async with session.post(f"{url}/audio-service/analyze", data=form) as response:
            assert (await response.json())["duration_seconds"] == 60
        times.append(time.perf_counter() - begun)
    return min(times)


async def main() -> int:
    """Measure every service and print a line for each."""
    failed = False
    async with aiohttp.ClientSession() as session:
        for service in sorted(path.parent.name for path in SERVICES.glob("*/Dockerfile")):
            starts = []
            for _ in range(STARTS):
                async with running(service, session) as (_, seconds, cpu):
                    starts.append((seconds, cpu))
            start, cpu = (sorted(each)[STARTS // 2] for each in zip(*starts, strict=True))
            async with running(service, session) as (url, *_):
                p99 = await p99_of_health(session, url)
                analysis = await analysis_of_a_minute(session, url) if service == "audio-service" else 0
            line = f"{service:16} healthy {start:.2f} s  CPU {cpu:.2f} s  /health p99 {p99 * 1000:.1f} ms at {RATE}/s"
            print(line + (f"  60 s of WAV {analysis * 1000:.0f} ms" if analysis else ""), flush=True)
            failed |= start > MAX_START or p99 > MAX_P99 or analysis > MAX_ANALYSIS
    return int(failed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

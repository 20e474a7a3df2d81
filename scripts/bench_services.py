"""Times the services as processes, on two processors: part of ``make bench``.

How long one takes to be healthy; ``/health`` at 200 requests a second, alone and while uploads are decoded; a minute of
sound; 2,000 requests a second for a minute, and the memory that they leave behind. Exits with 1 when a limit is passed.
Figures from a machine that does other work meanwhile say little.
"""

import asyncio
import io
import json
import os
import random
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
from load import steady

SERVICES = Path(__file__).parents[1] / "services"
STARTS = 5
RATE, SECONDS = 200, 5
MAX_START, MAX_P99, MAX_ANALYSIS = 2.0, 0.010, 0.5
UPLOADS, MAX_BUSY_P99 = 20, 0.050
DOCUMENTS, CHARACTERS, MAX_RANKING = 10_000, 200, 1.0
FLOOD_RATE, FLOOD_SECONDS = 2000, 60
WARM_UP = 20_000
"""Requests after which memory has to stay as it is: caches and pools are full by then."""
MAX_GROWTH = 4 * 1024 * 1024


@asynccontextmanager
async def running(service: str, session: aiohttp.ClientSession) -> AsyncIterator[tuple[int, psutil.Process, float]]:
    """Run a service; yield its port, its process, and the seconds until it was healthy."""
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
        yield port, psutil.Process(process.pid), seconds
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


def noise(seconds: int) -> bytes:
    """Return so many seconds of stereo noise at 48 kHz as WAV."""
    target = io.BytesIO()
    with wave.open(target, "wb") as output:
        output.setnchannels(2)
        output.setsampwidth(2)
        output.setframerate(48_000)
        output.writeframes(os.urandom(4 * 48_000) * seconds)
    return target.getvalue()


_WORDS = """東京 京都 大阪 天気 雨 会議 資料 確認 設定 変更 手順 監視 警報 復旧 配備 試験 障害
    報告 利用者 画面 音声 動画 検索 速度 容量 料金 契約 申請 承認 食べる 走った 読みます 書いて
    新しい 古い 速かった 自転車 海 山 図書館 大学生 サーバー データ ネットワーク コーヒー バス"""


async def analyze(session: aiohttp.ClientSession, port: int, sound: bytes) -> int:
    """Have a sound measured; return the status."""
    form = aiohttp.FormData()
    form.add_field("file", sound, filename="noise.wav", content_type="audio/wav")
    async with session.post(f"http://127.0.0.1:{port}/audio-service/analyze", data=form) as response:
        await response.read()
        return response.status


async def analysis_of_a_minute(session: aiohttp.ClientSession, port: int) -> float:
    """Have a minute measured; return the least of three times in seconds."""
    sound, times = noise(60), []
    for _ in range(3):
        begun = time.perf_counter()
        assert await analyze(session, port, sound) == 200
        times.append(time.perf_counter() - begun)
    return min(times)


async def ranking_of_documents(session: aiohttp.ClientSession, port: int) -> float:
    """Have documents of Japanese ranked for three questions; return the longest of the shortest of three times."""
    rng = random.Random(1)  # noqa: S311 - the same each time is the point
    words = _WORDS.split()

    def text() -> str:
        written = ""
        while len(written) < CHARACTERS:
            written += rng.choice(words) + rng.choice("のはがをにでと") + ("。" if rng.random() < 0.15 else "")
        return written[:CHARACTERS]

    documents = [{"id": str(number), "text": text()} for number in range(DOCUMENTS)]
    url, headers = f"http://127.0.0.1:{port}/search-service/rank", {"Content-Type": "application/json"}
    longest = 0.0
    for query in ("東京の天気", "サーバーの障害を報告する", "新しい自転車で海まで走る"):
        body = json.dumps({"query": query, "documents": documents}, ensure_ascii=False).encode()
        times = []
        for _ in range(3):
            begun = time.perf_counter()
            async with session.post(url, data=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            times.append(time.perf_counter() - begun)
        longest = max(longest, min(times))
    return longest


async def p99_while_decoding(session: aiohttp.ClientSession, port: int) -> tuple[float, int]:
    """Ask for the health while uploads are decoded; return the 99th percentile, and how many uploads were refused."""
    sound = noise(30)
    uploads = [asyncio.create_task(analyze(session, port, sound)) for _ in range(UPLOADS)]
    load = await steady(port, "/health", rate=RATE, seconds=SECONDS)
    assert load.failed == 0
    statuses = await asyncio.gather(*uploads)
    assert set(statuses) <= {200, 503}, statuses
    return load.percentile(99), statuses.count(503)


async def flood(port: int, service: str, process: psutil.Process) -> tuple[int, float, int]:
    """Ask what runs, again and again; return failures, the 99th percentile in seconds, and the growth in bytes."""
    path = f"/{service}/version"
    await steady(port, path, rate=FLOOD_RATE, seconds=WARM_UP / FLOOD_RATE)
    before = process.memory_info().rss
    load = await steady(port, path, rate=FLOOD_RATE, seconds=FLOOD_SECONDS)
    return load.failed, load.percentile(99), process.memory_info().rss - before


async def one(service: str, session: aiohttp.ClientSession) -> bool:
    """Measure a service, print a line for each figure, and tell whether all are within their limits."""
    starts = []
    for _ in range(STARTS):
        async with running(service, session) as (_, process, seconds):
            used = process.cpu_times()
            starts.append((seconds, used.user + used.system))
    start, cpu = (sorted(each)[STARTS // 2] for each in zip(*starts, strict=True))
    good = start <= MAX_START
    print(f"{service:16} healthy {start:.2f} s  CPU {cpu:.2f} s", flush=True)
    async with running(service, session) as (port, process, _):
        p99 = (await steady(port, "/health", rate=RATE, seconds=SECONDS)).percentile(99)
        good &= p99 <= MAX_P99
        print(f"{'':16} /health p99 {p99 * 1000:.1f} ms at {RATE}/s", flush=True)
        if service == "search-service":
            ranking = await ranking_of_documents(session, port)
            good &= ranking <= MAX_RANKING
            print(
                f"{'':16} {DOCUMENTS} documents of {CHARACTERS} characters ranked in {ranking * 1000:.0f} ms",
                flush=True,
            )
        if service == "audio-service":
            analysis = await analysis_of_a_minute(session, port)
            busy, refused = await p99_while_decoding(session, port)
            good &= analysis <= MAX_ANALYSIS and busy <= MAX_BUSY_P99
            print(f"{'':16} 60 s of WAV {analysis * 1000:.0f} ms", flush=True)
            print(f"{'':16} /health p99 {busy * 1000:.1f} ms with {UPLOADS} uploads, {refused} refused", flush=True)
            failed, p99, growth = await flood(port, service, process)
            good &= failed == 0 and growth <= MAX_GROWTH
            text = f"{failed} failed, p99 {p99 * 1000:.1f} ms, memory {growth / 1024**2:+.1f} MiB"
            print(f"{'':16} /version at {FLOOD_RATE}/s for {FLOOD_SECONDS} s: {text}", flush=True)
    return bool(good)


async def main() -> int:
    """Measure every service."""
    services = sorted(path.parent.name for path in SERVICES.glob("*/Dockerfile"))
    async with aiohttp.ClientSession() as session:
        results = [await one(service, session) for service in services]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

"""Sends each service damaged files and documents for a while, and watches whether it stays well: `make fuzz`.

Files of every format are damaged at random, from a seed, and sent by four callers at once. A service has failed when it
answers anything but a result or a refusal that says why, ends, or takes too long over `/health` meanwhile. What made it
fail is kept in `.nova/fuzz`; the same seed sends the same files again.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
from bench_services import is_healthy, running
from fuzz_samples import TEXTS, sounds, videos

KEPT = Path(__file__).parents[1] / ".nova" / "fuzz"
CALLERS = 4
# A refusal that is the caller's; 503 is a service that has enough to do, and 502 an agent without siblings, as here.
FINE = {200, 400, 408, 413, 415, 422, 502, 503, 504}
MAX_HEALTH_P99 = 0.100
# A megabyte here and there is a cache; what is kept of every file would be hundreds.
MAX_GROWTH = 256 * 1024 * 1024
LONGEST_ANSWER = 45.0

_EDGES = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\x7f"]

# Where in Unicode scripts and signs begin: Latin with marks, Greek, Hebrew, Arabic, Devanagari, Thai, Korean jamo,
# combining marks, invisible signs, kana, kanji, Korean, compatibility forms, half width, emoji, beyond the first plane.
_BLOCKS = (
    0x20, 0xC0, 0x300, 0x370, 0x5B0, 0x620, 0x900, 0xE00, 0x1100, 0x1160, 0x1E00, 0x2000, 0x3040, 0x30A0, 0x3380,
    0x4E00, 0xAC00, 0xFB00, 0xFF00, 0xFF60, 0x1F1E0, 0x1F600, 0x20000,
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A route of a service, and what is damaged for it.

    Attributes:
        service: The service.
        path: The route, with its query.
        samples: By name.
        question: A field sent along with the file; None for a body of JSON.
    """

    service: str
    path: str
    samples: dict[str, bytes]
    question: str | None = ""


@dataclass
class Watch:
    """What was seen of a service."""

    statuses: Counter[int] = field(default_factory=Counter)
    health: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def damaged(sample: bytes, rng: random.Random) -> bytes:
    """Return a file with some of what happens to files: flipped bits, cuts, doubles, and numbers at their edges."""
    content = bytearray(sample)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not content:
            break
        # Headers are where the decisions are made.
        at = rng.randrange(min(len(content), 512) if rng.random() < 0.6 else len(content))
        length = rng.randrange(1, 64)
        match rng.randrange(7):
            case 0:
                content[at] ^= 1 << rng.randrange(8)
            case 1:
                content[at : at + 4] = rng.choice(_EDGES)
            case 2:
                del content[at:]
            case 3:
                del content[at : at + length]
            case 4:
                content[at:at] = content[at : at + length]
            case 5:
                content[at : at + length] = rng.randbytes(length)
            case _:
                content[at:at] = rng.randbytes(length)
    return bytes(content)


def body(query: str, documents: list[dict[str, str]]) -> bytes:
    """Return the body of a search."""
    return json.dumps({"query": query, "documents": documents}, ensure_ascii=False).encode("utf-8", "ignore")


def made_up(rng: random.Random) -> bytes:
    """Return a search for characters of all scripts, marks and signs in texts of the same."""

    def text(longest: int) -> str:
        block = rng.choice(_BLOCKS)
        return "".join(chr(block + rng.randrange(96)) for _ in range(rng.randrange(1, longest)))

    query = text(20)
    documents = [{"id": str(number), "text": text(40) + query + text(400)} for number in range(rng.randrange(1, 20))]
    return body(query, documents)


def targets() -> list[Target]:
    """Return what is sent where."""
    documents = [
        {"id": str(number), "text": text.decode("utf-8", "ignore")} for number, text in enumerate(TEXTS.values())
    ]
    queries = ["湖", "C++", "ボートを渡る", "café", "🍣", "ข้าว", "كتاب", "किताब", "ﾋﾞｻﾞ", "e-mail " * 50]
    bodies = {
        query[:8]: json.dumps({"query": query, "documents": documents}, ensure_ascii=False).encode()
        for query in queries
    }
    heard, seen = sounds(), videos()
    return [
        Target("audio-service", "/audio-service/analyze", heard),
        Target("video-service", "/video-service/probe", seen),
        Target("video-service", "/video-service/thumbnail?at=0.5", seen),
        Target("search-service", "/search-service/rank", bodies, question=None),
        Target("agent-service", "/agent-service/run", {**heard, **seen, **TEXTS}, question="湖"),
    ]


async def send(session: aiohttp.ClientSession, url: str, target: Target, content: bytes) -> int:
    """Send one file or document and return the status of the answer, which is read to its end."""
    body: bytes | aiohttp.FormData = content
    headers = {"Content-Type": "application/json"}
    if target.question is not None:
        headers = {}
        body = aiohttp.FormData()
        body.add_field("file", content, filename="upload", content_type="application/octet-stream")
        if target.question:
            body.add_field("text", target.question)
    async with session.post(url + target.path, data=body, headers=headers) as response:
        await response.read()
        return response.status


async def attack(target: Target, seconds: float, seed: int, session: aiohttp.ClientSession) -> Watch:
    """Send damaged files to one route for some seconds."""
    watch = Watch()
    rng = random.Random(f"{seed} {target.path}")  # noqa: S311 - the same each time is the point

    def files() -> Iterator[tuple[str, bytes]]:
        names = sorted(target.samples)
        while True:
            name = rng.choice(names)
            if target.question is None and rng.random() < 0.7:
                yield "made up", made_up(rng)
            else:
                yield name, damaged(target.samples[name], rng)

    source = files()
    async with running(target.service, session) as (port, process, _):
        url = f"http://127.0.0.1:{port}"
        end = time.perf_counter() + seconds
        before = process.memory_info().rss

        async def call() -> None:
            while time.perf_counter() < end and not watch.faults:
                name, content = next(source)
                try:
                    async with asyncio.timeout(LONGEST_ANSWER):
                        status = await send(session, url, target, content)
                except (aiohttp.ClientError, TimeoutError) as error:
                    watch.faults.append(f"{name}: {type(error).__name__}: {keep(target, content)}")
                    return
                watch.statuses[status] += 1
                if status not in FINE:
                    watch.faults.append(f"{name}: answered {status}: {keep(target, content)}")

        async def look() -> None:
            while time.perf_counter() < end and not watch.faults:
                begun = time.perf_counter()
                await is_healthy(session, url)
                watch.health.append(time.perf_counter() - begun)
                await asyncio.sleep(0.05)

        await asyncio.gather(look(), *(call() for _ in range(CALLERS)))
        judge(watch, process, before)
    return watch


def judge(watch: Watch, process: psutil.Process, before: int) -> None:
    """Add what is wrong with a service after all that."""
    if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
        watch.faults.append("the service ended")
        return
    if (growth := process.memory_info().rss - before) > MAX_GROWTH:
        watch.faults.append(f"its memory grew by {growth / 2**20:.0f} MiB")
    if (p99 := p99_of(watch.health)) > MAX_HEALTH_P99:
        watch.faults.append(f"/health took {p99 * 1000:.0f} ms (p99), more than {MAX_HEALTH_P99 * 1000:.0f}")


def p99_of(times: list[float]) -> float:
    """Return the 99th percentile, or 0 of nothing."""
    return sorted(times)[len(times) * 99 // 100] if times else 0.0


def keep(target: Target, content: bytes) -> str:
    """Keep what made a service fail, and return where."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{target.service}-{hashlib.sha256(content).hexdigest()[:12]}"
    path.write_bytes(content)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


async def main() -> int:
    """Attack every route in turn and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=20.0, help="for each route; default: 20")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    arguments = parser.parse_args()
    failed = False
    async with aiohttp.ClientSession() as session:
        for target in targets():
            watch = await attack(target, arguments.seconds, arguments.seed, session)
            answers = ", ".join(f"{number} × {status}" for status, number in sorted(watch.statuses.items()))
            line = f"{target.path:34} {answers}; /health p99 {p99_of(watch.health) * 1000:.1f} ms"
            print(line, *(f"  FAILED: {fault}" for fault in watch.faults), sep="\n", flush=True)
            failed |= bool(watch.faults)
    return int(failed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

"""What stands in for the agent's siblings, and how its tests ask it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from starlette.testclient import TestClient

from agent_service.main import build_app
from agent_service.names import SiblingNames
from agent_service.siblings import Patience, Siblings
from nova_kit.settings import Settings

SOUND = {"duration_seconds": 1.0, "peak_dbfs": -20.0, "loudness_lufs": -23.0, "waveform": [0.1]}
VIDEO = {"duration_seconds": 2.0, "width": 64, "height": 48, "video_codec": "h264"}
HITS = {"searched": 1, "hits": []}
PNG = b"\x89PNG\r\n\x1a\n..."

WAV = b"RIFF\x24\0\0\0WAVEfmt "
MP4 = b"\0\0\0\x18ftypisom"

NAMES = SiblingNames(sound="ears", video="eyes", search="finder")

Answer = Callable[[httpx.Request], httpx.Response]


class Neighbours(httpx.AsyncBaseTransport):
    """Stands in for the load balancer: answers as told, and remembers what it was asked."""

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = {
            "analyze": lambda _: httpx.Response(200, json=SOUND),
            "probe": lambda _: httpx.Response(200, json=VIDEO),
            "thumbnail": lambda _: httpx.Response(200, content=PNG),
            "rank": lambda _: httpx.Response(200, json=HITS),
            **answers,
        }
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        answer = self.answers[request.url.path.rpartition("/")[2]](request)
        # As from the network: still to be read.
        return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)

    @property
    def paths(self) -> list[str]:
        return [request.url.path for request in self.requests]


def agent(neighbours: Neighbours, names: SiblingNames = NAMES, **patience: float) -> TestClient:
    siblings = Siblings("http://balancer", Patience(pause_seconds=0.001, **patience), neighbours)  # type: ignore[arg-type]  # settings by name
    return TestClient(build_app(Settings(service="agent-service"), siblings, names), raise_server_exceptions=False)


def run(client: TestClient, content: bytes | None = None, media_type: str = "", **fields: str) -> Any:
    files = {"file": ("upload", content, media_type)} if content is not None else {"": ("", b"")}
    return client.post("/agent-service/run", files=files, data=fields)


def failing(status: int) -> Answer:
    return lambda _: httpx.Response(status, text="oh")

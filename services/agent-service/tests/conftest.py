"""The media that this service's tests send: it decodes none itself, so nor do its tests."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from functools import cache
from math import pi, sin
from pathlib import Path
from typing import Any

import httpx
import pytest

# What makes the agent ask each kind of sibling.
_REQUESTS: dict[str, dict[str, Any]] = {
    "sound": {"files": {"file": ("tone.wav", b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav")}},
    "video": {"files": {"file": ("clip.mp4", b"\0\0\0\x18ftypisom", "video/mp4")}},
    "search": {"files": {"": ("", b"")}, "data": {"text": "canary"}},
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "siblings(*kinds): skipped where the deployed agent lacks one of these")


@pytest.fixture(autouse=True)
def _with_siblings(request: pytest.FixtureRequest) -> None:
    """Skip a test that needs a sibling which the deployed agent has not been given."""
    if marker := request.node.get_closest_marker("siblings"):
        missing = [kind for kind in marker.args if not request.getfixturevalue("has_sibling")(kind)]
        if missing:
            pytest.skip(f"the agent has no sibling for {', '.join(missing)}: see environment of its entry in nova.toml")


@pytest.fixture(scope="session")
def has_sibling(api: httpx.Client) -> Callable[[str], bool]:
    """Ask the deployed agent whether it has a sibling for a kind of work: has_sibling("sound")."""

    @cache
    def has(kind: str) -> bool:
        steps = api.post("/agent-service/run", **_REQUESTS[kind]).json()["steps"]
        return all(step["service"] is not None for step in steps)

    return has


@pytest.fixture(scope="session")
def tone() -> bytes:
    """Return a second of a mono sine as WAV: 997 Hz at -20 dBFS, 16 bits at 16 kHz."""
    rate = 16_000
    values = (round(3276.7 * sin(2 * pi * 997 * at / rate)) for at in range(rate))
    target = io.BytesIO()
    with wave.open(target, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(rate)
        output.writeframes(b"".join(value.to_bytes(2, "little", signed=True) for value in values))
    return target.getvalue()


@pytest.fixture(scope="session")
def clip() -> bytes:
    """Return a second of grey pictures as WebM: VP8, 64 x 48 at 25 per second."""
    return Path(__file__).with_name("clip.webm").read_bytes()

"""The media that this service's tests send: it decodes none itself, so nor do its tests."""

from __future__ import annotations

import io
import wave
from math import pi, sin
from pathlib import Path

import pytest


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

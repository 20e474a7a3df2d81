"""Integration tests drive the services of one environment over HTTP. They need `API_BASE_URL` and nothing else."""

from __future__ import annotations

import io
import os
import struct
import wave
from collections.abc import Iterator
from fractions import Fraction
from math import pi, sin

import av
import httpx
import pytest


@pytest.fixture(scope="session")
def api() -> Iterator[httpx.Client]:
    """Return a client for the environment's services."""
    base_url = os.environ.get("API_BASE_URL")
    if not base_url:
        pytest.exit("usage: API_BASE_URL=https://<load balancer> pytest tests/integration", returncode=2)
    with httpx.Client(base_url=base_url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def sound() -> bytes:
    """Return two seconds of a stereo sine, 997 Hz at -20 dBFS, as WAV."""
    rate = 16_000
    values = [round(3276.7 * sin(2 * pi * 997 * at / rate)) for at in range(2 * rate)]
    target = io.BytesIO()
    with wave.open(target, "wb") as output:
        output.setnchannels(2)
        output.setsampwidth(2)
        output.setframerate(rate)
        output.writeframes(b"".join(struct.pack("<hh", value, value) for value in values))
    return target.getvalue()


@pytest.fixture(scope="session")
def video() -> bytes:
    """Return one second of grey pictures, 64 x 48 at 25 per second, as MP4."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(25):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([128]) * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue()

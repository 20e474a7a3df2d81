"""What several suites need: the project's tools, a browser to drive, and something to hear and to see."""

from __future__ import annotations

import io
import os
import shutil
import sys
import wave
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import pi, sin
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright


# As in the Makefile, so that pytest by itself finds the same Node, CDK CLI and linters.
_TOOLS = (Path(sys.executable).parent, Path(__file__).parents[1] / "node_modules" / ".bin")
os.environ["PATH"] = os.pathsep.join([*map(str, _TOOLS), os.environ["PATH"]])


@pytest.fixture(scope="session")
def make_sound() -> Callable[..., bytes]:
    """Makes a sine as WAV: 997 Hz at -20 dBFS, 16 bits at 16 kHz, the same in every channel."""

    def make(*, seconds: int, channels: int) -> bytes:
        rate = 16_000
        values = (round(3276.7 * sin(2 * pi * 997 * at / rate)) for at in range(seconds * rate))
        target = io.BytesIO()
        with wave.open(target, "wb") as output:
            output.setnchannels(channels)
            output.setsampwidth(2)
            output.setframerate(rate)
            output.writeframes(b"".join(value.to_bytes(2, "little", signed=True) * channels for value in values))
        return target.getvalue()

    return make


@pytest.fixture(scope="session")
def make_video() -> Callable[..., bytes]:
    """Makes a second of grey pictures, 64 x 48 at 25 per second."""
    import av

    def make(*, container: str, codec: str) -> bytes:
        target = io.BytesIO()
        with av.open(target, "w", format=container) as output:
            stream = output.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(25):
                frame = av.VideoFrame(64, 48, "yuv420p")
                for plane in frame.planes:
                    plane.update(bytes([128]) * plane.buffer_size)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return target.getvalue()

    return make


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser | None]:
    """Return Chromium, or None where there is none.

    It is the one that `CHROMIUM_PATH` names, else the machine's own, else Playwright's download. It is closed with the
    module's last test: while it is open, no other event loop can run in this thread.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = _chromium(playwright)
        if path is None:
            yield None
            return
        arguments = ["--disable-background-networking", "--no-first-run"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium's sandbox refuses to work for root, as in containers.
        with playwright.chromium.launch(executable_path=path, args=arguments) as browser:
            yield browser


def _chromium(playwright: Playwright) -> str | None:
    if named := os.environ.get("CHROMIUM_PATH"):
        return named
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    downloaded = playwright.chromium.executable_path
    return downloaded if Path(downloaded).exists() else None

"""Lets `pytest services` import every service from its source directory, and makes the media that tests send."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

SERVICES = Path(__file__).parent

for _source in sorted(SERVICES.glob("*/src")):
    sys.path.insert(0, str(_source))

_SOUND_CODECS = {"wav": "pcm_s16le", "flac": "flac", "ogg": "libopus"}
_VIDEO_CODECS = {"mp4": "libx264", "webm": "libvpx"}


@pytest.fixture(scope="session")
def make_sound() -> Callable[..., bytes]:
    """Return a function that encodes a sine wave; its defaults make a second of mono at -20 dBFS."""

    @cache
    def make(
        container: str = "wav",
        *,
        seconds: float = 1.0,
        dbfs: float | None = -20.0,
        rate: int = 48_000,
        channels: int = 1,
        hertz: float = 997.0,
        codec: str | None = None,
    ) -> bytes:
        time = np.arange(int(rate * seconds)) / rate
        level = 0.0 if dbfs is None else 10 ** (dbfs / 20)
        wave = level * np.sin(2 * np.pi * hertz * time)
        samples = np.tile(wave, (channels, 1)).astype(np.float32)
        target = io.BytesIO()
        with av.open(target, "w", format=container) as output:
            layout = {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
            stream = output.add_stream(codec or _SOUND_CODECS[container], rate=rate, layout=layout)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.rate = rate
            resampler = av.AudioResampler(
                stream.codec_context.format, layout, rate, frame_size=stream.codec_context.frame_size or None
            )
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                output.mux(stream.encode(part))
            output.mux(stream.encode(None))
        return target.getvalue()

    return make


@pytest.fixture(scope="session")
def make_video() -> Callable[..., bytes]:
    """Return a function that encodes pictures that are red in the first half and blue in the second.

    They are `marked` by white in the top left corner, and their time stamps begin at `begin` seconds.
    """

    @cache
    def make(
        container: str = "mp4",
        *,
        seconds: float = 2.0,
        rate: int = 25,
        width: int = 64,
        height: int = 48,
        codec: str | None = None,
        sound: bool = False,
        marked: bool = False,
        begin: float = 0.0,
    ) -> bytes:
        target = io.BytesIO()
        with av.open(target, "w", format=container) as output:
            stream = output.add_stream(codec or _VIDEO_CODECS[container], rate=rate)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            heard = output.add_stream("aac" if container == "mp4" else "libopus", rate=48_000) if sound else None
            count = int(seconds * rate)
            for number in range(count):
                picture = np.zeros((height, width, 3), np.uint8)
                picture[..., 0 if number < count / 2 else 2] = 255
                if marked:
                    picture[: height // 4, : width // 4] = 255
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = number + round(begin * rate), Fraction(1, rate)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
            if heard:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), format="fltp", layout="mono")
                silence.rate = 48_000
                resampler = av.AudioResampler(
                    heard.codec_context.format, heard.layout, 48_000, frame_size=heard.codec_context.frame_size or None
                )
                for part in [*resampler.resample(silence), *resampler.resample(None)]:
                    output.mux(heard.encode(part))
                output.mux(heard.encode(None))
        return target.getvalue()

    return make

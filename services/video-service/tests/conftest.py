"""Makes the videos that this service's tests send."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest

_CODECS = {"mp4": "libx264", "webm": "libvpx"}


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
            stream = output.add_stream(codec or _CODECS[container], rate=rate)
            assert isinstance(stream, av.VideoStream)
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

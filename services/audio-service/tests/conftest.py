"""Makes the sounds that this service's tests send."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest

_CODECS = {
    "wav": "pcm_s16le",
    "flac": "flac",
    "ogg": "libopus",
    "mp3": "libmp3lame",
    "ipod": "aac",
    "mp4": "aac",
    "mov": "aac",
    "adts": "aac",
    "aiff": "pcm_s16be",
    "caf": "pcm_s16be",
    "webm": "libopus",
    "matroska": "libopus",
}

# FFmpeg's AV_DISPOSITION_ATTACHED_PIC.
_ATTACHED_PICTURE = 1 << 10


def _add_cover(output: av.container.OutputContainer) -> av.VideoStream:
    picture = output.add_stream("png", rate=1)
    picture.width, picture.height, picture.pix_fmt = 16, 16, "rgb24"
    picture.disposition = av.stream.Disposition(_ATTACHED_PICTURE)
    return picture


def _encode_cover(output: av.container.OutputContainer, picture: av.VideoStream) -> None:
    frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
    frame.pts, frame.time_base = 0, Fraction(1)
    for packet in [*picture.encode(frame), *picture.encode(None)]:
        output.mux(packet)


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
        cover: bool = False,
        sample_format: str | None = None,
        **options: str,
    ) -> bytes:
        time = np.arange(int(rate * seconds)) / rate
        level = 0.0 if dbfs is None else 10 ** (dbfs / 20)
        wave = level * np.sin(2 * np.pi * hertz * time)
        samples = np.tile(wave, (channels, 1)).astype(np.float32)
        target = io.BytesIO()
        with av.open(target, "w", format=container, options=options) as output:
            layout = {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
            stream = output.add_stream(codec or _CODECS[container], rate=rate, layout=layout)
            assert isinstance(stream, av.AudioStream)
            if sample_format:
                stream.format = sample_format
            picture = _add_cover(output) if cover else None
            output.start_encoding()
            if picture:
                _encode_cover(output, picture)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.rate = rate
            resampler = av.AudioResampler(
                stream.codec_context.format, layout, rate, frame_size=stream.codec_context.frame_size or None
            )
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                output.mux(stream.encode(part))
            # An empty last packet carries the final header, with a FLAC's checksum; other containers cannot take it.
            output.mux([packet for packet in stream.encode(None) if packet.size or container == "flac"])
        return target.getvalue()

    return make

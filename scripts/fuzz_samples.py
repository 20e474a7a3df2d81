"""One small file of each format that the services take, made anew each time: what `make fuzz` damages."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np

RATE = 48_000

#: Name, container, codec, sample rate.
SOUNDS = (
    ("wav", "wav", "pcm_s16le", RATE),
    ("adpcm.wav", "wav", "adpcm_ima_wav", RATE),
    ("float.wav", "wav", "pcm_f32le", RATE),
    ("mp3", "mp3", "libmp3lame", RATE),
    ("m4a", "ipod", "aac", RATE),
    ("alac.m4a", "ipod", "alac", RATE),
    ("mov", "mov", "aac", RATE),
    ("aac", "adts", "aac", RATE),
    ("flac", "flac", "flac", RATE),
    ("opus.ogg", "ogg", "libopus", RATE),
    ("aiff", "aiff", "pcm_s16be", RATE),
    ("caf", "caf", "pcm_s16be", RATE),
    ("webm", "webm", "libopus", RATE),
    ("mka", "matroska", "libopus", RATE),
)
#: Name, container, codec.
VIDEOS = (
    ("mp4", "mp4", "libx264"),
    ("hevc.mp4", "mp4", "libx265"),
    ("mov", "mov", "libx264"),
    ("mpeg4.mov", "mov", "mpeg4"),
    ("mkv", "matroska", "libx264"),
    ("vp8.webm", "webm", "libvpx"),
    ("vp9.webm", "webm", "libvpx-vp9"),
)
_TEXT = "湖は静かだ。ボートが毎時、湖を渡る。\nThe lake is calm, and C++ is fast. 🍣 café\n\n塔は丘の上に立つ。"
TEXTS = {
    encoding: _TEXT.encode(encoding, "ignore") * 5
    for encoding in ("utf-8", "utf-16", "utf-16-le", "cp932", "euc_jp", "iso2022_jp")
}


def sounds() -> dict[str, bytes]:
    """Return half a second of a tone in each format."""
    return {name: _sound(container, codec, rate) for name, container, codec, rate in SOUNDS}


def videos() -> dict[str, bytes]:
    """Return a second of moving grey in each format."""
    return {name: _video(container, codec) for name, container, codec in VIDEOS}


def _sound(container: str, codec: str, rate: int) -> bytes:
    target = io.BytesIO()
    wave = 0.3 * np.sin(np.arange(rate // 2) * 2 * np.pi * 440 / rate)
    with av.open(target, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        output.start_encoding()
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
        frame.rate = rate
        _encode(output, stream, frame)
    return target.getvalue()


def _encode(output: av.container.OutputContainer, stream: av.AudioStream, frame: av.AudioFrame) -> None:
    context = stream.codec_context
    resampler = av.AudioResampler(context.format, "mono", frame.rate, frame_size=context.frame_size or None)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        output.mux(stream.encode(part))
    output.mux(stream.encode(None))


def _video(container: str, codec: str) -> bytes:
    target = io.BytesIO()
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    with av.open(target, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(25):
            picture = np.full((48, 64, 3), number * 9, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue()

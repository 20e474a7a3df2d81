"""What `make fuzz` damages and sends to the video service: a second of moving grey in each format that it takes."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np

# Name, container, codec.
_FORMATS = (
    ("MP4", "mp4", "libx264"),
    ("MP4, HEVC", "mp4", "libx265"),
    ("QuickTime", "mov", "libx264"),
    ("QuickTime, MPEG-4", "mov", "mpeg4"),
    ("Matroska", "matroska", "libx264"),
    ("WebM, VP8", "webm", "libvpx"),
    ("WebM, VP9", "webm", "libvpx-vp9"),
)


def _video(container: str, codec: str) -> bytes:
    target = io.BytesIO()
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    with av.open(target, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 9, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue()


SAMPLES = {
    f"{name} {operation}": (f"/video-service/{operation}", "form", content)
    for name, content in {name: _video(container, codec) for name, container, codec in _FORMATS}.items()
    for operation in ("probe", "thumbnail?at=0.5")
}

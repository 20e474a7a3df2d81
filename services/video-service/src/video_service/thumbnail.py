"""Takes one picture out of a video, as PNG."""

from __future__ import annotations

from typing import BinaryIO

import av
from nova_kit.media import MediaFormat
from nova_kit.problems import Problem
from nova_kit.workers import Deadline

from video_service.opening import opened

DEFAULT_WIDTH = 480
MAX_WIDTH = 1920


def take_thumbnail(file: BinaryIO, found: MediaFormat, at: float, width: int, deadline: Deadline) -> bytes:
    """Return the picture that the video shows at a given second.

    Args:
        file: The upload.
        found: Its format.
        at: Seconds from the start.
        width: Pixels across, at most; the height follows from the video's own proportions.
        deadline: Asked after every decoded picture.

    Raises:
        Problem: 422, the file cannot be used, or is over before that second.
    """
    with opened(file, found) as (container, stream):
        duration = container.duration / av.time_base if container.duration else None
        if duration is not None and at > duration:
            raise Problem(422, f"The video is {duration:.3f} s long. Ask for a second within it.")
        if at:
            container.seek(int(at * av.time_base))
        return _png(_shown_at(container, stream, at, deadline), width)


def _shown_at(
    container: av.container.InputContainer, stream: av.VideoStream, at: float, deadline: Deadline
) -> av.VideoFrame:
    """Decode from the key frame before `at` to the last picture that starts no later than it."""
    shown: av.VideoFrame | None = None
    for frame in container.decode(stream):
        deadline.check()
        if shown is not None and frame.time is not None and frame.time > at:
            break
        shown = frame
    if shown is None:
        raise Problem(422, "The video shows nothing at that second. Ask for an earlier one.")
    return shown


def _png(frame: av.VideoFrame, width: int) -> bytes:
    width = min(width, frame.width)
    height = max(round(frame.height * width / frame.width), 1)
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "rgb24"
    picture = frame.reformat(width=width, height=height, format="rgb24")
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])

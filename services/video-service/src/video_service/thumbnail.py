"""Takes one picture out of a video, as PNG."""

from __future__ import annotations

from typing import BinaryIO

import av

from nova_kit.media import MediaFormat
from nova_kit.problems import Problem
from nova_kit.workers import Deadline
from video_service.opening import opened
from video_service.orientation import shown_size, upright

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
    with opened(file, found, deadline) as (container, stream):
        duration = container.duration / av.time_base if container.duration else None
        if duration is not None and at > duration:
            raise Problem(422, f"The video is {duration:.3f} s long. Ask for a second within it.")
        # Time stamps may begin anywhere, as in a part of a longer recording.
        start = container.start_time or 0
        if at:
            container.seek(start + int(at * av.time_base))
        return _png(_shown_at(container, stream, start / av.time_base + at, deadline), width)


def _shown_at(
    container: av.container.InputContainer, stream: av.VideoStream, at: float, deadline: Deadline
) -> av.VideoFrame:
    """Decode from the key frame before the time stamp `at`, in seconds, to the last picture that starts by then."""
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
    scale = min(width / shown_size(frame)[0], 1)
    scaled = frame.reformat(
        width=max(round(frame.width * scale), 1), height=max(round(frame.height * scale), 1), format="rgb24"
    )
    picture = upright(scaled, frame.rotation)
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "rgb24"
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])

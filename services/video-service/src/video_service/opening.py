"""Opens an uploaded video, or says why it cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import av

from nova_kit.media import MediaFormat
from nova_kit.problems import Problem
from nova_kit.workers import Deadline, TimedFile
from video_service.integrity import require_complete

# The demuxer is named, never guessed: among FFmpeg's formats are play lists that make it open other files, or URLs.
_DEMUXERS = {"mp4": "mp4", "matroska": "matroska"}

# A few bytes can announce a picture that fills the memory, and a decoder may keep 16 of them: of this size, in both
# workers at once, they take two thirds of the gigabyte that a task has.
MAX_PIXELS = 4096 * 2304


@contextmanager
def opened(
    file: BinaryIO, found: MediaFormat, deadline: Deadline
) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """Open an upload and its first video stream.

    Args:
        file: The upload.
        found: Its format.
        deadline: Asked before every read.

    Raises:
        Problem: 422, the file is broken, cut off, without pictures, or its pictures are too large.
    """
    timed = TimedFile(file, deadline)
    require_complete(timed, found)
    try:
        # Titles in old encodings are common, and of no interest here.
        with av.open(timed, format=_DEMUXERS[found.family], mode="r", metadata_errors="replace") as container:
            if not container.streams.video:
                raise Problem(422, f"The {found} file holds no video stream. Send one with pictures.")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise Problem(422, f"The {found} file's pictures are in a codec that is not known. Export it again.")
            if stream.width * stream.height > MAX_PIXELS:
                raise Problem(422, f"The pictures are {stream.width} x {stream.height}. Send at most 4096 x 2304.")
            yield container, stream
    except av.FFmpegError as error:
        raise Problem(422, f"The {found} file cannot be decoded. It is damaged, or not what it seems.") from error

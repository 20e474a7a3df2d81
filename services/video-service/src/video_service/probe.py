"""Describes a video file without decoding more than it must."""

from __future__ import annotations

from typing import BinaryIO

import av
from pydantic import BaseModel, Field

from nova_kit.media import MediaFormat
from nova_kit.problems import Problem
from nova_kit.workers import Deadline
from video_service.opening import opened
from video_service.orientation import shown_size


class Probe(BaseModel):
    """What a video file holds."""

    format: str = Field(description="MP4, QuickTime, WebM or Matroska.")
    duration_seconds: float
    frame_rate: float | None = Field(description="Pictures per second; null where it varies without an average.")
    width: int = Field(description="Pixels, as shown: a recorded rotation counts.")
    height: int
    video_codec: str
    audio_codec: str | None = Field(description="Null without sound.")
    size_bytes: int


def probe(file: BinaryIO, found: MediaFormat, deadline: Deadline) -> Probe:
    """Describe a video.

    Args:
        file: The upload.
        found: Its format.
        deadline: Asked in each step.

    Raises:
        Problem: 422, the file cannot be used.
    """
    with opened(file, found, deadline) as (container, stream):
        # A header alone proves nothing: one picture has to be there.
        deadline.check()
        picture = next(container.decode(stream), None)
        if picture is None:
            raise Problem(422, f"The {found} file holds no picture that can be decoded. Send the original file.")
        width, height = shown_size(picture)
        audio = container.streams.audio
        return Probe(
            format=found.name,
            duration_seconds=round(_duration(container, stream, deadline), 3),
            frame_rate=round(float(stream.average_rate), 3) if stream.average_rate else None,
            width=width,
            height=height,
            video_codec=_codec_name(stream),
            audio_codec=_codec_name(audio[0]) if audio else None,
            size_bytes=container.size,
        )


def _codec_name(stream: av.VideoStream | av.AudioStream) -> str:
    if stream.codec_context is None:
        return "unknown"
    # The codec's own name; the decoder's may be an implementation of it, such as libdav1d for av1.
    return stream.codec_context.codec.canonical_name


def _duration(container: av.container.InputContainer, stream: av.VideoStream, deadline: Deadline) -> float:
    """Return the length in seconds; live recordings do not state it, so their packets are walked to the last one."""
    if container.duration:
        return container.duration / av.time_base
    end = 0.0
    for packet in container.demux(stream):
        deadline.check()
        if packet.pts is not None and packet.time_base is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return end

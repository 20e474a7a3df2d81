"""Decodes a sound once, from start to end, and measures it on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import BinaryIO

import av
import numpy as np
from av.filter import Graph
from pydantic import BaseModel, Field

from audio_service.checksum import FlacChecksum
from audio_service.integrity import require_complete, require_duration, stated_seconds
from audio_service.waveform import MAX_POINTS, Waveform
from nova_kit.media import FLAC, MediaFormat
from nova_kit.problems import Problem
from nova_kit.workers import Deadline, TimedFile

# The demuxer is named, never guessed: among FFmpeg's formats are play lists that make it open other files, or URLs.
_DEMUXERS = {
    "wav": "wav",
    "flac": "flac",
    "ogg": "ogg",
    "mpeg audio": "mp3",
    "adts": "aac",
    "aiff": "aiff",
    "caf": "caf",
    "amr": "amr",
    "mp4": "mp4",
    "matroska": "matroska",
}

# The same for decoders: WAV can hold any codec that Windows knew, and some make an hour of noise of a few bytes.
_CODECS = {
    "wav": ("pcm_", "adpcm_"),
    "flac": ("flac",),
    "ogg": ("vorbis", "opus", "flac", "speex"),
    "mpeg audio": ("mp3", "mp2", "mp1"),
    "adts": ("aac",),
    "aiff": ("pcm_", "adpcm_ima_qt"),
    "caf": ("pcm_", "alac", "aac", "opus", "adpcm_ima_qt"),
    "amr": ("amr_",),
    "mp4": ("aac", "alac", "mp3", "opus", "flac", "pcm_", "ac3", "eac3", "amr_", "adpcm_ima_qt"),
    "matroska": ("opus", "vorbis", "aac", "flac", "mp3", "pcm_", "ac3", "eac3", "alac"),
}

# Where a wrong checksum means that the file was damaged. MPEG's frames lean on earlier ones, which a cut may take away.
_CHECKED = frozenset({"flac", "ogg"})

_STREAMS = frozenset({"mpeg audio", "adts"})
# Of all packets.
_MOST_DAMAGED = 0.02

MAX_SECONDS = 4 * 3600
MAX_CHANNELS = 16
# Below, the loudness filter is unstable: it is made for twice the 1682 Hz of its shelf, and more.
MIN_RATE = 4_000
MAX_RATE = 384_000
# A thousand times full scale. Above, a file of floating point holds something else than sound.
MAX_PEAK_DBFS = 60
_MAX_PEAK = 10 ** (MAX_PEAK_DBFS / 20)

# The ebur128 filter puts out frames of this length, whatever comes in.
_FRAME_SECONDS = 0.1

# What it reports until a block of sound is louder than the absolute gate of -70 LUFS.
_GATED = -70.0


class Analysis(BaseModel):
    """What was measured. A level is null where the sound has none: digital silence has no decibels."""

    format: str = Field(description="As WAV, MP3 or M4A.")
    codec: str
    duration_seconds: float
    sample_rate: int = Field(description="Hz.")
    channels: int
    peak_dbfs: float | None = Field(description="Highest sample.")
    rms_dbfs: float | None = Field(description="Over all channels; a full-scale sine has -3.01 dBFS.")
    loudness_lufs: float | None = Field(
        description="Integrated, after EBU R 128; null below the gate and for less than 0.4 s of sound."
    )
    loudness_range_lu: float | None = Field(description="LRA after EBU Tech 3342; null where the loudness is.")
    waveform: list[float] = Field(description="Peaks of equal stretches, 1.0 is full scale.", max_length=MAX_POINTS)


def analyze(file: BinaryIO, found: MediaFormat, deadline: Deadline) -> Analysis:
    """Measure a sound file.

    Args:
        file: The upload.
        found: Its format.
        deadline: Asked before every read, and after every stretch of sound.

    Raises:
        Problem: 422, the file is broken, cut off, without sound, or too much.
    """
    timed = TimedFile(file, deadline)
    require_complete(timed, found)
    stated = stated_seconds(timed, found)
    checksum = FlacChecksum.of(timed) if found is FLAC else None
    try:
        # Titles in old encodings are common, and of no interest here.
        with (
            av.open(timed, format=_DEMUXERS[found.family], mode="r", metadata_errors="replace") as container,
            # Samples whose squares are too large for a number are found and refused.
            np.errstate(over="ignore"),
        ):
            analysis, stream_seconds = _measure(container, found, checksum, deadline)
    except av.FFmpegError as error:
        raise Problem(422, f"The {found} file cannot be decoded. It is damaged, or not what it seems.") from error
    require_duration(analysis.duration_seconds, stream_seconds if found is FLAC else stated, found)
    if checksum:
        checksum.require_match()
    return analysis


def _measure(
    container: av.container.InputContainer, found: MediaFormat, checksum: FlacChecksum | None, deadline: Deadline
) -> tuple[Analysis, float | None]:
    """Return what was measured, and how many seconds the file promised."""
    if not container.streams.audio:
        raise Problem(422, f"The {found} file holds no sound. Send one that does.")
    stream = container.streams.audio[0]
    _require_reasonable(stream, found)
    if found.family in _CHECKED:
        # Frames carry checksums; without this, a decoder repairs what it can and keeps silent about it.
        stream.codec_context.options = {"err_detect": "crccheck+explode"}
    promised = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
    waveform = Waveform()
    pieces = _pieces_per_frame(promised)
    samples, energy, peak = 0, 0.0, 0.0
    metadata: dict[str, str] = {}
    for frame in _measured_frames(container, stream, checksum, tolerant=found.family in _STREAMS):
        deadline.check()
        # The last frame, when it is shorter than the others, carries no metadata.
        metadata = frame.metadata or metadata
        values = frame.to_ndarray().ravel()
        energy += float(np.dot(values, values))
        if not math.isfinite(energy):
            raise Problem(422, "The file holds samples that are not numbers. Export it again.")
        samples += frame.samples
        for piece in np.array_split(np.abs(values), min(pieces, frame.samples)):
            piece_peak = float(piece.max())
            peak = max(peak, piece_peak)
            if peak > _MAX_PEAK:
                raise Problem(
                    422, f"The peak is above {MAX_PEAK_DBFS} dBFS, which no sound has. Export the file again."
                )
            waveform.add(round(piece_peak, 4))
        if samples > MAX_SECONDS * stream.rate:
            raise Problem(422, f"The sound is longer than {MAX_SECONDS // 3600} hours. Send a part of it.")
    if not samples:
        raise Problem(422, f"The {found} file holds no sound. Send one that does.")
    duration = samples / stream.rate
    loudness = float(metadata.get("lavfi.r128.I", _GATED))
    audible = loudness > _GATED
    analysis = Analysis(
        format=found.name,
        codec=stream.codec_context.codec.canonical_name,
        duration_seconds=round(duration, 3),
        sample_rate=stream.rate,
        channels=stream.channels,
        peak_dbfs=_decibels(peak),
        rms_dbfs=_decibels(math.sqrt(energy / samples / stream.channels)),
        loudness_lufs=round(loudness, 2) if audible else None,
        loudness_range_lu=round(float(metadata["lavfi.r128.LRA"]), 2) if audible else None,
        waveform=waveform.points(),
    )
    return analysis, promised


def _require_reasonable(stream: av.AudioStream, found: MediaFormat) -> None:
    if stream.codec_context is None:
        raise Problem(422, f"The {found} file's sound is in a codec that is not known. Export it in a common one.")
    if not (codec := stream.codec_context.codec.canonical_name).startswith(_CODECS[found.family]):
        usual = " or ".join(name.rstrip("_").upper() for name in _CODECS[found.family][:3])
        raise Problem(422, f"The {found} file's sound is in {codec}. Export it as {usual}.")
    if not 0 < stream.channels <= MAX_CHANNELS:
        raise Problem(422, f"The file has {stream.channels} channels. This service takes 1 to {MAX_CHANNELS}.")
    if not MIN_RATE <= stream.rate <= MAX_RATE:
        accepted = f"{MIN_RATE} to {MAX_RATE} Hz"
        raise Problem(422, f"The file's sample rate is {stream.rate} Hz. This service takes {accepted}.")


def _pieces_per_frame(seconds: float | None) -> int:
    """Return how many peaks to take of a frame, so that a short sound has enough of them for a waveform, too."""
    return min(max(round(MAX_POINTS * _FRAME_SECONDS / seconds), 1), 50) if seconds else 1


def _measured_frames(
    container: av.container.InputContainer, stream: av.AudioStream, checksum: FlacChecksum | None, *, tolerant: bool
) -> Iterator[av.AudioFrame]:
    """Decode in frames of double-precision samples, each with the loudness so far as its metadata."""
    graph = Graph()
    source = graph.add_abuffer(template=stream)
    filters = [
        # What ebur128 works in, interleaved: one conversion serves it and the arithmetic on levels.
        graph.add("aformat", "sample_fmts=dbl"),
        graph.add("ebur128", "metadata=1:framelog=quiet"),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(source, *filters).configure()
    for frame in _decoded(container, stream, tolerant=tolerant):
        if checksum:
            checksum.add(frame)
        source.push(frame)
        yield from _pull(filters[-1])
    source.push(None)
    yield from _pull(filters[-1])


def _decoded(
    container: av.container.InputContainer, stream: av.AudioStream, *, tolerant: bool
) -> Iterator[av.AudioFrame]:
    """Decode a stream; if tolerant, without the few packets that are none.

    A stream of MPEG frames may be cut anywhere and have anything before, between and after them, so players go on.
    """
    damaged = good = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            damaged += 1
            if not tolerant or damaged > 2 + good * _MOST_DAMAGED:
                raise
            continue
        good += 1
        yield from frames


def _pull(sink: av.filter.context.FilterContext) -> Iterator[av.AudioFrame]:
    while True:
        try:
            frame = sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        assert isinstance(frame, av.AudioFrame)
        yield frame


def _decibels(linear: float) -> float | None:
    # Adding zero turns the -0.0 of a full-scale sound into 0.0.
    return round(20 * math.log10(linear), 2) + 0.0 if linear > 0 else None

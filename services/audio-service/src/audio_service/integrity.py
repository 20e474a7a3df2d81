"""Finds files that end too early. Decoders play what is there and stay silent about the rest."""

from __future__ import annotations

import os
import struct

from nova_kit.media import OGG, WAV, MediaFormat
from nova_kit.problems import Problem
from nova_kit.workers import TimedFile

# What writers put where a size belongs when they stream and cannot know it.
_UNKNOWN_SIZES = frozenset({0, 0xFFFFFFFF})


def require_complete(file: TimedFile, found: MediaFormat) -> None:
    """Insist that a file holds all that its headers promise. FLAC is left to `require_duration`.

    Args:
        file: The upload. It is left at its start.
        found: Its format.

    Raises:
        Problem: 422, it ends too early.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    complete = {WAV: _wav_is_complete, OGG: _ogg_is_complete}.get(found)
    if complete and not complete(file, size):
        raise _truncated(found)
    file.seek(0)


def require_duration(decoded: float, promised: float | None, found: MediaFormat) -> None:
    """Insist that the decoded sound is as long as its header says, give or take a tenth of a second.

    Raises:
        Problem: 422, sound is missing.
    """
    if promised is not None and decoded < promised - 0.1:
        raise _truncated(found)


def _truncated(found: MediaFormat) -> Problem:
    return Problem(422, f"The {found} file ends before its sound does: it was cut off. Send the whole file.")


def _wav_is_complete(file: TimedFile, size: int) -> bool:
    """Walk the RIFF chunks up to the samples; RF64 (EBU Tech 3306) states their size ahead, in 64 bits."""
    position, stated = 12, None
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"ds64":
            (stated,) = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))
        elif name == b"data":
            if length == 0xFFFFFFFF and stated is not None:
                length = stated
            return length in _UNKNOWN_SIZES or position + 8 + length <= size
        position += 8 + length + length % 2
    return False


def _ogg_is_complete(file: TimedFile, size: int) -> bool:
    """Walk the pages (RFC 3533, section 6) to the end of the last one."""
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(27)
        if len(header) < 27 or header[:4] != b"OggS":
            return False
        lacing = file.read(header[26])
        position += 27 + header[26] + sum(lacing)
    return position == size

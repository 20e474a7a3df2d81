"""Finds files that end too early. Decoders show what is there and stay silent about the rest."""

from __future__ import annotations

import os
import struct

from nova_kit.media import MP4, MediaFormat
from nova_kit.problems import Problem
from nova_kit.workers import TimedFile

_SEGMENT = b"\x18\x53\x80\x67"


def require_complete(file: TimedFile, found: MediaFormat) -> None:
    """Insist that a file is as long as its own headers say.

    Args:
        file: The upload. It is left at its start.
        found: Its format: MP4 or WebM.

    Raises:
        Problem: 422, it ends too early.
    """
    size = file.seek(0, os.SEEK_END)
    complete = _mp4_is_complete(file, size) if found is MP4 else _webm_is_complete(file, size)
    if not complete:
        raise Problem(422, f"The {found} file ends too early: it was cut off. Send the whole file.")
    file.seek(0)


def _mp4_is_complete(file: TimedFile, size: int) -> bool:
    """Walk the boxes at the top level (ISO/IEC 14496-12, 4.2); there has to be an index, `moov`, among them."""
    position, index = 0, False
    while position < size:
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            return False
        length, name = struct.unpack(">I4s", header[:8])
        if length == 1 and len(header) == 16:
            (length,) = struct.unpack(">Q", header[8:])
        elif length == 0:  # The last box, up to the end of the file.
            length = size - position
        if length < 8:
            return False
        index = index or name == b"moov"
        position += length
    return index and position == size


def _webm_is_complete(file: TimedFile, size: int) -> bool:
    """Compare the end of the segment (RFC 8794, section 4, and RFC 9559) with the end of the file."""
    file.seek(4)
    header_size, position = _element_size(file)
    file.seek(position + (header_size or 0))
    if file.read(4) != _SEGMENT:
        return False
    segment_size, start = _element_size(file)
    # Live recordings have segments of unknown size.
    return start < size and (segment_size is None or start + segment_size <= size)


def _element_size(file: TimedFile) -> tuple[int | None, int]:
    """Read a variable-length size; return it, None for unknown, and the position after it."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None, file.tell()
    width = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0xFF >> width)]) + file.read(width - 1), "big")
    return (None if value == (1 << 7 * width) - 1 else value), file.tell()

"""Finds files that end too early. Decoders play what is there and stay silent about the rest."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable

from mutagen.mp3 import BitrateMode, HeaderNotFoundError, MPEGInfo

from nova_kit.containers import matroska_is_complete, mp4_is_complete
from nova_kit.media import FLAC, MP3, MediaFormat
from nova_kit.problems import Problem
from nova_kit.workers import TimedFile

# What writers put where a size belongs when they stream and cannot know it.
_UNKNOWN_SIZES = frozenset({0, 0xFFFFFFFF})

# Each byte with its bits in the opposite order.
_MIRRORED_BITS = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def require_complete(file: TimedFile, found: MediaFormat) -> None:
    """Insist that a file holds all that its headers promise, unchanged. FLAC is left to its decoder.

    Args:
        file: The upload. It is left at its start.
        found: Its format.

    Raises:
        Problem: 422, it ends too early, or was damaged on its way.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    complete: Callable[[TimedFile, int], bool] | None = _CHECKS.get(found.family)
    if complete and not complete(file, size):
        raise Problem(422, f"The {found} file ends before its sound does: it was cut off. Send the whole file.")
    file.seek(0)


def stated_seconds(file: TimedFile, found: MediaFormat) -> float | None:
    """Return how long an MP3 file says it is, and leave it at its start; None if it does not, as for other formats."""
    if found is not MP3:
        return None
    file.seek(0)
    try:
        info = MPEGInfo(file)
    except HeaderNotFoundError:
        return None
    finally:
        file.seek(0)
    # Without a table of its own, the length is guessed from the size.
    return float(info.length) if info.bitrate_mode != BitrateMode.UNKNOWN else None


def require_duration(decoded: float, promised: float | None, found: MediaFormat) -> None:
    """Insist that the decoded sound is as long as its header says: frames that are damaged are left out silently.

    Raises:
        Problem: 422, sound is missing.
    """
    # For FLAC much less than a frame, and more than rounding; what encoders of MP3 add at the ends is counted or not.
    tolerance = 0.001 if found is FLAC else 0.15
    if promised is not None and decoded < promised - tolerance:
        raise Problem(422, f"The {found} file was damaged or cut off: sound is missing from it. Send the whole file.")


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
    """Walk the pages (RFC 3533, section 6) to the end of the last one; a decoder leaves out those that are damaged.

    Raises:
        Problem: 422, a page's checksum is wrong.
    """
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(27)
        if len(header) < 27 or header[:4] != b"OggS":
            return False
        lacing = file.read(header[26])
        body = file.read(sum(lacing))
        position += 27 + len(lacing) + len(body)
        if len(lacing) < header[26] or len(body) < sum(lacing):
            return False
        if _ogg_checksum(header[:22] + bytes(4) + header[26:] + lacing + body) != header[22:26]:
            raise Problem(422, "The OGG file was damaged: a checksum in it is wrong. Send it again.")
    return position == size


def _ogg_checksum(page: bytes) -> bytes:
    """Return the CRC of a page as it stands in its header: zlib's polynomial, over bits in the opposite order."""
    mirrored = zlib.crc32(page.translate(_MIRRORED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    # To mirror 32 bits and write the lowest byte first is to mirror each byte and write the highest first.
    return mirrored.to_bytes(4, "big").translate(_MIRRORED_BITS)


def _aiff_is_complete(file: TimedFile, size: int) -> bool:
    """Walk the chunks up to the samples (Apple, Audio Interchange File Format 1.3)."""
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack(">4sI", file.read(8))
        if name == b"SSND":
            return bool(position + 8 + length <= size)
        position += 8 + length + length % 2
    return False


def _caf_is_complete(file: TimedFile, size: int) -> bool:
    """Walk the chunks to the end (Apple, Core Audio Format); only the samples may be of unknown size, as the last."""
    position, samples = 8, False
    while position + 12 <= size:
        file.seek(position)
        name, length = struct.unpack(">4sq", file.read(12))
        samples = samples or name == b"data"
        if length < 0:
            return bool(name == b"data")
        position += 12 + length
    return samples and position <= size


_CHECKS = {
    "wav": _wav_is_complete,
    "ogg": _ogg_is_complete,
    "aiff": _aiff_is_complete,
    "caf": _caf_is_complete,
    "mp4": lambda file, _: mp4_is_complete(file),
    "matroska": lambda file, _: matroska_is_complete(file),
}

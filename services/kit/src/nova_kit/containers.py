"""Looks into the two containers that hold sound or pictures alike: which of them is in it, and whether all of it is.

A few boxes are read, no sample: it takes as long for an hour as for a second.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Protocol

# More than any file has around its samples; a file of nothing but empty boxes must not take minutes.
_MOST_BOXES = 10_000

_SEGMENT = 0x18538067
_TRACKS, _TRACK, _TRACK_TYPE, _CLUSTER = 0x1654AE6B, 0xAE, 0x83, 0x1F43B675
_TRACK_KINDS = {1: "video", 2: "audio"}
_HANDLER_KINDS = {b"vide": "video", b"soun": "audio"}


class Readable(Protocol):
    """A file to read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, or the rest."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a position and return it."""

    def tell(self) -> int:
        """Return the position."""


class Box:
    """A box of ISO base media, the family of MP4 and QuickTime (ISO/IEC 14496-12, 4.2).

    Attributes:
        name: Four characters.
        start: Where its content begins.
        end: Where it says that it ends, which may be after the end of the file.
    """

    def __init__(self, name: bytes, start: int, end: int) -> None:
        self.name, self.start, self.end = name, start, end


def mp4_boxes(file: Readable, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two positions; the last one is the one that cannot be read any more."""
    position = start
    for _ in range(_MOST_BOXES):
        if position + 8 > end:
            return
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            return
        length, name = struct.unpack(">I4s", header[:8])
        content = position + 8
        if length == 1 and len(header) == 16:
            (length,) = struct.unpack(">Q", header[8:])
            content += 8
        elif length == 0:  # The last box, up to the end.
            length = end - position
        if position + length < content:
            return
        yield Box(name, content, position + length)
        position += length


def mp4_tracks(file: Readable) -> frozenset[str]:
    """Return which of `audio` and `video` an MP4 or QuickTime file has tracks of."""
    kinds: set[str] = set()
    for movie in mp4_boxes(file, 0, _size(file)):
        for track in mp4_boxes(file, movie.start, movie.end) if movie.name == b"moov" else ():
            for media in mp4_boxes(file, track.start, track.end) if track.name == b"trak" else ():
                for handler in mp4_boxes(file, media.start, media.end) if media.name == b"mdia" else ():
                    if handler.name == b"hdlr":
                        file.seek(handler.start + 8)
                        kinds.add(_HANDLER_KINDS.get(file.read(4), ""))
    return frozenset(kinds - {""})


def mp4_is_complete(file: Readable) -> bool:
    """Tell whether the boxes end where the file does, and an index, `moov`, is among them."""
    size = _size(file)
    boxes = list(mp4_boxes(file, 0, size))
    if not boxes or not any(box.name == b"moov" for box in boxes):
        return False
    # QuickTime files may end with four zero bytes, the end of a list.
    return boxes[-1].end == size or (boxes[-1].end == size - 4 and _is_zero(file, boxes[-1].end))


def matroska_tracks(file: Readable) -> frozenset[str]:
    """Return which of `audio` and `video` a Matroska or WebM file has tracks of (RFC 9559, section 5.1.4)."""
    kinds: set[str] = set()
    for element in _elements(file, *_segment(file)):
        if element[0] == _CLUSTER and kinds:
            break
        for track in _elements(file, *element[1:]) if element[0] == _TRACKS else ():
            for detail in _elements(file, *track[1:]) if track[0] == _TRACK else ():
                if detail[0] == _TRACK_TYPE:
                    file.seek(detail[1])
                    kinds.add(_TRACK_KINDS.get(int.from_bytes(file.read(min(detail[2] - detail[1], 8)), "big"), ""))
    return frozenset(kinds - {""})


def matroska_is_complete(file: Readable) -> bool:
    """Compare the end of the segment (RFC 8794, section 4, and RFC 9559) with the end of the file."""
    start, end = _segment(file)
    return start < _size(file) and end <= _size(file)


def matroska_type(file: Readable) -> bytes:
    """Return the first bytes, in which stands `webm` or `matroska`."""
    file.seek(0)
    return file.read(64)


def _segment(file: Readable) -> tuple[int, int]:
    """Return where the segment begins and ends; live recordings do not say, and end where the file does."""
    size = _size(file)
    file.seek(4)
    header_size = _element_size(file)
    file.seek(file.tell() + (header_size or 0))
    if file.read(4) != _SEGMENT.to_bytes(4, "big"):
        return size, size
    segment_size = _element_size(file)
    start = file.tell()
    return start, size if segment_size is None else start + segment_size


def _elements(file: Readable, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield id, start and end of the elements between two positions."""
    position, end = start, min(end, _size(file))
    for _ in range(_MOST_BOXES):
        if position >= end:
            return
        file.seek(position)
        first = file.read(1)
        if not first or first[0] < 0x08:
            return
        identifier = int.from_bytes(first + file.read(8 - first[0].bit_length()), "big")
        size = _element_size(file)
        content = file.tell()
        # Of unknown size are clusters of live recordings: what follows inside is read as if beside.
        position = content if size is None and identifier == _CLUSTER else content + (end if size is None else size)
        yield identifier, content, position


def _element_size(file: Readable) -> int | None:
    """Read a variable-length size; None for unknown."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0xFF >> width)]) + file.read(width - 1), "big")
    return None if value == (1 << 7 * width) - 1 else value


def _size(file: Readable) -> int:
    return file.seek(0, os.SEEK_END)


def _is_zero(file: Readable, position: int) -> bool:
    file.seek(position)
    return not any(file.read(4))

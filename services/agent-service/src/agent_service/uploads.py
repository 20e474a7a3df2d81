"""Reads one upload several times at once, without holding it in memory."""

from __future__ import annotations

import os
from typing import BinaryIO


class UploadReader:
    """A file object over an upload with a position of its own.

    Calls that forward the same upload at the same time must not move each other's position, and a retry starts over.

    Args:
        upload: The upload's temporary file, which stays open for as long as this reader is used.
    """

    def __init__(self, upload: BinaryIO) -> None:
        self._descriptor = upload.fileno()
        upload.flush()
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, or the rest."""
        if size < 0:
            size = os.fstat(self._descriptor).st_size - self._position
        piece = os.pread(self._descriptor, size, self._position)
        self._position += len(piece)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: os.fstat(self._descriptor).st_size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

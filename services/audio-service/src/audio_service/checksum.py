"""Compares what was decoded of a FLAC file with the MD5 that its encoder wrote of the original samples."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import av
import numpy as np

from nova_kit.problems import Problem
from nova_kit.workers import TimedFile


class FlacChecksum:
    """The MD5 of a sound's samples (RFC 9639, section 8.2).

    Args:
        stated: What the file says, 16 bytes; zeros for an encoder that did not know.
        bits: Per sample.
    """

    def __init__(self, stated: bytes, bits: int) -> None:
        self._stated = stated
        self._bits = bits
        self._digest = hashlib.md5(usedforsecurity=False)

    @classmethod
    def of(cls, file: TimedFile) -> FlacChecksum | None:
        """Read it from a file's first block; None where that is not there. The file is left at its start."""
        file.seek(0)
        head = file.read(10)
        if head.startswith(b"ID3"):
            file.seek(10 + sum((each & 0x7F) << 7 * place for place, each in enumerate(reversed(head[6:10]))))
            head = file.read(10)
        file.seek(file.tell() - len(head))
        block = file.read(42)
        file.seek(0)
        if len(block) < 42 or not block.startswith(b"fLaC") or not any(block[26:42]):
            return None
        return cls(block[26:42], (int.from_bytes(block[20:22], "big") >> 4 & 0x1F) + 1)

    def add(self, frame: av.AudioFrame) -> None:
        """Take in the next frame as the decoder puts it out: 16 or 32 bits, the sound's own in the highest of them."""
        samples: np.ndarray[tuple[int, ...], np.dtype[np.signedinteger[Any]]] = frame.to_ndarray()  # type: ignore[assignment]
        if frame.format.is_planar:
            samples = samples.T
        samples = np.ascontiguousarray(samples).ravel() >> (samples.dtype.itemsize * 8 - self._bits)
        if sys.byteorder == "big":
            samples = samples.byteswap()
        octets = samples.view(np.uint8).reshape(-1, samples.dtype.itemsize)[:, : (self._bits + 7) // 8]
        self._digest.update(octets.tobytes())

    def require_match(self) -> None:
        """Insist that the samples are those that were encoded.

        Raises:
            Problem: 422, they are others.
        """
        if self._digest.digest() != self._stated:
            raise Problem(422, "The FLAC file was damaged: its sound is not what its checksum says. Send it again.")

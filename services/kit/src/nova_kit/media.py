"""Tells what a file is by its first bytes. What its sender calls it is a claim; a decoder must not act on a claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from nova_kit.problems import Problem

_HEAD_BYTES = 64


@dataclass(frozen=True)
class MediaFormat:
    """A kind of file.

    Attributes:
        name: What people call it.
        kind: `audio`, `video`, or `other`.
        media_types: The media types it is sent under.
    """

    name: str
    kind: str
    media_types: frozenset[str]

    def __str__(self) -> str:
        return self.name


WAV = MediaFormat("WAV", "audio", frozenset({"audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"}))
FLAC = MediaFormat("FLAC", "audio", frozenset({"audio/flac", "audio/x-flac"}))
OGG = MediaFormat(
    "OGG", "audio", frozenset({"audio/ogg", "application/ogg", "audio/opus", "audio/vorbis", "video/ogg"})
)
MP4 = MediaFormat(
    "MP4", "video", frozenset({"video/mp4", "audio/mp4", "video/quicktime", "video/x-m4v", "audio/x-m4a"})
)
WEBM = MediaFormat("WebM", "video", frozenset({"video/webm", "audio/webm", "video/x-matroska", "audio/x-matroska"}))
MP3 = MediaFormat("MP3", "other", frozenset({"audio/mpeg", "audio/mp3"}))
PNG = MediaFormat("PNG", "other", frozenset({"image/png"}))
JPEG = MediaFormat("JPEG", "other", frozenset({"image/jpeg"}))
GIF = MediaFormat("GIF", "other", frozenset({"image/gif"}))
PDF = MediaFormat("PDF", "other", frozenset({"application/pdf"}))
ZIP = MediaFormat("ZIP", "other", frozenset({"application/zip"}))
GZIP = MediaFormat("gzip", "other", frozenset({"application/gzip", "application/x-gzip"}))
AVI = MediaFormat("AVI", "other", frozenset({"video/x-msvideo", "video/avi"}))

KNOWN = (WAV, FLAC, OGG, MP4, WEBM, MP3, PNG, JPEG, GIF, PDF, ZIP, GZIP, AVI)

# Magic numbers at the start of a file.
_SIGNATURES = (
    (b"fLaC", FLAC),
    (b"OggS", OGG),
    (b"\x1aE\xdf\xa3", WEBM),
    (b"ID3", MP3),
    (b"\xff\xfb", MP3),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF8", GIF),
    (b"%PDF-", PDF),
    (b"PK\x03\x04", ZIP),
    (b"\x1f\x8b", GZIP),
)


def recognise(head: bytes) -> MediaFormat | None:
    """Tell a file's format by its first bytes, or None when they are not known."""
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return {b"WAVE": WAV, b"AVI ": AVI}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return MP4
    return next((found for signature, found in _SIGNATURES if head.startswith(signature)), None)


def claimed(media_type: str | None) -> MediaFormat | None:
    """Tell which format a media type names, or None when it names none that is known."""
    essence = (media_type or "").partition(";")[0].strip().lower()
    return next((known for known in KNOWN if essence in known.media_types), None)


def identify(file: BinaryIO, media_type: str | None) -> MediaFormat | None:
    """Tell what an uploaded file is; None when its bytes are not known.

    Args:
        file: The upload. It is left at its start.
        media_type: What the sender calls it.

    Raises:
        Problem: 422 for an empty file, 415 when the sender's name and the content contradict each other.
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise Problem(422, "The file is empty. Send one with content.")
    found, claim = recognise(head), claimed(media_type)
    if claim and found is not claim:
        content = f"is {found}" if found else f"does not start as {claim} does"
        raise Problem(415, f"The file was sent as {media_type}, but its content {content}. Send it as what it is.")
    return found


def require(file: BinaryIO, media_type: str | None, *accepted: MediaFormat) -> MediaFormat:
    """Tell what an uploaded file is, and insist that it is one of some formats.

    Raises:
        Problem: As `identify`, and 415 for a file in any other format.
    """
    found = identify(file, media_type)
    if found is None or found not in accepted:
        names = ", ".join(map(str, accepted[:-1])) + f" or {accepted[-1]}"
        raise Problem(415, f"The file is {found or 'in no known format'}. This service takes {names}.")
    return found

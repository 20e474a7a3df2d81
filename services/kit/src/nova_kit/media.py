"""Tells what a file is by its content. What its sender calls it is a claim; a decoder must not act on a claim.

`puremagic` knows the first bytes of formats and `mutagen` finds MPEG frames wherever they begin. Libraries that look
deeper were tried and left: libmediainfo opens files and addresses that a play list names, and libav takes 100 MB.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

import puremagic
from mutagen.mp3 import HeaderNotFoundError, MPEGInfo

from nova_kit.containers import matroska_tracks, matroska_type, mp4_boxes, mp4_tracks
from nova_kit.problems import Problem

_HEAD_BYTES = 8192


@dataclass(frozen=True)
class MediaFormat:
    """A kind of file.

    Attributes:
        name: What people call it.
        kind: What it holds: `audio`, `video`, which may have sound, or `other`; `unknown` where its index is missing.
        family: What is read in the same way, whatever it holds.
    """

    name: str
    kind: str
    family: str

    def __str__(self) -> str:
        return self.name


WAV = MediaFormat("WAV", "audio", "wav")
FLAC = MediaFormat("FLAC", "audio", "flac")
OGG = MediaFormat("OGG", "audio", "ogg")
MP3 = MediaFormat("MP3", "audio", "mpeg audio")
AAC = MediaFormat("AAC", "audio", "adts")
AIFF = MediaFormat("AIFF", "audio", "aiff")
CAF = MediaFormat("CAF", "audio", "caf")
AMR = MediaFormat("AMR", "audio", "amr")
M4A = MediaFormat("M4A", "audio", "mp4")
MP4 = MediaFormat("MP4", "video", "mp4")
QUICKTIME_SOUND = MediaFormat("QuickTime sound", "audio", "mp4")
QUICKTIME = MediaFormat("QuickTime", "video", "mp4")
WEBM_SOUND = MediaFormat("WebM sound", "audio", "matroska")
WEBM = MediaFormat("WebM", "video", "matroska")
MATROSKA_SOUND = MediaFormat("Matroska sound", "audio", "matroska")
MATROSKA = MediaFormat("Matroska", "video", "matroska")

#: What services take, in words for those who send something else.
TAKEN = {"audio": "sound (WAV, MP3, M4A, FLAC, OGG, AIFF …)", "video": "video (MP4, QuickTime, WebM, Matroska)"}

_BY_SUFFIX = {
    **dict.fromkeys((".wav", ".wave", ".rf64", ".bw64"), WAV),
    **dict.fromkeys((".aif", ".aiff", ".aifc"), AIFF),
    ".flac": FLAC, ".caf": CAF, ".amr": AMR,
}  # fmt: skip

# What is refused by its name. Of other formats, the first bytes are too like those of texts.
_OTHER_NAMES = {
    ".pdf": "PDF", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jfif": "JPEG", ".gif": "GIF", ".webp": "WebP",
    ".heif": "HEIF", ".heic": "HEIF", ".avif": "AVIF", ".zip": "ZIP", ".docx": "ZIP", ".xlsx": "ZIP", ".pptx": "ZIP",
    ".jar": "ZIP", ".7z": "7z", ".rar": "RAR", ".avi": "AVI", ".wmv": "Windows Media", ".wma": "Windows Media",
    ".asf": "Windows Media", ".flv": "Flash video", ".mid": "MIDI", ".midi": "MIDI", ".au": "AU", ".doc": "old Office",
    ".xls": "old Office", ".ppt": "old Office", ".exe": "program", ".elf": "program",
}  # fmt: skip
_OTHER_SIGNATURES = {b"\x1f\x8b": "gzip", b"riff\x2e\x91\xcf\x11": "Wave64", b"\x7fELF": "program"}

_CLAIMS = {
    **dict.fromkeys(("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"), "wav"),
    **dict.fromkeys(("audio/flac", "audio/x-flac"), "flac"),
    **dict.fromkeys(("audio/ogg", "application/ogg", "audio/opus", "audio/vorbis", "video/ogg"), "ogg"),
    **dict.fromkeys(("audio/mpeg", "audio/mp3", "audio/mpeg3", "audio/x-mpeg", "audio/mpg"), "mpeg audio"),
    **dict.fromkeys(("audio/aiff", "audio/x-aiff"), "aiff"),
    **dict.fromkeys(("audio/mp4", "audio/x-m4a", "audio/m4a", "video/mp4", "video/quicktime", "video/x-m4v"), "mp4"),
    **dict.fromkeys(("video/webm", "audio/webm", "video/x-matroska", "audio/x-matroska"), "matroska"),
    **dict.fromkeys(("image/png", "image/jpeg", "image/gif", "application/pdf", "application/zip"), "other"),
}

# The boxes that a file may begin with; before MP4 had a type at its start, QuickTime began with any of the others.
_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_PICTURES = (b"heic", b"heix", b"mif1", b"avif", b"avis")


def recognize(file: BinaryIO) -> MediaFormat | None:
    """Tell a file's format by its content, or None when it is not known, as that of a text.

    Args:
        file: What to look at. It is left at its start.
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    try:
        return _recognized(file, head)
    finally:
        file.seek(0)


def _recognized(file: BinaryIO, head: bytes) -> MediaFormat | None:
    if head[4:8] in _FIRST_BOXES and head[8:12] not in _PICTURES:
        return _iso_media(file, head)
    if head.startswith(b"\x1aE\xdf\xa3"):
        return _matroska(file)
    if head.startswith(b"OggS"):
        return MediaFormat("OGG video", "other", "ogg") if b"\x80theora" in head else OGG
    if (tagged := _after_tag(file, head)) is not None:
        return FLAC if tagged.startswith(b"fLaC") else AAC if _is_adts(tagged) else MP3
    if head.startswith(b"fLaC"):
        return FLAC
    if _is_adts(head):
        return AAC
    for signature, name in _OTHER_SIGNATURES.items():
        if head.startswith(signature):
            return MediaFormat(name, "other", "other")
    for suffix in _suffixes(head):
        if suffix in _BY_SUFFIX:
            return _BY_SUFFIX[suffix]
        if suffix in _OTHER_NAMES:
            return MediaFormat(_OTHER_NAMES[suffix], "other", "other")
    return MP3 if _has_mpeg_frames(file) else None


def _iso_media(file: BinaryIO, head: bytes) -> MediaFormat:
    quicktime = head[4:8] != b"ftyp" or head[8:12] == b"qt  "
    video, sound = (QUICKTIME, QUICKTIME_SOUND) if quicktime else (MP4, M4A)
    if not any(box.name == b"moov" for box in mp4_boxes(file, 0, file.seek(0, io.SEEK_END))):
        return MediaFormat(video.name, "unknown", video.family)
    return sound if mp4_tracks(file) == {"audio"} else video


def _matroska(file: BinaryIO) -> MediaFormat:
    video, sound = (WEBM, WEBM_SOUND) if b"webm" in matroska_type(file) else (MATROSKA, MATROSKA_SOUND)
    tracks = matroska_tracks(file)
    if not tracks:
        return MediaFormat(video.name, "unknown", video.family)
    return sound if tracks == {"audio"} else video


def _after_tag(file: BinaryIO, head: bytes) -> bytes | None:
    """Return what follows an ID3 tag, which is as long as the pictures in it; None where there is no tag."""
    if not head.startswith(b"ID3"):
        return None
    size = 0
    for each in head[6:10]:
        size = size << 7 | each & 0x7F
    file.seek(10 + size)
    return file.read(_HEAD_BYTES)


def _is_adts(head: bytes) -> bool:
    """Tell whether two frames of AAC stand one after the other (ISO/IEC 13818-7, 6.2)."""
    position = 0
    for _ in range(2):
        frame = head[position : position + 6]
        if len(frame) < 6 or frame[0] != 0xFF or frame[1] & 0xF6 != 0xF0:
            return False
        position += (frame[3] & 3) << 11 | frame[4] << 3 | frame[5] >> 5
    return True


def _has_mpeg_frames(file: BinaryIO) -> bool:
    file.seek(0)
    try:
        return not MPEGInfo(file).sketchy
    except HeaderNotFoundError:
        return False


def _suffixes(head: bytes) -> list[str]:
    """Return the suffixes of the formats that begin like this, the likeliest first."""
    try:
        return [match.extension for match in puremagic.magic_string(head) if match.confidence >= 0.3]
    except (puremagic.PureError, ValueError):
        return []


def identify(file: BinaryIO, media_type: str | None) -> MediaFormat | None:
    """Tell what an uploaded file is; None when its bytes are not known.

    Args:
        file: The upload. It is left at its start.
        media_type: What the sender calls it.

    Raises:
        Problem: 422 for an empty file, 415 when the sender's name and the content contradict each other.
    """
    file.seek(0)
    if not file.read(1):
        raise Problem(422, "The file is empty. Send one with content.")
    found = recognize(file)
    claim = _CLAIMS.get((media_type or "").partition(";")[0].strip().lower())
    if claim and (found is None or found.family != claim):
        content = f"is {found}" if found else "is in no known format"
        raise Problem(415, f"The file was sent as {media_type}, but its content {content}. Send it as what it is.")
    return found


def require(file: BinaryIO, media_type: str | None, kind: str) -> MediaFormat:
    """Tell what an uploaded file is, and insist that it holds sound, or pictures.

    Args:
        file: The upload. It is left at its start.
        media_type: What the sender calls it.
        kind: `audio` or `video`.

    Raises:
        Problem: As `identify`, and 415 for a file of any other kind.
    """
    found = identify(file, media_type)
    if found is None or found.kind not in (kind, "unknown"):
        other = {"audio": ", which has sound and no pictures", "video": ", which has pictures"}
        what = f"{found}{other.get(found.kind, '')}" if found else "in no known format"
        raise Problem(415, f"The file is {what}. This service takes {TAKEN[kind]}.")
    return found

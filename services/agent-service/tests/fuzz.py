"""What `make fuzz` damages and sends to the agent. It finds no siblings then: its steps fail, and nothing else may."""

from __future__ import annotations

import struct

_TEXT = "A boat crosses the lake. 船が湖を渡る。\n\nThe tower: C++ café 🍣 塔は丘の上に立つ。"


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


_TRACK = _box(b"trak", _box(b"mdia", _box(b"hdlr", bytes(8) + b"soun" + bytes(12))))
_FILES = {
    "WAV": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0",
    "MP4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",
    "voice memo": _box(b"ftyp", b"M4A \0\0\0\0") + _box(b"moov", _TRACK * 3) + _box(b"mdat", bytes(64)),
    "WebM": bytes.fromhex("1a45dfa3874282847765626d 18538067a0 1654ae6b8a ae838301 02ae83830101 1f43b67590")
    + bytes(16),
    "MP3": b"ID3\3\0\0\0\0\0\x10" + bytes(16) + (b"\xff\xfb\x90\xc4" + bytes(413)) * 6,
    "AAC": (b"\xff\xf1\x50\x40\x02\x1f\xfc" + bytes(9)) * 6,
    **{
        encoding: _TEXT.encode(encoding, "ignore") * 5
        for encoding in ("utf-8", "utf-16", "utf-16-le", "cp932", "euc_jp", "iso2022_jp")
    },
}

SAMPLES = {name: ("/agent-service/run", "form", content) for name, content in _FILES.items()}

"""Reads the text of a file in the encodings that people have: UTF-8, UTF-16, and those of Japan before them."""

from __future__ import annotations

import codecs

import regex
from charset_normalizer import from_bytes

from nova_kit.problems import Problem

# The longer marks first: that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Microsoft's Shift_JIS, which is what files in it are in.
_WITHOUT_MARK = ("euc_jp", "cp932", "utf_16_le", "utf_16_be")
# How much of a file is looked at to tell its encoding.
_SAMPLE_BYTES = 4096

# What texts consist of besides kanji; in a wrong encoding they fall apart into half-width kana, symbols and controls.
_USUAL = regex.compile(
    r"[[\p{Hiragana}\p{Katakana}\u30fcA-Za-z0-9\s\u3001\u3002\u300c\u300d\u30fb]--[\uff61-\uff9f]]", regex.VERSION1
)
_IMPOSSIBLE = regex.compile(r"[[\p{Co}\p{Cn}\p{Cc}\p{Cs}]--[\r\n\t\f]]", regex.VERSION1)
_USUAL_SHARE = 0.1


def read_text(content: bytes) -> str:
    """Return a file's text.

    Raises:
        Problem: 415 for a file that is none, 422 for one in an encoding that cannot be told.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            text = _decoded(content, encoding)
            break
    else:
        # Only ISO-2022-JP switches between sets of characters, which makes ASCII of it at first sight.
        text = _decoded(content, "iso2022_jp_2" if b"\x1b$" in content else "utf-8")
        if text is None or "\0" in text:
            text = _japanese(content)
    if text is None and b"\0" not in content[:_SAMPLE_BYTES]:
        raise Problem(422, "The encoding of the text file cannot be told. Save it as UTF-8.")
    if text is None or "\0" in text:
        raise Problem(415, "The file is not text, and in no known format. Send sound, video or text.")
    return text.removeprefix("\ufeff")


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _japanese(content: bytes) -> str | None:
    """Return the likeliest of the readings that are possible at all."""
    readings = {encoding: text for encoding in _WITHOUT_MARK if (text := _decoded(content, encoding)) is not None}
    likely = {encoding: text for encoding, text in readings.items() if _is_likely(text, encoding)}
    if len(likely) > 1:
        guess = from_bytes(content[:_SAMPLE_BYTES], cp_isolation=list(likely)).best()
        if guess and guess.encoding in likely:
            return likely[guess.encoding]
    return max(likely.values(), key=lambda text: _share(_USUAL, text), default=None)


def _is_likely(text: str, encoding: str) -> bool:
    # Any two bytes are a character of UTF-16, most of them kanji: those alone prove nothing.
    return not _IMPOSSIBLE.search(text) and (not encoding.startswith("utf_16") or _share(_USUAL, text) > _USUAL_SHARE)


def _share(characters: regex.Pattern[str], text: str) -> float:
    sample = text[:_SAMPLE_BYTES]
    return len(characters.findall(sample)) / max(len(sample), 1)

"""Cuts the telling part out of a text and marks the words that match."""

from __future__ import annotations

from search_service.models import Highlight
from search_service.words import Word, words

MAX_CHARACTERS = 240

# Where a snippet does not begin or end with its text.
_LEFT_OUT = "\u2026 "
_TEXT_CHARACTERS = MAX_CHARACTERS - 2 * len(_LEFT_OUT)


def snippet(text: str, wanted: frozenset[str]) -> tuple[str, list[Highlight]]:
    """Return the part of a text where most different wanted words stand together, and where in it they stand.

    Args:
        text: The whole text.
        wanted: Keys of the words that the query has.
    """
    found = [word for word in words(text) if word.key in wanted]
    start, end = _window(text, found)
    before, after = _LEFT_OUT if start else "", _LEFT_OUT[::-1] if end < len(text) else ""
    shift = len(before) - start
    marks = [
        Highlight(start=word.start + shift, end=word.end + shift)
        for word in found
        if start <= word.start and word.end <= end
    ]
    return f"{before}{text[start:end]}{after}", marks


def _window(text: str, found: list[Word]) -> tuple[int, int]:
    if len(text) <= MAX_CHARACTERS or not found:
        return 0, len(text) if len(text) <= MAX_CHARACTERS else _word_break(text, _TEXT_CHARACTERS)
    best, most = found[0], 0
    last = 0
    for first, word in enumerate(found):
        last = max(last, first)
        while last + 1 < len(found) and found[last + 1].end <= word.start + _TEXT_CHARACTERS * 3 // 4:
            last += 1
        different = len({other.key for other in found[first : min(last + 1, first + 64)]})
        if different > most:
            best, most = word, different
    # A little of what comes before makes the match readable.
    start = max(best.start - _TEXT_CHARACTERS // 4, 0)
    if start:
        start = text.find(" ", start, best.start) + 1 or best.start
    return start, _word_break(text, start + _TEXT_CHARACTERS)


def _word_break(text: str, end: int) -> int:
    """Move an end back to the space before it, unless that would lose more than a long word."""
    if end >= len(text):
        return len(text)
    space = text.rfind(" ", end - 40, end)
    return space if space > 0 else end

"""Cuts the telling part out of a text and marks the words that match."""

from __future__ import annotations

from search_service.models import Highlight
from search_service.words import Word, words

MAX_CHARACTERS = 240


def snippet(text: str, wanted: frozenset[str]) -> tuple[str, list[Highlight]]:
    """Return the part of a text where most different wanted words stand together, and where in it they stand.

    Args:
        text: The whole text.
        wanted: Keys of the words that the query has.
    """
    found = [word for word in words(text) if word.key in wanted]
    start, end = _window(text, found)
    cut = text[start:end]
    marks = [
        Highlight(start=word.start - start, end=word.end - start)
        for word in found
        if start <= word.start and word.end <= end
    ]
    return cut, marks


def _window(text: str, found: list[Word]) -> tuple[int, int]:
    if len(text) <= MAX_CHARACTERS or not found:
        return 0, _word_break(text, MAX_CHARACTERS)
    best, most = found[0], 0
    last = 0
    for first, word in enumerate(found):
        last = max(last, first)
        while last + 1 < len(found) and found[last + 1].end <= word.start + MAX_CHARACTERS * 3 // 4:
            last += 1
        different = len({other.key for other in found[first : min(last + 1, first + 64)]})
        if different > most:
            best, most = word, different
    # A little of what comes before makes the match readable.
    start = max(best.start - MAX_CHARACTERS // 4, 0)
    if start:
        start = text.find(" ", start, best.start) + 1 or best.start
    return start, _word_break(text, start + MAX_CHARACTERS)


def _word_break(text: str, end: int) -> int:
    """Move an end back to the space before it, unless that would lose more than a long word."""
    if end >= len(text):
        return len(text)
    space = text.rfind(" ", end - 40, end)
    return space if space > 0 else end

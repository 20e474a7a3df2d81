"""Cuts the telling part out of a text and marks the words that match."""

from __future__ import annotations

from collections.abc import Iterable

import regex

from nova_kit.workers import Deadline
from search_service.models import Highlight
from search_service.query import Wanted
from search_service.spans import Span
from search_service.text import AlignedText

MAX_CHARACTERS = 240

# Where a snippet does not begin or end with its text.
_LEFT_OUT = "\u2026 "
_TEXT_CHARACTERS = MAX_CHARACTERS - 2 * len(_LEFT_OUT)

_GOES_ON = regex.compile(r"[\p{M}\u200d\uff9e\uff9f\U0001f3fb-\U0001f3ff]")
_SENTENCE = regex.compile(r"[\u3002\uff01\uff1f\n]")


def snippet(text: str, wanted: Wanted, deadline: Deadline) -> tuple[str, list[Highlight]]:
    """Return the part of a text where most different wanted words stand together, and where in it they stand.

    Args:
        text: The whole text.
        wanted: What the query looks for.
        deadline: Asked on the way.
    """
    aligned = AlignedText(text, deadline)
    spans = (Span(span.term, *aligned.original(span.start, span.end)) for span in wanted.find(aligned.text, deadline))
    found = _apart(spans)
    start, end = _window(text, found)
    before, after = _LEFT_OUT if start else "", _LEFT_OUT[::-1] if end < len(text) else ""
    shift = len(before) - start
    marks = [
        Highlight(start=span.start + shift, end=span.end + shift)
        for span in found
        if start <= span.start and span.end <= end
    ]
    return f"{before}{text[start:end]}{after}", marks


def _apart(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, of those that overlap the longest."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.start, -each.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
        elif span.end > kept[-1].end:
            kept[-1] = Span(kept[-1].term, kept[-1].start, span.end)
    return kept


def _window(text: str, found: list[Span]) -> tuple[int, int]:
    if len(text) <= MAX_CHARACTERS or not found:
        return 0, len(text) if len(text) <= MAX_CHARACTERS else _break(text, _TEXT_CHARACTERS)
    best, most = found[0], 0
    last = 0
    for first, span in enumerate(found):
        last = max(last, first)
        while last + 1 < len(found) and found[last + 1].end <= span.start + _TEXT_CHARACTERS * 3 // 4:
            last += 1
        different = len({other.term for other in found[first : min(last + 1, first + 64)]})
        if different > most:
            best, most = span, different
    # A little of what comes before makes the match readable.
    start = max(best.start - _TEXT_CHARACTERS // 4, 0)
    if start:
        sentence = max((match.end() for match in _SENTENCE.finditer(text, start, best.start)), default=0)
        start = sentence or text.find(" ", start, best.start) + 1 or best.start
    return start, _break(text, start + _TEXT_CHARACTERS)


def _break(text: str, end: int) -> int:
    """Move an end back to the space before it, unless that would lose more than a long word; never into a letter."""
    if end >= len(text):
        return len(text)
    if (space := text.rfind(" ", end - 40, end)) > 0:
        return space
    while _GOES_ON.match(text, end) and end > 1:
        end -= 1
    return end

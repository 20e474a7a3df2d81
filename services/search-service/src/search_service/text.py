"""Brings text into one form (Unicode's NFKC) and remembers where each part of it came from."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from itertools import accumulate

import regex

from nova_kit.workers import Deadline

# A character with all that may be composed with it: accents, half-width voicing marks, the vowels of Korean syllables.
_CLUSTER = regex.compile(r"(?s).[\p{M}\uff9e\uff9f\u1160-\u11ff\u314f-\u3163\uffc2-\uffdc]*+")


# No language needs more marks on a character (UAX #15, Stream-Safe Text Format), and to sort a hundred thousand of them
# takes minutes.
_TOO_MANY_MARKS = regex.compile(r"([\p{M}\uff9e\uff9f]{30})[\p{M}\uff9e\uff9f]++")


def normalize(text: str) -> str:
    """Return a text in NFKC: full width and half width, composed and decomposed, are the same."""
    return text if text.isascii() else unicodedata.normalize("NFKC", _TOO_MANY_MARKS.sub(r"\1", text))


class AlignedText:
    """A text in NFKC whose positions can be led back to the original.

    Args:
        original: As it was written.
        deadline: Asked on the way.
    """

    def __init__(self, original: str, deadline: Deadline) -> None:
        deadline.check()
        self.text = normalize(original)
        self._same = self.text == original
        if self._same:
            return
        clusters = []
        for number, match in enumerate(_CLUSTER.finditer(original)):
            if not number & 0xFFF:
                deadline.check()
            clusters.append(match.group())
        normalized = [normalize(cluster) for cluster in clusters]
        self.text = "".join(normalized)
        self._from = [0, *accumulate(map(len, clusters))]
        self._to = [0, *accumulate(map(len, normalized))]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return where a stretch of the normalized text, which is not empty, stands in the original."""
        if self._same:
            return start, end
        first = bisect_right(self._to, start) - 1
        last = bisect_right(self._to, end - 1)
        return self._from[first], self._from[last]

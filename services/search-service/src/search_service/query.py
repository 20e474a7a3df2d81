"""Splits a query into the terms to search for, in any script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nova_kit.workers import Deadline
from search_service.languages import language_of
from search_service.spans import Span
from search_service.unspaced import JapaneseWords, Runs
from search_service.words import Words

# Of how many texts the language is asked, to know it where a text does not tell.
_SAMPLE = 50


class Wanted:
    """What a query looks for.

    Args:
        query: In NFKC.
        texts: What will be searched, in NFKC; for languages that a short text does not tell.
    """

    def __init__(self, query: str, texts: list[str]) -> None:
        languages = Counter(language_of(text[:800], "") for text in texts[:_SAMPLE])
        del languages[""]
        usual = languages.most_common(1)[0][0] if languages else "english"
        words = Words(query, 0, usual)
        japanese = JapaneseWords(query, len(words.terms))
        runs = Runs(query, len(words.terms) + len(japanese.terms))
        self._finders = [finder for finder in (words, japanese, runs) if finder.terms]
        #: Numbers of all that is looked for.
        self.terms = frozenset(term for finder in self._finders for term in finder.terms)
        #: Those that are worth less.
        self.weak = japanese.weak

    def find(self, text: str, deadline: Deadline) -> Iterator[Span]:
        """Yield where a text, in NFKC, has what is looked for, script by script."""
        for finder in self._finders:
            yield from finder.find(text, deadline)

"""Finds the words of a query in scripts without spaces: Japanese and Chinese, and Thai, Lao, Khmer and Burmese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, pairwise

import regex

from nova_kit.workers import Deadline
from search_service import japanese
from search_service.japanese import Token
from search_service.spans import Span

_HAN = regex.compile(r"\p{Han}+")


class JapaneseWords:
    """The words that a query has in Japanese or Chinese.

    Texts in Japanese are taken apart with a dictionary. In texts without any kana, which may be Chinese, a pair of
    characters that stand side by side counts as well: the dictionary knows few words of Chinese.

    Args:
        query: In NFKC.
        first: Number of the first word; the others follow.
    """

    def __init__(self, query: str, first: int) -> None:
        self._words: dict[str, int] = {}
        self._pairs: dict[tuple[str, str], int] = {}
        self._literals: dict[str, int] = {}
        self._characters: dict[str, int] = {}
        self._surfaces: dict[str, int] = {}
        self._next = first
        runs = [japanese.tokens(run) for run in japanese.RUN.findall(query)]
        small = all(token.small for run in runs for token in run)
        compounds = [compound for run in runs for compound in japanese.compounds(run, with_small=small)]
        for compound in compounds:
            self._want(compound)
        for run in _HAN.findall(query):
            for at in range(max(len(run) - 1, 1)):
                self._number(self._characters, run[at : at + 2])
        wanted = [token for compound in compounds for token in compound if token.key in self._words]
        self._anchors = re.compile("|".join(japanese.anchors(token) for token in wanted) or r"(?!)")
        alone = {
            pattern: self._in_compound(tokens)
            for tokens in [*compounds, *([token] for token in wanted)]
            if (pattern := japanese.stands_alone(tokens))
        }
        self._alone = re.compile("|".join(f"({pattern})" for pattern in alone) or r"(?!)")
        self._spans_alone = list(alone.values())
        self._seen: dict[str, list[Span]] = {}
        # Of the dictionary's forms; the same few thousand come up again and again.
        self._by_form: dict[str, tuple[str, int | None]] = {}
        self._pair_terms = frozenset(self._pairs.values())
        self.terms = range(first, self._next)
        #: Those that show no more than that the same characters stand side by side.
        self.weak = frozenset(self._characters.values())

    def _want(self, compound: list[Token]) -> None:
        longer = [token for token in compound if len(token.surface) > 1]
        # The 都 of 東京都 says little when it stands elsewhere.
        for token in longer or compound:
            if token.known or len(token.surface) == 1:
                self._surfaces[token.surface] = self._number(self._words, token.key)
            else:
                self._number(self._literals, token.surface)
        for one, other in pairwise(compound):
            self._number(self._pairs, (one.key, other.key))

    def _in_compound(self, tokens: list[Token]) -> list[Span]:
        """Return what is found where these words stand side by side."""
        begin = tokens[0].start
        found = [
            Span(self._words[token.key], token.start - begin, token.end - begin)
            for token in tokens
            if token.key in self._words
        ]
        return found + [
            Span(self._pairs[one.key, other.key], one.start - begin, other.end - begin)
            for one, other in pairwise(tokens)
        ]

    def _number(self, numbers: dict, key: object) -> int:  # type: ignore[type-arg]
        if key not in numbers:
            numbers[key] = self._next
            self._next += 1
        return int(numbers[key])

    def find(self, text: str, deadline: Deadline) -> Iterator[Span]:  # noqa: C901 - one pass over the text
        """Yield where a text, in NFKC, has any of the words."""
        if not self.terms:
            return
        for literal, number in self._literals.items():
            yield from _occurrences(text, literal, number)
        if not japanese.KANA.search(text):
            for characters, number in self._characters.items():
                yield from _occurrences(text, characters, number)
        if not self._anchors.search(text):
            return
        for run in japanese.RUN.finditer(text):
            characters = run.group()
            starts = {match.start() for match in self._anchors.finditer(characters)}
            if not starts:
                continue
            for match in self._alone.finditer(characters):
                starts -= set(range(match.start(), match.end()))
                for span in self._spans_alone[(match.lastindex or 1) - 1]:
                    yield span.moved(run.start() + match.start())
            for start, window in japanese.windows(sorted(starts), characters):
                deadline.check()
                for span in self._in(window):
                    if start + span.start in starts or span.term in self._pair_terms:
                        yield span.moved(run.start() + start)

    def _in(self, window: str) -> list[Span]:
        found = self._seen.get(window)
        if found is None:
            if len(self._seen) > 50_000:
                self._seen.clear()
            found = self._seen[window] = list(self._compare(window))
        return found

    def _compare(self, window: str) -> Iterator[Span]:
        # A compound that the dictionary lacks, such as スマホケース, holds the words that it is made of.
        inside = [surface for surface in self._surfaces if len(surface) > 1 and surface in window]
        before: tuple[str, int] | None = None
        for morpheme in japanese.morphemes(window):
            form = morpheme.normalized_form()
            known = self._by_form.get(form)
            if known is None:
                key = japanese.key(form)
                known = self._by_form[form] = key, self._words.get(key)
            key, number = known
            if number is not None:
                yield Span(number, morpheme.begin(), morpheme.end())
            elif inside and morpheme.is_oov():
                for surface in inside:
                    if (at := morpheme.surface().find(surface)) >= 0:
                        start = morpheme.begin() + at
                        yield Span(self._surfaces[surface], start, start + len(surface))
            if self._pairs:
                if before and (pair := self._pairs.get((before[0], key))) is not None:
                    yield Span(pair, before[1], morpheme.end())
                before = key, morpheme.begin()


class Runs:
    """The stretches of Thai, Lao, Khmer or Burmese that a query has.

    A text has one if it has all of it, or at least half of its sequences of three letters.

    Args:
        query: In NFKC.
        first: Number of the first stretch; the others follow.
    """

    _RUN = regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}][\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{M}]*")
    _LETTER = regex.compile(r"\X")

    def __init__(self, query: str, first: int) -> None:
        runs = dict.fromkeys(self._RUN.findall(query))
        self.terms = range(first, first + len(runs))
        self._runs = [(number, run, self._sequences(run)) for number, run in zip(self.terms, runs, strict=True)]

    def find(self, text: str, deadline: Deadline) -> Iterator[Span]:
        """Yield where a text, in NFKC, has any of the stretches."""
        for number, run, sequences in self._runs:
            deadline.check()
            whole = list(self._whole_letters(text, run, number))
            if not whole and len(sequences) > 2:
                parts = []
                for sequence in sequences:
                    deadline.check()
                    parts.append(list(islice(self._whole_letters(text, sequence, number), 1)))
                if 2 * sum(map(bool, parts)) >= len(parts):
                    whole = sorted(span for part in parts for span in part)
            yield from whole

    def _sequences(self, run: str) -> list[str]:
        letters = self._LETTER.findall(run)
        return list(dict.fromkeys("".join(letters[at : at + 3]) for at in range(len(letters) - 2)))

    @staticmethod
    def _whole_letters(text: str, wanted: str, number: int) -> Iterator[Span]:
        """Leave out what goes on with a mark of its last letter: that would be another letter."""
        for span in _occurrences(text, wanted, number):
            if span.end == len(text) or not regex.match(r"\p{M}", text[span.end]):
                yield span


def _occurrences(text: str, wanted: str, number: int) -> Iterator[Span]:
    at = text.find(wanted)
    while at >= 0:
        yield Span(number, at, at + len(wanted))
        at = text.find(wanted, at + len(wanted))

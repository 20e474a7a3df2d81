"""Finds the words of a query in texts whose scripts put spaces between words; also names such as C++, and emoji."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import regex

from nova_kit.workers import Deadline
from search_service.languages import agree, is_small, keys, language_of, points
from search_service.spans import Span

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\u30fc\u3005\u3006\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = rf"[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]"
_INNER = rf"[[\p{{L}}\p{{M}}\p{{N}}\u200c\u200d\u00ad]--[{_UNSPACED}]]"
_PICTURE = r"\p{Extended_Pictographic}[\ufe0f\U0001f3fb-\U0001f3ff]*"

_TOKEN = regex.compile(
    rf"""
      \.net(?!{_INNER})                                                     # .NET, also in ASP.NET
    | [a-z][a-z0-9]*+(?:\+\+|\#)(?![a-z+\#])                                # C++, C#, F#
    | \p{{Nd}}++(?:[.,]\p{{Nd}}++)*+(?!{_INNER}|[-_'\u2019])                # 1,000 and 3.14
    | {_LETTER}(?:{_INNER}|['\u2019\u02bc\u2010\u2011_-](?={_LETTER}))*+    # don't, e-mail, utf8
    | [\U0001f1e6-\U0001f1ff]{{2}} | {_PICTURE}(?:\u200d{_PICTURE})*        # flags and other emoji
    """,
    regex.VERSION1 | regex.VERBOSE | regex.IGNORECASE,
)
# What tokens cannot go beyond; a pattern that is fast and knows no more. Most chunks are seen many times.
_CHUNK = re.compile(r"[^\s\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_LONGEST_KEPT = 100
# What is longer is no word, but data.
_LONGEST_WORD = 200
_PART = regex.compile(r"\p{N}+|[^\p{N}\u2010\u2011_-]+")
_INVISIBLE = regex.compile(r"[\u200c\u200d\u00ad\ufe0f\U0001f3fb-\U0001f3ff]")
_NAME = regex.compile(r"\..*|.*(?:\+\+|#)")


class Part(NamedTuple):
    """A word, or a part of one that is written as several: of `e-mail` these are `e`, `mail` and `email`."""

    text: str
    start: int
    end: int


class Words:
    """The words that a query looks for.

    Args:
        query: In NFKC.
        first: Number of the first word; the others follow.
        language: Of the texts whose language is not clear.
    """

    def __init__(self, query: str, first: int, language: str) -> None:
        self._language = language
        languages = {language, language_of(query, language)}
        parts = [part for match in _TOKEN.finditer(query) for part in _wanted(match.group()[:_LONGEST_WORD])]
        parts = [part for part in parts if not is_small(part, languages)] or parts
        distinct = {_keys(part, language): part for part in parts}
        self.terms = dict(enumerate(distinct.values(), start=first))
        # By language, since words are compared as in the text where they stand; then by what they are compared by.
        self._wanted: dict[str, dict[str, list[int]]] = {}
        self._seen: dict[str, dict[str, list[Span]]] = {}

    def find(self, text: str, deadline: Deadline) -> Iterator[Span]:
        """Yield where a text, in NFKC, has any of the words."""
        if not self.terms:
            return
        language = language_of(text[:800], self._language)
        seen = self._seen.setdefault(language, {})
        for number, match in enumerate(_CHUNK.finditer(text)):
            if not number & 0x3FF:
                deadline.check()
            chunk = match.group()
            found = seen.get(chunk)
            if found is None:
                found = list(self._in_chunk(chunk, language, deadline))
                if len(chunk) <= _LONGEST_KEPT and len(seen) < 100_000:
                    seen[chunk] = found
            for span in found:
                yield Span(span.term, match.start() + span.start, match.start() + span.end)

    def _in_chunk(self, chunk: str, language: str, deadline: Deadline) -> Iterator[Span]:
        for match in _TOKEN.finditer(chunk):
            deadline.check()
            if match.end() - match.start() > _LONGEST_WORD:
                continue
            for span in self._compare(match.group(), language):
                yield Span(span.term, match.start() + span.start, match.start() + span.end)

    def _compare(self, token: str, language: str) -> list[Span]:
        found = []
        wanted = self._in(language)
        for part in _parts(token):
            numbers = {number for key in _keys(part.text, language) for number in wanted.get(key, ())}
            pointed = points(part.text) if numbers else ()
            found += [
                Span(number, part.start, part.end)
                for number in sorted(numbers)
                if agree(points(self.terms[number]), pointed)
            ]
        return found

    def _in(self, language: str) -> dict[str, list[int]]:
        if language not in self._wanted:
            wanted = self._wanted[language] = {}
            for number, word in self.terms.items():
                for key in _keys(word, language):
                    wanted.setdefault(key, []).append(number)
        return self._wanted[language]


def _parts(token: str) -> list[Part]:
    """Return a token's parts and, if there are several, what they are when joined."""
    if _NAME.fullmatch(token) or (token[0].isdecimal() and not regex.search(r"[\p{L}_-]", token)):
        return [Part(token, 0, len(token))]
    parts = [Part(match.group(), match.start(), match.end()) for match in _PART.finditer(token)]
    if len(parts) > 1:
        parts.append(Part("".join(part.text for part in parts), 0, len(token)))
    return parts or [Part(token, 0, len(token))]


def _wanted(token: str) -> list[str]:
    """Return which parts of a query's token to look for: the `e` of `e-mail` would find too much."""
    parts = [part.text for part in _parts(token)]
    return [part for part in parts if len(part) > 1] or parts if len(parts) > 1 else parts


def _keys(word: str, language: str) -> frozenset[str]:
    if _NAME.fullmatch(word):
        return frozenset({word.casefold()})
    return keys(_INVISIBLE.sub("", word) or word, language)

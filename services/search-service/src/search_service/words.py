"""Takes text apart into the words that are compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

# Letters and digits, with their accents where those are characters of their own, and an apostrophe inside a word.
_LETTERS = r"(?:[^\W_]+[\u0300-\u036f]*)++"
_WORD = re.compile(rf"{_LETTERS}(?:['\u2019]{_LETTERS})*")

# Written without spaces: each character is a word of its own, which is what makes such text searchable at all.
_UNSPACED = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)


class Word(NamedTuple):
    """A word and where it stands."""

    key: str
    start: int
    end: int


def words(text: str) -> Iterator[Word]:
    """Yield a text's words in order; words that differ in case, accents or a plural s share their key."""
    for match in _WORD.finditer(text):
        for part in _UNSPACED.finditer(match.group()):
            start = match.start() + part.start()
            yield Word(_key(part.group()), start, start + len(part.group()))


def _key(word: str) -> str:
    plain = word.casefold()
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", plain)
        plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    plain = plain.removesuffix("'s").removesuffix("\u2019s")
    # Only the plainest English plural: anything cleverer needs a stemmer and a language.
    if len(plain) > 3 and plain.endswith("s") and not plain.endswith(("ss", "us", "is")):
        plain = plain[:-1]
    return plain or word

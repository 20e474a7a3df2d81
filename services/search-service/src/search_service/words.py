"""Takes text apart into the words that are compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# Letters and digits, with an apostrophe inside a word.
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")

# Written without spaces: each character is a word of its own, which is what makes such text searchable at all.
_UNSPACED = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)


@dataclass(frozen=True, slots=True)
class Word:
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
    plain = "".join(
        character
        for character in unicodedata.normalize("NFKD", word.casefold())
        if not unicodedata.combining(character)
    )
    plain = plain.removesuffix("'s").removesuffix("\u2019s")
    # Only the plainest English plural: anything cleverer needs a stemmer and a language.
    if len(plain) > 3 and plain.endswith("s") and not plain.endswith(("ss", "us", "is")):
        plain = plain[:-1]
    return plain or word

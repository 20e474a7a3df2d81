"""Takes Japanese apart into words, with the dictionary of Sudachi."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sudachipy import Dictionary, Morpheme, MorphemeList, SplitMode, Tokenizer

_HAN = r"\u3005\u3006\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KATAKANA = r"\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"

RUN = re.compile(rf"[\u3041-\u309f{_KATAKANA}{_HAN}]+")
KANA = re.compile(rf"[\u3041-\u309f{_KATAKANA}]")

# Around what may be a word: enough for the dictionary's longest words and what they hang on.
_CONTEXT = 12
# Words that say how others belong together; what they are about is said by others.
_SMALL = frozenset({"助詞", "助動詞", "補助記号", "記号", "空白", "接続詞", "感動詞"})

_dictionary: Dictionary | None = None
_lock = threading.Lock()
_own = threading.local()


@dataclass(frozen=True, slots=True)
class Token:
    """A word as it stands in a text.

    Attributes:
        surface: As written.
        key: The same for all its forms and spellings: of 食べた and たべる it is 食べる.
        reading: In katakana.
        start: Where it begins in the text.
        small: Whether it only says how other words belong together.
        known: Whether the dictionary has it.
    """

    surface: str
    key: str
    reading: str
    start: int
    small: bool
    known: bool

    @property
    def end(self) -> int:
        """Where it ends in the text."""
        return self.start + len(self.surface)


def tokens(run: str) -> list[Token]:
    """Return the words of a run of Japanese or Chinese characters, the shortest that the dictionary has."""
    return [
        Token(
            surface=morpheme.surface(),
            key=key(morpheme),
            reading=morpheme.reading_form(),
            start=morpheme.begin(),
            small=morpheme.part_of_speech()[0] in _SMALL or morpheme.part_of_speech()[1] == "非自立可能",
            known=not morpheme.is_oov(),
        )
        for morpheme in morphemes(run)
    ]


def morphemes(run: str) -> MorphemeList:
    """Return the same words as the dictionary's own objects, which is faster where few of them matter."""
    return _tokenizer().tokenize(run)


def key(morpheme: Morpheme) -> str:
    """Return what all forms and spellings of a word have in common."""
    return _shortened(morpheme.normalized_form())


def _shortened(form: str) -> str:
    # Names that the dictionary lacks are written with and without a long last vowel, too.
    return (form.removesuffix("ー") if len(form) > 3 else form).casefold()


def windows(starts: Iterable[int], run: str) -> Iterator[tuple[int, str]]:
    """Yield the parts of a run that are worth taking apart, and where they begin.

    Args:
        starts: Where a wanted word may begin, in order.
        run: Japanese or Chinese characters without anything between.
    """
    start = end = -1
    for at in starts:
        if start >= 0 and at > end:
            yield start, run[start:end]
            start = -1
        if start < 0:
            start = max(at - _CONTEXT, 0)
        end = at + 2 + _CONTEXT
    if start >= 0:
        yield start, run[start:end]


def stands_alone(token: Token) -> str | None:
    """Return a pattern that matches a word where it stands between other kinds of characters, and is therefore itself.

    Nothing for words whose end is written in hiragana, and for single characters: they have to be taken apart.
    """
    if len(token.surface) < 2 or token.key != _shortened(token.surface):
        return None
    for characters in (_HAN, _KATAKANA):
        if re.fullmatch(f"[{characters}]+", token.surface):
            return f"(?<![{characters}]){re.escape(token.surface)}(?![{characters}])"
    return None


def anchors(token: Token) -> str:
    """Return a pattern that matches wherever some spelling of a word begins."""
    hiragana = "".join(chr(ord(each) - 0x60) if "ァ" <= each <= "ヶ" else each for each in token.reading)
    spellings = {token.surface, token.key, token.reading, hiragana}
    kanji = {each for spelling in (token.surface, token.key) for each in spelling if re.match(f"[{_HAN}]", each)}
    return "|".join(sorted(_anchor(spelling, kanji) for spelling in spellings if spelling))


def _anchor(spelling: str, kanji: set[str]) -> str:
    first = re.escape(spelling[0])
    if len(spelling) == 1:
        return first
    if spelling[0] in kanji:
        # How much of a word is written in kana is a matter of taste: 子供 and 子ども, 打ち合わせ and 打合せ.
        return rf"{first}(?=[\u3041-\u309f{''.join(sorted(kanji))}]|$)"
    return re.escape(spelling[:2])


def _tokenizer() -> Tokenizer:
    global _dictionary
    # A tokenizer must not be used by two threads at once.
    if not hasattr(_own, "tokenizer"):
        with _lock:
            _dictionary = _dictionary or Dictionary(dict="small")
        _own.tokenizer = _dictionary.tokenizer(SplitMode.A)
    tokenizer: Tokenizer = _own.tokenizer
    return tokenizer

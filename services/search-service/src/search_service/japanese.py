"""Takes Japanese apart into words, with the dictionary of Sudachi."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from sudachipy import Dictionary, MorphemeList, SplitMode, Tokenizer

_HAN = r"\u3005\u3006\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KATAKANA = r"\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"

_is_block = re.compile(f"[{_HAN}]{{2}}|[{_KATAKANA}]{{2}}").fullmatch

RUN = re.compile(rf"[\u3041-\u309f{_KATAKANA}{_HAN}]+")
KANA = re.compile(rf"[\u3041-\u309f{_KATAKANA}]")

# Around where a word may begin: enough for words that begin in kanji and end in kana, and what they hang on. Kanji that
# stand together, and katakana, are looked at as a whole, up to this.
_BEFORE, _AFTER, _LONGEST_BLOCK = 3, 7, 24
# The dictionary takes 48 kB at once, and longer ones would seldom be seen a second time.
_LONGEST_WINDOW = 200
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
            key=key(morpheme.normalized_form()),
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


def key(form: str) -> str:
    """Return what all forms and spellings of a word have in common, from what the dictionary gives as that.

    Args:
        form: Sudachi's normalized form.
    """
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
        if at < end and at - start < _LONGEST_WINDOW:
            end = _block_end(run, max(end, at + _AFTER))
            continue
        if start >= 0:
            yield start, run[start:end]
        start, end = _block_start(run, max(at - _BEFORE, 0)), _block_end(run, at + _AFTER)
    if start >= 0:
        yield start, run[start:end]


def _block_start(run: str, at: int) -> int:
    """Move a start back to where its kanji or katakana begin: half of a compound would be other words."""
    earliest = max(at - _LONGEST_BLOCK, 0)
    while at > earliest and _is_block(run[at - 1 : at + 1]):
        at -= 1
    return at


def _block_end(run: str, at: int) -> int:
    latest = min(at + _LONGEST_BLOCK, len(run))
    while at < latest and _is_block(run[at - 1 : at + 1]):
        at += 1
    return min(at, len(run))


def compounds(run: list[Token], *, with_small: bool) -> Iterator[list[Token]]:
    """Yield the telling words of a run, those together that stand side by side in kanji or in katakana."""
    for (alike, _), group in groupby(run, key=lambda token: (_script(token.surface), token.small and not with_small)):
        tokens = [token for token in group if with_small or not token.small]
        if alike:
            yield from [tokens] if tokens else []
        else:
            yield from ([token] for token in tokens)


def _script(text: str) -> str:
    return next((characters for characters in (_HAN, _KATAKANA) if re.fullmatch(f"[{characters}]+", text)), "")


def stands_alone(tokens: list[Token]) -> str | None:
    """Return a pattern that matches words where what stands around shows that it is they; taking apart is slower.

    Nothing for what begins in hiragana, and for what is not written as the dictionary has it.
    """
    surface = "".join(token.surface for token in tokens)
    if any(token.key != key(token.surface) for token in tokens):
        return None
    characters = _script(surface)
    if re.fullmatch(f"[{_HAN}]", surface):
        # What may follow a single character is the end of a verb, too, but for these.
        return f"(?<![{_HAN}]){surface}(?=[\u3092\u306e\u306f\u3078]|$)"
    if characters and len(surface) > 1:
        return f"(?<![{characters}]){surface}(?![{characters}])"
    if re.fullmatch(f"[{_HAN}].*[\u3041-\u309f]", surface):
        return f"(?<![{_HAN}]){surface}"
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

"""Which language a text is in, and what its words have in common with their other forms."""

from __future__ import annotations

import threading
import unicodedata
from collections import Counter
from functools import cache

import regex
import Stemmer

# The small words of each language: they tell it, and in a query they carry no meaning.
_SMALL_WORDS = {
    "english": """a about an and are as at be been but by can could did do does for from had has have how i if in into
        is it its me my no not of on or our she should so some than that the their them then there these they this to
        was we were what when where which who why will with would you your""",
    "german": """aber als am an auch auf aus bei bin das dass dem den der des die durch ein eine einem einen einer er es
        für hat ich im in ist kein mit nach nicht noch oder sich sie sind so über um und uns von vor war was wie wir
        wird wo zu zum zur""",
    "french": """au aux avec ce ces cette dans de des du elle en est et il ils je la le les leur ne nous on ou où par
        pas pour que qui sa ses son sont sur un une vous à été être""",
    "spanish": """al como con de del el ella en es esta este están la las lo los no nos para pero por que qué se ser sin
        son su sus un una y yo dónde cómo cuándo muy""",
    "italian": """al alla anche che chi come con da dal dei del della delle di dove e gli ha i il in io la le lo ma nel
        nella non o per perché più quando questo se si sono su un una""",
    "portuguese": """ao aos as com como da das de do dos e ela ele em eu foi há isso mais mas na nas não no nos o onde
        os ou para pela pelo por que se sem ser sua são um uma você""",
    "dutch": """aan als bij dat de deze die dit een en er had heeft het hij ik in is maar met naar niet of om ook op te
        tot uit van voor waar was wat we wordt zijn zij""",
    "swedish": """att av de den det du en ett för från han har hon i inte jag kan med men när och om på sig som så till
        vad var vi är""",
    "turkish": """ama bir bu çok da daha de değil gibi için ile ise ki mi mı ne nerede o olan olarak şu ve veya ya""",
    "russian": """а без был была были быть в вы где для до его ее её если есть за и из или к как когда кто мы на не но о
        об он она они от по при с со так то только у что это я""",
    "greek": """από αυτό για δεν είναι ένα ένας η θα και κατά με μου να ο οι που σε στη στην στο τα τη την της τι το τον
        του των ως""",
}
_LANGUAGES_OF = {
    word: tuple(name for name, words in _SMALL_WORDS.items() if word in words.split())
    for words in _SMALL_WORDS.values()
    for word in words.split()
}

# Letters that only one of the languages above writes.
_LETTERS = {
    "ß": "german",
    "ä": "german",
    "ü": "german",
    "ñ": "spanish",
    "ã": "portuguese",
    "õ": "portuguese",
    "ç": "french",
    "è": "french",
    "ê": "french",
    "œ": "french",
    "å": "swedish",
    "ı": "turkish",
    "ş": "turkish",
    "ğ": "turkish",
}

_SCRIPTS = (
    (regex.compile(r"\p{Cyrillic}"), "russian"),
    (regex.compile(r"\p{Greek}"), "greek"),
    (regex.compile(r"\p{Arabic}"), "arabic"),
    (regex.compile(r"\p{Devanagari}"), "hindi"),
    (regex.compile(r"\p{Tamil}"), "tamil"),
    (regex.compile(r"\p{Armenian}"), "armenian"),
)
_STRIPPED = regex.compile(r"[\p{Latin}\p{Greek}\p{Cyrillic}]")
_POINTED = regex.compile(r"[\p{Arabic}\p{Hebrew}]")
# Vowel points of Hebrew and Arabic, which most texts leave out, and the stroke that only stretches a word.
_POINTS = regex.compile(r"[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u0652\u0670\u0640]")
_HAMZA = regex.compile(r"[\u0622-\u0626\u0621]")
_INITIAL_HAMZA = regex.compile(r"^((?:[\u0648\u0641])?(?:\u0627\u0644)?)[\u0623\u0625]")
# Letters that differ from a plain one by a stroke or a bow, which Unicode does not take apart.
_PLAIN = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ħ": "h"})
# With a breve or two dots these are letters of their own: Russian, Ukrainian and Belarusian.
_KEPT = {("и", "\u0306"), ("і", "\u0308"), ("у", "\u0306")}
_ELISION = regex.compile(r"^(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu|dell|all|nell|sull|dall|un|quest)'(?=\p{L}{2})")

# What follows a Korean noun or the stem of a verb.
_KOREAN_ENDINGS = regex.compile(
    r"(?<=^\p{Hangul}{2,})(?:은|는|이|가|을|를|의|에|에서|에게|에게서|께|께서|한테|으로|로|으로서|로서|으로써|로써|와|과|도|만|까지|부터|보다"
    r"|처럼|마다|하고|이나|나|들|들이|들은|들을|들의|라고|이라고|이다|입니다|이에요|예요|이랑|랑)$"
    r"|(?<=^\p{Hangul}+)(?:다|고|지|면|며|는|은|을|어|아|어요|아요|었다|았다|었어요|았어요|었습니다|았습니다|습니다|습니까|으면|으니|지만|는다|기)$"
)
_own = threading.local()


def language_of(text: str, otherwise: str = "english") -> str:
    """Tell the language of a text that is written with spaces; `otherwise` where it has no sign of one."""
    words = regex.findall(r"\p{L}[\p{L}\p{M}]*", text[:4000].casefold())
    votes = Counter(name for word in words for name in _LANGUAGES_OF.get(word, ()))
    votes.update(name for word in words for letter, name in _LETTERS.items() if letter in word)
    return votes.most_common(1)[0][0] if votes else otherwise


def is_small(word: str, languages: set[str]) -> bool:
    """Tell whether a word carries no meaning in any of some languages."""
    return not languages.isdisjoint(_LANGUAGES_OF.get(word.casefold(), ()))


def keys(word: str, language: str) -> frozenset[str]:
    """Return what a word is compared by: two words are the same when they share a key.

    Args:
        word: In NFKC.
        language: Of the text that it comes from, or is compared with.
    """
    plain = word.casefold().replace("\u2019", "'").replace("\u02bc", "'")
    plain = _ELISION.sub("", plain)
    if plain[0].isdecimal():
        return frozenset({_number(plain)})
    if plain.isascii():
        return frozenset({_stem(plain, language), plain.replace("'", "")})
    if regex.search(r"\p{Hangul}", plain):
        return frozenset({plain, _KOREAN_ENDINGS.sub("", plain)})
    language = next((name for script, name in _SCRIPTS if script.search(plain)), language)
    if _POINTED.search(plain):
        bare = _INITIAL_HAMZA.sub("\\1\u0627", _POINTS.sub("", plain))
        # The stemmer writes every hamza as a plain letter, which would make other words of them.
        stem = _stem(bare, "arabic") + "".join(_HAMZA.findall(bare)) if language == "arabic" else bare
        return frozenset({bare or plain, stem or plain})
    plain = unicodedata.normalize("NFC", plain)
    stripped = strip_marks(plain)
    return frozenset({strip_marks(_stem(plain, language)), _stem(stripped, language), stripped.replace("'", "")})


def points(word: str) -> tuple[str, ...]:
    """Return the vowel points after each letter of a Hebrew or Arabic word."""
    if not _POINTS.search(word):
        return ()
    found: list[str] = []
    for character in unicodedata.normalize("NFC", word.replace("\u0640", "")):
        if _POINTS.match(character) and found:
            found[-1] += character
        else:
            found.append("")
    return tuple(found)


def agree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Tell whether two spellings of the same letters may be the same word: points that are left out contradict none."""
    return len(one) != len(other) or all(a == b or not a or not b for a, b in zip(one, other, strict=True))


def strip_marks(text: str) -> str:
    """Take the accents off letters of Latin, Greek and Cyrillic; in other scripts, marks are letters."""
    kept, base = [], ""
    for character in unicodedata.normalize("NFD", text):
        if unicodedata.combining(character):
            if _STRIPPED.match(base) and (base, character) not in _KEPT:
                continue
        else:
            base = character
        kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept)).translate(_PLAIN)


def _number(text: str) -> str:
    digits = "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in text)
    return digits.replace(",", "") if regex.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits) else digits


@cache
def _is_known(language: str) -> bool:
    return language in Stemmer.algorithms()


def _stem(word: str, language: str) -> str:
    if not _is_known(language):
        return word
    # A stemmer must not be used by two threads at once.
    if not hasattr(_own, "stemmers"):
        _own.stemmers = {}
    if language not in _own.stemmers:
        _own.stemmers[language] = Stemmer.Stemmer(language)
    return str(_own.stemmers[language].stemWord(word))

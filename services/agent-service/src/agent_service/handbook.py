"""What the agent can look things up in: its own handbook, or a text that came with the question."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from agent_service.texts import read_text
from nova_kit.problems import Problem

_MAX_PASSAGES = 2000
_PASSAGE_CHARACTERS = 1200

_UNSPACED = r"[\u3001-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef]"
_INSIDE_UNSPACED = re.compile(rf"(?<={_UNSPACED})[ \t]*\r?\n\s*(?={_UNSPACED})|(?<=[\u3001\u3002])\s*\n\s*")
_JAPANESE = re.compile(r"[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff66-\uff9f]")


@dataclass(frozen=True)
class Passage:
    """A piece of text that can be found.

    Attributes:
        id: Unique among its text's passages.
        title: Heading over it, if it has one.
        text: What it says.
    """

    id: str
    title: str | None
    text: str


@cache
def handbook(language: str = "en") -> list[Passage]:
    """Return the handbook's articles, in English (`en`) or Japanese (`ja`); each has the same id in both."""
    text = files(__package__).joinpath(f"handbook.{language}.md").read_text(encoding="utf-8")
    articles = []
    for article in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = article.partition("\n")
        title, _, identifier = heading.rpartition(" {#")
        articles.append(Passage(identifier.rstrip("}"), title, _one_line(body)))
    return articles


def language_of(question: str) -> str:
    """Tell in which of the handbook's languages a question is asked."""
    return "ja" if _JAPANESE.search(question) else "en"


def passages_of(content: bytes) -> list[Passage]:
    """Cut an uploaded text into passages: its paragraphs, short neighbours joined.

    Raises:
        Problem: As `read_text`, 422 for a text without words, 413 for more than can be ranked at once.
    """
    text = read_text(content)
    pieces = [piece for paragraph in re.split(r"\n\s*\n", text) for piece in _pieces(_one_line(paragraph))]
    joined: list[str] = []
    for piece in pieces:
        if joined and len(joined[-1]) + len(piece) < _PASSAGE_CHARACTERS // 4:
            joined[-1] += f" {piece}"
        else:
            joined.append(piece)
    if not joined:
        raise Problem(422, "The text file has no words in it. Send one with content.")
    if len(joined) > _MAX_PASSAGES:
        raise Problem(413, f"The text has more than {_MAX_PASSAGES} passages. Send a part of it.")
    return [Passage(str(number), f"Passage {number}", piece) for number, piece in enumerate(joined, start=1)]


def _one_line(paragraph: str) -> str:
    """Join a paragraph's lines: with spaces, but for scripts that have none."""
    return " ".join(_INSIDE_UNSPACED.sub("", paragraph).split())


def _pieces(paragraph: str) -> list[str]:
    """Cut a long paragraph at spaces or after sentences, or anywhere if it has none."""
    most = f".{{1,{_PASSAGE_CHARACTERS}}}"
    return re.findall(rf"{most}(?:\s|(?<=[\u3002\uff01\uff1f])|$)|{most}", paragraph)

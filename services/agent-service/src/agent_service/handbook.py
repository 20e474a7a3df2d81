"""What the agent can look things up in: its own handbook, or a text that came with the question."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from nova_kit.problems import Problem

_MAX_PASSAGES = 2000
_PASSAGE_CHARACTERS = 1200


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
def handbook() -> list[Passage]:
    """Return the handbook's articles."""
    text = files(__package__).joinpath("handbook.md").read_text(encoding="utf-8")
    articles = []
    for article in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = article.partition("\n")
        identifier = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        articles.append(Passage(identifier, title.strip(), " ".join(body.split())))
    return articles


def passages_of(content: bytes) -> list[Passage]:
    """Cut an uploaded text into passages: its paragraphs, short neighbours joined.

    Raises:
        Problem: 422 for text that is not UTF-8 or has no words, 413 for more than can be ranked at once.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem(422, "The text file is not in UTF-8. Save it as UTF-8.") from None
    if "\0" in text:
        raise Problem(415, "The file is not text, and in no known format. Send WAV, FLAC, OGG, MP4, WebM or text.")
    pieces = [piece for paragraph in re.split(r"\n\s*\n", text) for piece in _pieces(" ".join(paragraph.split()))]
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


def _pieces(paragraph: str) -> list[str]:
    """Cut a long paragraph at spaces, or anywhere if it has none."""
    return re.findall(rf".{{1,{_PASSAGE_CHARACTERS}}}(?:\s|$)|.{{1,{_PASSAGE_CHARACTERS}}}", paragraph)

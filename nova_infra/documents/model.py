"""The parts of a report: sections with items, paragraphs, tables and code.

A text is one of three kinds. A plain ``str`` is shown letter by letter. :class:`Foreign` is what others wrote (commit
messages, log lines, AWS's words): it becomes no markup, link, mention or control character in any format.
:class:`Prose` is our own Markdown: `code`, **emphasis** and [links](https://example.com).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Tone = Literal["", "good", "warn", "bad", "unknown", "new", "changed", "quiet"]
MARKS: dict[Tone, str] = {"good": "✓", "warn": "!", "bad": "✗", "unknown": "?", "new": "+", "changed": "~"}
"""The sign before an item of each tone; other items have none."""


class Foreign(str):
    """A text that somebody else wrote."""

    __slots__ = ()


class Prose(str):
    """A text of ours, in Markdown."""

    __slots__ = ()


@dataclass(frozen=True)
class Line:
    """One statement: an item of a list, or what a cell of a table says.

    Attributes:
        below: Details, each on a line of its own.
    """

    parts: tuple[str, ...]
    tone: Tone = ""
    below: tuple[Line, ...] = ()

    @classmethod
    def of(cls, *parts: str, tone: Tone = "") -> Line:
        """A line of texts."""
        return cls(parts, tone)


@dataclass(frozen=True)
class Paragraph:
    """A statement that stands by itself."""

    line: Line

    @classmethod
    def of(cls, *parts: str, tone: Tone = "") -> Paragraph:
        """A paragraph of texts."""
        return cls(Line.of(*parts, tone=tone))


Cell: TypeAlias = str | Line | tuple[Line, ...]
"""What a cell says; several lines stand below each other."""


@dataclass(frozen=True)
class Table:
    """Rows of equally many cells.

    Attributes:
        columns: The columns' titles; empty for rows that need none, such as labels and values.
        right: Indices of the columns that are aligned to the right.
    """

    rows: tuple[tuple[Cell, ...], ...]
    columns: tuple[str, ...] = ()
    right: frozenset[int] = frozenset()

    def cells(self) -> Iterator[tuple[tuple[Line, ...], ...]]:
        """The rows, each cell as lines."""
        for row in self.rows:
            yield tuple(map(lines_of, row))


@dataclass(frozen=True)
class Code:
    """A command to copy, or lines of code.

    Attributes:
        title: The title under which it is folded away, where the format can.
    """

    text: str
    title: str = ""


Block: TypeAlias = Line | Paragraph | Table | Code
"""Lines that follow each other are a list."""


@dataclass(frozen=True)
class Section:
    """Blocks under a heading; without a title, blocks that need none."""

    title: str
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Document:
    """A report.

    Attributes:
        source: How to change it, where it is a page that is generated.
    """

    title: str = ""
    verdict: Line | None = None
    sections: tuple[Section, ...] = ()
    source: str = ""


def lines_of(cell: Cell) -> tuple[Line, ...]:
    """A cell as lines."""
    if isinstance(cell, str):
        return (Line((cell,)),)
    return (cell,) if isinstance(cell, Line) else cell

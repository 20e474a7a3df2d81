"""A document as text, folded to the width of a terminal."""

import textwrap
from collections.abc import Iterator, Sequence

from nova_infra.documents.model import MARKS, Block, Code, Document, Line, Paragraph, Section, Table, Tone
from nova_infra.documents.text import printable

UNLIMITED = 10_000
"""The width of a text that is folded nowhere, as in a pipe or a log."""
_NARROWEST = 8
"""Columns of a table that does not fit are narrowed down to this many characters."""
_COLOURS: dict[Tone, str] = {"good": "32", "new": "32", "warn": "33", "unknown": "33", "bad": "31", "quiet": "2"}
# https://ecma-international.org/publications-and-standards/standards/ecma-48/ (SGR)


def as_text(document: Document, *, width: int = 80, colour: bool = False) -> str:
    """The document as text.

    Args:
        width: Columns to fold it to. Commands and the last column of a table keep their words whole.
    """
    return "\n".join(line.rstrip() for line in _Text(width, colour).document(document)) + "\n"


class _Text:
    def __init__(self, width: int, colour: bool) -> None:
        self._width, self._colour = width, colour

    def document(self, document: Document) -> Iterator[str]:
        yield from _wrapped(printable(document.title), self._width) if document.title else ()
        if document.verdict is not None:
            yield from self._painted(_wrapped(_plain(document.verdict), self._width), document.verdict.tone)
        begun = bool(document.title or document.verdict)
        for section in document.sections:
            if not section.blocks and not section.title:
                continue
            if begun and not (document.title and not section.title):
                yield ""
            yield from self._section(section, indent="  " if section.title or document.title else "")
            begun = True

    def _section(self, section: Section, indent: str) -> Iterator[str]:
        if section.title:
            yield printable(section.title)
        for block in section.blocks:
            yield from self._block(block, indent)

    def _block(self, block: Block, indent: str) -> Iterator[str]:
        match block:
            case Line():
                yield from self._item(block, indent, MARKS.get(block.tone, "-"))
            case Paragraph(line):
                yield from self._painted(_wrapped(_plain(line), self._width, indent, indent), line.tone)
            case Table():
                yield from self._table(block, indent)
            case Code(text, title):
                if title:
                    yield f"{indent}{printable(title)}:"
                yield from (f"{indent}  {printable(line)}" for line in text.splitlines())

    def _item(self, line: Line, indent: str, mark: str) -> Iterator[str]:
        # Details stand two columns to the right of what they are about; their mark stands in these two columns.
        text = f"{indent}  "
        yield from self._painted(_wrapped(_plain(line), self._width, f"{indent}{mark:1} ", text), line.tone)
        for detail in line.below:
            yield from self._item(detail, text, MARKS.get(detail.tone, ""))

    def _table(self, table: Table, indent: str) -> Iterator[str]:
        rows = list(table.cells())
        titles = tuple((Line.of(title),) for title in table.columns)
        everything = [titles, *rows] if titles else rows
        if not everything:
            return
        widths = self._widths(everything, self._width - len(indent))
        for row in everything:
            yield from self._row(row, widths, table.right, indent, head=bool(titles) and row is titles)

    def _row(
        self, row: Sequence[Sequence[Line]], widths: Sequence[int], right: frozenset[int], indent: str, *, head: bool
    ) -> Iterator[str]:
        columns: list[list[tuple[str, Tone]]] = []
        for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
            last = index == len(widths) - 1
            columns.append(
                [(text, line.tone) for line in cell for text in _wrapped(_plain(line), width, break_words=not last)]
            )
        for number in range(max(map(len, columns))):
            cells = []
            for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
                text, tone = column[number] if number < len(column) else ("", "")
                placed = text.rjust(width) if index in right else text.ljust(width)
                cells.append(self._paint(placed.rstrip(), tone, head=head) + " " * (len(placed) - len(placed.rstrip())))
            yield f"{indent}{'  '.join(cells)}"

    @staticmethod
    def _widths(rows: Sequence[Sequence[Sequence[Line]]], room: int) -> list[int]:
        widths = [
            max((len(_plain(line)) for row in rows for line in row[index]), default=0) for index in range(len(rows[0]))
        ]
        while sum(widths) + 2 * (len(widths) - 1) > room and max(widths) > _NARROWEST:
            widths[widths.index(max(widths))] -= 1
        return widths

    def _painted(self, lines: Sequence[str], tone: Tone) -> Iterator[str]:
        yield from (self._paint(line, tone) for line in lines)

    def _paint(self, text: str, tone: Tone, *, head: bool = False) -> str:
        code = "1" if head else _COLOURS.get(tone)
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code and text.strip() else text


def _wrapped(text: str, width: int, first: str = "", rest: str = "", *, break_words: bool = False) -> Sequence[str]:
    folded = textwrap.wrap(
        text,
        max(width, len(rest) + _NARROWEST),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=break_words,
        break_on_hyphens=False,
    )
    return folded or [first.rstrip()]


def _plain(line: Line) -> str:
    return "".join(map(printable, line.parts))

"""A document as Markdown, as GitHub renders it."""

import re
from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby

from nova_infra.documents.model import MARKS, Block, Code, Document, Foreign, Line, Paragraph, Prose, Section, Table
from nova_infra.documents.text import printable


def as_markdown(document: Document, *, level: int = 1) -> str:
    """The document as Markdown."""
    parts = [f"{'#' * level} {_part(document.title)}"] if document.title else []
    if document.source:
        parts.append(f"<!-- {document.source} -->")
    if document.verdict is not None:
        parts.append(f"**{inline(document.verdict)}**")
    for section in document.sections:
        parts += _section(section, level + 1)
    return "\n\n".join(parts) + "\n"


def as_block(block: Block) -> str:
    """One block as Markdown."""
    return "\n\n".join(_blocks([block]))


def inline(line: Line) -> str:
    """A line's text, without its details."""
    return "".join(map(_part, line.parts)).rstrip()


def _section(section: Section, level: int) -> Iterator[str]:
    if section.title:
        yield f"{'#' * level} {_part(section.title)}"
    yield from _blocks(section.blocks)


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for kind, group in groupby(blocks, key=type):
        if kind is Line:
            yield "\n".join(row for line in group if isinstance(line, Line) for row in _item(line, ""))
            continue
        for block in group:
            match block:
                case Paragraph(line):
                    yield _signed(line)
                case Table():
                    yield "\n".join(_table(block))
                case Code():
                    yield _code_block(block)


def _item(line: Line, indent: str) -> Iterator[str]:
    yield f"{indent}- {_signed(line)}"
    for detail in line.below:
        yield from _item(detail, f"{indent}  ")


def _signed(line: Line) -> str:
    sign = MARKS.get(line.tone, "")
    return f"{sign} {inline(line)}" if sign else inline(line)


def _table(table: Table) -> Iterator[str]:
    if not table.rows:
        return
    titles = table.columns or ("",) * len(table.rows[0])
    yield f"| {' | '.join(map(_part, titles))} |"
    yield "|" + "|".join("---:" if index in table.right else "---" for index in range(len(titles))) + "|"
    for row in table.cells():
        yield f"| {' | '.join('<br>'.join(map(_in_cell, cell)) for cell in row)} |"


def _in_cell(line: Line) -> str:
    # A table is split into cells before its code spans are read, so a bar is escaped in them too.
    # https://github.github.com/gfm/#example-200
    return re.sub(r"(?<!\\)\|", r"\\|", inline(line))


def _code_block(code: Code) -> str:
    text = "\n".join(map(printable, code.text.splitlines()))
    # A fence longer than any run of backquotes in it cannot be ended from inside.
    fence = "`" * max(3, 1 + _longest_run(text))
    if not code.title:
        return f"{fence}\n{text}\n{fence}"
    title = escape(printable(code.title))
    return f"<details><summary><code>{title}</code></summary>\n\n{fence}text\n{text}\n{fence}\n</details>"


def _part(text: str) -> str:
    if isinstance(text, Prose):
        return text
    if isinstance(text, Foreign):
        return _span(text)
    # Every mark of ASCII may be escaped so: https://spec.commonmark.org/0.31.2/#backslash-escapes
    return re.sub(r"([\\`*_{}\[\]<>#+~|&!])", r"\\\1", printable(text))


def _span(text: str) -> str:
    """A code span, in which nothing means anything, fenced by more backquotes than the text has in a row."""
    text = printable(text).strip()
    if not text:
        return ""
    fence = "`" * (1 + _longest_run(text))
    space = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{space}{text}{space}{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)

"""Renders a document as text, Markdown, HTML or JSON, as ``--format`` asks."""

import json
from typing import Any, Literal

from nova_infra.documents.markdown import as_markdown
from nova_infra.documents.model import Block, Code, Document, Line, Paragraph
from nova_infra.documents.page import as_html
from nova_infra.documents.terminal import as_text

Format = Literal["text", "markdown", "html", "json"]
FORMATS: tuple[Format, ...] = ("text", "markdown", "html", "json")


def render(document: Document, form: Format, *, width: int = 80, colour: bool = False) -> str:
    """The document in a format."""
    match form:
        case "markdown":
            return as_markdown(document)
        case "html":
            return as_html(document)
        case "json":
            return json.dumps(as_data(document), indent=2) + "\n"
    return as_text(document, width=width, colour=colour)


def as_data(document: Document) -> dict[str, Any]:
    """The document as values for JSON: ``title``, ``verdict``, and ``sections`` with their ``blocks``."""
    return {
        "title": str(document.title),
        "verdict": _line(document.verdict) if document.verdict is not None else None,
        "sections": [
            {"title": str(section.title), "blocks": list(map(_block, section.blocks))} for section in document.sections
        ],
    }


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Line():
            return _line(block)
        case Paragraph(line):
            return _line(line)
        case Code(text, title):
            return {"code": text, **({"title": title} if title else {})}
    rows = [["\n".join("".join(line.parts) for line in cell) for cell in row] for row in block.cells()]
    return {"columns": [str(title) for title in block.columns], "rows": rows}


def _line(line: Line) -> dict[str, Any]:
    below = {"below": list(map(_line, line.below))} if line.below else {}
    return {"text": "".join(line.parts), "tone": line.tone, **below}

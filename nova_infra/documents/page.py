"""A document as a page of HTML that loads nothing and runs nothing."""

import re
from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby

from nova_infra.documents.model import Block, Code, Document, Foreign, Line, Paragraph, Prose, Table
from nova_infra.documents.text import printable

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --back: #fff; --card: #f6f8fa; --line: #d1d9e0; --bad: #b3261e;
  --warn: #8a5a00; --good: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --back: #0d1117; --card: #161b22; --line: #3d444d;
  --bad: #f85149; --warn: #e3b341; --good: #3fb950; } }
body { margin: 0 auto; padding: 1rem; max-width: 56rem; color: var(--text); background: var(--back);
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: .25rem 0; } h2 { font-size: 1rem; margin: 1.1rem 0 .25rem; }
p { margin: .25rem 0; } p.verdict { font-weight: 600; } ul { margin: 0; padding-left: 1.2rem; }
table { border-collapse: collapse; margin: .25rem 0; } th { text-align: left; }
th, td { padding: .15em .8em .15em 0; vertical-align: top; overflow-wrap: normal; } .right { text-align: right; }
.bad { color: var(--bad); } .warn, .unknown { color: var(--warn); } .good, .new { color: var(--good); }
.quiet { opacity: .65; }
li.bad::marker { content: "✗  "; } li.warn::marker { content: "!  "; } li.good::marker { content: "✓  "; }
li.unknown::marker { content: "?  "; } li.new::marker { content: "+  "; } li.changed::marker { content: "~  "; }
code { font: .9em ui-monospace, monospace; background: var(--card); padding: .05em .3em; border-radius: .25em;
  white-space: pre-wrap; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .75rem;
  margin: .25rem 0; white-space: pre-wrap; }
pre code { background: none; padding: 0; }
"""


def as_html(document: Document) -> str:
    """The document as a page."""
    title = document.title or (document.sections[0].title if document.sections else "")
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        # Nothing is loaded and nothing runs, whatever slips through.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{_escaped(title)}</title><style>{_STYLE}</style>",
    ]
    if document.title:
        parts.append(f"<h1>{_escaped(document.title)}</h1>")
    if document.verdict is not None:
        parts.append(f'<p class="verdict {document.verdict.tone}">{_spans(document.verdict)}</p>')
    for section in document.sections:
        heading = f"<h2>{_part(section.title)}</h2>" if section.title else ""
        parts.append(heading + "".join(_blocks(section.blocks)))
    return "\n".join([*parts, "</html>", ""])


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for kind, group in groupby(blocks, key=type):
        if kind is Line:
            yield _list(line for line in group if isinstance(line, Line))
            continue
        for block in group:
            match block:
                case Paragraph(line):
                    yield f'<p class="{line.tone}">{_spans(line)}</p>'
                case Table():
                    yield _table(block)
                case Code(text, title):
                    code = "<pre><code>" + "\n".join(map(_escaped, text.splitlines())) + "</code></pre>"
                    yield f"<details><summary>{_escaped(title)}</summary>{code}</details>" if title else code


def _list(lines: Iterable[Line]) -> str:
    items = (f'<li class="{line.tone}">{_spans(line)}{_list(line.below) if line.below else ""}</li>' for line in lines)
    return f"<ul>{''.join(items)}</ul>"


def _table(table: Table) -> str:
    def row(cells: Iterable[str], tag: str) -> str:
        sides = dict.fromkeys(table.right, ' class="right"')
        return "".join(
            ["<tr>", *(f"<{tag}{sides.get(index, '')}>{cell}</{tag}>" for index, cell in enumerate(cells)), "</tr>"]
        )

    head = row(map(_part, table.columns), "th") if table.columns else ""
    body = (row(("<br>".join(map(_in_cell, cell)) for cell in cells), "td") for cells in table.cells())
    return f"<table>{head}{''.join(body)}</table>"


def _in_cell(line: Line) -> str:
    return f'<span class="{line.tone}">{_spans(line)}</span>' if line.tone else _spans(line)


def _spans(line: Line) -> str:
    return "".join(map(_part, line.parts))


def _part(text: str) -> str:
    if isinstance(text, Foreign):
        return f"<code>{_escaped(text)}</code>"
    escaped = _escaped(text)
    if isinstance(text, Prose):
        escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
        escaped = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", escaped)
        escaped = re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", r'<a href="\2">\1</a>', escaped)
    return escaped


def _escaped(text: str) -> str:
    return escape(printable(text))

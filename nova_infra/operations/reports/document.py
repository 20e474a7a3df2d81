"""A short document as text, Markdown and HTML.

What others wrote (commit messages, names, AWS's words) is marked as :class:`Foreign` and can do nothing but be read: no
markup, no link, no mention, no control character, in none of the formats.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from nova_infra.operations.changes.template_values import printable

Format = Literal["text", "markdown", "html"]
FORMATS: tuple[Format, ...] = ("text", "markdown", "html")

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --back: #fff; --card: #f6f8fa; --line: #d1d9e0; --bad: #b3261e;
  --warn: #8a5a00; --good: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --back: #0d1117; --card: #161b22; --line: #3d444d;
  --bad: #f85149; --warn: #e3b341; --good: #3fb950; } }
body { margin: 0 auto; padding: 1rem; max-width: 56rem; color: var(--text); background: var(--back);
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: .25rem 0; } h2 { font-size: 1rem; margin: 1.1rem 0 .25rem; }
p { margin: .25rem 0; font-weight: 600; } ul { margin: 0; padding-left: 1.2rem; }
.bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
li.bad::marker { content: "✗  "; } li.warn::marker { content: "!  "; } li.good::marker { content: "✓  "; }
code { font: .9em ui-monospace, monospace; background: var(--card); padding: .05em .3em; border-radius: .25em;
  white-space: pre-wrap; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .75rem;
  margin: .25rem 0; white-space: pre-wrap; }
pre code { background: none; padding: 0; }
"""

Tone = Literal["", "good", "warn", "bad"]
_MARKS: dict[Tone, str] = {"": "-", "good": "✓", "warn": "!", "bad": "✗"}


class Foreign(str):
    """A text that somebody else wrote."""

    __slots__ = ()


@dataclass(frozen=True)
class Line:
    """One statement.

    Attributes:
        parts: Its text, with what others wrote marked.
        tone: How it is meant.
    """

    parts: tuple[str, ...]
    tone: Tone = ""

    @classmethod
    def of(cls, *parts: str, tone: Tone = "") -> Line:
        """A line of texts."""
        return cls(parts, tone)


@dataclass(frozen=True)
class Section:
    """A heading with lines below it, and commands to copy after them."""

    title: str
    lines: tuple[Line, ...] = ()
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Document:
    """A title, the one thing to remember, and sections."""

    title: str
    verdict: Line
    sections: tuple[Section, ...] = field(default=())


def render(document: Document, form: Format, *, width: int = 80) -> str:
    """The document in a format.

    Args:
        document: The document.
        form: The format.
        width: Columns to fold text to.
    """
    if form == "markdown":
        return "\n".join(_markdown(document)) + "\n"
    return _html(document) if form == "html" else "\n".join(_text(document, width)) + "\n"


def _text(document: Document, width: int) -> Iterator[str]:
    yield from _wrapped(document.title, width)
    yield from _wrapped(_plain(document.verdict), width)
    for section in document.sections:
        yield ""
        yield section.title
        for line in section.lines:
            yield from _wrapped(_plain(line), width, f"  {_MARKS[line.tone]} ", "    ")
        yield from (f"    {printable(command)}" for command in section.commands)


def _wrapped(text: str, width: int, first: str = "", rest: str = "") -> Sequence[str]:
    folded = textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return folded or [first.rstrip()]


def _plain(line: Line) -> str:
    return "".join(printable(part) for part in line.parts)


def _markdown(document: Document) -> Iterator[str]:
    yield f"# {_inline(document.title)}"
    yield ""
    yield f"**{_marked(document.verdict)}**"
    for section in document.sections:
        yield ""
        yield f"## {_inline(section.title)}"
        yield ""
        for line in section.lines:
            sign = f"{_MARKS[line.tone]} " if line.tone else ""
            yield f"- {sign}{_marked(line)}"
        for command in section.commands:
            yield ""
            yield f"```\n{printable(command).replace('`', ' ')}\n```"


def _marked(line: Line) -> str:
    return "".join(_code(part) if isinstance(part, Foreign) else _inline(part) for part in line.parts)


def _inline(text: str) -> str:
    # Every mark of ASCII may be escaped so: https://spec.commonmark.org/0.31.2/#backslash-escapes
    return re.sub(r"([\\`*_{}\[\]<>#+~|&!])", r"\\\1", printable(text))


def _code(text: str) -> str:
    """A code span, in which nothing means anything, fenced by more backticks than the text has in a row."""
    text = printable(text).strip()
    if not text:
        return ""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{space}{text}{space}{fence}"


def _html(document: Document) -> str:
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        # Nothing is loaded and nothing runs, whatever slips through.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{_escaped(document.title)}</title><style>{_STYLE}</style>",
        f"<h1>{_escaped(document.title)}</h1>",
        f'<p class="{document.verdict.tone}">{_spans(document.verdict)}</p>',
    ]
    for section in document.sections:
        items = "".join(f'<li class="{line.tone}">{_spans(line)}</li>' for line in section.lines)
        commands = "".join(f"<pre><code>{_escaped(command)}</code></pre>" for command in section.commands)
        parts.append(f"<h2>{_escaped(section.title)}</h2>{f'<ul>{items}</ul>' if items else ''}{commands}")
    return "\n".join([*parts, "</html>", ""])


def _spans(line: Line) -> str:
    return "".join(
        f"<code>{_escaped(part)}</code>" if isinstance(part, Foreign) else _escaped(part) for part in line.parts
    )


def _escaped(text: str) -> str:
    return escape(printable(text))

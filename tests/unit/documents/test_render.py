"""A document in three formats, with text in it that others wrote."""

import html.parser
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.documents.model import Code, Document, Foreign, Line, Section
from nova_infra.documents.render import FORMATS, render

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](https://evil.example)",
    "![x](https://evil.example/pixel)",
    "@everyone https://evil.example #1",
    "`code` ``and`` more`",
    "**bold** _it_ | table | <!-- comment",
    "\x1b[31mred\x1b[0m\x07",
    "one\ntwo\r\n# three\n- four",
    "\u202egnol",
    "&lt;b&gt;",
    "```\nfence",
]


def page(text: str) -> Document:
    return Document("Title", Line.of("verdict ", Foreign(text)), (Section("Part", (Line.of("by ", Foreign(text)),)),))


class Tags(html.parser.HTMLParser):
    """Which elements and attributes a page has, and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(f"@{name}" for name, _ in attrs)}

    def handle_data(self, data: str) -> None:
        self.text += data


OWN = {"html", "meta", "title", "style", "h1", "h2", "p", "ul", "li", "code"}
OWN_ATTRIBUTES = {"@lang", "@charset", "@name", "@content", "@http-equiv", "@class"}


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_others_wrote_becomes_markup_in_html(text: str) -> None:
    tags = Tags()
    tags.feed(render(page(text), "html"))
    assert tags.found <= OWN | OWN_ATTRIBUTES


@given(text=st.text(max_size=60))
def test_whatever_others_wrote_can_be_read_in_html_and_does_nothing(text: str) -> None:
    tags = Tags()
    tags.feed(render(page(text), "html"))
    assert tags.found <= OWN | OWN_ATTRIBUTES
    assert "".join(c if c.isprintable() else " " for c in text) in tags.text


@given(text=st.text(max_size=60) | st.sampled_from(HOSTILE))
def test_what_others_wrote_is_one_code_span_in_markdown(text: str) -> None:
    [line] = [line for line in render(page(text), "markdown").splitlines() if line.startswith("- ")]
    rest = line.removeprefix("- by ").rstrip()
    if not rest or rest == "- by":
        assert not "".join(c if c.isprintable() else " " for c in text).strip()
        return
    fence = re.match("`+", rest)
    assert fence is not None
    # A span ends at the first run of backticks that is as long as the one it began with.
    inside = rest[fence.end() :]
    ends = [m for m in re.finditer("`+", inside) if len(m[0]) == len(fence[0])]
    assert [m.end() for m in ends] == [len(inside)]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", HOSTILE)
def test_no_control_character_and_no_new_line_gets_through(form: str, text: str) -> None:
    rendered = render(page(text), form)  # type: ignore[arg-type]
    assert all(line.isprintable() for line in rendered.splitlines())
    assert not any(line.lstrip().startswith(("# three", "- four")) for line in rendered.splitlines())


def test_text_is_folded_and_commands_are_not() -> None:
    command = f"nova rollback prod --to {'a' * 90}"
    document = Document("T", Line.of("v"), (Section("S", (Line.of("word " * 40), Code(command))),))
    lines = render(document, "text").splitlines()
    assert [line for line in lines if len(line) > 80] == [f"    {command}"]


def test_a_command_stays_a_command_in_markdown() -> None:
    document = Document("T", Line.of("v"), (Section("S", (Code("nova rollback prod"),)),))
    assert "```\nnova rollback prod\n```" in render(document, "markdown")


def test_own_words_are_not_markup_by_accident() -> None:
    text = render(Document("a_b*c", Line.of("1 < 2 & [x]"), ()), "markdown")
    assert "a\\_b\\*c" in text
    assert "1 \\< 2 \\& \\[x\\]" in text

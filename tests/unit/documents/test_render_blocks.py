"""Tables, details and prose of a document in each format."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.documents.markdown import as_block, as_markdown
from nova_infra.documents.model import Code, Document, Foreign, Line, Paragraph, Prose, Section, Table
from nova_infra.documents.page import as_html
from nova_infra.documents.render import FORMATS, Format, render
from nova_infra.documents.terminal import as_text

TASKS = Table((("web", "12", Line.of("runs", tone="good")), ("worker", "3", "stopped")), ("Name", "Tasks", "State"))
WORDS = st.text("abcdefgh |`*_", min_size=1, max_size=30)


def page(*blocks: object, title: str = "") -> Document:
    return Document(sections=(Section(title, blocks),))  # type: ignore[arg-type]


def test_columns_stand_below_each_other_and_numbers_to_the_right() -> None:
    table = Table(TASKS.rows, TASKS.columns, right=frozenset({1}))
    assert as_text(page(table)).splitlines() == [
        "Name    Tasks  State",
        "web        12  runs",
        "worker      3  stopped",
    ]


def test_rows_without_titles_are_labels_and_values() -> None:
    table = Table((("Why", "it crashed"), ("Next", (Line.of("fix it"), Line.of("release it")))))
    assert as_text(page(table, title="Web")).splitlines() == [
        "Web",
        "  Why   it crashed",
        "  Next  fix it",
        "        release it",
    ]
    assert as_markdown(page(table)) == "|  |  |\n|---|---|\n| Why | it crashed |\n| Next | fix it<br>release it |\n"


@given(rows=st.lists(st.tuples(WORDS, WORDS, st.text("abc ", max_size=80)), min_size=1), width=st.integers(40, 90))
def test_a_table_fits_its_width_and_loses_no_letter(rows: list[tuple[str, str, str]], width: int) -> None:
    short = [(a, b, " ".join(c.split())) for a, b, c in rows if all(len(word) < 8 for word in c.split())]
    text = as_text(page(Table(tuple(short))), width=width)
    assert max(map(len, text.splitlines()), default=0) <= width
    for letter in "abcdefgh|`*_":
        assert text.count(letter) == sum(cell.count(letter) for row in short for cell in row)


def test_an_address_in_the_last_column_is_never_broken() -> None:
    address = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html"
    assert address in as_text(page(Table((("Read", address),))), width=40)


def test_details_stand_below_what_they_are_about() -> None:
    item = Line(("web: 2 created",), "bad", (Line.of("Queue is replaced"), Line.of("Queue has a name", tone="bad")))
    assert as_text(page(item)).splitlines() == [
        "✗ web: 2 created",
        "    Queue is replaced",
        "  ✗ Queue has a name",
    ]
    assert as_markdown(page(item)) == "- ✗ web: 2 created\n  - Queue is replaced\n  - ✗ Queue has a name\n"
    assert '<li class="bad">web: 2 created<ul><li class="">Queue is replaced</li>' in as_html(page(item))


@given(texts=st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_nothing_that_others_wrote_makes_a_column_or_a_row_in_markdown(texts: list[str]) -> None:
    table = Table((tuple(Line.of(Foreign(text)) for text in texts),))
    lines = as_block(table).splitlines()
    assert len(lines) == 3
    assert lines[2].replace("\\|", "").count("|") == len(texts) + 1


def test_prose_is_markup_and_other_text_is_not() -> None:
    prose, text = "run `make` **now**, see [it](https://example.com)", "<b> `make` [it](x)"
    found = page(Paragraph.of(Prose(prose)), Paragraph.of(text))
    assert prose in as_markdown(found)
    assert r"\<b\> \`make\` \[it\](x)" in as_markdown(found)
    html = as_html(found)
    assert 'run <code>make</code> <strong>now</strong>, see <a href="https://example.com">it</a>' in html
    assert "&lt;b&gt; `make` [it](x)" in html


def test_code_with_a_title_is_folded_away_and_cannot_leave_its_fence() -> None:
    assert as_block(Code("a\n````", "<x>")) == (
        "<details><summary><code>&lt;x&gt;</code></summary>\n\n`````text\na\n````\n`````\n</details>"
    )


def test_colours_are_those_of_the_tones_and_change_no_column() -> None:
    plain, coloured = as_text(page(TASKS)), as_text(page(TASKS), colour=True)
    assert "\x1b[32mruns\x1b[0m" in coloured
    assert "\x1b" not in plain
    for code in ("\x1b[32m", "\x1b[1m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == plain


def test_json_has_everything_that_the_text_has() -> None:
    item = Line(("web: ", Foreign("v2")), "warn", (Line.of("wait"),))
    found = json.loads(
        render(Document("T", Line.of("v", tone="good"), (Section("S", (item, TASKS, Code("x"))),)), "json")
    )
    assert found == {
        "title": "T",
        "verdict": {"text": "v", "tone": "good"},
        "sections": [
            {
                "title": "S",
                "blocks": [
                    {"text": "web: v2", "tone": "warn", "below": [{"text": "wait", "tone": ""}]},
                    {
                        "columns": ["Name", "Tasks", "State"],
                        "rows": [["web", "12", "runs"], ["worker", "3", "stopped"]],
                    },
                    {"code": "x"},
                ],
            }
        ],
    }


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_document_is_no_fault(form: Format) -> None:
    assert render(Document(sections=(Section("", (Table(()),)),)), form)

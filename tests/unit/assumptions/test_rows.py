"""The page of assumptions is the rows, and every open row can be settled or says why it cannot."""

from pathlib import Path

from nova_infra.assumptions.document import document
from nova_infra.assumptions.rows import rows, sections

ROOT = Path(__file__).parents[3]
EVERY = [row for section in sections().values() for row in section]


def test_the_page_is_that_of_the_rows() -> None:
    assert (ROOT / "docs" / "assumptions.md").read_text() == document(), "run `make docs`"


def test_an_id_is_that_of_one_row() -> None:
    assert len(rows()) == len([row for row in EVERY if row.id])


def test_every_open_row_has_an_id() -> None:
    assert [row.behaviour for row in EVERY if row.is_open and not row.id] == []


def test_no_cell_breaks_the_table() -> None:
    cells = [cell for row in EVERY for cell in (row.behaviour, row.standing, row.supports, row.proof, row.unproven)]
    assert [cell for cell in cells if "|" in cell or "\n" in cell] == []

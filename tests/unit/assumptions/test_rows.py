"""Every open row can be settled or says why it cannot."""

from nova_infra.assumptions.rows import rows, sections

EVERY = [row for section in sections().values() for row in section]


def test_an_id_is_that_of_one_row() -> None:
    assert len(rows()) == len([row for row in EVERY if row.id])


def test_every_open_row_has_an_id() -> None:
    assert [row.behaviour for row in EVERY if row.is_open and not row.id] == []


def test_no_cell_breaks_the_table() -> None:
    cells = [cell for row in EVERY for cell in (row.behaviour, row.standing, row.supports, row.proof, row.unproven)]
    assert [cell for cell in cells if "|" in cell or "\n" in cell] == []

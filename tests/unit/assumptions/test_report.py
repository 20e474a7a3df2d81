"""What ``nova prove`` prints."""

import re

import pytest

from nova_infra.assumptions.catalogue import EXPERIMENTS, choose
from nova_infra.assumptions.report import estimate, findings
from nova_infra.assumptions.sandbox.experiment import Reading
from nova_infra.documents.markdown import as_markdown
from nova_infra.documents.model import Table
from nova_infra.documents.terminal import UNLIMITED, as_text


def test_the_sum_is_that_of_the_experiments_and_what_they_share() -> None:
    document = estimate(choose(()))
    [table] = [block for block in document.sections[0].blocks if isinstance(block, Table)]
    assert [row[0] for row in table.rows[:-1]] == [each.name for each in EXPERIMENTS]
    parts = [float(str(row[2])) for row in table.rows]
    [total] = re.findall(r"in all: \d+ min side by side, (\d+\.\d\d) USD", as_text(document, width=UNLIMITED))
    assert float(total) == pytest.approx(sum(parts), abs=0.005 * len(parts))


def test_every_reading_is_an_item_with_its_verdict() -> None:
    readings = [
        Reading("a", "held", "yes"),
        Reading("b", "refuted", "no"),
        Reading("c", "undecided", "AWS slept"),
    ]
    text = as_text(findings(readings))
    assert text.splitlines() == [
        "✓ a: held: yes",
        "✗ b: refuted: no",
        "? c: could not be decided, because AWS slept",
    ]
    assert "refuted" in as_markdown(findings(readings))

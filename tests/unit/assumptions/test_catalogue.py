"""What a run takes, and that every open row is settled by an experiment or says why none can."""

import re

import pytest

from nova_infra.assumptions.catalogue import EXPERIMENTS, choose, minutes, total
from nova_infra.assumptions.rows import rows, sections
from nova_infra.errors import RefusedError

SETTLED = [row for experiment in EXPERIMENTS for row in experiment.rows]


def test_every_open_row_is_settled_by_one_experiment_or_says_why_none_can() -> None:
    open_rows = {row.id for section in sections().values() for row in section if row.is_open}
    unproven = {row.id for row in rows().values() if row.unproven}
    assert len(SETTLED) == len(set(SETTLED))
    assert open_rows <= set(SETTLED) | unproven
    assert not set(SETTLED) & unproven
    assert set(SETTLED) <= set(rows())


def test_a_run_of_everything_takes_less_than_an_hour_and_less_than_five_dollars() -> None:
    took, cost = re.findall(
        r"in all: (\d+) min side by side, (\d+\.\d\d) USD at list prices of us-east-1, \d{4}-\d\d-\d\d",
        total(choose(())),
    )[0]
    assert int(took) == minutes(EXPERIMENTS) < 60
    assert 0 < float(cost) < 5


def test_one_row_takes_its_experiment_alone() -> None:
    [chosen] = choose(("failed-canary",))
    assert chosen.name == "canary-breaker"
    assert choose(("failed-canary", "canary-breaker")) == [chosen]
    assert minutes([chosen]) < minutes(EXPERIMENTS)


@pytest.mark.parametrize(
    ("row", "said"),
    [("no-such-row", "no row is called"), ("review-commit", "no experiment settles review-commit: GitHub")],
)
def test_a_row_that_cannot_be_settled_is_refused(row: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        choose((row,))

"""How sure the share of noticed mutants is, by how many were tried."""

from collections.abc import Callable
from typing import cast

import pytest

from helpers.exhaustive import one_of_each
from helpers.scripts import SCRIPTS, load_script

Interval = Callable[[int, int], tuple[float, float]]


@pytest.fixture
def interval(monkeypatch: pytest.MonkeyPatch) -> Interval:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return cast(Interval, load_script("mutants").interval)


@pytest.mark.parametrize(("noticed", "total"), one_of_each([(56, 58), (95, 100), (9, 10), (1, 4), (300, 300)]))
def test_at_each_end_of_the_interval_the_share_would_be_as_far_off_as_chance_allows(
    interval: Interval, noticed: int, total: int
) -> None:
    """Which is what defines Wilson's interval: the share is 1.96 standard deviations of the end from the end."""
    low, high = (end / 100 for end in interval(noticed, total))
    share = noticed / total
    for end in (low, high):
        assert abs(share - end) == pytest.approx(1.96 * (end * (1 - end) / total) ** 0.5, abs=1e-6)
    assert low < share <= high + 1e-9


def test_where_nothing_was_tried_any_share_may_be_true(interval: Interval) -> None:
    assert interval(0, 0) == (0.0, 100.0)

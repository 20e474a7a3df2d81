"""How many times as long answers take, and what is too little to tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova_infra.rehearsal.record import DeploymentRecord, MinuteRecord, Requests
from nova_infra.rehearsal.slowness import times_slower


@pytest.mark.parametrize(
    ("minutes", "times"),
    [
        ([(20, 0.2, 20, 1.6)], 8),
        ([(9, 0.09, 40, 4.0)], 0),
        ([(40, 0.4, 9, 0.9)], 0),
        ([(38, 0.38, 2, 1.4)], 0),
        ([(36, 0.36, 4, 2.8), (36, 0.72, 4, 0.08), (36, 0.36, 4, 0.04)], 1),
        ([(36, 0.36, 4, 0.24), (36, 0.72, 4, 0.48), (36, 0.36, 4, 0.24)], 6),
        ([(0, 0.0, 40, 4.0)], 0),
        ([], 0),
    ],
    ids=[
        "it is slower",
        "few answers of the old one",
        "few answers of the new one",
        "two answers while it starts",
        "it is slow at its start alone",
        "it is slower all the time",
        "never both",
        "no minute",
    ],
)
def test_a_revision_is_slower_if_enough_answers_of_both_say_so(
    deployed: Callable[..., DeploymentRecord], minutes: list[tuple[int, float, int, float]], times: float
) -> None:
    deployment = deployed("shop")
    deployment.samples = [
        MinuteRecord(n, 10, {deployment.new: Requests(new, 0, slow), "shop:1": Requests(old, 0, quick)}, [])
        for n, (old, quick, new, slow) in enumerate(minutes)
    ]
    assert times_slower(deployment) == pytest.approx(times)

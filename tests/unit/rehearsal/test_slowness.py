"""How many times as long answers take, and what is too little to tell."""

import math
from collections.abc import Callable

import pytest

from nova_infra.rehearsal.record import DeploymentRecord, MinuteRecord, Requests
from nova_infra.rehearsal.slowness import times_slower


@pytest.mark.parametrize(
    ("minutes", "times"),
    [
        ([(6, 0.06, 7, 0.56)], 8),
        ([(5, 0.05, 40, 4.0)], 0),
        ([(40, 0.4, 5, 0.5)], 0),
        ([(30, 0.3, 4, 0.32), (12, 0.12, 2, 0.16)], 8),
        ([(36, 0.36, 2, 0.2), (36, 0.36, 1, 0.1), (36, 0.36, 2, 0.2)], 0),
        ([(38, 0.38, 2, 1.4)], 0),
        ([(36, 0.36, 4, 2.8), (36, 0.72, 4, 0.08), (36, 0.36, 4, 0.04)], 1),
        ([(36, 0.36, 4, 0.24), (36, 0.72, 4, 0.48), (36, 0.36, 4, 0.24)], 6),
        ([(0, 0.0, 40, 4.0)], 0),
        ([], 0),
    ],
    ids=[
        "it is slower in a minute",
        "few answers of the old one",
        "few answers of the new one",
        "it is slower in two minutes",
        "few answers in three minutes",
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
        MinuteRecord(n, 10, {deployment.new: _alike(new, slow), "shop:1": _alike(old, quick)}, [])
        for n, (old, quick, new, slow) in enumerate(minutes)
    ]
    assert times_slower(deployment) == pytest.approx(times)


def test_waits_for_a_busy_processor_do_not_hide_that_a_revision_is_slower(
    deployed: Callable[..., DeploymentRecord],
) -> None:
    deployment = deployed("shop")
    old = _alike(32, 0.32) + _alike(4, 2.0)  # Every ninth answer waits for half a second.
    minutes = [MinuteRecord(n, 10, {deployment.new: _alike(4, 0.4), "shop:1": old}, []) for n in range(5)]
    deployment.samples = minutes
    assert old.seconds / old.served > 0.06
    assert 6 < times_slower(deployment) < 10


def _alike(served: int, seconds: float) -> Requests:
    """Answers that take equally long."""
    return Requests(served, 0, seconds, served * math.log(seconds / served) if served else 0.0)

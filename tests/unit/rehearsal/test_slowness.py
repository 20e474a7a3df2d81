"""How many times as long answers take, and what is too little to tell."""

import math
from collections.abc import Callable

import pytest

from nova_infra.rehearsal.record import DeploymentRecord, MinuteRecord, Requests
from nova_infra.rehearsal.slowness import Waits, times_slower


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


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(11, 19), (12, 19)], "took 8.0 s to answer GET /carts (100 ms before)"),
        ([(8, 16.5), (9, 11)], "took 8.5 s to answer GET /carts (100 ms before)"),
        ([(8, 9.5), (8, 9.9)], ""),
        ([(21, 29), (22, 29)], ""),
        ([(11, 19), (12, 12.5)], ""),
        ([(11, 11.9), (12, 12.9)], ""),
    ],
    ids=["blocked", "sent before it", "answered before it", "sent after it", "one alone", "less than a second"],
)
def test_answers_that_take_ten_times_as_long_while_a_command_runs_are_told(
    monkeypatch: pytest.MonkeyPatch, answers: list[tuple[float, float]], said: str
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    waits = _waits()
    for sent, answered in answers:
        waits.note("GET /carts", "carts:7", sent, answered, failed=False)
    assert said in "".join(waits.clauses())
    assert bool(waits.clauses()) is bool(said)


def test_failed_answers_of_its_time_are_told_if_none_failed_before_and_their_revision_served() -> None:
    waits = _waits()
    for revision in ("carts:7", "carts:8"):
        for failed in (True, False, True):
            waits.note("GET /carts", revision, 12, 12.2, failed=failed)
    assert waits.clauses() == ["while migrate ran, carts:7 failed 2 of 3 requests for GET /carts"]
    waits.begin("another", 21).ended = 25
    waits.note("GET /carts", "carts:7", 22, 22.2, failed=True)
    assert len(waits.clauses()) == 1, "it failed before"


def _waits() -> Waits:
    """Five answers of 100 ms, then a command from 10 to 20 s, which has ended."""
    waits = Waits()
    for second in range(5):
        waits.note("GET /carts", "carts:7", second, second + 0.1, failed=False)
    waits.begin("migrate", 10).ended = 20
    return waits


def _alike(served: int, seconds: float) -> Requests:
    """Answers that take equally long."""
    return Requests(served, 0, seconds, served * math.log(seconds / served) if served else 0.0)

from __future__ import annotations

import pytest

from nova_infra.rehearsal.usage.processes import Usage
from nova_infra.rehearsal.usage.work import Work

NOTHING = Usage(0, 0, 0.0, 0.0)


def used(spent: float, had: float) -> Usage:
    return Usage(0, 0, spent, had)


@pytest.mark.parametrize(
    ("requests", "rest", "percent"),
    [
        # Forty requests that cost 60 ms each, on a quarter of a processor: 2.4 s of the 15 s in a minute.
        (used(2.4, 9.6), used(0.0, 0.1), 16),
        (used(2.4, 0.9), used(0.0, 0.1), 16),
        # It spins: whatever the minute lasts here, it spins for all of one in AWS.
        (used(0.225, 0.9), used(0.025, 0.1), 100),
        # Both: half of its time is spent all the same, and 1.5 s more on requests.
        (used(0.1125 + 1.5, 0.9), used(0.0125, 0.1), 60),
        (used(0.0, 0.9), used(0.0, 0.1), 0),
    ],
)
def test_requests_cost_what_they_cost_and_what_goes_on_goes_on(requests: Usage, rest: Usage, percent: float) -> None:
    work = Work(0.25)
    work.note_requests(requests)
    work.note_rest(rest, 0.1)
    assert work.percent(NOTHING) == pytest.approx(percent)


def test_work_that_outlasts_its_request_is_not_taken_for_spinning() -> None:
    work = Work(0.25)
    work.note_requests(used(2.4, 9.6))
    assert not work.note_rest(used(0.025, 0.1), 0.1)
    assert work.note_rest(used(0.0, 0.1), 0.1)
    assert work.percent(NOTHING) == pytest.approx(16)


def test_what_has_just_started_has_used_what_it_used() -> None:
    assert Work(0.25).percent(used(1.5, 0.4)) == pytest.approx(10)


def test_a_minute_forgets_the_one_before() -> None:
    work = Work(0.25)
    work.note_requests(used(2.4, 0.9))
    work.note_rest(used(0.025, 0.1), 0.1)
    work.percent(NOTHING)
    assert work.percent(NOTHING) == 0


def test_the_cost_of_one_request_is_known_while_its_minute_lasts() -> None:
    work = Work(0.25)
    assert work.seconds_for(40) == 0
    work.note_requests(used(2.4, 0.9))
    work.note_rest(used(0.0, 0.1), 0.1)
    assert work.seconds_for(40) == pytest.approx(0.06)
    assert work.seconds_for(0) == 0


def test_a_rest_in_which_other_programs_had_all_processors_says_nothing() -> None:
    work = Work(0.25)
    work.note_requests(used(0.225, 0.9))
    assert not work.note_rest(used(0.0, 0.001), 0.1)
    assert not work.note_rest(used(0.025, 0.1), 0.1)
    assert work.percent(NOTHING) == pytest.approx(100)


@pytest.mark.parametrize(("spent", "percent"), [(0.026, 100), (0.0125, 50), (0.0002, 0.8)])
def test_on_a_machine_that_is_busy_all_the_time_what_it_used_is_the_least_that_it_would_have(
    spent: float, percent: float
) -> None:
    """A task that spins gets its CPU units nevertheless, and nothing but them: all else of the time it waits."""
    work = Work(0.25)
    work.note_requests(used(0.0, 0.9))
    for more in (0.001, 0.0, 0.002):
        assert not work.note_rest(used(spent + more, spent), 0.1)
    assert work.percent(NOTHING) == pytest.approx(percent)
    assert work.percent(NOTHING) == 0, "the next minute is another"

import pytest

from nova_infra.rehearsal.usage.cpu_projection import Work
from nova_infra.rehearsal.usage.processes import Usage

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


def test_a_machine_without_a_processor_for_it_leaves_open_whether_it_spins() -> None:
    work = Work(0.25)
    work.note_requests(used(0.02, 0.08))
    assert not work.note_rest(used(0.002, 0.01), 0.1)
    assert not work.known
    assert work.percent(NOTHING) is None
    # What was quiet under its requests is quiet without them.
    work.note_requests(used(0.001, 0.08))
    assert not work.note_rest(NOTHING, 0.1)
    assert work.percent(NOTHING) == pytest.approx(100 * 0.001 / 60 / 0.25)


def test_parts_of_a_rest_add_up_until_they_say_something() -> None:
    work = Work(0.25)
    work.note_requests(used(0.02, 0.08))
    assert not work.note_rest(used(0.005, 0.02), 0.1)
    assert not work.note_rest(used(0.005, 0.02), 0.1)
    assert work.known
    assert work.percent(NOTHING) == pytest.approx(100)


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


def test_a_rest_in_which_other_programs_had_all_processors_says_next_to_nothing() -> None:
    work = Work(0.25)
    work.note_requests(used(0.225, 0.9))
    assert not work.note_rest(used(0.0, 0.001), 0.1)
    assert not work.note_rest(used(0.025, 0.1), 0.1)
    assert work.percent(NOTHING) == pytest.approx(100, abs=1)


def test_a_program_that_spins_is_not_idle_because_one_part_found_no_processor() -> None:
    """On a busy machine it had to wait in the first part, which the kernel notes only in the next one."""
    work = Work(0.25)
    work.note_requests(used(0.2, 0.9))
    for spent in (0.01, 0.04, 0.03, 0.02, 0.025):
        assert not work.note_rest(used(spent, 0.1), 0.1)
    assert work.percent(NOTHING) == pytest.approx(100)

import pytest

from nova_infra.rehearsal.environment.background.handling import MOST_SECONDS, Handling
from nova_infra.rehearsal.record import QueueRecord


@pytest.mark.parametrize(
    ("looks", "slowest", "came_back", "goes_on"),
    [
        # Seconds, waiting, taken, done: two messages, one after the other.
        ([(0, 2, 0, 0), (1, 1, 1, 0), (3, 1, 0, 1), (4, 0, 1, 1), (9, 0, 0, 2)], 5, 0, False),
        # Nobody takes anything.
        ([(0, 2, 0, 0), (0.3, 2, 0, 0)], 0, 0, True),
        ([(0, 2, 0, 0), (0.3, 2, 0, 0), (0.6, 2, 0, 0)], 0, 0, False),
        # One is taken and comes back, twice: it was not deleted.
        ([(0, 1, 0, 0), (1, 0, 1, 0), (2, 1, 0, 0), (3, 0, 1, 0), (4, 1, 0, 0)], 0, 2, True),
        # One is taken, and nothing follows.
        ([(0, 1, 0, 0), (1, 0, 1, 0), (5, 0, 1, 0)], 0, 0, True),
        ([(0, 1, 0, 0), (1, 0, 1, 0), (7, 0, 1, 0)], 0, 0, False),
        # The worker is known to be slow: it gets twice as long as it took before.
        ([(0, 2, 0, 0), (1, 1, 1, 0), (9, 1, 0, 1), (10, 0, 1, 1), (24, 0, 1, 1)], 8, 0, True),
        ([(0, 9, 1, 0), (MOST_SECONDS - 1, 9, 0, 1), (MOST_SECONDS, 8, 1, 1)], MOST_SECONDS - 1, 0, False),
        ([(0, 0, 0, 10)], 0, 0, False),
    ],
)
def test_what_a_queue_shows_of_its_worker(
    looks: list[tuple[float, int, int, int]], slowest: float, came_back: int, goes_on: bool
) -> None:
    handling = Handling(QueueRecord(hidden=30), began=0)
    answers = [handling.look(now, waiting=waiting, taken=taken, done=done) for now, waiting, taken, done in looks]
    assert (handling.record.slowest, handling.record.came_back, answers[-1]) == (slowest, came_back, goes_on)

import pytest

from nova_infra.rehearsal.environment.background.handling import MOST_SECONDS, Dying, Handling
from nova_infra.rehearsal.record import QueueRecord


def handled(looks: list[tuple[float, int, int, int]], *, minutes: int) -> tuple[Handling, bool]:
    """What is known after looks in the last of some minutes, and whether another look is worth it.

    Args:
        looks: Second, and messages that wait, are in hand, and are done.
        minutes: How many have begun; before the last one nobody took anything.
    """
    handling = Handling(QueueRecord(hidden=30))
    for _ in range(minutes):
        handling.begin(0)
    answers = [handling.look(now, waiting=waiting, taken=taken, done=done) for now, waiting, taken, done in looks]
    return handling, answers[-1]


@pytest.mark.parametrize(
    ("looks", "slowest", "came_back", "goes_on"),
    [
        # Seconds, waiting, taken, done: two messages, one after the other.
        ([(0, 2, 0, 0), (1, 1, 1, 0), (3, 1, 0, 1), (4, 0, 1, 1), (9, 0, 0, 2)], 5, 0, False),
        # Nobody takes anything.
        ([(0, 2, 0, 0), (1.9, 2, 0, 0)], 0, 0, True),
        ([(0, 2, 0, 0), (2.1, 2, 0, 0)], 0, 0, False),
        # They are deleted before they are worked on, a second or two each.
        ([(0, 9, 0, 0), (1, 8, 0, 1), (3, 7, 0, 2), (22.9, 7, 0, 2)], 0, 0, True),
        ([(0, 9, 0, 0), (1, 8, 0, 1), (3, 7, 0, 2), (23.1, 7, 0, 2)], 0, 0, False),
        # Two are in hand at a time, and each for four seconds.
        ([(0, 3, 0, 0), (1, 1, 2, 0), (3, 0, 3, 0), (5, 0, 1, 2), (7, 0, 0, 3)], 4, 0, False),
        # A batch is deleted one by one: the last was in hand for the longest.
        ([(0, 3, 0, 0), (1, 0, 3, 0), (2, 0, 2, 1), (3, 0, 1, 2), (4, 0, 0, 3)], 3, 0, False),
        # One is taken and comes back, twice: it was not deleted.
        ([(0, 1, 0, 0), (1, 0, 1, 0), (2, 1, 0, 0), (3, 0, 1, 0), (4, 1, 0, 0)], 0, 2, True),
        # What is dead is in nobody's hand: the next one took a second.
        ([(0, 2, 0, 0), (1, 1, 1, 0), (6, 1, 0, 0), (7, 0, 1, 0), (8, 0, 0, 1)], 1, 0, False),
        # One is taken, and nothing follows.
        ([(0, 1, 0, 0), (1, 0, 1, 0), (20.9, 0, 1, 0)], 0, 0, True),
        ([(0, 2, 0, 0), (1, 1, 1, 0), (2, 1, 0, 1), (3, 0, 1, 1), (23.1, 0, 1, 1)], 1, 0, False),
        # The end of none was ever seen.
        ([(0, 1, 0, 0), (1, 0, 1, 0), (59.9, 0, 1, 0)], 0, 0, True),
        ([(0, 1, 0, 0), (1, 0, 1, 0), (60.1, 0, 1, 0)], 0, 0, False),
        # The worker is known to be slow: it gets twice as long as it took before.
        ([(0, 2, 0, 0), (1, 1, 1, 0), (13, 1, 0, 1), (14, 0, 1, 1), (37, 0, 1, 1)], 12, 0, True),
        ([(0, 9, 1, 0), (MOST_SECONDS - 1, 9, 0, 1), (MOST_SECONDS, 8, 1, 1)], MOST_SECONDS - 1, 0, False),
        ([(0, 0, 0, 10)], 0, 0, False),
    ],
)
def test_what_a_queue_shows_of_its_worker(
    looks: list[tuple[float, int, int, int]], slowest: float, came_back: int, goes_on: bool
) -> None:
    handling, answer = handled(looks, minutes=4)
    assert (handling.record.slowest, handling.record.came_back, answer) == (slowest, came_back, goes_on)


@pytest.mark.parametrize(
    ("looks", "finished", "gave_up"),
    [
        ([(0, 1, 0, 5), (1, 0, 1, 5), (2, 0, 0, 6)], True, False),
        ([(0, 1, 0, 5), (1, 0, 1, 5), (2, 0, 1, 5)], False, False),
        ([(0, 1, 0, 5), (1, 0, 1, 5), (90, 0, 1, 5)], False, True),
    ],
)
def test_what_the_tasks_before_have_finished_does_not_count(
    looks: list[tuple[float, int, int, int]], finished: bool, gave_up: bool
) -> None:
    handling, _ = handled([(0, 1, 0, 0), (1, 0, 1, 0), (2, 0, 0, 5)], minutes=1)
    handling.renew()
    handling.begin(0)
    for now, waiting, taken, done in looks:
        handling.look(now, waiting=waiting, taken=taken, done=done)
    assert (handling.has_finished, handling.gave_up) == (finished, gave_up)


@pytest.mark.parametrize(
    ("looks", "hide", "rate", "goes_on"),
    [
        # Nobody knows yet how long this worker takes.
        ([(0, 1, 0, 0), (58, 1, 0, 0)], 30, 1, True),
        ([(0, 1, 0, 0), (1, 0, 1, 0), (58, 0, 1, 0)], 30, 1, True),
        ([(0, 1, 0, 0), (1, 0, 1, 0), (1.5, 0, 0, 1)], 30, 10, False),
        ([(0, 1, 0, 0), (1, 0, 1, 0), (9, 0, 0, 1)], 30, 2, False),
        ([(0, 1, 0, 0), (1, 0, 1, 0), (56, 0, 0, 1)], 30, 1, False),
    ],
)
def test_the_first_minute_shows_how_long_a_worker_takes(
    looks: list[tuple[float, int, int, int]], hide: float, rate: int, goes_on: bool
) -> None:
    handling, answer = handled(looks, minutes=1)
    assert (handling.hide(1), handling.record.rate, answer) == (hide, rate, goes_on)


@pytest.mark.parametrize(
    ("looks", "rate", "every"),
    [
        ([(70, 0, 0, 1)], 1, 2),
        ([(121, 0, 0, 1)], 1, 3),
        # It came back while it was still in hand, and was deleted all the same.
        ([(30, 1, 0, 0), (70, 0, 0, 1)], 1, 2),
        ([(30, 1, 0, 0), (31, 0, 1, 0), (45, 0, 0, 1)], 1, 1),
    ],
)
def test_a_worker_of_more_than_a_minute_gets_a_message_every_few_minutes(
    looks: list[tuple[float, int, int, int]], rate: int, every: int
) -> None:
    handling, _ = handled([(-2, 1, 0, 0), (0, 0, 1, 0), *looks], minutes=1)
    assert (handling.record.rate, handling.record.every) == (rate, every)


@pytest.mark.parametrize(("took", "due"), [(15, [6, 9]), (4, [4, 8]), (1, [4, 6, 8]), (25, [4, 8])])
def test_a_slow_worker_that_has_seen_each_example_gets_messages_now_and_then(took: int, due: list[int]) -> None:
    handling, _ = handled([(0, 1, 0, 0), (0, 0, 1, 0), (took, 0, 0, 1)], minutes=1)
    turns = []
    for minute in range(2, 10):
        assert handling.is_due(seen=False)
        handling.begin(100)
        turns += [minute] if handling.is_due(seen=True) else []
    assert turns == [2, 3, *due]


def test_messages_are_hidden_as_in_aws_until_the_end_of_one_was_seen() -> None:
    handling = Handling(QueueRecord(hidden=900))
    hidden = []
    for minute, done in enumerate((0, 0, 0, 0, 1)):
        handling.begin(50.0 * minute)
        handling.look(50.0 * minute, waiting=0, taken=1 - done, done=done)
        hidden.append(handling.hide(1))
    assert hidden == [900, 900, 900, 900, 3 * 200]


def test_a_worker_that_asks_now_and_then_is_waited_for() -> None:
    handling, _ = handled([(0, 9, 0, 0), (7, 0, 9, 0), (8, 0, 0, 9)], minutes=3)
    handling.begin(20)
    assert handling.look(20, waiting=9, taken=0, done=9)
    assert handling.look(33, waiting=9, taken=0, done=9)
    assert not handling.look(35, waiting=9, taken=0, done=9)


def test_a_queue_that_nobody_takes_from_fills_up() -> None:
    handling, _ = handled([(0, 1, 0, 0), (MOST_SECONDS, 1, 0, 0)], minutes=1)
    handling.begin(MOST_SECONDS)
    assert handling.record.rate == 10
    assert handling.look(MOST_SECONDS, waiting=11, taken=0, done=0)
    assert not handling.look(MOST_SECONDS + 2.1, waiting=11, taken=0, done=0)


@pytest.mark.parametrize(("took", "hide"), [(1, 10), (6, 18), (15, 30)])
def test_messages_are_hidden_for_as_long_as_their_worker_was_seen_to_need(took: float, hide: float) -> None:
    handling, _ = handled([(0, 1, 0, 0), (1, 0, 1, 0), (1 + took, 0, 0, 1)], minutes=4)
    assert handling.hide(1) == hide


def test_a_message_is_dead_when_all_its_tries_are_over_in_aws() -> None:
    dying = Dying(minutes=5)
    seen = [
        dying.look(minute, sent=sent, dead=dead, given_back=False)
        for minute, sent, dead in ((2, 2, 4), (3, 3, 6), (6, 4, 6), (7, 4, 6), (8, 7, 6), (20, 9, 7))
    ]
    assert seen == [4, 6, 6, 2, 0, 0]


def test_a_message_that_its_worker_gives_back_at_once_is_dead_at_once() -> None:
    assert Dying(minutes=5).look(2, sent=2, dead=4, given_back=True) == 0


def test_a_message_that_never_ends_is_not_waited_for_for_ever() -> None:
    """A message that a hanging worker holds for 15 minutes: from the ninth minute on there are others."""
    handling = Handling(QueueRecord(hidden=900))
    due, hidden = [], []
    for minute in range(10):
        handling.begin(60.0 * minute)
        handling.look(60.0 * minute, waiting=0, taken=1, done=0)
        due.append(handling.is_due(seen=False))
        hidden.append(handling.hide(1))
    assert due == [False] * 8 + [True] * 2
    assert hidden == [900] * 8 + [15] * 2


def test_a_message_that_dies_has_ended() -> None:
    """With one try it goes from the worker's hands to the dead-letter queue, and is not seen to wait again."""
    handling = Handling(QueueRecord(hidden=60))
    for minute in range(4):
        handling.begin(70.0 * minute)
        handling.look(70.0 * minute, waiting=0, taken=1, done=0)
        handling.look(70.0 * minute + 61, waiting=0, taken=0, done=0)
    assert handling.hide(1) == 10


def test_a_first_try_that_fails_does_not_count_as_work() -> None:
    handling, _ = handled([(0, 1, 0, 0), (1, 0, 1, 0), (31, 1, 0, 0), (32, 0, 1, 0), (32.8, 0, 0, 1)], minutes=1)
    assert handling.record.slowest == pytest.approx(0.8)
    assert (handling.record.rate, handling.record.every) == (10, 1)


def test_how_long_others_take_shows_whether_a_first_try_failed() -> None:
    """A retry of five seconds may be the rest of 35; once another message has taken four, it was a retry."""
    handling, _ = handled([(0, 1, 0, 0), (1, 0, 1, 0), (31, 1, 0, 0), (31, 0, 1, 0), (36, 0, 0, 1)], minutes=1)
    assert (handling.record.slowest, handling.record.rate) == (35, 1)
    handling.begin(60)
    for now, waiting, taken, done in ((60, 1, 0, 1), (61, 0, 1, 1), (65, 0, 0, 2)):
        handling.look(now, waiting=waiting, taken=taken, done=done)
    assert (handling.record.slowest, handling.record.rate) == (5, 4)


def test_a_revision_that_takes_longer_than_messages_are_hidden_here_gets_the_time_of_aws() -> None:
    """Ten seconds were enough for the one before, and the queue hides a message for 30: from then on here too."""
    handling, _ = handled([(0, 1, 0, 0), (1, 0, 1, 0), (2, 0, 0, 1)], minutes=4)
    before = handling.hide(1)
    handling.renew()
    handling.begin(60)
    for now, waiting, taken, done in ((60, 1, 0, 1), (61, 0, 1, 1), (71, 1, 0, 1)):
        handling.look(now, waiting=waiting, taken=taken, done=done)
    doubted = handling.hide(1)
    for now, waiting, taken, done in ((72, 0, 1, 1), (85, 0, 0, 2)):
        handling.look(now, waiting=waiting, taken=taken, done=done)
    assert (before, doubted, handling.record.slowest) == (10, 30, 24)


def test_what_comes_back_again_and_again_slows_the_clock_only_once() -> None:
    handling, _ = handled([(0, 1, 0, 0), (1, 0, 1, 0), (2, 0, 0, 1)], minutes=4)
    hidden = []
    for minute in range(6):
        handling.begin(60.0 * minute)
        for now, waiting, taken in ((0, 1, 0), (1, 0, 1), (11, 1, 0), (12, 0, 1)):
            handling.look(60 * minute + now, waiting=waiting, taken=taken, done=1)
        hidden.append(handling.hide(1))
    assert hidden == [30, 30, 30, 30, 10, 10]


def test_what_came_back_and_died_is_not_taken_for_the_next_message() -> None:
    handling, _ = handled(
        [(0, 2, 0, 0), (1, 1, 1, 0), (6, 2, 0, 0), (20, 1, 0, 0), (21, 0, 1, 0), (24, 0, 0, 1)], minutes=4
    )
    assert (handling.record.slowest, handling.record.came_back) == (3, 1)


@pytest.mark.parametrize(
    ("looks", "why"),
    [
        ([(0, 1, 0, 0), (1, 0, 1, 0), (2, 0, 0, 1)], ""),
        ([(0, 1, 0, 0), (1, 0, 1, 0), (13, 0, 0, 1)], "one takes its worker 12 s"),
        ([(0, 1, 0, 0), (1, 0, 1, 0), (59, 0, 1, 0)], "its worker did not finish the first one"),
    ],
)
def test_why_a_release_gets_few_messages_is_said(looks: list[tuple[float, int, int, int]], why: str) -> None:
    handling, _ = handled(looks, minutes=1)
    assert handling.why_so_few == why

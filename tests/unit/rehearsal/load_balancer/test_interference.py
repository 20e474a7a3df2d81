"""Faults between the load balancer and its targets."""

import pytest

from nova_infra.rehearsal.load_balancer.interference import DroppedError, Interference


def statuses(fault: str, path: str = "/tiny/things", count: int = 10) -> list[int | None]:
    """What a number of requests meet before the task gets them; -1 for a closed connection."""
    interference = Interference(fault, "/health?from=balancer")
    met: list[int | None] = []
    for _ in range(count):
        try:
            met.append(interference.before(path))
        except DroppedError:
            met.append(-1)
        except TimeoutError:
            met.append(-2)
    return met


@pytest.mark.parametrize(
    ("fault", "met"),
    [
        ("", [None] * 10),
        ("errors:0.8", [None, 500, 500, 500, 500] * 2),
        ("errors:1", [500] * 10),
        ("errors-after:7", [None] * 7 + [500] * 3),
        ("dropped:0.3", [None, None, None, -1, None, None, -1, None, None, -1]),
        ("unanswered:0.5", [None, -2] * 5),
        ("killed", [None] * 10),
    ],
)
def test_a_share_of_the_requests_is_hit_and_evenly(fault: str, met: list[int | None]) -> None:
    assert statuses(fault) == met


def test_what_is_not_found_leaves_alone_what_the_rehearsal_itself_asks() -> None:
    assert statuses("not-found", "/tiny/things", 1) == [404]
    assert statuses("not-found", "/tiny/version", 1) == statuses("not-found", "/health", 1) == [None]


def test_a_health_check_is_answered_for_the_task_only_where_that_is_the_fault() -> None:
    assert Interference("unhealthy", "/up").health() == "GET /up answered 500"
    assert Interference("errors:1", "/up").health() is None


def test_an_answer_counts_as_many_times_as_long_and_nobody_waits_for_it() -> None:
    assert Interference("slower:10", "/").added_seconds(0.02) == pytest.approx(0.18)
    assert Interference("delay:3", "/").added_seconds(0.02) == 3
    assert Interference("errors:1", "/").added_seconds(0.02) == 0

"""What grows by time alone, and what only settles."""

import pytest

from nova_infra.rehearsal.usage.filling.growth import Growth


def seen(*amounts: float, most: float = 512, seconds: float = 1, what: str = "memory") -> str:
    growth = Growth("a task of carts:2", what, most)
    growth.held = [(seconds * number, amount) for number, amount in enumerate(amounts)]
    return growth.fills()


def test_what_grows_all_the_time_is_full_after_a_while() -> None:
    said = seen(*(40 + 2 * number for number in range(33)))
    assert said.startswith("a task of carts:2 takes 1.2e+02 MiB more of its memory every minute")
    assert said.endswith("it is full in 3 minutes")
    assert seen(*(number / 2 for number in range(9)), most=20480, what="disk").endswith("it is full in 11 hours")


@pytest.mark.parametrize(
    "amounts",
    [
        [40.0] * 9,
        [40, 80, 120, 130, 134, 136, 137, 138, 139],  # slows down
        [40, 80, 120, 160, 200, 190, 180, 170, 160],  # falls again
        [40 + 3 * number for number in range(9)],  # less than what a runtime lets lie
        [40, 80, 120],  # not seen for long
        [],
    ],
)
def test_what_settles_does_not_grow(amounts: list[float]) -> None:
    assert seen(*amounts) == ""


def test_what_is_full_after_more_than_a_day_is_not_said() -> None:
    assert seen(*(40 + 5 * number for number in range(9)), most=500_000) == ""

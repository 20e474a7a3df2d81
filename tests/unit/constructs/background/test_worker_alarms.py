"""Which alarms of a worker a bake is long enough for."""

import pytest

from nova_infra.constructs.background.worker_alarms import fires_in_time


@pytest.mark.parametrize(
    ("oldest_seconds", "bake_minutes", "in_time"),
    [
        (60, 4, True),
        (61, 4, False),
        (60, 3, False),
        (120, 5, True),
        (121, 5, False),
        (121, 6, True),
        (600, 13, True),
        (601, 13, False),
        (3600, 62, False),
        (3600, 63, True),
    ],
)
def test_an_age_rolls_back_where_it_is_reached_three_minutes_before_the_bake_ends(
    oldest_seconds: int, bake_minutes: int, in_time: bool
) -> None:
    assert fires_in_time(oldest_seconds, bake_minutes) is in_time
    assert fires_in_time(oldest_seconds, bake_minutes + 7, stops=True) is in_time

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.machine.terminal import fit
from nova_infra.rehearsal.live.picture import Scene, picture
from nova_infra.rehearsal.record import Record

Make = Callable[..., Record]

LONG = "nova-production-recommendation-engine-service"


def playing(record: Record, *, services: int) -> Record:
    """The record while Prod is being deployed."""
    record.stages[2].status = "running"
    for action in record.stages[2].actions:
        action.status = "running"
    for deployment in record.deployments[services:]:
        deployment.outcome = "in progress"
    return record


def lines(record: Record, *, width: int = 80, height: int = 24, **more: object) -> list[str]:
    settings = {"title": "pipe: working tree over HEAD", "elapsed": 71.0, "story": [f"line {n}" for n in range(50)]}
    return [text.plain for text in picture(Scene(record, **(settings | more)), width=width, height=height)]  # type: ignore[arg-type]


def test_the_first_line_says_what_is_played_how_far_it_is_and_how_long_it_took(rehearsed: Make) -> None:
    heading, *_ = lines(playing(rehearsed(3), services=3))
    assert heading == "pipe: working tree over HEAD  ██████░░░░ 4 of 7 actions  1:11"


def test_a_long_title_leaves_room_for_the_progress(rehearsed: Make) -> None:
    heading, *_ = lines(rehearsed(1), title="drill 3 of 9, " + "a long story " * 20)
    assert heading.startswith("drill 3 of 9")
    assert heading.endswith("3 of 3 actions  1:11")
    assert len(heading) == 80


def test_what_ran_before_is_no_part_of_the_picture(rehearsed: Make) -> None:
    record = playing(rehearsed(1), services=1)
    record.deployments[1].baseline = True
    assert not [line for line in lines(record) if line.startswith("  service-1")]


def test_each_stage_has_its_sign_its_count_and_what_runs_or_failed_in_it(rehearsed: Make) -> None:
    record = playing(rehearsed(3), services=3)
    record.stages[2].actions[0].status = "failed"
    assert lines(record)[1:4] == [
        "✓ Build                  1 of 1   4.0 s",
        "✓ Dev                    3 of 3   8.0 s",
        "▶ Prod                   1 of 3   ✗ service-1, service-2, service-3",
    ]


def test_a_running_deployment_shows_its_traffic_its_failures_and_its_alarm(rehearsed: Make) -> None:
    record = playing(rehearsed(2, bad=1), services=2)
    bad, good = lines(record, width=100)[4:6]
    assert bad == "  service-1  ░░░░░░░░░░    0 %     8 requests,   8 failed  ALARM service-1-errors"
    assert good == "  service-2  ██████████  100 %   176 requests,   0 failed"


@pytest.mark.parametrize(
    ("is_asked", "says"),
    [
        (False, "  service-1  ███░░░░░░░    1/3  tasks"),
        (True, "  service-1  ███░░░░░░░    1/3  "),
    ],
)
def test_a_rolling_deployment_shows_its_tasks_instead_of_traffic(rehearsed: Make, is_asked: bool, says: str) -> None:
    record = playing(rehearsed(1), services=1)
    rolling = record.deployments[1]
    rolling.strategy, rolling.has_requests, rolling.running, rolling.desired = "ROLLING", is_asked, 1, 3
    [line] = [line for line in lines(record) if line.startswith("  service-1")]
    assert line.startswith(says)
    assert ("requests" in line) == is_asked
    assert "%" not in line


def test_the_figures_of_deployments_stand_below_each_other(rehearsed: Make) -> None:
    record = playing(rehearsed(2), services=2)
    record.deployments[-1].service = "a-longer-service"
    short, long = (line for line in lines(record, width=100) if "requests," in line)
    assert short.index("█") == long.index("█")


def test_what_has_ended_stays_in_sight_and_the_story_fills_the_rest(rehearsed: Make) -> None:
    shown = lines(rehearsed(1), height=12, done=["✓ drill errors, as configured"])
    assert shown[1] == "✓ drill errors, as configured"
    assert shown[-7:] == [f"line {n}" for n in range(43, 50)]
    assert len(shown) == 12


def test_of_many_deployments_some_are_shown_and_the_others_counted(rehearsed: Make) -> None:
    shown = lines(playing(rehearsed(45, name=LONG), services=45))
    assert shown[3].endswith(", and 44 more")
    assert "  … and 37 more deployments" in shown
    # Names differ at their ends.
    assert "service-7" in "".join(shown)


@pytest.mark.exhaustive("test_of_many_deployments_some_are_shown_and_the_others_counted")
@given(st.integers(2, 140), st.integers(1, 60), st.integers(1, 45), st.sampled_from(["service", LONG]))
def test_it_fits_every_terminal(rehearsed: Make, width: int, height: int, services: int, name: str) -> None:
    record = playing(rehearsed(services, bad=1, name=name), services=services)
    shown = lines(record, width=width, height=height, done=["✓ drill " * 30] * 9, story=["told " * 60] * 50)
    assert len(shown) <= height
    assert max(map(len, shown)) <= width
    if height >= 4:
        assert shown[-1].startswith("t"), "the story's last line is always there"


@pytest.mark.parametrize(
    ("width", "text"),
    [(9, "service-1"), (8, "serv…e-1"), (3, "s…1"), (2, "s…"), (1, "s"), (0, "")],
)
def test_a_long_name_loses_its_middle(width: int, text: str) -> None:
    assert fit("service-1", width) == text

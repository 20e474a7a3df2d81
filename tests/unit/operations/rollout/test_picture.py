"""How rollouts look: in a terminal of any size, line by line in a pipe, and as JSON."""

import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nova_infra.operations.rollout.picture import alarm_in_words, release_lines
from nova_infra.operations.rollout.turns import turns
from nova_infra.operations.rollout.view import AlarmView, ReleaseView, RevisionView, RolloutView, State
from nova_infra.operations.rollout.watch import watch

NEW = RevisionView("nova-prod-carts-service:8", 2, 2, requests=132, failed=3, latency_ms=41.4)
OLD = RevisionView("nova-prod-carts-service:7", 2, 2, requests=1204, failed=1, latency_ms=39.0)
ALARMS = (
    AlarmView("errors", red=False, value=0.4, threshold=5.0),
    AlarmView("latency", red=False, value=None, threshold=2000.0),
)
CANARY = RolloutView(
    "carts-service",
    "running",
    "the canary bakes",
    wanted=10.0,
    actual=10.0,
    new=NEW,
    old=OLD,
    alarms=ALARMS,
    seconds_left=252,
    next=("nova abort prod carts-service",),
)
RED = replace(CANARY, alarms=(replace(ALARMS[0], red=True, value=9.5), ALARMS[1]))
GATE = replace(
    CANARY,
    service="bills-service",
    state="waiting",
    stage="waits before full traffic",
    next=("nova promote prod bills-service", "nova abort prod bills-service"),
)
DONE = replace(
    CANARY, service="store-service", state="completed", stage="completed", wanted=100.0, actual=100.0, seconds_left=None
)
BACK = replace(
    CANARY,
    state="rolled back",
    stage="rolled back",
    why="ALARM errors: too many",
    wanted=0.0,
    actual=0.0,
    seconds_left=None,
)
STATES: list[State] = ["running", "waiting", "going back", "completed", "rolled back", "failed"]


def shown(*rollouts: RolloutView, width: int = 80, height: int = 24, unread: tuple[str, ...] = ()) -> list[str]:
    view = ReleaseView("prod", rollouts, unread)
    return [line.plain.rstrip() for line in release_lines(view, elapsed=151, width=width, height=height)]


def test_it_is_a_tree_of_80_columns() -> None:
    assert shown(GATE, CANARY, DONE) == [
        "prod  ███░░░░░░░ 1 of 3 services  2:31",
        "├ ‖ bills-service  █░░░░░░░░░   10 %  waits before full traffic, 4:12 left",
        "│   new     8  2/2 tasks    132 requests, 3 failed, p95 41 ms",
        "│   old     7  2/2 tasks   1204 requests, 1 failed, p95 39 ms",
        "│   errors 0.4 of 5  latency no data of 2000",
        "│   $ nova promote prod bills-service",
        "│   $ nova abort prod bills-service",
        "├ ▶ carts-service  █░░░░░░░░░   10 %  the canary bakes, 4:12 left",
        "│   new     8  2/2 tasks    132 requests, 3 failed, p95 41 ms",
        "│   old     7  2/2 tasks   1204 requests, 1 failed, p95 39 ms",
        "│   errors 0.4 of 5  latency no data of 2000",
        "│   $ nova abort prod carts-service",
        "└ ✓ store-service  ██████████  100 %  completed",
    ]


def test_a_rule_that_gives_another_share_than_ecs_wants_is_pointed_out() -> None:
    assert "│   the listener rule gives it 25 %, ECS wants 10 %" in shown(replace(CANARY, actual=25.0), DONE)


def test_what_stopped_it_stands_below_it() -> None:
    assert shown(BACK)[2] == "    ALARM errors: too many"


def test_where_there_is_little_room_what_is_red_is_opened_first() -> None:
    many = [replace(CANARY, service=f"s{n}-service") for n in range(9)]
    lines = shown(*many, RED, height=16)
    assert len(lines) <= 16
    assert [line for line in lines if "errors 9.5 of 5" in line]
    assert not [line for line in lines if "errors 0.4 of 5" in line]


def test_where_not_all_have_a_line_those_that_matter_have_one_and_the_rest_is_counted() -> None:
    lines = shown(*[replace(DONE, service=f"s{n}-service") for n in range(44)], BACK, height=10)
    assert lines[-1] == "└ … and 37 more services"
    assert [line for line in lines if line.startswith("├ ✗ carts-service")]


def test_what_could_not_be_read_is_reported() -> None:
    assert shown(CANARY, unread=("metrics: AWS does not allow it",))[-1] == "not read: metrics: AWS does not allow it"


@given(
    st.integers(1, 140),
    st.integers(1, 60),
    st.lists(
        st.tuples(st.sampled_from(STATES), st.sampled_from(["s", "a-very-long-name-of-a-service-" * 3])), max_size=45
    ),
)
def test_it_fits_every_terminal(width: int, height: int, services: list[tuple[State, str]]) -> None:
    rollouts = [replace(RED, state=state, service=name, why="why " * 30) for state, name in services]
    lines = shown(*rollouts, width=width, height=height, unread=("line " * 30,) * 3)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_a_pipe_gets_a_line_for_each_turn_and_none_for_a_clock_that_moves() -> None:
    first = ReleaseView("prod", (CANARY,))
    assert list(turns(None, first)) == ["carts-service: the canary bakes, 4:12 left (10 % of the traffic)"]
    later = ReleaseView("prod", (replace(CANARY, seconds_left=100, new=replace(NEW, requests=999)),))
    assert list(turns(first, later)) == []
    red = ReleaseView("prod", (RED,))
    assert list(turns(later, red)) == ["carts-service: ALARM errors: 9.5 of 5"]
    assert list(turns(red, later)) == ["carts-service: errors is no longer in ALARM"]
    assert list(turns(red, ReleaseView("prod", (BACK,)))) == [
        "carts-service: rolled back: ALARM errors: too many (0 % of the traffic)",
        "carts-service: next: nova abort prod carts-service",
        "carts-service: errors is no longer in ALARM",
    ]


def test_an_alarm_says_by_how_many_requests_it_judged() -> None:
    judged = AlarmView("errors", red=True, value=9.5, threshold=5.0, requests=204, needs=20)
    assert alarm_in_words(judged) == "errors 9.5 of 5 by 204/min"
    assert alarm_in_words(replace(judged, requests=None, needs=0)) == "errors 9.5 of 5"
    red = replace(CANARY, alarms=(judged,))
    [line] = turns(ReleaseView("prod", (CANARY,)), ReleaseView("prod", (red,)))
    assert line == "carts-service: ALARM errors: 9.5 of 5, judged by 204 requests/min"


def test_an_alarm_that_leaves_out_the_new_revision_says_so() -> None:
    latency = AlarmView("latency", False, 41.0, 2000.0, requests=204, needs=20, of_new=2, needs_of_each=3)
    assert alarm_in_words(latency) == "latency 41 of 2000 by 204/min, not of the new one: 2 of 3/min"
    assert alarm_in_words(replace(latency, of_new=3)) == "latency 41 of 2000 by 204/min"
    assert alarm_in_words(replace(latency, of_new=None)) == "latency 41 of 2000 by 204/min"
    assert alarm_in_words(replace(latency, requests=12)) == "latency says nothing: 12 of 20 requests/min"


def test_an_alarm_that_ecs_does_not_watch_would_have_stopped_it() -> None:
    unwatched = replace(CANARY, alarms=(AlarmView("errors", red=True, value=9.0, threshold=5.0, watched=False),))
    [line] = turns(ReleaseView("prod", (CANARY,)), ReleaseView("prod", (unwatched,)))
    assert line == "carts-service: ALARM errors: 9 of 5, which ECS does not watch now: it would have stopped it"


@pytest.mark.parametrize(("last", "succeeded"), [(DONE, True), (BACK, False)])
def test_json_is_a_line_for_each_change(last: RolloutView, succeeded: bool) -> None:
    out = io.StringIO()
    first, over = ReleaseView("prod", (CANARY,)), ReleaseView("prod", (last,))
    watch(iter([first, first, over]), Console(file=out, width=40), as_json=True)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["over"] for line in lines] == [False, True]
    assert lines[-1]["succeeded"] is succeeded
    assert lines[0]["rollouts"][0]["new"]["requests"] == 132


def test_a_file_gets_no_control_codes() -> None:
    out = io.StringIO()
    view = watch(
        iter([ReleaseView("prod", (CANARY,)), ReleaseView("prod", (DONE,))]), Console(file=out, force_terminal=True)
    )
    assert view.succeeded
    assert "\x1b" not in out.getvalue()
    assert out.getvalue().count("\n") == 2

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from helpers.exhaustive import one_of_each
from nova_infra.rehearsal.drills.drill import DrillResult
from nova_infra.rehearsal.record import Notification, Record
from nova_infra.rehearsal.report.summary import show_summary, show_verdict
from nova_infra.rehearsal.report.verdict import verdict

Make = Callable[..., Record]
Drilled = Callable[..., DrillResult]


def printed(record: Record, drills: list[DrillResult] = [], *, width: int = 80) -> str:  # noqa: B006 - not changed
    file = io.StringIO()
    console = Console(file=file, width=width)
    show_summary(console, record, drills)
    show_verdict(console, verdict(record, drills), Path("out/report.html"))
    return file.getvalue()


def test_the_last_lines_are_the_verdict_why_where_to_look_and_what_to_do(rehearsed: Make) -> None:
    assert printed(rehearsed(2, bad=1)).splitlines()[-4:] == [
        "✗ This release would be stopped in Prod.",
        "  service-1: alarm service-1-errors went to ALARM at 10 % of the traffic. In Prod now: the release serves "
        "service-2; the previous release serves service-1.",
        "  Report: out/report.html",
        "  Next: Fix that and play it again: make rehearse",
    ]
    assert printed(rehearsed()).splitlines()[-4] == "✓ Prod would take this release."


def test_stages_and_deployments_are_rows_with_their_figures(rehearsed: Make) -> None:
    lines = printed(rehearsed(1, bad=1)).splitlines()
    assert "  ✓ Dev                     8.0 s  1 succeeded" in lines
    assert "  ✗ Prod                    8.0 s  1 failed: service-1" in lines
    rows = [line.split() for line in lines if line.startswith(("✓ service", "✗ service"))]
    assert rows == [
        ["✓", "service-1", "10", "→", "100", "%", "176", "0"],
        ["✗", "service-1", "10", "→", "0", "%", "8", "8", "rolled", "back"],
    ]


def test_a_failure_is_shown_with_its_reason_and_its_last_output(rehearsed: Make) -> None:
    record = rehearsed(1, bad=1)
    record.stages[2].actions[0].output = [f"output {n}" for n in range(20)]
    text = printed(record)
    assert "Prod, service-1 failed:\n  service-1: alarm service-1-errors went to ALARM" in text
    assert "output 19" in text
    assert "output 4\n" not in text


def test_drills_are_rows_of_figures_with_another_canary_below(rehearsed: Make, drilled: Drilled) -> None:
    other = drilled("errors", "it went through", canary="5 % for 10 min")
    assert other.deployment is not None
    other.deployment.samples[0].hit = []
    lines = printed(rehearsed(), [drilled("errors"), other, drilled("slow", "nobody was told")]).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("Drills"))
    assert lines[start + 1].split() == ["alarm", "back", "alone", "old", "new", "users", "hit"]
    assert [line.split() for line in lines[start + 2 : start + 4]] == [
        ["✓", "errors", "1.4", "1.4", "2.8", "0/112", "8/8", "8", "(4.0", "%)"],
        ["5", "%", "for", "10", "min", "1.4", "1.4", "2.8", "0/112", "8/8", "4", "(2.0", "%)"],
    ]
    assert lines[start + 4 : start + 6] == [
        "    it went through",
        "    With 5 % for 10 min the alarm fires as soon, and 4 fewer of 200 users are",
    ]
    assert lines[start + 7].startswith("✗ slow")
    assert lines[start + 8] == "    nobody was told"


def test_a_drill_of_what_no_user_asks_shows_no_figures(rehearsed: Make, drilled: Drilled) -> None:
    result = drilled("poison-message")
    for deployment in result.record.deployments:
        for sample in deployment.samples:
            sample.requests.clear()
    assert "✓ poison-message      the fault met no request" in printed(rehearsed(), [result])


def test_a_drill_that_deployed_nothing_says_so(rehearsed: Make, drilled: Drilled) -> None:
    result = drilled("approval-rejected")
    result.record.deployments = []
    assert "✓ approval-rejected   the fault met no request: no user reached it" in printed(rehearsed(), [result])


def test_of_many_deployments_those_that_went_through_are_counted(rehearsed: Make) -> None:
    text = printed(rehearsed(45, bad=2, name="nova-production-recommendation-engine-service"))
    rows = [line.split() for line in text.splitlines() if "went through" in line]
    assert rows == [
        ["✓", "Dev:", "45", "went", "through", "7920", "0"],
        ["✓", "Prod:", "43", "went", "through", "7568", "0"],
    ]
    assert text.count("rolled back") == 2
    assert not [line for line in text.splitlines() if line.startswith("✓ nova")]
    assert "43 succeeded, 2 failed" in text


@pytest.mark.parametrize("width", one_of_each([80, 100, 150]))
def test_rows_fit_the_terminal(rehearsed: Make, drilled: Drilled, width: int) -> None:
    record = rehearsed(20, bad=3, name="nova-production-recommendation-engine-service")
    text = printed(record, [drilled("alarm-already-red"), drilled("alarm-already-red", canary="5 % for 10 min")])
    rows = text.partition("\nProd, ")[0].splitlines()
    assert len(rows) > 20
    assert max(map(len, rows)) <= 80


def test_a_file_gets_no_control_codes(rehearsed: Make, drilled: Drilled) -> None:
    assert "\x1b" not in printed(rehearsed(2, bad=1), [drilled("errors")])


def test_what_was_told_is_listed_up_to_a_handful_and_a_busy_machine_is_owned_up_to(rehearsed: Make) -> None:
    record = rehearsed()
    record.slow_minutes = 4
    record.notifications = [Notification("Prod", n, "alerts", f"message {n}") for n in range(9)]
    text = printed(record)
    assert "Notified alerts: message 5\n… and 3 more messages: see the report." in text
    assert "4 simulated minutes took longer" in text
    assert "Not covered, parts of AWS: IAM." in text

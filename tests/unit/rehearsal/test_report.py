from __future__ import annotations

import re
from html.parser import HTMLParser

from nova_infra.rehearsal.drills import DrillResult
from nova_infra.rehearsal.record import (
    ActionRecord,
    DeploymentRecord,
    Notification,
    Record,
    Requests,
    Sample,
    StageRecord,
    TrafficStep,
)
from nova_infra.rehearsal.report import report

VOID = {"meta", "link", "br", "rect", "polyline", "polygon"}


def example(*, failed: bool = False) -> Record:
    action = ActionRecord("Deploy <b>", "deploy", 1, status="failed" if failed else "succeeded", note="why & how")
    deployment = DeploymentRecord("Prod", "tiny", "CANARY", "tiny:1", "tiny:2", baseline=False, outcome="rolled back")
    deployment.reason = "alarm errors went to ALARM"
    deployment.traffic = [TrafficStep(10, 0, ended=2), TrafficStep(0, 2)]
    deployment.ended = 3
    deployment.samples = [
        Sample(n, 10, {"tiny:1": Requests(9), "tiny:2": Requests(1, 1, 0.5)}, ["errors"]) for n in (1, 2)
    ]
    stage = StageRecord("Prod", [action], status=action.status)
    record = Record("pipe", "working tree", "HEAD", [stage], deployments=[deployment], slow_minutes=3)
    record.notifications = [Notification("Prod", 1, "alerts", "errors is in ALARM")]
    record.not_rehearsed = ["IAM"]
    return record


def result(*misses: str) -> DrillResult:
    return DrillResult("errors", "it fails", "it goes back", "tiny", "as configured", list(misses), 1.0, example())


class Structure(HTMLParser):
    """Checks that elements are closed in order, and collects what a browser would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_report_is_whole_and_loads_nothing() -> None:
    text = report(example(), [result()])
    structure = Structure(text)
    assert structure.open == []
    assert structure.loads == ["data:,"]
    assert not re.search(r"https?://|@import|url\(", text)


def test_names_are_shown_as_they_are_and_not_as_markup() -> None:
    text = report(example(), [])
    assert "Deploy &lt;b&gt;" in text
    assert "why &amp; how" in text


def test_the_verdict_follows_from_pipeline_and_drills() -> None:
    assert "Prod would take this release. All 1 drills ended as they must." in report(example(), [result()])
    assert "This release would be stopped." in report(example(failed=True), [])
    bad = report(example(), [result("it went through")])
    assert "not every bad one is stopped as it must: errors" in bad
    assert "it went through" in bad


def test_it_shows_the_split_the_alarm_the_people_and_the_clock() -> None:
    text = report(example(), [])
    for part in (
        "Traffic to the new revision",
        "errors in ALARM",
        "alarm errors went to ALARM",
        "alerts: errors is in ALARM",
    ):
        assert part in text
    assert "3 simulated minutes lasted longer" in text
    assert text.count('class="red"') == 2 * 3

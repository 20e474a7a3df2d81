import itertools
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from nova_infra.rehearsal.drills.catalogue import DRILLS
from nova_infra.rehearsal.drills.drill import DrillResult
from nova_infra.rehearsal.record import NO_TARGET, Record, Requests
from nova_infra.rehearsal.report.page import duration, report

Make = Callable[..., Record]
Drilled = Callable[..., DrillResult]

VOID = {"meta", "link", "br", "rect", "path", "circle", "i"}


class Document(HTMLParser):
    """Checks that elements are closed in order, and collects what a reader, a browser or a screen reader looks for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.named: list[str] = []
        self.headings: list[str] = []
        self.tables: list[dict[str, int]] = []
        self.shown = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.loads += [attributes[name] or "" for name in ("src", "href", "data", "srcset") if name in attributes]
        self.ids += [attributes["id"] or ""] if "id" in attributes else []
        self.named += (attributes.get("aria-labelledby") or "").split()
        assert "style" not in attributes or tag == "i", "styles belong in the style sheet"
        assert not [name for name in attributes if name.startswith("on")], "it needs no script"
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(tag)
        if tag == "table":
            self.tables.append({"th": 0, "scoped": 0})
        if tag == "th":
            self.tables[-1]["th"] += 1
            self.tables[-1]["scoped"] += "scope" in attributes
        if tag not in VOID or tag == "i":
            self.open.append((tag, attributes))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1][0] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1][0] not in ("style", "title", "desc"):
            self.shown += " " + data


def shown(html: str) -> str:
    return re.sub(r"\s+", " ", Document(html).shown)


def test_the_document_is_whole_and_loads_nothing(rehearsed: Make, drilled: Drilled) -> None:
    html = report(rehearsed(2, bad=1), [drilled("errors"), drilled("errors", canary="5 % for 1 min")])
    document = Document(html)
    assert document.open == []
    assert [address for address in document.loads if not address.startswith("#")] == ["data:,"]
    assert not re.search(r"https?://|@import|url\((?!#)|<script", html)
    assert "default-src 'none'" in html


def test_a_screen_reader_finds_its_way(rehearsed: Make, drilled: Drilled) -> None:
    document = Document(report(rehearsed(2, bad=1), [drilled("errors"), drilled("slow")]))
    assert len(document.ids) == len(set(document.ids))
    assert set(document.named) <= set(document.ids)
    assert {address[1:] for address in document.loads if address.startswith("#")} <= set(document.ids)
    levels = [int(name[1]) for name in document.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), levels
    assert document.tables
    assert all(table["th"] == table["scoped"] > 0 for table in document.tables)


def test_names_are_shown_as_they_are_and_not_as_markup(rehearsed: Make) -> None:
    html = report(rehearsed(1, bad=1, name="<b>&"), [])
    assert "<b>" not in html
    assert "<b>&-1" in Document(html).shown


def test_the_verdict_comes_first_with_its_reason(rehearsed: Make) -> None:
    text = shown(report(rehearsed(2, bad=1), []))
    headline = text.index("This release would be stopped in Prod.")
    reason = text.index("service-1: alarm service-1-errors went to ALARM at 10 % of the traffic.")
    assert headline < reason < text.index("The pipeline as it ran")
    assert "Rehearsed 2026-01-02 03:04 UTC, in 20.0 s" in text
    assert "400, 8 failed" in text


def test_what_all_actions_of_a_stage_say_is_reported_once_and_a_failure_with_its_output(rehearsed: Make) -> None:
    record = rehearsed(3)
    for action in record.stages[1].actions:
        action.note = "runs from its sources"
    failed = record.stages[2].actions[1]
    failed.status, failed.note, failed.output = "failed", "exited with 1", [f"line {n}" for n in range(30)]
    text = shown(report(record, []))
    assert text.count("runs from its sources") == 1
    assert "exited with 1" in text
    assert "line 29" in text
    assert "line 9 " not in text, "the last lines say most"


def test_what_ran_before_is_no_part_of_the_story(rehearsed: Make) -> None:
    record = rehearsed(1)
    record.deployments[0].baseline = True
    assert report(record, []).count("<article") == 1


def test_bars_of_the_actions_share_one_axis(rehearsed: Make) -> None:
    html = report(rehearsed(1), [])
    # Build takes the first 4 of 20 seconds, Dev the next 8, Prod the last 8.
    assert re.findall(r'style="left:([\d.]+)%;width:([\d.]+)%"', html) == [
        ("0.0", "20.0"),
        ("20.0", "40.0"),
        ("60.0", "40.0"),
    ]


def test_the_share_of_users_hit_reads_as_it_does_in_the_terminal(rehearsed: Make, drilled: Drilled) -> None:
    result = drilled("errors")
    assert result.deployment is not None
    for sample in result.deployment.samples:
        sample.hit = [str(user) for user in range(45)]
    assert "22.5 % (45 of 200)" in shown(report(rehearsed(), [result]))


def test_each_drill_has_its_figures_beside_those_of_another_canary(rehearsed: Make, drilled: Drilled) -> None:
    other = drilled("errors", "nobody was told", canary="5 % for 1 min")
    assert other.deployment is not None
    other.deployment.samples[0].hit = []
    other.deployment.samples[1].requests[NO_TARGET] = Requests(3, 3)
    third = drilled("slow", canary="5 % for 1 min")
    text = shown(report(rehearsed(), [drilled("errors"), drilled("slow"), other, third]))
    assert "2 of 2 ended as expected" in text, "another canary is a question, not a result"
    # The first bad answer came after 0.6, the alarm at the end of minute 2, the end 0.4 after minute 3.
    assert "1.4 min 1.4 min 2.8 min 112, 0 failed 8, 8 failed 4.0 % 4.0 % (8 of 200)" in text
    assert "8, 8 failed; 3 found no target 4.0 % 2.0 % (4 of 200)" in text
    assert "With 5 % for 1 min the alarm fires as soon, and 4 fewer of 200 users are hit." in text
    assert "5 % for 1 min: nobody was told" in text
    assert text.index("5 % for 1 min") < text.index("slow"), "canaries of one drill stand together"
    assert "service-1-errors is in ALARM drill errors, 5 % for 1 min 2" in text


def test_a_drill_that_did_not_reach_a_deployment_says_so(rehearsed: Make, drilled: Drilled) -> None:
    result = drilled("approval-rejected")
    result.record.deployments = []
    assert "service-1: the fault met no request, no user reached it" in shown(report(rehearsed(), [result]))


def test_who_was_told_what_is_listed_for_the_pipeline_and_the_drills(rehearsed: Make, drilled: Drilled) -> None:
    text = shown(report(rehearsed(2, bad=1), [drilled("errors")]))
    assert "alerts service-1-errors is in ALARM Prod 2" in text
    assert "alerts service-1-errors is in ALARM drill errors 2" in text
    assert "Nobody: no alarm changed its state." in shown(report(rehearsed(), []))


def test_it_says_what_was_real_what_was_simulated_and_what_was_not_covered(rehearsed: Make, drilled: Drilled) -> None:
    record = rehearsed()
    record.slow_minutes, record.tasks = 3, "as containers of their images, by Podman"
    text = shown(report(record, [drilled("errors")]))
    assert "lasts a second; the machine was busy, so the clock waited: 3 simulated minutes took longer" in text
    assert "as processes" not in text
    assert "200 of each service, who together send it a steady 40 requests a minute" in text
    assert "IAM" in text
    missing = [drill.name for drill in DRILLS if drill.name != "errors"]
    assert f"other drills: {', '.join(missing)}" in text
    record.real_time = True
    assert "lasts a second" not in shown(report(record, []))


@pytest.mark.exhaustive("test_a_screen_reader_finds_its_way")
def test_in_a_large_rehearsal_what_went_wrong_is_not_folded_away(rehearsed: Make) -> None:
    html = report(rehearsed(45, bad=2), [])
    before, _, after = html.partition("<details><summary>43 more actions succeeded</summary>")
    assert "service-1</h4>" not in before
    assert after
    assert "45 actions succeeded" in shown(html)
    assert "43 more deployments completed without a failed request" in shown(html)
    prod = html.index("<h3>Prod</h3>")
    folded = html.index("<details><summary>43 more deployments")
    for service in ("service-1", "service-2"):
        assert prod < html.index(f"<h4>{service}</h4>", prod) < folded
    assert html.index("<h3>Dev</h3>") > prod, "production comes first"
    assert len(html) < 700_000


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (0.04, "0 s"), (3.14, "3.1 s"), (59.94, "59.9 s"), (61, "1 min 1 s")]
)
def test_real_time_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text

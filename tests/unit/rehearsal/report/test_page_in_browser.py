"""The report as people see it: in Chromium, on a phone, in the dark, on paper."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from nova_infra.rehearsal.drills.drill import DrillResult
from nova_infra.rehearsal.record import Record
from nova_infra.rehearsal.report.page import report

# A browser takes seconds to start.
pytestmark = pytest.mark.exhaustive("rehearsal/report/test_page.py::test_the_document_is_whole_and_loads_nothing")

PHONE = {"width": 360, "height": 640}
DESK = {"width": 1280, "height": 800}

# For every text that is shown: its colour against the nearest background that is not transparent.
CONTRASTS = """() => {
  const channels = text => text.match(/[\\d.]+/g).map(Number);
  const light = text => channels(text).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const solid = text => { const [, , , alpha] = channels(text); return alpha === undefined || alpha === 1; };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (solid(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [front, back] = [light(element.closest('svg') ? style.fill : style.color), light(behind(element))];
    const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    found.push([contrast, walker.currentNode.data.trim()]);
  }
  return found;
}"""

Rehearsed = Callable[..., Record]
Drilled = Callable[..., DrillResult]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, rehearsed: Rehearsed, drilled: Drilled) -> dict[str, Path]:
    """Reports: a usual one with drills, one that was stopped, one of 45 services with long names."""
    other = drilled("errors", "it went through", canary="5 % for 10 min")
    stopped = rehearsed(3, bad=1)
    stopped.stages[2].actions[0].output = ["Traceback (most recent call last): " + "x" * 300]
    reports = {
        "usual": report(rehearsed(), [drilled("errors"), other, drilled("slow")]),
        "stopped": report(stopped, []),
        "large": report(rehearsed(45, bad=2, name="nova-production-recommendation-engine-service"), []),
    }
    directory = tmp_path_factory.mktemp("reports")
    for name, html in reports.items():
        (directory / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: directory / f"{name}.html" for name in reports}


class Reader:
    """Opens reports one after the other, and notes what a report that needs nothing else must not do.

    It has one window for a desk and one for a phone: a window of its own costs Chromium more than most tests do.
    """

    def __init__(self, browser: Browser, files: dict[str, Path]) -> None:
        self._browser = browser
        self._files = files
        self._pages: dict[bool, Page] = {}
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def open(self, name: str, *, viewport: Any = DESK, color_scheme: Any = "light", is_mobile: bool = False) -> Page:
        if is_mobile not in self._pages:
            self._pages[is_mobile] = self._window(is_mobile)
        page = self._pages[is_mobile]
        page.set_viewport_size(viewport)
        page.emulate_media(media="screen", color_scheme=color_scheme)
        self.requests.clear()
        self.complaints.clear()
        page.goto(self._files[name].as_uri())
        return page

    def _window(self, is_mobile: bool) -> Page:
        page = self._browser.new_context(is_mobile=is_mobile).new_page()
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page


@pytest.fixture(scope="module")
def reader(browser: Browser | None, files: dict[str, Path]) -> Reader:
    """Return somebody who reads reports in Chromium."""
    if browser is None:
        pytest.skip("there is no Chromium here: make browser installs one, or CHROMIUM_PATH names one")
    return Reader(browser, files)


@pytest.mark.parametrize("name", ["usual", "stopped", "large"])
def test_it_asks_for_nothing_and_complains_of_nothing(reader: Reader, files: dict[str, Path], name: str) -> None:
    reader.open(name).wait_for_load_state("networkidle")
    assert [url for url in reader.requests if not url.startswith("data:")] == [files[name].as_uri()]
    assert reader.complaints == []


@pytest.mark.parametrize("name", ["usual", "stopped", "large"])
def test_on_a_phone_the_page_does_not_scroll_sideways(reader: Reader, name: str) -> None:
    page = reader.open(name, viewport=PHONE, is_mobile=True)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    too_small = (
        "[...document.querySelectorAll('svg.chart text')].filter(t => t.getBoundingClientRect().height < 9).length"
    )
    assert page.evaluate(too_small) == 0
    # An event's time stays in one line, also past the tenth minute.
    lines = (
        "t => { const all = document.createRange(); all.selectNodeContents(t); return all.getClientRects().length; }"
    )
    late = f"t => {{ t.textContent = '111.1 min'; return ({lines})(t); }}"
    assert set(page.evaluate(f"[...document.querySelectorAll('.events .minute')].map({late})")) == {1}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["usual", "stopped"])
def test_every_text_stands_out_from_its_background(reader: Reader, name: str, scheme: Any) -> None:
    page = reader.open(name, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    # WCAG 2.2, 1.4.3: 4.5 to 1 for text of usual size.
    assert [(round(contrast, 2), text) for contrast, text in contrasts if contrast < 4.5] == []


def test_dark_mode_is_dark(reader: Reader) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    assert reader.open("usual", color_scheme="dark").evaluate(background) == "rgb(13, 17, 23)"
    assert reader.open("usual", color_scheme="light").evaluate(background) == "rgb(255, 255, 255)"


def test_every_deployment_has_a_picture_with_a_name(reader: Reader) -> None:
    page = reader.open("usual")
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    for name in ("Prod: service-1, completed", "Dev: service-2, completed", "Prod: service-1, rolled back"):
        assert page.get_by_role("img", name=name).first.is_visible()
    assert page.get_by_role("img", name="service-").count() == page.locator("article.deployment").count() == 7


def test_the_drills_are_a_table_to_a_screen_reader_also_on_a_phone(reader: Reader) -> None:
    for viewport in (DESK, PHONE):
        table = reader.open("usual", viewport=viewport).get_by_role("table", name="How far each fault got")
        assert table.get_by_role("columnheader").count() == 8
        row = table.get_by_role("row", name="as configured").first
        assert row.get_by_role("cell").count() == 7
        assert "4.0 % (8 of 200)" in row.get_by_role("cell").last.inner_text()


def test_in_a_large_rehearsal_the_bad_deployments_are_seen_without_unfolding(reader: Reader) -> None:
    page = reader.open("large")
    assert page.locator("article.deployment:visible").count() == 2
    page.get_by_text("43 more deployments completed").click()
    assert page.locator("article.deployment:visible").count() == 45


def test_printed_the_folded_parts_are_there_too(reader: Reader) -> None:
    page = reader.open("large")
    page.emulate_media(media="print")
    assert page.locator("article.deployment:visible").count() == 90


def test_without_colour_old_new_and_alarm_still_differ(reader: Reader) -> None:
    page = reader.open("usual")
    dashes = "selector => getComputedStyle(document.querySelector(selector)).strokeDasharray"
    assert page.evaluate(dashes, "svg.chart path.old") != "none"
    assert page.evaluate(dashes, "svg.chart path.new") == "none"
    fill = "getComputedStyle(document.querySelector('svg.chart .red')).fill"
    assert "#hatch" in page.evaluate(fill)

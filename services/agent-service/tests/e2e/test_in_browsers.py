"""What only a browser can show: both languages, the player, copying, the history, the focus, and accessibility."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from consoles import PATIENCE_MS, Upload
from playwright.sync_api import Browser, Page, expect

AXE = Path(__file__).parents[4] / "node_modules" / "axe-core" / "axe.min.js"

OpenPage = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser | None, base_url: str) -> Iterator[OpenPage]:
    """Return a function that opens the console in a browser of a given language and scheme of colours."""
    if browser is None:
        pytest.skip("needs a browser: make browser installs one")
    contexts = []

    def visit(locale: str, *, scheme: Literal["light", "dark"] = "light", width: int = 1000) -> Page:
        context = browser.new_context(
            locale=locale,
            color_scheme=scheme,
            viewport={"width": width, "height": 800},
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("requestfailed", lambda request: print(f"{request.method} {request.url}: {request.failure}"))
        page.goto(base_url)
        return page

    yield visit
    for context in contexts:
        context.close()


def choose(page: Page, upload: Upload) -> None:
    page.locator("#file").set_input_files(
        {"name": upload.name, "mimeType": upload.media_type, "buffer": upload.content}
    )


def run(page: Page) -> str:
    page.locator("button[type=submit]").click()
    status = page.get_by_role("status")
    expect(status).to_have_text(re.compile("[.。]$"), timeout=PATIENCE_MS)
    return status.inner_text()


@pytest.mark.parametrize(
    ("locale", "language", "label"),
    [("ja-JP", "ja", "質問"), ("ja", "ja", "質問"), ("en-GB", "en", "Question"), ("fr-FR", "en", "Question")],
)
def test_the_console_speaks_the_browsers_language(visit: OpenPage, locale: str, language: str, label: str) -> None:
    page = visit(locale)
    assert page.locator("html").get_attribute("lang") == language
    expect(page.get_by_label(label, exact=True)).to_be_visible()


def test_the_language_can_be_switched_and_what_is_shown_follows(visit: OpenPage, sound: Upload) -> None:
    page = visit("en-US")
    choose(page, sound)
    assert run(page).startswith("Complete in")
    page.get_by_role("button", name="日本語").click()
    expect(page.get_by_role("status")).to_have_text(re.compile("ミリ秒で完了しました。$"))
    expect(page.get_by_role("heading", name="処理の流れ")).to_be_visible()
    expect(page.get_by_role("img", name="音声の波形")).to_be_visible()
    expect(page.get_by_text("ラウドネスレンジ", exact=True)).to_be_visible()
    page.reload()
    assert page.locator("html").get_attribute("lang") == "ja", "the address keeps the choice"


def test_no_word_of_english_is_left_in_japanese(visit: OpenPage, video: Upload) -> None:
    page = visit("ja-JP")
    choose(page, video)
    page.locator("#text").fill("フレームレートとは")
    run(page)
    text = page.locator("main").inner_text()
    for code in page.locator("main").locator("code, pre, .where").all_inner_texts():
        text = text.replace(code, "")
    names = (
        "MP4 WebM QuickTime Matroska WAV MP3 M4A FLAC OGG AIFF ID curl RMS CD BM25 PNG vp8 kB fps kHz clip webm LUFS"
    )
    words = set(re.findall(r"[A-Za-z][A-Za-z0-9]+", text))
    assert words <= set(names.split())


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("cut.wav", None, "WAV ファイルが途中で切れています。ファイル全体を送ってください。"),
        (
            "paper.pdf",
            b"%PDF-1.7",
            "PDF のファイルには対応していません。音声、動画、テキストのいずれかを送ってください。",
        ),
        ("empty.txt", b"", "ファイルが空です。内容のあるファイルを送ってください。"),
        ("notes.txt", b"A lake.", "テキストファイルについての質問を入力してください。"),
    ],
)
def test_a_failure_is_described_in_one_japanese_sentence(
    visit: OpenPage, sound: Upload, name: str, content: bytes | None, sentence: str
) -> None:
    page = visit("ja-JP")
    choose(page, Upload(name, "", sound.content[:-5000] if content is None else content))
    assert run(page) == sentence


def test_the_chosen_sound_and_video_can_be_played(visit: OpenPage, sound: Upload, video: Upload) -> None:
    page = visit("en-US")
    for upload, player in [(sound, "audio"), (video, "video")]:
        choose(page, upload)
        element = page.locator(f"#player {player}")
        expect(element).to_be_visible()
        duration = element.evaluate(
            "player => player.readyState ? player.duration"
            " : new Promise(done => player.onloadedmetadata = () => done(player.duration))"
        )
        assert duration == pytest.approx(1, abs=0.1)


def test_a_click_on_the_waveform_moves_the_player(visit: OpenPage, sound: Upload) -> None:
    page = visit("en-US")
    choose(page, sound)
    run(page)
    # Only then does it know how long the sound is.
    page.locator("#player audio").evaluate(
        "player => player.readyState || new Promise(done => player.onloadedmetadata = () => done())"
    )
    drawing = page.locator(".drawing")
    box = drawing.bounding_box()
    assert box
    drawing.click(position={"x": box["width"] / 2, "y": 20})
    player = page.locator("#player audio")
    place = player.evaluate(
        "player => player.seeking"
        " ? new Promise(done => player.onseeked = () => done(player.currentTime)) : player.currentTime"
    )
    assert place == pytest.approx(0.5, abs=0.05)
    expect(page.locator(".head")).to_be_visible()


def test_what_came_whole_is_not_drawn_again_when_its_connection_ends(visit: OpenPage, sound: Upload) -> None:
    """Behind a slow proxy the connection ends later than the answer: somebody may have begun to use it."""
    page = visit("en-US")
    page.add_init_script("""
        const read = ReadableStreamDefaultReader.prototype.read;
        window.reached = new Promise((reach) => {
            ReadableStreamDefaultReader.prototype.read = async function () {
                const piece = await read.call(this);
                if (piece.done) await new Promise((end) => { window.end = end; reach(); });
                return piece;
            };
        });
    """)
    page.reload()
    choose(page, sound)
    run(page)
    page.evaluate("reached")
    button = page.get_by_role("button", name="Copy: Request id")
    button.focus()
    page.evaluate("new Promise(done => { end(); setTimeout(done, 50); })")
    expect(button).to_be_focused()


def test_the_waveform_has_an_axis_in_decibels(visit: OpenPage, sound: Upload) -> None:
    """A tone at -20 dBFS reaches up to between the lines of -12 and -24."""
    page = visit("en-US")
    choose(page, sound)
    run(page)
    labels = page.locator(".decibels span").evaluate_all(
        "spans => spans.map(span => [span.innerText, span.getBoundingClientRect().top + span.offsetHeight / 2])"
    )
    assert [text for text, _ in labels] == ["0", "−12", "−24", "−36", "−48", "−60"]
    top = page.locator(".plain").evaluate("path => path.getBoundingClientRect().top")
    at = dict(labels)
    share = (at["−24"] - top) / (at["−24"] - at["−12"])
    assert share == pytest.approx(4 / 12, abs=0.12)


def test_what_developers_need_can_be_copied(visit: OpenPage, sound: Upload) -> None:
    page = visit("en-US")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose(page, sound)
    page.locator("#text").fill("it's @home")
    with page.expect_response("**/agent-service/run") as response:
        run(page)
    page.get_by_text("Raw answer").click()
    # A button says that it has copied for two seconds, in which a busy machine may not look.
    page.clock.install()
    page.clock.pause_at(datetime.now() + timedelta(minutes=1))
    copied = {}
    for what in ("Request id", "The same request with curl", "Raw answer"):
        button = page.get_by_role("button", name=f"Copy: {what}")
        button.click()
        expect(button).to_have_text("Copied")
        copied[what] = page.evaluate("navigator.clipboard.readText()")
        page.clock.run_for(2000)
        expect(button).to_have_text("Copy")
    assert copied["Request id"] == response.value.headers["x-request-id"]
    curl = copied["The same request with curl"]
    assert curl.startswith("""curl -F 'file=@"tone.wav"' --form-string 'text=it'\\''s @home' 'http""")
    assert json.loads(copied["Raw answer"])["outcome"] == "complete"


def test_earlier_answers_of_the_visit_can_be_shown_again(visit: OpenPage, sound: Upload) -> None:
    page = visit("en-US")
    page.locator("#text").fill("what is a canary?")
    run(page)
    page.get_by_role("button", name="Clear").click()
    choose(page, sound)
    run(page)
    expect(page.locator("#sound")).to_be_visible()
    entries = page.locator("#history li button")
    expect(entries).to_have_count(2)
    entries.filter(has_text="canary").click()
    expect(page.locator("#hits")).to_be_visible()
    expect(page.locator("#sound")).to_be_hidden()
    expect(entries.nth(1)).to_have_attribute("aria-current", "true")
    page.reload()
    expect(page.locator("#history")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_focus_is_seen_on_everything_that_takes_it(visit: OpenPage, video: Upload, scheme: str) -> None:
    page = visit("en-US", scheme=scheme)
    for question in ("lake", "frame rate"):
        choose(page, video)
        page.locator("#text").fill(question)
        run(page)
    page.locator("body").evaluate("body => { document.activeElement.blur(); window.scrollTo(0, 0); }")
    seen: dict[str, str] = {}
    for _ in range(40):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """() => {
                const at = document.activeElement;
                const framed = at.id === "file" ? at.parentElement : at;
                const style = getComputedStyle(framed);
                return [at.tagName + "#" + at.id + at.className + at.textContent.slice(0, 20),
                        style.outlineStyle + " " + style.outlineWidth];
            }"""
        )
        if name in seen and name.startswith("INPUT#file"):
            break
        seen[name] = outline
    focused = {name: outline for name, outline in seen.items() if not name.startswith("BODY")}
    assert len(focused) >= 12
    assert {name: outline for name, outline in focused.items() if outline != "solid 3px"} == {}


def complaints_of_axe(page: Page) -> list[Any]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    # A switch of language or scheme fades in some browsers; axe reads the colours of one moment.
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]


@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1000), ("dark", 390)])
def test_axe_finds_nothing(visit: OpenPage, sound: Upload, video: Upload, locale: str, scheme: str, width: int) -> None:
    page = visit(locale, scheme=scheme, width=width)
    assert complaints_of_axe(page) == []
    for upload in (sound, video, Upload("cut.wav", "audio/wav", sound.content[:-5000])):
        choose(page, upload)
        page.locator("#text").fill("サムネイル" if locale == "ja-JP" else "thumbnail")
        run(page)
        page.locator("summary").click()
        assert complaints_of_axe(page) == []
        page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing is wider than the page"

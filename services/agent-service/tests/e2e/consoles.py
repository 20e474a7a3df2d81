"""Two ways to use the console: as a person in a browser, or, where there is none, by what the page would send."""

from __future__ import annotations

import base64
import json
import re
import struct
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import ConsoleMessage, Error, Page, Request, expect

# How long a run may take on an environment that has just been deployed.
PATIENCE_MS = 30_000


@dataclass(frozen=True)
class Upload:
    """A file to choose."""

    name: str
    media_type: str
    content: bytes


@dataclass
class Shown:
    """What a user finds on the page after a run."""

    status: str
    steps: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    waveform: str | None = None
    thumbnail: tuple[int, int] | None = None
    hits: list[tuple[str, list[str]]] = field(default_factory=list)


class Console(Protocol):
    """A user of the console."""

    def run(self, upload: Upload | None = None, question: str = "", second: str = "") -> Shown:
        """Fill in the form, run it, and wait for the end."""

    def drop(self, name: str, text: str, question: str) -> Shown:
        """Drop a text file beside the form, and ask a question about it."""

    def ask_by_keyboard(self, question: str) -> Shown:
        """Ask a question without a mouse."""

    def requested_hosts(self) -> set[str]:
        """Return the hosts that the page asked for anything, or would ask."""

    def complaints(self) -> list[str]:
        """Return the errors that the page caused; nobody but a browser notices any."""


class BrowserConsole:
    """The console in a browser.

    Args:
        page: A page of a browser.
        base_url: Where the console is.
    """

    def __init__(self, page: Page, base_url: str) -> None:
        self._page = page
        self._hosts: set[str] = set()
        self._complaints: list[str] = []
        self._listeners = {"request": self._on_request, "pageerror": self._on_error, "console": self._on_message}
        for event, listener in self._listeners.items():
            page.on(event, listener)  # type: ignore[call-overload]
        page.goto(base_url)

    def leave(self) -> None:
        """Stop listening to the page, which the next user opens anew."""
        for event, listener in self._listeners.items():
            self._page.remove_listener(event, listener)

    def _on_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme != "data":
            self._hosts.add(address.netloc)

    def _on_error(self, error: Error) -> None:
        self._complaints.append(str(error))

    def _on_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._complaints.append(message.text)

    def run(self, upload: Upload | None = None, question: str = "", second: str = "") -> Shown:
        if upload:
            payload = {"name": upload.name, "mimeType": upload.media_type, "buffer": upload.content}
            self._page.locator("#file").set_input_files(payload)  # type: ignore[arg-type]
            expect(self._page.get_by_text(upload.name, exact=True)).to_be_visible()
        if question:
            self._page.get_by_label("Question").fill(question)
        if second:
            self._page.get_by_label("Thumbnail at second").fill(second)
        self._page.get_by_role("button", name="Run").click()
        return self._shown()

    def drop(self, name: str, text: str, question: str) -> Shown:
        self._page.locator("footer").evaluate(
            """(target, [name, text]) => {
                const dataTransfer = new DataTransfer();
                dataTransfer.items.add(new File([text], name, { type: "text/plain" }));
                target.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
            }""",
            [name, text],
        )
        expect(self._page.get_by_text(name, exact=True)).to_be_visible()
        return self.run(question=question)

    def ask_by_keyboard(self, question: str) -> Shown:
        keyboard = self._page.keyboard
        keyboard.press("Tab")
        expect(self._page.locator("#file")).to_be_focused()
        keyboard.press("Tab")
        expect(self._page.get_by_label("Question")).to_be_focused()
        keyboard.type(question)
        keyboard.press("Tab")
        expect(self._page.get_by_role("button", name="Run")).to_be_focused()
        keyboard.press("Enter")
        return self._shown()

    def requested_hosts(self) -> set[str]:
        return self._hosts

    def complaints(self) -> list[str]:
        return self._complaints

    def _shown(self) -> Shown:
        page = self._page
        status = page.get_by_role("status")
        expect(status).to_have_text(re.compile(r"\.$"), timeout=PATIENCE_MS)
        shown = Shown(status=status.inner_text())
        # One question to the browser per part of the page: each costs a round trip.
        steps = page.locator("#steps:not([hidden]) li").evaluate_all(
            "items => items.map(item => [item.children[1].innerText, item.querySelector('.time').innerText])"
        )
        shown.steps = [f"{name}: {state.partition(',')[0]}" for name, state in steps]
        shown.facts = dict(
            page.locator("section:not([hidden]) dl > div").evaluate_all(
                "pairs => pairs.map(pair => [pair.children[0].innerText, pair.children[1].innerText])"
            )
        )
        hits = page.locator("#hits:not([hidden]) li").evaluate_all(
            "items => items.map(item => [item.querySelector('h3').innerText,"
            " [...item.querySelectorAll('mark')].map(mark => mark.innerText)])"
        )
        shown.hits = [(title, marked) for title, marked in hits]
        waveform = page.get_by_role("img", name="Waveform")
        shown.waveform = waveform.get_attribute("aria-label") if waveform.is_visible() else None
        thumbnail = page.get_by_role("img", name="The video at second")
        if thumbnail.count():  # It has no size, and so is not visible, until it is decoded.
            size = thumbnail.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])")
            shown.thumbnail = (size[0], size[1])
        return shown


class HttpConsole:
    """The console as far as HTTP shows it: the page's source, and what its script would send and be sent.

    It can tell that the page offers the right controls and that the services answer what the page shows. It cannot tell
    that the page's script runs, or what anything looks like.

    Args:
        client: A client for the address where the console is.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        response = client.get("/")
        assert response.status_code == 200
        self._source = response.text
        self._controls = _Controls()
        self._controls.feed(self._source)

    def run(self, upload: Upload | None = None, question: str = "", second: str = "") -> Shown:
        if upload is None and not question:
            assert "Choose a file or type a question first." in self._source
            return Shown(status="Choose a file or type a question first.")
        files: dict[str, Any] = {"": ("", b"")}
        if upload:
            files = {"file": (upload.name, upload.content, upload.media_type)}
        fields = {name: value for name, value in {"text": question, "at": second}.items() if value}
        accept = {"Accept": "application/x-ndjson"}
        response = self._client.post("/agent-service/run", files=files, data=fields, headers=accept)
        if response.status_code != 200:
            return Shown(status=response.json()["detail"])
        return _told([json.loads(line) for line in response.text.splitlines()])

    def drop(self, name: str, text: str, question: str) -> Shown:
        assert 'addEventListener("drop"' in self._source
        return self.run(Upload(name, "text/plain", text.encode()), question)

    def ask_by_keyboard(self, question: str) -> Shown:
        # Native controls, in this order and each with a label, are what makes a form work by keyboard.
        assert self._controls.order[:5] == ["file", "text", "at", "submit", "reset"]
        assert {"file", "text", "at"} <= self._controls.labelled
        return self.run(question=question)

    def requested_hosts(self) -> set[str]:
        addresses = re.findall(r"""(?:src|href|action)=["']([^"']+)|url\(([^)]+)|fetch\(["']([^"']+)""", self._source)
        found = {urlsplit("".join(address)) for address in addresses}
        return {
            address.netloc or self._client.base_url.netloc.decode() for address in found if address.scheme != "data"
        }

    def complaints(self) -> list[str]:
        return []


class _Controls(HTMLParser):
    """Collects a form's controls."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []
        self.labelled: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "label":
            self.labelled.add(attributes["for"] or "")
        elif tag in ("input", "button"):
            self.order.append((attributes.get("id") if tag == "input" else attributes.get("type")) or "")


def _told(events: list[dict[str, Any]]) -> Shown:
    """Say what the page's script makes of a stream of events."""
    run = events[-1]["run"]
    steps = run["steps"]
    words = {"succeeded": "done", "failed": "failed"}
    status = {"complete": "Complete in", "partial": "Partial answer.", "failed": "Failed."}[run["outcome"]]
    shown = Shown(
        status=f"{status} {run['summary']}", steps=[f"{step['name']}: {words[step['status']]}" for step in steps]
    )
    for step in steps:
        result = step.get("result", {})
        if "waveform" in result:
            assert 0 < len(result["waveform"]) <= 512
            shown.waveform = f"Waveform of {result['duration_seconds']:g} s of sound, peak {result['peak_dbfs']:g} dBFS"
            shown.facts |= {
                "Loudness": f"{round(result['loudness_lufs'], 1):g} LUFS",
                "Channels": str(result["channels"]),
            }
        if "width" in result:
            shown.facts |= {"Size": f"{result['width']} \u00d7 {result['height']}", "Video": result["video_codec"]}
        if "image" in result:
            png = base64.b64decode(result["image"].partition(",")[2])
            shown.thumbnail = struct.unpack(">II", png[16:24])
        for hit in result.get("hits", []):
            marked = [hit["snippet"][mark["start"] : mark["end"]] for mark in hit["highlights"]]
            shown.hits.append((hit["title"], marked))
    return shown

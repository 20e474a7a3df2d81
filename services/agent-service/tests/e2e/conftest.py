"""Browser tests use the console as a person does. They need `BASE_URL` and nothing else.

They drive Chromium: the one that `CHROMIUM_PATH` names, else the machine's own, else Playwright's download. Where there
is none, the same checks run over HTTP, and the summary says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

# The suite runs in pytest's importlib mode, in which test directories are not on the path.
sys.path.insert(0, str(Path(__file__).parent))

from consoles import PATIENCE_MS, BrowserConsole, Console, HttpConsole, Upload

# A runner is often busier than five seconds, Playwright's default, allow for.
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def console(base_url: str, page: Page | None, test_headers: dict[str, str]) -> Iterator[Console]:
    """Return a user of the console, who has just opened it."""
    if page is None:
        with httpx.Client(base_url=base_url, timeout=30, headers=test_headers) as client:
            yield HttpConsole(client)
        return
    console = BrowserConsole(page, base_url)
    yield console
    console.leave()


@pytest.fixture(scope="session")
def sound(tone: bytes) -> Upload:
    """Return a second of a tone, as WAV."""
    return Upload("tone.wav", "audio/wav", tone)


@pytest.fixture(scope="session")
def video(clip: bytes) -> Upload:
    """Return a second of grey pictures, as WebM."""
    return Upload("clip.webm", "video/webm", clip)

"""Browser tests use the console of one environment as a person does. They need `BASE_URL` and nothing else.

They drive Chromium: the one that `CHROMIUM_PATH` names, else the machine's own, else Playwright's download. Where there
is none, the same checks run over HTTP, and the summary says so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

# The suite runs in pytest's importlib mode, in which test directories are not on the path.
sys.path.insert(0, str(Path(__file__).parent))

from consoles import PATIENCE_MS, BrowserConsole, Console, HttpConsole, Upload

_summary = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def base_url() -> str:
    """Return the address of the console."""
    address = os.environ.get("BASE_URL")
    if not address:
        pytest.exit("usage: make e2e BASE_URL=https://<load balancer>", returncode=2)
    return address


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what the checks ran in."""
    if _summary in config.stash:
        terminalreporter.write_line(f"browser: {config.stash[_summary]}")


@pytest.fixture(scope="module")
def page(request: pytest.FixtureRequest, browser: Browser | None) -> Iterator[Page | None]:
    """Return a page in a profile that is thrown away afterwards, or None where there is no browser.

    One page serves all tests, which is faster: each opens the console anew, and the console stores nothing.
    """
    stash = request.config.stash
    if browser is None:
        stash[_summary] = "none found, the same checks ran over HTTP"
        yield None
        return
    stash[_summary] = f"Chromium {browser.version}"
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE_MS)
        yield context.new_page()


@pytest.fixture
def console(base_url: str, page: Page | None) -> Iterator[Console]:
    """Return a user of the console, who has just opened it."""
    if page is None:
        with httpx.Client(base_url=base_url, timeout=30) as client:
            yield HttpConsole(client)
        return
    console = BrowserConsole(page, base_url)
    yield console
    console.leave()


@pytest.fixture(scope="session")
def sound(make_sound: Callable[..., bytes]) -> Upload:
    """Return a second of a tone, as WAV."""
    return Upload("tone.wav", "audio/wav", make_sound(seconds=1, channels=1))


@pytest.fixture(scope="session")
def video(make_video: Callable[..., bytes]) -> Upload:
    """Return a second of grey pictures, as WebM."""
    return Upload("clip.webm", "video/webm", make_video(container="webm", codec="libvpx"))

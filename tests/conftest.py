"""The browser that the end-to-end tests and the test of the rehearsal's report drive."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser | None]:
    """Return Chromium, or None where there is none.

    It is the one that `CHROMIUM_PATH` names, else the machine's own, else Playwright's download. It is closed with the
    module's last test: while it is open, no other event loop can run in this thread.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = _chromium(playwright)
        if path is None:
            yield None
            return
        arguments = ["--disable-background-networking", "--no-first-run"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium's sandbox refuses to work for root, as in containers.
        with playwright.chromium.launch(executable_path=path, args=arguments) as browser:
            yield browser


def _chromium(playwright: Playwright) -> str | None:
    if named := os.environ.get("CHROMIUM_PATH"):
        return named
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    downloaded = playwright.chromium.executable_path
    return downloaded if Path(downloaded).exists() else None

"""What the test suites share: the tools, a deployed environment to ask, and Chromium, found or left out."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from nova_infra.machine import tools
from nova_infra.machine.scratch import remove_abandoned
from nova_infra.names import TEST_HEADER_VARIABLE

if TYPE_CHECKING:
    import httpx
    from playwright.sync_api import Browser, Page, Playwright

# As in the Makefile, so that pytest by itself finds the same Node, CDK CLI and linters.
tools.put_first(os.environ)

# How long a page may take on an environment that has just been deployed, and a browser to start beside other programs.
_PATIENCE_MS = 30_000
_START_MS = 120_000

_NO_BROWSER = "there is no Chromium here (`make browser` installs one, CHROMIUM_PATH names one)"

# Memory that Linux shows as a directory: small files take a tenth of the time there. Tests need a fifth of that room.
_MEMORY = "/dev/shm"
_ROOM = 2 << 30

# The tests that are left out by `make test`: tests/helpers/exhaustive.py.
_EXHAUSTIVE = "exhaustive"

_left_out = pytest.StashKey[int]()
_summary = pytest.StashKey[str]()
_scratch = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Have all temporary files of a run in one directory: CDK makes some that nobody removes."""
    remove_abandoned()  # Those of runs that were killed.
    if tempfile.gettempdir() != (place := temporary_place()):
        tempfile.tempdir = place
        remove_abandoned()
    scratch = Path(tempfile.mkdtemp(prefix=f"nova-{os.getpid()}-tests-"))
    config.stash[_scratch] = scratch
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)


def temporary_place() -> str:
    """Where temporary files go: to what TMPDIR names, otherwise to memory that has room and lets programs run."""
    with contextlib.suppress(OSError):
        found = os.statvfs(_MEMORY)
        usable = os.access(_MEMORY, os.W_OK) and not found.f_flag & os.ST_NOEXEC
        # What is free there is not free of memory, which programs may fill.
        room = min(found.f_bavail * found.f_frsize, psutil.virtual_memory().available)
        if "TMPDIR" not in os.environ and usable and room > _ROOM:
            return _MEMORY
    return tempfile.gettempdir()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove them, by the machine's own program: of some ten thousand small files Python takes twice as long."""
    if _scratch in config.stash:
        _end_podmans(config.stash[_scratch])
        subprocess.run(["rm", "-rf", config.stash[_scratch]], check=False, stderr=subprocess.DEVNULL)


def _end_podmans(scratch: Path) -> None:
    """End what Podman keeps running for a user who is not root, once for each directory of temporary files."""
    if not any(scratch.glob("podman-run-*")):
        return
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.environ().get("XDG_RUNTIME_DIR", "/")).is_relative_to(scratch):
                process.kill()


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count the exhaustive tests that are not run. Each of several processes deselects the same."""
    if found := [item for item in items if item.get_closest_marker(_EXHAUSTIVE)]:
        found[0].config.stash[_left_out] = len(found)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pass their number on to the process that writes the summary."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output[_EXHAUSTIVE] = session.config.stash.get(_left_out, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take it from the other process."""
    if number := getattr(node, "workeroutput", {}).get(_EXHAUSTIVE):
        node.config.stash[_left_out] = number


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out, and what the browser tests ran in. A rehearsal passes on what they did not cover.

    Verdicts quote the line of a failed test. Outside of CI, pytest cuts it to the terminal's width, and behind a long
    name nothing is left of the reason: in a log, as in CodeBuild's, it says all.
    """
    if not terminalreporter.isatty():
        os.environ.setdefault("CI", "true")
    if number := config.stash.get(_left_out, 0):
        terminalreporter.write_line(f"{number} exhaustive cases are not run here: make test-all")
    if _summary in config.stash:
        terminalreporter.write_line(config.stash[_summary])


@pytest.fixture(scope="session")
def base_url() -> str:
    """Return the address of the deployed environment: what `make integration` and `make e2e` are given."""
    address = os.environ.get("BASE_URL")
    if not address:
        pytest.exit("usage: make integration BASE_URL=https://<load balancer>, or make e2e BASE_URL=…", returncode=2)
    return address


@pytest.fixture(scope="session")
def test_headers() -> dict[str, str]:
    """Return the header that leads to the new revisions, where these tests answer a gate; otherwise none."""
    name, _, value = os.environ.get(TEST_HEADER_VARIABLE, "").partition(": ")
    return {name: value} if name else {}


@pytest.fixture(scope="session")
def api(base_url: str, test_headers: dict[str, str]) -> Iterator[httpx.Client]:
    """Return a client for the environment's services."""
    import httpx

    with httpx.Client(base_url=base_url, timeout=30, headers=test_headers) as client:
        yield client


@pytest.fixture(scope="module")
def page(
    request: pytest.FixtureRequest, browser: Browser | None, test_headers: dict[str, str]
) -> Iterator[Page | None]:
    """Return a page in a profile that is thrown away afterwards, or None where there is no browser.

    One page serves all tests of a module, which is faster: each test opens its own address again.
    """
    stash = request.config.stash
    if browser is None:
        stash[_summary] = f"not covered: browser tests: {_NO_BROWSER}, so the same checks ran over HTTP"
        yield None
        return
    stash[_summary] = f"browser: Chromium {browser.version}"
    with browser.new_context(extra_http_headers=test_headers) as context:
        context.set_default_timeout(_PATIENCE_MS)
        yield context.new_page()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser | None]:
    """Return Chromium, or None where there is none.

    It is the one that `CHROMIUM_PATH` names, else the machine's own, else Playwright's download. It is closed with the
    module's last test: while it is open, no other event loop can run in this thread.
    """
    named = os.environ.get("CHROMIUM_PATH")
    if named and shutil.which(named) is None:
        pytest.exit(f"CHROMIUM_PATH={named}: is not a program: correct it, or unset it", returncode=2)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        path = _chromium(playwright)
        if path is None:
            yield None
            return
        arguments = ["--disable-background-networking", "--no-first-run"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium's sandbox refuses to work for root, as in containers.
        with playwright.chromium.launch(executable_path=path, args=arguments, timeout=_START_MS) as browser:
            yield browser


def _chromium(playwright: Playwright) -> str | None:
    if named := os.environ.get("CHROMIUM_PATH"):
        return named
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    downloaded = playwright.chromium.executable_path
    return downloaded if Path(downloaded).exists() else None

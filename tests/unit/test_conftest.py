"""What the other tests rely on: they cannot read what is the user's, and leave a log that says why, and no Podman."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from helpers.assembly import read_assembly

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "read",
    [
        lambda: (ROOT / "nova.toml").read_text(),
        lambda: list(ROOT.glob("services/*/Dockerfile")),
        lambda: list((ROOT / "services").iterdir()),
        lambda: (ROOT / "services" / "some-service" / "Dockerfile").read_bytes(),
    ],
    ids=["nova.toml", "a search for services", "their directory", "a file of one"],
)
def test_a_test_that_reads_what_is_the_users_fails_whoever_runs_it(read: Callable[..., Any]) -> None:
    with pytest.raises(RuntimeError, match="is the user's"):
        read()


def test_the_kit_is_the_platforms_and_may_be_read() -> None:
    assert "nova-kit" in (ROOT / "services" / "kit" / "pyproject.toml").read_text()


@pytest.mark.own_project
def test_a_test_that_says_so_may_read_it() -> None:
    assert (ROOT / "nova.toml").read_text()


NOSUID, NOEXEC = 2, 8
"""As Linux says how a file system is mounted."""


@pytest.mark.parametrize(
    ("named", "flags", "blocks", "memory", "place"),
    [
        ({}, NOSUID, 2**20, 2**20, "/dev/shm"),
        ({}, NOEXEC, 2**20, 2**20, "/elsewhere"),
        ({}, NOSUID, 2**18, 2**20, "/elsewhere"),
        ({}, NOSUID, 2**20, 2**18, "/elsewhere"),
        ({"TMPDIR": "/elsewhere"}, NOSUID, 2**20, 2**20, "/elsewhere"),
    ],
)
def test_temporary_files_are_in_memory_that_has_room_and_runs_programs_unless_a_place_is_named(
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
    named: dict[str, str],
    flags: int,
    blocks: int,
    memory: int,
    place: str,
) -> None:
    [conftest] = [each for each in pytestconfig.pluginmanager.get_plugins() if hasattr(each, "temporary_place")]
    monkeypatch.setattr(conftest, "os", SimpleNamespace(**{**vars(os), "environ": named, "ST_NOEXEC": NOEXEC}))
    monkeypatch.setattr(conftest.os, "access", lambda *_: True)
    available = SimpleNamespace(available=memory * 4096)
    monkeypatch.setattr(conftest, "psutil", SimpleNamespace(virtual_memory=lambda: available))
    monkeypatch.setattr(conftest.os, "statvfs", lambda _: SimpleNamespace(f_flag=flags, f_bavail=blocks, f_frsize=4096))
    monkeypatch.setattr(tempfile, "tempdir", "/elsewhere")
    assert conftest.temporary_place() == place


LONG = f"test_{'that_has_a_long_name' * 4}"
FAILING = f"""
import os, subprocess

def {LONG}():
    raise RuntimeError("the page never showed its answer")

def test_that_starts_podman():
    kept = os.path.join(os.environ["TMPDIR"], "podman-run-1001")
    os.mkdir(kept)
    process = subprocess.Popen(
        ["sh", "-c", "echo; while :; do sleep 1; done"],
        env={{**os.environ, "XDG_RUNTIME_DIR": kept}}, start_new_session=True, stdout=subprocess.PIPE,
    )
    process.stdout.read(1)  # before that, the system may not show its environment yet
    open("pid", "w").write(str(process.pid))
"""


def run_tests(directory: Path, tests: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a module of tests beside the project's conftest.py, outside of CI and into a log."""
    shutil.copy(ROOT / "conftest.py", directory)
    (directory / "test_page.py").write_text(tests)
    outside = {key: value for key, value in os.environ.items() if key not in ("CI", "BUILD_NUMBER", "COLUMNS")}
    variables = {**outside, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables}
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--rootdir=.", "-c", os.devnull]
    return subprocess.run(command, cwd=directory, env=variables, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], int]:
    """What a run of tests says into a log, and the process that one of them has left behind."""
    directory = tmp_path_factory.mktemp("tests")
    done = run_tests(directory, FAILING)
    return done.stdout.splitlines(), int((directory / "pid").read_text())


@pytest.mark.exhaustive("test_a_test_that_reads_what_is_the_users_fails_whoever_runs_it")
def test_a_log_names_a_failed_test_with_its_whole_reason(ran: tuple[list[str], int]) -> None:
    """A verdict quotes that line, and whoever reads it may have nothing else."""
    assert f"FAILED test_page.py::{LONG} - RuntimeError: the page never showed its answer" in ran[0]


def test_what_podman_keeps_running_without_root_ends_with_the_tests(ran: tuple[list[str], int]) -> None:
    late = time.monotonic() + 10
    while psutil.pid_exists(ran[1]) and psutil.Process(ran[1]).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < late
        time.sleep(0.01)


@pytest.mark.exhaustive("test_a_test_that_reads_what_is_the_users_fails_whoever_runs_it")
def test_a_browser_that_is_none_is_refused_in_a_line(tmp_path: Path) -> None:
    none = str(tmp_path / "chromium")
    line = f"CHROMIUM_PATH={none}: is not a program: correct it, or unset it"
    tests = run_tests(tmp_path, "def test_it(page):\n    pass\n", CHROMIUM_PATH=none)
    assert (tests.returncode, line in tests.stdout + tests.stderr, "Traceback" in tests.stdout) == (2, True, False)
    make = ["make", "--no-print-directory", "--old-file=setup", "browser"]
    made = subprocess.run(make, cwd=ROOT, env={**os.environ, "CHROMIUM_PATH": none}, capture_output=True, text=True)
    assert (made.returncode, made.stdout, made.stderr.splitlines()[0]) == (2, "", line)


@pytest.mark.parametrize(("says", "why"), [("Error: no route to cdn", "no route to cdn"), ("", "see .nova/")])
def test_a_browser_that_cannot_be_downloaded_is_a_sentence(tmp_path: Path, says: str, why: str) -> None:
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("sh", "id", "mkdir", "sed"):
        (programs / name).symlink_to(shutil.which(name) or name)
    playwright = programs / "playwright"
    playwright.write_text(f"#!/bin/sh\necho Downloading\necho '{says}\n    at ChildProcess.emit' >&2\nexit 1\n")
    playwright.chmod(0o755)
    make = [shutil.which("make") or "make", "-C", str(tmp_path), "-f", str(ROOT / "Makefile")]
    made = subprocess.run(
        [*make, "--old-file=setup", "--no-print-directory", "browser"],
        env={"PATH": str(programs)}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    first, second = made.stderr.splitlines()
    assert (made.returncode, made.stdout.count("\n"), second.startswith("make: ***")) == (2, 1, True)
    assert first.startswith(f"browser: Playwright could not install it: {why}")


PLACES = ("111111111111/us-east-1", "222222222222/us-east-1", "222222222222/eu-west-1")


def write(directory: Path, stacks: dict[str, dict[str, Any]]) -> None:
    """An assembly, or a part of one, whose templates say which stack they are of."""
    directory.mkdir(exist_ok=True)
    (directory / "manifest.json").write_text(json.dumps({"artifacts": stacks}))
    for key in stacks:
        (directory / f"{key}.json").write_text(json.dumps({"Description": key}))


def stack(key: str, place: str, *needs: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "aws:cloudformation:stack",
        "environment": f"aws://{place}",
        "properties": {"templateFile": f"{key}.json", **properties},
        "dependencies": [*needs],
    }


def test_stacks_of_one_name_are_told_apart_by_where_they_are(tmp_path: Path) -> None:
    alike = {f"Roles{n}": stack(f"Roles{n}", place, stackName="roles") for n, place in enumerate(PLACES)}
    alike["Roles2"]["properties"]["terminationProtection"] = True
    write(tmp_path, alike | {"Last": stack("Last", PLACES[0], "Roles0", "Roles2", "Last.assets")})
    write(tmp_path / "assembly-Stage", {"Inner": stack("Inner", PLACES[2], stackName="Last")})
    (tmp_path / "validation-report.json").write_text("{}")
    found = read_assembly(tmp_path)
    assert {name: template["Description"] for name, template in found.templates.items()} == {
        "roles": "Roles0",
        "roles-in-222222222222-us-east-1": "Roles1",
        "roles-in-222222222222-eu-west-1": "Roles2",
        "Last": "Last",
        "Last-in-222222222222-eu-west-1": "Inner",
    }
    assert found.order["Last"] == {"roles", "roles-in-222222222222-eu-west-1"}
    assert found.protected == {"roles-in-222222222222-eu-west-1"}

"""What the other tests rely on: they cannot read what is the user's, and a log says why one of them failed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


def test_a_log_names_a_failed_test_with_its_whole_reason(tmp_path: Path) -> None:
    """A verdict quotes that line, and whoever reads it may have nothing else."""
    shutil.copy(ROOT / "conftest.py", tmp_path)
    reason, name = "the page never showed its answer", f"test_{'that_has_a_long_name' * 4}"
    (tmp_path / "test_page.py").write_text(f"def {name}():\n    raise RuntimeError({reason!r})\n")
    outside = {key: value for key, value in os.environ.items() if key not in ("CI", "BUILD_NUMBER", "COLUMNS")}
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--rootdir=.", "-c", os.devnull]
    variables = {**outside, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(command, cwd=tmp_path, env=variables, check=False, capture_output=True, text=True)
    assert f"FAILED test_page.py::{name} - RuntimeError: {reason}" in ran.stdout.splitlines()

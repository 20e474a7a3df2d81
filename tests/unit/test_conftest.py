"""What the other tests rely on: they cannot read what is the user's."""

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

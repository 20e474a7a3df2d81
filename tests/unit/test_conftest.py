"""What the other tests rely on: they cannot read what is the user's."""

from pathlib import Path

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
def test_a_test_that_reads_what_is_the_users_fails_whoever_runs_it(read):
    with pytest.raises(RuntimeError, match="is the user's"):
        read()


def test_the_kit_is_the_platforms_and_may_be_read():
    assert "nova-kit" in (ROOT / "services" / "kit" / "pyproject.toml").read_text()


@pytest.mark.own_project
def test_a_test_that_says_so_may_read_it():
    assert (ROOT / "nova.toml").read_text()

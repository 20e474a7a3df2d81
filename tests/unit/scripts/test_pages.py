"""The pages under docs/ are what the code says now."""

from collections.abc import Callable

import pytest

from helpers.scripts import SCRIPTS, load_script

PAGES: dict[str, Callable[[], str]] = load_script("pages").PAGES


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (SCRIPTS.parent / "docs" / name).read_text() == PAGES[name](), "run `make docs`"

"""The pages under docs/ are what the code says now."""

import json
from collections.abc import Callable

import pytest

from helpers.scripts import SCRIPTS, load_script

PAGES: dict[str, Callable[[], str]] = load_script("pages").PAGES


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (SCRIPTS.parent / "docs" / name).read_text() == PAGES[name](), "run `make docs`"


def test_every_key_is_explained_to_editors() -> None:
    definitions = json.loads(PAGES["nova.schema.json"]())["$defs"]
    explained = [
        key
        for definition in definitions.values()
        for key, value in definition.get("anyOf", [definition])[0]["properties"].items()
        if "default" in value and "description" not in value
    ]
    assert set(explained) <= {"rollout", "scaling", "network", "targets", "alarms", "health"}

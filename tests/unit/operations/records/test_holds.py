"""Holds by the beginning of a commit, as people write them."""

from collections.abc import Mapping
from typing import Any

import pytest

from nova_infra.errors import RefusedError
from nova_infra.operations.records.holds import hold, read_holds, refusals, release_hold
from nova_infra.operations.records.lookup import names

COMMIT = "3f2a91c" + "0" * 33


class Parameters:
    """An environment of which nothing but its parameters is needed."""

    name, prefix = "prod", "nova-prod"

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def caller(self) -> str:
        return "mei"

    def put_parameter(self, name: str, value: str) -> int:
        self.held[name] = value
        return 1

    def parameters(self, path: str) -> Mapping[str, str]:
        return {name: value for name, value in self.held.items() if name.startswith(f"{path}/")}


@pytest.mark.parametrize(
    ("written", "release", "is_it"),
    [
        (COMMIT, COMMIT, True),
        (COMMIT[:7], COMMIT, True),
        (COMMIT[:6], COMMIT, False),
        ("4f2a91c", COMMIT, False),
        ("working", "working-tree", False),
        # After a rollback of one service, what runs is parts of two releases.
        (COMMIT[:12], f"{COMMIT[:12]}+carts-service@{'b' * 12}", False),
    ],
)
def test_a_release_is_named_by_its_name_or_by_the_beginning_of_its_commit(
    written: str, release: str, is_it: bool
) -> None:
    assert names(written, release) is is_it


@pytest.mark.parametrize("written", [COMMIT, COMMIT[:7]])
@pytest.mark.parametrize("taken", [COMMIT, COMMIT[:7]])
def test_a_hold_keeps_the_commit_out_until_it_ends(written: str, taken: str) -> None:
    prod: Any = Parameters()
    hold(prod, written, why="corrupts uploads")
    [why] = refusals(read_holds(prod), COMMIT, {})
    assert why.endswith("by mei: corrupts uploads")
    assert refusals(read_holds(prod), "4" + COMMIT[1:], {}) == []
    release_hold(prod, taken, why="mended")
    assert refusals(read_holds(prod), COMMIT, {}) == []


def test_holds_of_one_commit_under_two_names_are_taken_away_together() -> None:
    prod: Any = Parameters()
    hold(prod, COMMIT[:7], why="corrupts uploads")
    hold(prod, COMMIT, why="a rollback left it")
    hold(prod, "4" * 40, why="another")
    release_hold(prod, COMMIT[:7], why="mended")
    assert [held.release for held in read_holds(prod)] == ["4" * 40]


def test_what_names_several_commits_takes_no_hold_away() -> None:
    prod: Any = Parameters()
    hold(prod, f"3f2a{'0' * 36}", why="one")
    hold(prod, f"3f2a{'1' * 36}", why="another")
    with pytest.raises(RefusedError, match="'3f2a' is not on hold in prod: on hold are 3f2a0000"):
        release_hold(prod, "3f2a", why="mended")
    assert len(read_holds(prod)) == 2


def test_a_commit_is_held_and_released_in_either_case() -> None:
    prod: Any = Parameters()
    hold(prod, COMMIT[:9].upper(), why="corrupts uploads")
    assert refusals(read_holds(prod), COMMIT, {})
    release_hold(prod, COMMIT[:9].upper(), why="mended")
    assert read_holds(prod) == ()


@pytest.mark.parametrize("written", ["3f2a91", "no/commit", ""])
def test_what_tells_no_commit_is_refused(written: str) -> None:
    prod: Any = Parameters()
    with pytest.raises(RefusedError, match="give a commit, as `nova releases` shows, and at least 7 digits of it"):
        hold(prod, written, why="x")

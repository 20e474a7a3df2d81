"""Commits between two releases, from a real clone."""

from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from helpers.repository import git
from nova_infra.operations.reports.commits import Commits, commits_between


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with a line of three commits, and a branch that leaves it after the first."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path, "First")
    git(tmp_path, "branch", "other")
    commit(tmp_path, "Second")
    commit(tmp_path, "Third -- with\x1f a trap\n\nand a body")
    git(tmp_path, "checkout", "--quiet", "other")
    commit(tmp_path, "Elsewhere")
    return tmp_path


def commit(directory: Path, message: str) -> None:
    git(directory, "commit", "--quiet", "--allow-empty", "-m", message)


def test_the_commits_that_a_release_brings_are_listed_newest_first(clone: Path) -> None:
    first, last = git(clone, "rev-parse", "main~2"), git(clone, "rev-parse", "main")
    found = commits_between(clone, first, last)
    assert [(c.subject, c.author) for c in found.new] == [("Third -- with\x1f a trap", "Mei"), ("Second", "Mei")]
    assert found.new[0].id == last[:12]
    assert found.lost == ()


@pytest.mark.exhaustive("test_the_commits_that_a_release_brings_are_listed_newest_first")
def test_a_release_from_another_line_of_history_leaves_commits_out(clone: Path) -> None:
    found = commits_between(clone, git(clone, "rev-parse", "main"), git(clone, "rev-parse", "other"))
    assert [c.subject for c in found.new] == ["Elsewhere"]
    assert [c.subject for c in found.lost] == ["Third -- with\x1f a trap", "Second"]


@pytest.mark.exhaustive("test_the_commits_that_a_release_brings_are_listed_newest_first")
def test_the_same_commit_brings_nothing(clone: Path) -> None:
    head = git(clone, "rev-parse", "main")
    assert commits_between(clone, head, head) == Commits()


@pytest.mark.exhaustive("operations/reports/test_survey.py::test_what_cannot_be_read_is_reported_and_so_is_the_rest")
def test_what_is_not_known_is_reported(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    head = git(clone, "rev-parse", "main")
    assert "ledger" in commits_between(clone, None, head).unknown
    assert "fetch its whole history" in commits_between(clone, "0" * 40, head).unknown
    assert "fetch its whole history" in commits_between(tmp_path_factory.mktemp("no-clone"), head, head).unknown


@pytest.mark.parametrize("release", one_of_each(["--output=/tmp/x", "main", "a..b", "uncommitted-012345678901", ""]))
def test_nothing_but_a_commit_is_handed_to_git(clone: Path, release: str) -> None:
    assert commits_between(clone, release, git(clone, "rev-parse", "main")).unknown.endswith("is not a commit")

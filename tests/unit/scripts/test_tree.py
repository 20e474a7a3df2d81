"""What git would commit is the same list and hash with a repository, without one, and below somebody else's."""

import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from helpers.repository import git

SCRIPT = Path(__file__).parents[3] / "scripts" / "tree.sh"


def tree(root: Path, *arguments: str) -> str:
    return subprocess.run([root / "scripts" / "tree.sh", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A directory without a repository, as it is unpacked from an archive."""
    root = tmp_path / "project"
    for name, content in {
        "Makefile": "all:\n", ".gitignore": "/.venv/\n__pycache__/\n", "nova infra/配送.py": "x = 1\n",
        "nova infra/__pycache__/a.pyc": "compiled", ".venv/ready": "yes",
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root / "scripts").mkdir()
    shutil.copy(SCRIPT, root / "scripts")
    return root


NAMES = {".gitignore", "Makefile", "nova infra/配送.py", "scripts/tree.sh"}


def names(root: Path, *paths: str) -> set[str]:
    return set(filter(None, tree(root, "list", *paths).split("\0")))


def test_an_archive_lists_what_git_would_commit(archive: Path) -> None:
    assert names(archive) == NAMES
    assert names(archive, "nova infra", "nova.toml") == {"nova infra/配送.py"}
    assert not (archive / ".git").exists()


def test_a_repository_lists_the_same_and_hashes_the_same(archive: Path) -> None:
    before = tree(archive, "hash")
    git(archive, "init", "-q")
    git(archive, "add", "Makefile")
    assert (names(archive), tree(archive, "hash")) == (NAMES, before)
    git(archive, "add", ".")
    git(archive, "commit", "-qm", "all")
    assert (names(archive), tree(archive, "hash")) == (NAMES, before)


@pytest.mark.exhaustive("test_a_repository_lists_the_same_and_hashes_the_same")
def test_a_file_that_was_deleted_is_not_listed_before_that_is_committed_either(archive: Path) -> None:
    git(archive, "init", "-q")
    git(archive, "add", ".")
    git(archive, "commit", "-qm", "all")
    (archive / "nova infra/配送.py").unlink()
    (archive / "link").symlink_to("nowhere")
    before = tree(archive, "hash")
    assert names(archive) == NAMES - {"nova infra/配送.py"} | {"link"}
    git(archive, "add", "--all")
    git(archive, "commit", "-qm", "less")
    assert tree(archive, "hash") == before


def test_an_archive_below_another_repository_that_ignores_it_is_listed_all_the_same(archive: Path) -> None:
    git(archive.parent, "init", "-q")
    (archive.parent / ".gitignore").write_text("*\n")
    assert names(archive) == NAMES


@pytest.mark.parametrize("name", one_of_each(["nova infra/配送.py", "new.py"]))
def test_another_content_has_another_hash(archive: Path, name: str) -> None:
    before = tree(archive, "hash")
    (archive / name).write_text("x = 2\n")
    assert tree(archive, "hash") != before


def test_a_file_that_is_gone_has_another_hash_and_ignored_ones_do_not_count(archive: Path) -> None:
    git(archive, "init", "-q")
    git(archive, "add", ".")
    before = tree(archive, "hash")
    (archive / ".venv" / "ready").write_text("no")
    assert tree(archive, "hash") == before
    (archive / "nova infra" / "配送.py").unlink()
    assert tree(archive, "hash") != before

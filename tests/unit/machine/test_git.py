import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_infra.errors import NovaError
from nova_infra.machine import git as module
from nova_infra.machine.git import check_out, run, why_silent, why_unreadable


def git(root: Path, *arguments: str, said: str | None = None) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]
    words = ["git", *identity, *arguments]
    return subprocess.run(words, cwd=root, check=True, capture_output=True, input=said, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits of a project, in a directory with a space and letters beyond ASCII."""
    root = tmp_path / "配送 platform"
    root.mkdir()
    git(root, "init", "-q")
    for content in ("one", "two"):
        (root / "nova.toml").write_text(content)
        git(root, "add", ".")
        git(root, "commit", "-qm", content)
    return root


@pytest.mark.parametrize("revision", ["HEAD", "HEAD~1"])
def test_a_commit_of_the_project_can_be_read(repository: Path, revision: str) -> None:
    assert why_unreadable(repository, revision) is None


@pytest.mark.exhaustive("test_a_commit_of_the_project_can_be_read")
def test_a_worktree_is_a_repository(repository: Path) -> None:
    git(repository, "worktree", "add", "-q", "../tree")
    assert why_unreadable(repository.parent / "tree") is None


def test_an_archive_has_no_repository(tmp_path: Path) -> None:
    assert "no git repository here, as in an unpacked archive: clone the project" in (why_unreadable(tmp_path) or "")


def test_a_repository_without_a_commit_needs_one(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert why_unreadable(tmp_path) == "nothing is committed in this repository: commit first"


def test_a_shallow_clone_ends_before_what_is_asked_for(repository: Path) -> None:
    git(repository.parent, "clone", "-q", "--depth=1", repository.as_uri(), "shallow")
    shallow = repository.parent / "shallow"
    assert why_unreadable(shallow) is None
    assert (why_unreadable(shallow, "HEAD^") or "").startswith("this clone is shallow and ends before 'HEAD^': run ")


@pytest.mark.exhaustive("test_a_shallow_clone_ends_before_what_is_asked_for")
def test_a_revision_that_does_not_exist_is_named(repository: Path) -> None:
    assert why_unreadable(repository, "v9") == "'v9' is not a revision of this repository: name one that exists"


def test_an_archive_below_another_repository_is_not_in_its_commits(repository: Path) -> None:
    archive = repository / "unpacked"
    archive.mkdir()
    (archive / "nova.toml").touch()
    assert (why_unreadable(archive) or "").startswith("'HEAD' does not have this directory: commit")


def test_a_repository_of_another_user_is_not_one_without_commits(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Git's own tests use it to stand for a directory that belongs to somebody else.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert (why_unreadable(repository) or "").startswith("this repository belongs to another user: run `git config")


def test_a_git_that_speaks_another_language_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")  # Where git brings its translations, it says "Kein Git-Repository".
    assert "not a git repository" in run(tmp_path, "status").error
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "git").write_text('#!/bin/sh\necho "$LC_ALL"\n')
    (tmp_path / "git").chmod(0o755)
    assert run(tmp_path, "status").text == "C"


def test_git_itself_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert why_unreadable(tmp_path) == "git: not found: install it"


def test_a_rehearsal_says_so_before_it_synthesizes(
    nova: Callable[..., subprocess.CompletedProcess[str]], example: Path, tmp_path: Path
) -> None:
    (tmp_path / "nova.toml").write_text((example / "nova.toml").read_text())
    result = nova("rehearse", "--approve", directory=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("baseline: there is no git repository here, as in an unpacked archive")


LINKS: dict[str, tuple[str, bool]] = {
    "absolute": ("/etc/passwd", False),
    "above": ("../../outside", False),
    "services/up/through": ("down/../../../../outside", False),
    "services/up/down": ("..", True),
    "services/far": ("up/through", True),  # to one that is left out, so nowhere
    "a-late": ("services/up/down/../../outside", False),  # inside, until the archive's next link is there
    "a-late-nowhere": ("services/up/down/../../absent", False),
    "beside": ("nova.toml", True),
    "as-written": ("./services/../nova.toml", True),
    "dangling": ("not/there", True),
    "loop": ("loop", True),
}


def test_a_checkout_keeps_links_as_git_has_them_but_none_that_leads_out(repository: Path, tmp_path: Path) -> None:
    (repository / "services" / "up").mkdir(parents=True)
    (repository / "services" / "up" / "run").write_text("run")
    (repository / "services" / "up" / "run").chmod(0o755)
    for name, (target, _) in LINKS.items():
        (repository / name).symlink_to(target)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "links")
    (tmp_path / "outside").mkdir()
    directory = tmp_path / "checkout"
    directory.mkdir()

    left_out = check_out(repository, "HEAD", directory)

    assert left_out == sorted(name for name, (_, kept) in LINKS.items() if not kept)
    assert {name for name in LINKS if (directory / name).is_symlink()} == set(LINKS) - set(left_out)
    assert str((directory / "as-written").readlink()) == "services/../nova.toml", "as pathlib wrote it"
    assert all(path.resolve().is_relative_to(directory) for path in directory.rglob("*") if path.name != "loop")
    assert (directory / "services" / "up" / "run").stat().st_mode & 0o777 == 0o755


def test_a_link_that_is_a_directory_too_is_refused_before_anything_is_written_through_it(
    repository: Path, tmp_path: Path
) -> None:
    """Git makes no such tree itself, but takes one that somebody pushes."""
    outside = tmp_path / "outside"
    outside.mkdir()
    blob = git(repository, "hash-object", "-w", "--stdin", said="stolen")
    link = git(repository, "hash-object", "-w", "--stdin", said=str(outside))
    inner = git(repository, "mktree", said=f"100644 blob {blob}\tfile\n")
    raw = b"120000 way\0" + bytes.fromhex(link) + b"40000 way\0" + bytes.fromhex(inner)
    (tmp_path / "tree").write_bytes(raw)
    tree = git(repository, "hash-object", "-t", "tree", "--literally", "-w", str(tmp_path / "tree"))
    commit = git(repository, "commit-tree", "-m", "hostile", tree)
    directory = tmp_path / "checkout"
    directory.mkdir()
    with pytest.raises(NovaError, match=r"way/file is below a link: do not use this revision"):
        check_out(repository, commit, directory)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["../file", "/file"])
def test_an_archive_that_leads_out_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Git refuses such names, in the releases that we know."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    monkeypatch.setattr(module, "run", lambda *_: module.GitAnswer(0, packed.getvalue(), ""))
    directory = tmp_path / "checkout"
    directory.mkdir()
    with pytest.raises(NovaError, match=f"{name} leads out of it: do not use this revision"):
        check_out(tmp_path, "HEAD", directory)
    assert list(tmp_path.rglob("file")) == []


def test_files_that_are_laid_out_as_a_repository_are_none(tmp_path: Path) -> None:
    """A commit may bring them where its files come without their ``.git``: their config names what git runs."""
    git(tmp_path, "init", "-q", "--bare")
    (tmp_path / "config").open("a").write(f"[core]\n\tworktree = {tmp_path}\n\tfsmonitor = touch ran; false\n")
    (tmp_path / "config").write_text((tmp_path / "config").read_text().replace("bare = true", "bare = false"))
    git(tmp_path, "--git-dir=.", "status")
    assert (tmp_path / "ran").exists(), "without our option git runs it"
    (tmp_path / "ran").unlink()
    assert run(tmp_path, "status").code
    assert not (tmp_path / "ran").exists()
    assert "there is no git repository here" in (why_silent(tmp_path) or "")

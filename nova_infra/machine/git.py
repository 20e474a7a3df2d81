"""Runs git. Each reason why git cannot answer has its own error and remedy."""

import errno
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from nova_infra.errors import NovaError

NOT_FOUND = 127
"""The exit code where there is no git, as a shell has it."""


@dataclass(frozen=True)
class GitAnswer:
    """What git answers."""

    code: int
    out: bytes
    error: str

    @property
    def text(self) -> str:
        """What it prints, as text without white space around it."""
        return self.out.decode(errors="replace").strip()

    @property
    def fault(self) -> str:
        """The first line of what it says is wrong."""
        return next(iter(self.error.splitlines()), "failed")


def run(root: Path, *arguments: str) -> GitAnswer:
    """Run git in a directory, in English: what it says about a fault decides the remedy.

    A directory that is itself laid out as a repository counts for none: where a commit's files come without their
    ``.git``, such a layout would be the commit's, and its ``config`` names programs that git runs.
    """
    command = ["git", "-c", "safe.bareRepository=explicit", *arguments]
    try:
        result = subprocess.run(command, cwd=root, env={**os.environ, "LC_ALL": "C"}, check=False, capture_output=True)
    except FileNotFoundError:
        return GitAnswer(NOT_FOUND, b"", "git: not found: install it")
    return GitAnswer(result.returncode, result.stdout, result.stderr.decode(errors="replace").strip())


def read(root: Path, *arguments: str) -> str | None:
    """What git prints, without white space around it; None where it fails or is not there."""
    answer = run(root, *arguments)
    return answer.text if answer.code == 0 else None


def top_of(root: Path) -> Path:
    """The top of the repository that a directory is in; the directory itself where it is in none."""
    up = read(root, "rev-parse", "--show-cdup")
    return (root / up).resolve() if up else root


def why_silent(root: Path) -> str | None:
    """Why git says nothing of a directory (no repository, or another owner's), with the remedy; else None."""
    answer = run(root, "rev-parse", "--git-dir")
    if answer.code == NOT_FOUND:
        return answer.error
    if named := re.search(r"dubious ownership in repository at '(.*)'", answer.error):
        return f"this repository belongs to another user: run `git config --global --add safe.directory '{named[1]}'`"
    if answer.code:
        return (
            "there is no git repository here, as in an unpacked archive: clone the project, "
            "or run `git init && git add --all && git commit -m start`"
        )
    return None


def why_unreadable(root: Path, revision: str = "HEAD") -> str | None:
    """Why a revision cannot be read in a directory, with the remedy; None where it can.

    A shallow clone ends early.
    """
    if fault := why_silent(root):
        return fault
    if run(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").code:
        if run(root, "rev-parse", "--verify", "--quiet", "HEAD").code:
            return "nothing is committed in this repository: commit first"
        if read(root, "rev-parse", "--is-shallow-repository") == "true":
            return f"this clone is shallow and ends before {revision!r}: run `git fetch --unshallow`"
        return f"{revision!r} is not a revision of this repository: name one that exists"
    if run(root, "cat-file", "-e", f"{revision}:./").code:
        return f"{revision!r} does not have this directory: commit the project first, or name a later revision"
    return None


def check_out(root: Path, revision: str, directory: Path) -> list[str]:
    """Write the files of a revision to an empty directory, but no link that points out of it.

    Somebody else's branch is foreign data: a link may lead to files of this machine, and what reads or writes the
    checkout would follow it. Links come last, so nothing is written through one.

    Returns:
        The links that were left out, sorted.

    Raises:
        NovaError: Git cannot read it, its files leave the directory, or there is no room for them.
    """
    answer = run(root, "archive", revision)
    if answer.code:
        raise NovaError(f"git archive {revision}: {answer.error}: repair the repository")
    try:
        with tarfile.open(fileobj=BytesIO(answer.out)) as archive:
            links = {member.name: member.linkname for member in archive if member.issym()}
            linked = set(map(PurePosixPath, links))
            for member in archive:
                path = PurePosixPath(member.name)
                if not linked.isdisjoint(path.parents):
                    raise NovaError(f"git archive {revision}: {member.name} is below a link: do not use this revision")
                if path.is_absolute() or ".." in path.parts:
                    raise NovaError(f"git archive {revision}: {member.name} leads out of it: do not use this revision")
                if not member.issym():
                    _write(archive, member, directory / path)
            left_out = {name for name, target in links.items() if not _linked(directory, name, target)}
    except (OSError, tarfile.TarError) as error:
        raise NovaError(
            f"git archive {revision}: {directory} has no room for its files ({error}): make room there"
        ) from None
    # Where a link leads follows from the others: one more that goes may leave the next one without its way out.
    while found := {name for name in sorted(links.keys() - left_out) if _leaves(directory, name)}:
        for name in found:
            (directory / name).unlink()
        left_out |= found
    return sorted(left_out)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Write a file or directory. Without ``TarFile.extract``, whose filters came with Python 3.11.4."""
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
    elif content := archive.extractfile(member):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read())
        path.chmod(0o755 if member.mode & 0o100 else 0o644)
        os.utime(path, (member.mtime, member.mtime))


def _linked(directory: Path, name: str, target: str) -> bool:
    """Make a link as git has it, unless what it says leads out of the directory by itself."""
    link = directory / name
    if os.path.isabs(target) or not _is_within(directory, os.path.realpath(os.path.join(link.parent, target))):  # noqa: PTH117, PTH118 - links are texts
        return False
    link.parent.mkdir(parents=True, exist_ok=True)
    # Not by pathlib, which shortens what it says: an image's tag would follow.
    os.symlink(target, link)  # noqa: PTH211 - see above
    return True


def _leaves(directory: Path, name: str) -> bool:
    """Whether a link leads out of the directory, now that each of the others is there."""
    link = directory / name
    try:
        end = os.path.realpath(link, strict=True)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ELOOP, errno.ENOTDIR}:  # a path too long to be sure of
            return True
        end = os.path.realpath(link)
    return not _is_within(directory, end)


def _is_within(directory: Path, end: str) -> bool:
    return Path(end).is_relative_to(os.path.realpath(directory))

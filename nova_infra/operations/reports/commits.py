"""The commits between two releases, from a clone."""

import re
from dataclasses import dataclass
from pathlib import Path

from nova_infra.machine import git
from nova_infra.operations.records.lookup import short

_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Commit:
    """A commit."""

    id: str
    author: str
    subject: str


@dataclass(frozen=True)
class Commits:
    """What a release brings.

    Attributes:
        lost: Commits that run now and are not in it, newest first: it was made from another line of history.
        unknown: Why they are not known; empty where they are.
    """

    new: tuple[Commit, ...] = ()
    lost: tuple[Commit, ...] = ()
    unknown: str = ""


def commits_between(root: Path, running: str | None, candidate: str) -> Commits:
    """The commits by which a candidate differs from what runs.

    Args:
        running: The commit that runs; None where none is known.
    """
    if running is None:
        return Commits(unknown="nothing was released there yet, by the ledger")
    for release in (running, candidate):
        # Nothing that git could take for an option or a range is handed to it.
        if not _COMMIT.fullmatch(release):
            return Commits(unknown=f"{release} is not a commit")
        if git.read(root, "cat-file", "-e", f"{release}^{{commit}}") is None:
            return Commits(unknown=f"this directory is not a clone that has {short(release)}: fetch its whole history")
    return Commits(_log(root, f"{running}..{candidate}"), _log(root, f"{candidate}..{running}"))


def _log(root: Path, commits: str) -> tuple[Commit, ...]:
    form = _SEPARATOR.join(("%h", "%an", "%s"))
    text = git.read(root, "log", "-z", f"--format={form}", "--abbrev=12", commits, "--") or ""
    return tuple(Commit(*record.split(_SEPARATOR, 2)) for record in text.split("\0") if record.count(_SEPARATOR) >= 2)

"""Runs git. Each reason why git cannot answer has its own error and remedy."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

NOT_FOUND = 127
"""The exit code where there is no git, as a shell has it."""


@dataclass(frozen=True)
class GitAnswer:
    """What git answers.

    Attributes:
        code: Its exit code.
        out: What it prints.
        error: What it says about itself, and about what is wrong.
    """

    code: int
    out: bytes
    error: str

    @property
    def text(self) -> str:
        """What it prints, as text without white space around it."""
        return self.out.decode(errors="replace").strip()


def run(root: Path, *arguments: str) -> GitAnswer:
    """Run git in a directory.

    Args:
        root: The directory.
        arguments: What follows ``git``.
    """
    try:
        result = subprocess.run(["git", *arguments], cwd=root, check=False, capture_output=True)
    except FileNotFoundError:
        return GitAnswer(NOT_FOUND, b"", "git: not found: install it")
    return GitAnswer(result.returncode, result.stdout, result.stderr.decode(errors="replace").strip())


def read(root: Path, *arguments: str) -> str | None:
    """What git prints, without white space around it; None where it fails or is not there."""
    answer = run(root, *arguments)
    return answer.text if answer.code == 0 else None


def why_unreadable(root: Path, revision: str = "HEAD") -> str | None:
    """Why a revision cannot be read in a directory, with the remedy; None where it can.

    An archive has no repository, a shallow clone ends early, and git refuses a repository of somebody else's.

    Args:
        root: The project's directory.
        revision: What git calls it.
    """
    answer = run(root, "rev-parse", "--git-dir")
    if answer.code == NOT_FOUND:
        return answer.error
    if "dubious ownership" in answer.error:
        return f"this repository belongs to another user: run `git config --global --add safe.directory '{root}'`"
    if answer.code:
        return (
            "there is no git repository here, as in an unpacked archive: clone the project, "
            "or run `git init && git add --all && git commit -m start`"
        )
    if run(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").code:
        if run(root, "rev-parse", "--verify", "--quiet", "HEAD").code:
            return "nothing is committed in this repository: commit first"
        if read(root, "rev-parse", "--is-shallow-repository") == "true":
            return f"this clone is shallow and ends before {revision!r}: run `git fetch --unshallow`"
        return f"{revision!r} is not a revision of this repository: name one that exists"
    if run(root, "cat-file", "-e", f"{revision}:./").code:
        return f"{revision!r} does not have this directory: commit the project first, or name a later revision"
    return None

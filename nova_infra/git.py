"""Why git cannot answer: each cause has another remedy."""

from __future__ import annotations

import subprocess
from pathlib import Path


def why_unreadable(root: Path, revision: str = "HEAD") -> str | None:
    """Why a revision cannot be read in a directory, with the remedy; None where it can.

    An archive has no repository, a shallow clone ends early, and git refuses a repository of somebody else's.

    Args:
        root: The project's directory.
        revision: What git calls it.
    """
    code, said = _git(root, "rev-parse", "--git-dir")
    if code == 127:
        return "git: not found: install it"
    if "dubious ownership" in said:
        return f"this repository belongs to another user: run `git config --global --add safe.directory '{root}'`"
    if code:
        return (
            "there is no git repository here, as in an unpacked archive: clone the project, "
            "or run `git init && git add --all && git commit -m start`"
        )
    if _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")[0]:
        if _git(root, "rev-parse", "--verify", "--quiet", "HEAD")[0]:
            return "nothing is committed in this repository: commit first"
        if _git(root, "rev-parse", "--is-shallow-repository")[1].strip() == "true":
            return f"this clone is shallow and ends before {revision!r}: run `git fetch --unshallow`"
        return f"{revision!r} is not a revision of this repository: name one that exists"
    if _git(root, "cat-file", "-e", f"{revision}:./")[0]:
        return f"{revision!r} does not have this directory: commit the project first, or name a later revision"
    return None


def _git(root: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and all that git prints; 127 where there is no git."""
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=root, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except FileNotFoundError:
        return 127, ""
    return result.returncode, result.stdout

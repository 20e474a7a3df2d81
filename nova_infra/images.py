"""Content tags: an image's tag is a hash of what it is built from.

The same files give the same tag on every machine, so a commit that touches one service builds one image and changes
one service's templates. What counts is each file's path, git's executable bit and its content.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

SHARED = "kit"
"""The directory under ``services/`` that every image contains."""

_NOT_IN_IMAGES = {"tests", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"}
_TAG_LENGTH = 16


def repository_name(platform: str, service: str) -> str:
    """Name of the service's repository, the same wherever it is referred to."""
    return f"{platform}/{service}"


def content_tag(services: Path, service: str) -> str:
    """The tag of a service's image: 16 hexadecimal digits.

    Args:
        services: The ``services/`` directory, which is the build context.
        service: Name of the service, a directory in it.

    Raises:
        FileNotFoundError: The service has no directory.
    """
    digest = hashlib.sha256()
    for directory in (SHARED, service):
        for path in _files(services / directory):
            content = path.read_bytes()
            executable = "x" if path.stat().st_mode & 0o100 else "-"
            header = f"{path.relative_to(services).as_posix()}\0{executable}{len(content)}\0"
            digest.update(header.encode() + content)
    return digest.hexdigest()[:_TAG_LENGTH]


def current_commit(root: Path) -> str | None:
    """The commit that a clean work tree is at; None where there is no git, or the tree differs from its commit."""

    def git(*arguments: str) -> str | None:
        result = subprocess.run(["git", *arguments], cwd=root, check=False, capture_output=True, text=True)
        return result.stdout.strip() if result.returncode == 0 else None

    return git("rev-parse", "HEAD") if git("status", "--porcelain") == "" else None


def _files(directory: Path) -> Iterator[Path]:
    if not directory.is_dir():
        raise FileNotFoundError(directory)
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if name not in _NOT_IN_IMAGES and not name.endswith(".egg-info"))
        for name in sorted(names):
            if not name.endswith(".pyc"):
                yield Path(folder, name)

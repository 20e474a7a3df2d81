"""Temporary directories that name their owner, so that those of a killed process can be removed."""

import errno
import os
import re
import shutil
import tempfile
from pathlib import Path

import psutil

_NAME = re.compile(r"nova-(\d+)-[a-z-]+-[a-z0-9_]{8}")


def scratch_directory(purpose: str) -> tempfile.TemporaryDirectory[str]:
    """A temporary directory that is removed with its context, or by a later run if this process is killed.

    Args:
        purpose: What it is for, in lower case, such as ``baseline``.
    """
    return tempfile.TemporaryDirectory(prefix=f"nova-{os.getpid()}-{purpose}-", ignore_cleanup_errors=True)


def no_room(error: OSError) -> str:
    """What to say of a file that cannot be written, in a line with the remedy."""
    place = error.filename or tempfile.gettempdir()
    return f"{place}: {error.strerror}: make room there, or set TMPDIR to a directory that has some"


def stopped_by(error: OSError, place: Path) -> str:
    """What to say of what the system refused to a program that has been at work in a directory."""
    if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
        return (
            f"a port of this machine: {error.strerror}: another program took it in the meantime: run the same command "
            "again"
        )
    return f"{error.filename or place}: {error.strerror}: make room there"


def remove_abandoned() -> list[Path]:
    """Remove this user's temporary directories whose process is gone.

    Returns:
        Those that were removed.
    """
    removed = []
    for path in Path(tempfile.gettempdir()).glob("nova-*"):
        match = _NAME.fullmatch(path.name)
        if match and not psutil.pid_exists(int(match.group(1))) and _is_mine(path):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
    return removed


def _is_mine(path: Path) -> bool:
    try:
        return path.is_dir() and not path.is_symlink() and path.lstat().st_uid == os.getuid()
    except OSError:
        return False

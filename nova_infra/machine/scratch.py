"""Temporary directories that name their owner, so that a killed process's are removed later; full disks."""

import errno
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

_NAME = re.compile(r"nova-(\d+)-[a-z-]+-[a-z0-9_]{8}")


def scratch_directory(purpose: str) -> tempfile.TemporaryDirectory[str]:
    """A temporary directory that is removed with its context, or by a later run if this process is killed.

    Args:
        purpose: What it is for, in lower case, such as ``baseline``.
    """
    return tempfile.TemporaryDirectory(prefix=f"nova-{os.getpid()}-{purpose}-", ignore_cleanup_errors=True)


def runtime_directory() -> Path:
    """This user's directory for what his processes share, whatever their ``TMPDIR`` is. No one else can write to it.

    It is that of the XDG Base Directory Specification. Where the system gives none, as on macOS, it is one in the
    user's cache, and where he has no home, a temporary one that only he can enter:
    https://specifications.freedesktop.org/basedir-spec/latest/

    Raises:
        OSError: It cannot be made, or another user has made it.
    """
    given = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    if _is_mine(given):
        return given
    with suppress(OSError, RuntimeError):
        if _is_mine(Path.home()):  # not so under sudo, which would leave root's files there
            made = Path.home() / ".cache" / "nova"
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
            return made
    made = Path(tempfile.gettempdir(), f"nova-of-{os.getuid()}")
    made.mkdir(mode=0o700, exist_ok=True)
    if not _is_mine(made):
        raise PermissionError(errno.EACCES, "belongs to another user", str(made))
    return made


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
    full = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)
    remedy = "make room there" if error.errno in full else "correct that, and run the same command again"
    return f"{error.filename or place}: {error.strerror}: {remedy}"


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

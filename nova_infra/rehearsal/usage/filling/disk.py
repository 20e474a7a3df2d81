"""How much a task has written to its disk: a process's directories, a container's layer and volumes."""

import contextlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

_MOST_FILES = 5000
_MIB = 2**20
_BLOCK = 512
# /proc/<pid>/mountinfo: the mount's place and options, the file system and its options.
# https://docs.kernel.org/filesystems/proc.html#proc-pid-mountinfo-information-about-mounts
_MOUNT = re.compile(r"\S+ \S+ \S+ \S+ (?P<place>\S+) (?P<how>\S+) .*- (?P<kind>\S+) \S+ (?P<more>\S+)")
_UPPER = re.compile(r"(?:^|,)upperdir=([^,]+)")
_CACHES = ("__pycache__", ".cache")
"""Whatever writes there goes on where it cannot."""
_DISKS = ("ext4", "xfs", "btrfs", "overlay", "zfs")


def written(directories: Iterable[Path]) -> float:
    """MiB in some directories; 0 where they hold too many files to look at in passing."""
    size, files, ahead = 0, 0, list(directories)
    while ahead:
        try:
            entries = list(os.scandir(ahead.pop()))
        except OSError:
            continue  # It has gone meanwhile, or is none of this user's.
        files += len(entries)
        if files > _MOST_FILES:
            return 0.0
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    ahead.append(Path(entry.path))
                else:
                    size += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
            except OSError:
                continue
    return size / _MIB


def changed(copy: Path, source: Path | None, spared: Iterable[Path] = ()) -> Path | None:
    """A file that a directory has and what it was copied from has not, or not so; None where there is none.

    Args:
        source: What it was copied from; None where it was empty.
        spared: Directories that do not count.
    """
    passed_over, looked_at = set(spared), 0
    for place, directories, files in os.walk(copy):
        within = Path(place).relative_to(copy)
        directories[:] = [each for each in directories if each not in _CACHES and within / each not in passed_over]
        looked_at += len(files)
        if looked_at > _MOST_FILES:
            return None
        for name in files:
            with contextlib.suppress(OSError):
                now = (copy / within / name).lstat()
                if source is None or not os.path.lexists(source / within / name):
                    return within / name
                before = (source / within / name).lstat()
                if stat.S_ISREG(now.st_mode) and (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                    return within / name
    return None


def of_container(pid: int, proc: Path = Path("/proc")) -> list[Path]:
    """The directories that a container writes to its disk: its own layer, and what is mounted to be written."""
    try:
        lines = (proc / str(pid) / "mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for mount in filter(None, map(_MOUNT.match, lines)):
        if mount["kind"] not in _DISKS or "rw" not in mount["how"].split(","):
            continue
        inside = proc / str(pid) / "root" / mount["place"].lstrip("/")
        if mount["place"] != "/":
            found += [inside] if os.path.isdir(inside) else []  # noqa: PTH112 - Path.is_dir raises where it may not look
        elif upper := _UPPER.search(mount["more"]):
            found.append(Path(upper[1]))  # The rest of the root is the image's, which was there before.
    return found

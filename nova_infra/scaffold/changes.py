"""Writes and removes several files of a project at once: all of them, or none."""

import contextlib
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nova_infra.errors import NovaError


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Have the signals that stop a program wait, also for the programs that are started meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class Changes:
    """What is to change below a directory. Paths are relative to it.

    Attributes:
        written: File to its new content. A file that exists keeps its mode.
        copied: File to the one that it is a copy of, mode included.
        removed: Files and directories to remove, before anything is written.
    """

    root: Path
    written: dict[str, str] = field(default_factory=dict)
    copied: dict[str, Path] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)

    def apply(self) -> None:
        """Change everything, or nothing.

        Everything is prepared beside what it replaces; then each piece is moved to its place, and back again should
        one of them fail. A user who interrupts waits for that: between a move and the note of it, it would be lost.
        """
        try:
            with uninterrupted(), tempfile.TemporaryDirectory(prefix=".nova-", dir=self.root) as directory:
                new, old = Path(directory, "new"), Path(directory, "old")
                self._prepare(new)
                self._move(new, old)
        except OSError as error:
            raise NovaError(
                f"{error.filename or self.root}: cannot be written: {error.strerror}: "
                "correct its permissions or make room; nothing has changed"
            ) from None

    def _prepare(self, new: Path) -> None:
        for path, source in self.copied.items():
            target = _with_parents(new / path)
            shutil.copy(source, target, follow_symlinks=False)
        for path, text in self.written.items():
            target = _with_parents(new / path)
            target.write_bytes(text.encode())
            if (self.root / path).exists():
                shutil.copymode(self.root / path, target)

    def _move(self, new: Path, old: Path) -> None:
        undo: list[Callable[[], object]] = []
        try:
            for path in sorted(self.removed):
                self._put_away(path, old, undo)
            for path in sorted({*self.written, *self.copied}):
                self._put_away(path, old, undo)
                self._put(path, new, undo)
        except BaseException:
            for step in reversed(undo):
                step()
            raise

    def _put_away(self, path: str, old: Path, undo: list[Callable[[], object]]) -> None:
        present, away = self.root / path, old / path
        if present.is_symlink() or present.exists():
            _with_parents(away)
            present.rename(away)
            undo.append(lambda: away.rename(present))

    def _put(self, path: str, new: Path, undo: list[Callable[[], object]]) -> None:
        target, prepared = self.root / path, new / path
        for parent in reversed(target.relative_to(self.root).parents[:-1]):
            if not (directory := self.root / parent).exists():
                directory.mkdir()
                undo.append(directory.rmdir)
        prepared.rename(target)
        undo.append(target.unlink)


def _with_parents(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path

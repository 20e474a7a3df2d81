"""Reads a file that a person or a program has written, whatever stands in its place: a clause says what."""

from pathlib import Path

_MOST = 256 * 1024 * 1024


class UnreadableFileError(Exception):
    """Why a file cannot be read, as a clause without its subject.

    Attributes:
        remedy: What to do.
        line: Where.
    """

    def __init__(self, fault: str, remedy: str, line: int = 1) -> None:
        """State it."""
        super().__init__(fault)
        self.remedy, self.line = remedy, line


def read_file(path: Path, *, most: int = _MOST) -> bytes:
    """What a file holds.

    Args:
        most: Bytes. What is read is also taken apart, which takes many times as long.

    Raises:
        FileNotFoundError: It does not exist.
        UnreadableFileError: It cannot be read.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait for ever, and a device has no end
            raise UnreadableFileError("is not a file", "replace it by one")
        if (size := path.stat().st_size) > most:
            raise UnreadableFileError(
                f"has {size / 2**20:,.0f} MiB, which is more than {most / 2**20:,.0f}", "shorten it"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # each version of Python says otherwise that no name of a file has a NUL
        remedy = "correct its permissions" if isinstance(error, PermissionError) else "replace it by a file"
        why = getattr(error, "strerror", "its name has a null character")
        raise UnreadableFileError(f"cannot be read ({why})", remedy) from None


def read_text(path: Path, *, most: int = _MOST) -> str:
    """A file's text, after a byte order mark if there is one.

    Raises:
        FileNotFoundError: It does not exist.
        UnreadableFileError: It cannot be read, or is not UTF-8.
    """
    content = read_file(path, most=most)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UnreadableFileError("is not UTF-8", "save it as UTF-8", line) from None

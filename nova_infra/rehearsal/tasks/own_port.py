"""The port that a program takes where nothing sets the variable PORT, as its source says."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path

_NAMES = re.compile(
    r"""(?<![\w-])PORT(?:["']\s*,\s*|["']?\]?\)?\s*(?:\|\||\?\?|\bor\b)\s*|:-)(?:\w+\()?["']?(\d{2,5})\b"""
)
"""``getenv("PORT", "8080")``, ``process.env.PORT || 3000``, ``getenv("PORT") or 8080`` and ``${PORT:-8080}``."""
_SOURCES = {".py", ".js", ".mjs", ".cjs", ".ts", ".go", ".rb", ".php", ".sh"}
_NOT_RUN = re.compile(r"(^|[/_.-])(tests?|spec|node_modules|examples?|\.venv|vendor)([/_.-]|$)")
_MOST_BYTES, _MOST_FILES = 200_000, 2_000


@functools.cache
def own_port(directory: Path) -> tuple[int, str] | None:
    """The port and the file that names it; None where no file does, or files do not agree."""
    found = {port: path for path in _files(directory) for port in _NAMES.findall(_text(path))}
    if len(found) != 1:
        return None
    [(port, path)] = found.items()
    return int(port), path.relative_to(directory).as_posix()


def _files(directory: Path) -> Iterator[Path]:
    for number, path in enumerate(sorted(directory.rglob("*"))):
        if number >= _MOST_FILES:
            return
        if path.suffix in _SOURCES and not _NOT_RUN.search(path.relative_to(directory).as_posix()) and path.is_file():
            yield path


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(_MOST_BYTES)

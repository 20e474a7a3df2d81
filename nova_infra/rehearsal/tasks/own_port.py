"""Guesses the port that a program takes without the variable PORT, from the files that its command names."""

import functools
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from nova_infra.assembly import DockerAsset
from nova_infra.containers.dockerfile import variables_of
from nova_infra.rehearsal.tasks.definition import TaskDefinition

_DEFAULT = re.compile(
    r"""(?:[eE][nN][vV]\w*(?:\.|\.get|\.fetch)?\W{1,2}PORT["']?\]?\s*\)?\s*(?:,|\|\||\?\?|\bor\b)\s*|\{PORT:-)"""
    r"""(?:\w+\()?["']?(\d{2,5})\b"""
)
"""``getenv("PORT", "8080")``, ``process.env.PORT || 3000``, ``getenv("PORT") or 8080`` and ``${PORT:-8080}``."""
_SETS = re.compile(
    r"""(?:\benv\w*\W{1,2}PORT["']?\]?\s*=(?!=)|setdefault\(["']PORT|(?:^|[\s;"'])PORT=(?!["']?\$\{PORT:-)\S)""",
    re.MULTILINE,
)
"""``os.environ["PORT"] = ``, ``process.env.PORT = `` and ``export PORT=8080``."""
_IN_IMAGE = re.compile(r"^\s*ENV\s(?:[^\n]*\\\n)*[^\n]*\bPORT[= ]", re.MULTILINE | re.IGNORECASE)
_IMPORTS = re.compile(r"^.*\b(?:import|from|require|exec|source|python3?|node)\b.*$", re.MULTILINE)
_ENDS = ("", ".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".php", ".sh", "/__init__.py", "/index.js")
_SOURCES = {".py", ".js", ".mjs", ".cjs", ".ts", ".go", ".rb", ".php", ".sh"}
_IF_RUN = re.compile(r"^if __name__ ==.*", re.MULTILINE | re.DOTALL)
_MOST_BYTES, _MOST_FILES = 200_000, 50


def doubted_port(asset: DockerAsset, definition: TaskDefinition, words: Sequence[str]) -> str | None:
    """Why only an image shows which port a task takes, a clause; None where nothing speaks against its definition's."""
    dockerfile = asset.directory / asset.dockerfile
    port, told = definition.port, {**variables_of(dockerfile, asset.target), **definition.environment}
    if not port or "PORT" in {*told, *definition.secrets}:
        return None
    sets = _IN_IMAGE.search(dockerfile.read_text(encoding="utf-8", errors="replace"))
    if sets or any(str(port) in value for value in told.values()):
        return None
    if (own := own_port(asset.directory, words, port)) is None:
        return None
    return (
        f"only its image shows whether a task listens on port {port}: nothing sets PORT, and without it {own[1]} seems "
        f"to take {own[0]} (set PORT, or play it with a container engine)"
    )


@functools.cache
def own_port(directory: Path, words: Sequence[str], port: int) -> tuple[int, str] | None:
    """The port that it takes instead of another, and the file that says so.

    Args:
        words: The program, as its task definition or image says.
        port: The one that requests go to.

    Returns:
        None where a file may set PORT or names that other port, and where no file names one, or not all the same.
    """
    texts = dict(_read(directory, words))
    everything = "\n".join((*words, *texts.values(), *map(_text, directory.glob(".env*"))))
    if _SETS.search(everything) or re.search(rf"(?<![\w.]){port}(?![\w.])", everything):
        return None
    found = {number: path for path, text in texts.items() for number in _DEFAULT.findall(text)}
    return next(((int(number), path) for number, path in found.items()), None) if len(found) == 1 else None


def _read(directory: Path, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The files that a command names, and those that they import, with their texts."""
    named = [part for word in words for part in _split(word)]
    waiting = [(path, True) for each in named for path in _paths(directory, directory, each)]
    seen: set[Path] = set()
    while waiting and len(seen) < _MOST_FILES:
        path, is_run = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        text = _text(path) if is_run else _IF_RUN.sub("", _text(path))
        yield path.relative_to(directory).as_posix(), text
        named = [each for line in _IMPORTS.findall(text) for each in re.findall(r"[\w./-]+", line)]
        waiting += [(found, False) for each in named for found in _paths(directory, path.parent, each)]


def _split(word: str) -> list[str]:
    try:
        return shlex.split(word)
    except ValueError:
        return word.split()


def _paths(root: Path, place: Path, name: str) -> Iterator[Path]:
    """The source files that a word may stand for, as a path or as a Python module."""
    for each in {name, name.lstrip(".").replace(".", "/")} - {""}:
        for end in _ENDS:
            for start in (place, root):
                path = (start / f"{each}{end}").resolve()
                if path.suffix in _SOURCES and path.is_relative_to(root.resolve()) and path.is_file():
                    yield root / path.relative_to(root.resolve())


def _text(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(_MOST_BYTES)

"""Finds a service's name in files and replaces it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nova_infra.scaffold.editing.names import module_name

_OF_PYTHON = ("src", "tests")
_CACHES = re.compile(r"__pycache__|\.(pytest|ruff|mypy)_cache|\.hypothesis|\.venv|node_modules|.*\.egg-info")


@dataclass(frozen=True)
class Renaming:
    """One service's name, and the one that takes its place.

    A name with a hyphen means the service wherever it stands, and so does its module's. A plain word, such as
    ``search``, means it as a path (``/search/…``), as a whole string (``"search"``), as a package that is imported or
    whose modules are named, and nowhere else.

    Attributes:
        directories: Those of the name, where something else than Python's modules is: what its URLs lead to.
    """

    old: str
    new: str
    modules: frozenset[str] = frozenset()
    directories: frozenset[str] = frozenset()

    def of_path(self, path: str) -> str:
        """A file's path in the service's directory, where its module gives a file or a directory its name."""
        old, new = module_name(self.old), module_name(self.new)
        parts = re.sub(rf"^src/{old}(?=/)", f"src/{new}", path).split("/")
        if parts[0] not in _OF_PYTHON:
            parts[:-1] = [self.new if part == self.old else part for part in parts[:-1]]
        parts[-1] = re.sub(rf"^test_{old}(?=[_.])", f"test_{new}", parts[-1])
        return "/".join(parts)

    def of_text(self, text: str) -> str:
        """A text with the new name for the old one."""
        for pattern, replacement in self._patterns():
            text = pattern.sub(replacement, text)
        return text

    def lines(self, text: str) -> Iterator[int]:
        """The numbers of the lines that name the service."""
        patterns = [pattern for pattern, _ in self._patterns()]
        for number, line in enumerate(text.splitlines(), start=1):
            if any(pattern.search(line) for pattern in patterns):
                yield number

    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        old, new = re.escape(self.old), self.new
        module, new_module = module_name(self.old), module_name(new)
        modules = "|".join(map(re.escape, sorted(self.modules))) or "main"
        if module != self.old:
            return [
                (re.compile(rf"(?<![\w-]){old}(?![\w-])"), new),
                (re.compile(rf"(?<!\w){module}(?!\w)|(?<=test_){module}(?!\w)"), new_module),
            ]
        return [
            *(
                (re.compile(rf"(?<![\w./-]){re.escape(each)}(?![\w-])"), self.of_path(f"{each}/")[:-1])
                for each in self.directories
            ),
            (re.compile(rf"(?m)(?<=--local ){old}(?![\w-])|(?<=^module ){old}$"), new),
            (re.compile(rf"(?<=src/){old}(?![\w-])"), new_module),
            (re.compile(rf"(?m)^(\s*(?:from|import)\s+){old}(?=[.\s]|$)"), rf"\g<1>{new_module}"),
            (re.compile(rf"(?<![\w./-]){old}(?=\.(?:{modules})\b)"), new_module),
            (re.compile(rf"([\"']){old}\1"), rf"\g<1>{new}\g<1>"),
            (re.compile(rf"(?<!src)(?<!\w)/{old}(?=[/\"'`\s*?]|$)"), f"/{new}"),
            (re.compile(rf"(?<![\w./-]){old}/(?=src|requirements|Dockerfile|pyproject)"), f"{new}/"),
            (re.compile(rf"(?<=services/){old}(?![\w-])"), new),
        ]


def service_tree(directory: Path) -> Iterator[Path]:
    """Every file of a directory but what tools leave behind there."""
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not any(map(_CACHES.fullmatch, path.relative_to(directory).parts)):
            yield path


def text_of(path: Path) -> str | None:
    """The text of a file; None where it is none."""
    content = path.read_bytes()
    try:
        return None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return None

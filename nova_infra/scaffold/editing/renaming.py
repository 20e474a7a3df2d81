"""Replaces a service's name in the paths and texts of its own directory, for ``nova service rename``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nova_infra.scaffold.editing.names import module_name

_OF_PYTHON = ("src", "tests")
_VIEWS = {"templates", "views"}
_PAGE = re.compile(r"|\.(html?|css|svg|png|jpe?g|ico|json|txt|xml|webp)")
# Code, data and queries: a word of these may be a key, a variable or a table.
_WITH_OTHER_NAMES = re.compile(
    r"(?im)^\s*(from\s+\S+\s+import|import|class|(create|alter)\s+table|insert\s+into|select|update)\s"
    r"|\bdef\s+\w|\A\s*[{\[]\s*(\"|\{|$)"
)
_CACHES = re.compile(r"__pycache__|\.(pytest|ruff|mypy)_cache|\.hypothesis|\.venv|node_modules|.*\.egg-info")


@dataclass(frozen=True)
class Renaming:
    """One service's name, and the one that takes its place.

    A name is often a word, too: of a table, a key in JSON, a function of some library. So it means the service only in
    paths, such as ``/search/…``, and where our templates and the kit have it; in a service on the kit, its module is
    what is imported or stands as ``module.part`` in a string, and in settings and Dockerfiles also by itself, where it
    has an underscore, as no ordinary word has. Where any other service has files by the name, such as a
    package of Flask's or Django's, they keep it, and only URLs change.

    Attributes:
        modules: Those of the service's package.
        directories: Those of the name that only hold pages: what its URLs lead to.
        kit: Whether the service is built on the kit, whose template gives the name more places.
    """

    old: str
    new: str
    modules: frozenset[str] = frozenset()
    directories: frozenset[str] = frozenset()
    kit: bool = True
    own: bool = False

    def of_path(self, path: str) -> str:
        """A file's path in the service's directory, where its module gives a file or a directory its name."""
        if self.own:
            return path
        old, new = module_name(self.old), module_name(self.new)
        parts = re.sub(rf"^src/{old}(?=/)", f"src/{new}", path).split("/")
        for number in range(1, len(parts)):
            if parts[0] not in _OF_PYTHON and "/".join(path.split("/")[:number]) in self.directories:
                parts[number - 1] = self.new
        parts[-1] = re.sub(rf"^test_{old}(?=[_.])", f"test_{new}", parts[-1])
        return "/".join(parts)

    def of_text(self, text: str) -> str:
        """A text with the new name for the old one."""
        for pattern, replacement in self._patterns(text):
            text = pattern.sub(replacement, text)
        return text

    def lines(self, text: str) -> Iterator[int]:
        """The numbers of the lines that name the service, or may."""
        patterns = [pattern for pattern, _ in self._patterns(text)]
        old, module = re.escape(self.old), module_name(self.old)
        if module == self.old:
            patterns.append(re.compile(rf"([\"'`]){old}\1|--[\w-]+[= ]{old}(?![\w-])"))
            patterns.append(re.compile(rf"^\s*(COPY|ADD|WORKDIR|ENV|RUN|CMD|ENTRYPOINT)\s.*(?<![\w.-]){old}(?![\w-])"))
        else:
            patterns.append(re.compile(rf"(?<![\w-]){old}(?![\w-])|(?<!\w){module}(?!\w)"))
        for number, line in enumerate(text.splitlines(), start=1):
            if any(pattern.search(line) for pattern in patterns):
                yield number

    def _patterns(self, text: str) -> list[tuple[re.Pattern[str], str]]:
        old, new = re.escape(self.old), self.new
        pages = "|".join(map(re.escape, sorted(self.directories))) or "(?!)"
        found = [
            (re.compile(rf"(?m)^((?:COPY|ADD)\s.*\b(?:{pages})/?\s+\S*/){old}(?=/?$)"), rf"\g<1>{new}"),
            *(
                (re.compile(rf"(?<![\w-])(?<!\w/){re.escape(each)}(?![\w-])"), self.of_path(f"{each}/")[:-1])
                for each in self.directories
            ),
            (re.compile(rf"(?m)(?<=--local ){old}(?![\w-])"), new),
            (re.compile(rf"(NOVA_SERVICE\W{{1,6}}[\"']){old}(?=[\"'])"), rf"\g<1>{new}"),
            (re.compile(rf"(?<![\w.])(?<!src)/{old}(?=[/\"'`\s*?]|$)"), f"/{new}"),
            (re.compile(rf"(?<=services/){old}(?![\w-])"), new),
        ]
        if self.own:
            return found
        found += [
            (re.compile(rf"(?m)(?<=^module ){old}$|(?<=^  \"name\": \"){old}(?=\")"), new),
            (re.compile(rf"(\bservice\W{{1,8}}[\"']){old}(?=[\"'])"), rf"\g<1>{new}"),
            (re.compile(rf"(?m)(?<=^COPY ){old}(?=[/\s])|(?<=^ADD ){old}(?=[/\s])"), new),
        ]
        return [*found, *self._patterns_of_the_kit(text)] if self.kit else found

    def _patterns_of_the_kit(self, text: str) -> Iterator[tuple[re.Pattern[str], str]]:
        old, new = re.escape(self.old), self.new
        module, new_module = module_name(self.old), module_name(new)
        modules = "|".join(map(re.escape, sorted(self.modules))) or "main"
        where = r"\b(?:create_app|from_environment)\(\s*|\btags=\[|image\.title=|^name = "
        yield re.compile(rf"(?m)({where})([\"']){old}(?=\2)"), rf"\g<1>\g<2>{new}"
        yield re.compile(rf"(?<![\w./-]){old}/(?=src|requirements|Dockerfile|pyproject)"), f"{new}/"
        yield re.compile(rf"(?<=src/){module}(?![\w-])"), new_module
        copied = rf"(?m)^((?:COPY|ADD)\s[^\n]*\bsrc/{re.escape(new_module)}/?\s+\S*/){module}(?=/?$)"
        yield re.compile(copied), rf"\g<1>{new_module}"
        yield re.compile(rf"(?m)^(\s*(?:from|import)\s+){module}(?=[.,\s]|$)"), rf"\g<1>{new_module}"
        yield re.compile(rf"(?m)^(\s*import\s[^#\n]*,\s*){module}(?=[.,\s]|$)"), rf"\g<1>{new_module}"
        yield re.compile(rf"(?:(?<=[\"'])|(?<=[A-Z]=)){module}(?=\.(?:{modules})\b)"), new_module
        yield re.compile(rf"(?<![\w./-]){module}(?=\.(?:{modules})(?:\.\w+)*:)"), new_module
        called = r"\b(?:files|import_module|find_spec|run_module|getLogger)\(|-m[\"']?,?\s+"
        yield re.compile(rf"({called})([\"']?){module}(?=[\"'.\s]|$)"), rf"\g<1>\g<2>{new_module}"
        if re.search(rf"(?m)^\s*import\s([^#\n]*,\s*)?{module}(\.\w+)*\s*(as\s|,|#|$)", text):
            yield re.compile(rf"(?<![\w./\"'-]){module}(?=\.[a-z_A-Z])"), new_module
        if "_" in module and not _WITH_OTHER_NAMES.search(text):
            yield re.compile(rf"(?<![\w-])(?<![\w)\]]\.){module}(?![\w(]|[\"']?\s*:\s)"), new_module


def renaming_of(directory: Path, old: str, new: str, *, kit: bool) -> Renaming:
    """What renaming a service comes to, by the files that it has."""
    paths = [path.relative_to(directory) for path in service_tree(directory)]
    modules = frozenset(
        Path(part).stem for path in paths if path.parts[:2] == ("src", module_name(old)) for part in path.parts[2:]
    )
    named = {parent for path in paths for parent in path.parents if parent.name == old and len(parent.parts) > 1}
    pages = {
        each
        for each in named
        if all(_PAGE.fullmatch(path.suffix) for path in paths if path.is_relative_to(each))
        and not _VIEWS & {*each.parts}
    }
    if kit:
        return Renaming(old, new, modules | {"main"}, frozenset(map(Path.as_posix, pages)))
    others = (path for path in paths if not any(path.is_relative_to(each) for each in pages))
    # Also a module of Go's that another one imports, and a program or a file by its path.
    meant = re.compile(rf"[\"']{re.escape(old)}/|(?<=[\w.])/{re.escape(old)}[\"'\s]")
    own = any({old, module_name(old)} & {*path.parts[:-1], path.name.split(".")[0]} for path in others) or any(
        meant.search(text_of(directory / path) or "") for path in paths
    )
    found = frozenset() if own else frozenset(map(Path.as_posix, pages))
    return Renaming(old, new, directories=found, kit=False, own=own)


def service_tree(directory: Path) -> Iterator[Path]:
    """Every file and link of a directory but what tools leave behind there."""
    for path in sorted(directory.rglob("*")):
        if (path.is_symlink() or path.is_file()) and not any(map(_CACHES.fullmatch, path.relative_to(directory).parts)):
            yield path


def text_of(path: Path) -> str | None:
    """The text of a file; None where it is none, or a link."""
    if path.is_symlink():
        return None
    content = path.read_bytes()
    try:
        return None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return None

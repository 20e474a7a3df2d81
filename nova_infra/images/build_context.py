"""Decides which files an image is built from (git's index), the same on every machine.

Git's index says which files there are and which are executable, because it is the same in every clone: what git has
not been told of neither counts nor is built, and a file system that knows no executable bit makes no difference. A
directory that git knows nothing of is read as it lies there. A text's CRLF counts, and is built, as LF.
"""

import os
import stat
import sys
import unicodedata
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from nova_infra.documents.files import UnreadableFileError, read_file
from nova_infra.errors import NovaError
from nova_infra.images.dockerignore import DockerIgnore
from nova_infra.machine import git

Kind = Literal["executable", "file", "link"]

_KINDS: dict[str, Kind] = {"100755": "executable", "100644": "file", "120000": "link"}
_NOT_BUILT = {"infrastructure.py"}
"""What the service's stack is made of is not part of its image: changing it builds nothing."""


@dataclass(frozen=True)
class ContextFile:
    """One file of a build context.

    Attributes:
        kind: What it is; a link's content is its target.
    """

    path: str
    kind: Kind
    content: bytes = field(repr=False)

    @property
    def encoded_path(self) -> bytes:
        """The path as git and the file system write it, whatever the locale."""
        return self.path.encode("utf-8", "surrogateescape")


def read_contexts(services: Path, names: Iterable[str]) -> dict[str, tuple[ContextFile, ...]]:
    """The build context of each service: its own directory, its Dockerfile, and what no other service owns.

    Args:
        services: The ``services/`` directory; its ``.dockerignore`` says what images may contain.
    """
    names = list(names)
    kinds, owners, shared = _listed(services, names)
    read = {path: _read(services, path, kinds[path]) for path in shared}
    contexts = {}
    for name in names:
        own = [_read(services, path, kinds[path]) for path, owner in owners.items() if owner == name]
        files = [file for file in (*own, *read.values()) if file is not None]
        contexts[name] = tuple(sorted(files, key=lambda file: file.encoded_path))
    return contexts


def context_paths(services: Path, names: Iterable[str]) -> list[str]:
    """The paths of what is in any of the services' build contexts."""
    names = list(names)
    _, owners, shared = _listed(services, names)
    return sorted(path for path, owner in owners.items() if (owner in names or path in shared))


def _listed(services: Path, names: list[str]) -> tuple[dict[str, Kind], dict[str, str], set[str]]:
    """Path to kind of what images may contain, path to the directory that owns it, and what is everybody's."""
    for name in names:
        if not (services / name).is_dir():
            raise NovaError(f"services/{name}: not found in {services.parent}: create it, or correct its name")
    kinds = _listed_kinds(services, names)
    ignore = _docker_ignore(services)
    dockerfiles = {path.parent.name: f"{path.parent.name}/Dockerfile" for path in services.glob("*/Dockerfile")}
    seen = {path: kind for path, kind in kinds.items() if not ignore.ignores(path)}
    seen |= {path: kinds[path] for path in dockerfiles.values() if path in kinds}  # Docker sends it in any case
    owners = {path: path.partition("/")[0] for path in seen}
    shared = {path for path, owner in owners.items() if owner not in dockerfiles and owner not in names}
    return seen, owners, shared


def read_directory(directory: Path, *, root: Path, dockerfile: str) -> tuple[tuple[ContextFile, ...], str]:
    """The build context of a directory that other services have no part in.

    Args:
        directory: The directory; its own ``.dockerignore`` says what images may contain.
        dockerfile: Path of the Dockerfile relative to it, inside the directory or outside.

    Returns:
        The context, and the path of the Dockerfile in it.
    """
    shown = directory.relative_to(root).as_posix()
    if not directory.is_dir():
        raise NovaError(f"{shown}: is not a directory in {root}: create it, or correct the context")
    kinds = _git_index(directory) or dict(_walk(directory, directory, shown))
    ignore = _docker_ignore(directory)
    own = (root / dockerfile).relative_to(directory).as_posix() if (root / dockerfile).is_relative_to(directory) else ""
    paths = {
        path: kind for path, kind in kinds.items() if path == own or not (path in _NOT_BUILT or ignore.ignores(path))
    }
    files = [file for path, kind in paths.items() if (file := _read(directory, path, kind, shown)) is not None]
    if not own:
        own = ".nova.Dockerfile"
        outside = _read(root, dockerfile, "file", "")
        files += [replace(outside, path=own)] if outside is not None else []
    if own not in {file.path for file in files}:
        raise NovaError(f"{dockerfile}: not found, or unknown to git: create it and git add it")
    return tuple(sorted(files, key=lambda file: file.encoded_path)), own


def write_context(files: Iterable[ContextFile], directory: Path) -> None:
    """Write a build context to an empty directory, with git's file modes, so that nothing else can be built."""
    for file in files:
        path = directory / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.kind == "link":
            path.symlink_to(os.fsdecode(file.content))
            continue
        path.write_bytes(file.content)
        path.chmod(0o755 if file.kind == "executable" else 0o644)
    for folder in (directory, *(path for path in directory.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)


def unknown_to_git(directory: Path) -> list[str]:
    """Files that an image of a directory could contain and that git does not track, so that they are not built."""
    if not _git_index(directory):
        return []  # It is read as it lies there.
    ignore = _docker_ignore(directory)
    others = git.run(directory, "ls-files", "-z", "--others", "--exclude-standard").out
    paths = (_text(entry) for entry in others.split(b"\0") if entry)
    return sorted(path for path in paths if path not in _NOT_BUILT and not ignore.ignores(path))


def unknown_to_contexts(services: Path, names: Container[str]) -> list[str]:
    """The same of services whose contexts :func:`read_contexts` reads: what other services own is not theirs."""
    owners = {path.partition("/")[0] for path in _git_index(services) or {}}
    ours = {each for each in owners if each in names or not (services / each / "Dockerfile").exists()}
    return [path for path in unknown_to_git(services) if path.partition("/")[0] in ours]


def _docker_ignore(services: Path) -> DockerIgnore:
    path = services / ".dockerignore"
    try:
        return DockerIgnore.parse(_text(content_of(path, str(path)).removeprefix(b"\xef\xbb\xbf")))
    except FileNotFoundError:
        return DockerIgnore(())
    except ValueError as error:
        raise NovaError(f"{path}: {error}") from None


def _listed_kinds(services: Path, names: Iterable[str]) -> dict[str, Kind]:
    """Path of every file to its kind: from git's index, or as they lie there where git knows nothing of them."""
    kinds = _git_index(services) or {}
    known = {path.partition("/")[0] for path in kinds}
    unknown = [services / name for name in names if name not in known] if kinds else [services]
    for directory in unknown:
        kinds |= _walk(services, directory)
    return kinds


def _git_index(services: Path) -> dict[str, Kind] | None:
    """Path to kind of all that git tracks there; None without git or outside of a repository."""
    # Not its status, which would look at every file: the index alone takes milliseconds.
    answer = git.run(services, "ls-files", "-z", "--stage")
    if answer.code == git.NOT_FOUND or (answer.code and "not a git repository" in answer.error):
        return None
    if answer.code:
        raise NovaError(git.why_silent(services) or f"git ls-files: {answer.fault}: repair the repository")
    kinds: dict[str, Kind] = {}
    for entry in answer.out.split(b"\0"):
        if entry:
            properties, _, path = entry.partition(b"\t")
            mode = _text(properties).split()[0]
            if mode not in _KINDS:
                raise NovaError(
                    f"services/{_text(path)}: is a submodule, and images cannot contain one: copy its files in"
                )
            kinds[_text(path)] = _KINDS[mode]
    return kinds


def _walk(services: Path, path: Path, shown: str = "services") -> Iterator[tuple[str, Kind]]:
    """Path and kind of all that lies there but for sockets, pipes and devices, which git knows nothing of."""
    # macOS takes accents apart in names; git puts them together again, and so do its clones.
    name = unicodedata.normalize("NFC", path.relative_to(services).as_posix())
    try:
        mode = path.lstat().st_mode
        inside = list(path.iterdir()) if stat.S_ISDIR(mode) else []
    except OSError as error:
        raise NovaError(f"{shown}/{name}: cannot be read: {error.strerror}: correct its permissions") from None
    for each in inside:
        yield from _walk(services, each, shown)
    if stat.S_ISLNK(mode) or stat.S_ISREG(mode):
        yield name, "link" if stat.S_ISLNK(mode) else "executable" if mode & 0o100 else "file"


def content_of(file: Path, shown: str) -> bytes:
    """What a file of a build context holds.

    Args:
        shown: Its path in messages.
    """
    try:
        return read_file(file, most=sys.maxsize)
    except UnreadableFileError as error:
        raise NovaError(f"{shown}: {error}: {error.remedy}") from None


def _read(services: Path, path: str, kind: Kind, shown: str = "services") -> ContextFile | None:
    """The file as it is now; None where it has been deleted."""
    file = services / path
    try:
        if file.is_symlink():
            return ContextFile(path, "link", os.fsencode(file.readlink()))
        content = content_of(file, f"{shown}/{path}")
    except FileNotFoundError:
        return None
    # As git distinguishes text from binary: by a NUL among the first 8000 bytes.
    return ContextFile(path, kind, content if b"\0" in content[:8000] else content.replace(b"\r\n", b"\n"))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")

"""Finds the files of requests: those that ``nova.toml`` names, and those in a service's directory."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nova_infra.documents.files import UnreadableFileError, read_text
from nova_infra.rehearsal.requests.har import read_har
from nova_infra.rehearsal.requests.http_file import read_http
from nova_infra.rehearsal.requests.sample import RequestFileError, SampleRequest

_READERS: dict[str, Callable[[Path, str], list[SampleRequest]]] = {
    ".http": read_http,
    ".rest": read_http,
    ".har": read_har,
}
_EVERY_SERVICE = ""


@dataclass(frozen=True)
class RequestFiles:
    """The requests of files.

    Attributes:
        by_service: Name of a service to its requests; those under the empty name are anybody's.
    """

    by_service: dict[str, list[SampleRequest]] = field(default_factory=dict)

    @classmethod
    def load(cls, root: Path) -> RequestFiles:
        """Read the files of a project.

        They are what ``nova.toml`` names as ``requests`` of a service, or else ``requests.http`` or ``requests.har`` in
        ``services/<name>/``; the same next to ``cdk.json`` counts for every service.
        """
        directories = sorted((root / "services").glob("*/"))
        paths = {place.name: path for place in directories if (path := _beside(place)) is not None}
        if (path := _beside(root)) is not None:
            paths[_EVERY_SERVICE] = path
        paths |= {name: root / path for name, path in _named(root).items()}
        return cls({name: _read(path) for name, path in paths.items()})

    def of(self, service: str) -> list[SampleRequest]:
        """The requests of a service, those of every service included."""
        return [*self.by_service.get(service, ()), *self.by_service.get(_EVERY_SERVICE, ())]


def _beside(directory: Path) -> Path | None:
    return next(filter(_known, sorted(directory.glob("requests.*"))), None)


def _known(path: Path) -> bool:
    return path.suffix in _READERS


def _named(root: Path) -> dict[str, str]:
    """The files that ``nova.toml`` names; the synthesis has reported anything wrong in it."""
    try:
        content = tomllib.loads((root / "nova.toml").read_text(encoding="utf-8"))
        return {s["name"]: s["requests"] for s in content.get("services", ()) if "requests" in s}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _read(path: Path) -> list[SampleRequest]:
    if not _known(path):
        raise RequestFileError(f"{path}:1: is neither a HAR nor an .http file: name one that ends in .har or .http")
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise RequestFileError(f"{path}:1: does not exist: correct its name") from None
    except UnreadableFileError as error:
        raise RequestFileError(f"{path}:{error.line}: {error}: {error.remedy}") from None
    found = _READERS[path.suffix](path, text)
    if not found:
        raise RequestFileError(f"{path}:1: holds no request: add one, such as GET /items, or remove the file")
    return found

"""The content tag of a service's image: a hash of all that it is built from.

The same files give the same tag on every machine, so a commit that touches one service builds one image and changes one
service's templates. What counts is each file's path, git's executable bit and its content, and the build's arguments.
A tag is not the registry's digest, which :mod:`nova_infra.images.registry` reads.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from nova_infra.documents.text import shortened
from nova_infra.errors import ConfigError
from nova_infra.images.build_context import (
    ContextFile,
    read_contexts,
    read_directory,
    unknown_to_contexts,
    unknown_to_git,
)
from nova_infra.machine import git

if TYPE_CHECKING:
    from nova_infra.config import Config, Service

_PLATFORMS = {"x86-64": "linux/amd64", "arm64": "linux/arm64"}


@dataclass(frozen=True)
class ImageSource:
    """What one service's image is built from, or copied from.

    Attributes:
        platform: As container engines name it: ``linux/amd64`` or ``linux/arm64``.
        dockerfile: Path of the Dockerfile in the context. Default: ``<service>/Dockerfile``.
        credentials: The secret that its registry takes a login by; empty where it needs none.
    """

    service: str
    platform: str
    arguments: Mapping[str, str]
    files: tuple[ContextFile, ...]
    dockerfile: str = ""
    target: str = ""
    image: str = ""
    credentials: str = ""

    @property
    def tag(self) -> str:
        """The content tag: a whole SHA-256, 64 hexadecimal digits. Nobody can find other files with the same one."""
        digest = hashlib.sha256(self.platform.encode())
        # What most images have not is left out, so that it leaves their tags as they are.
        for name, value in (("dockerfile", self.dockerfile), ("target", self.target), ("image", self.image)):
            if value:
                digest.update(f"\0\0{name}={value}".encode())
        for name, value in sorted(self.arguments.items()):
            digest.update(f"\0{name}={value}".encode())
        for file in self.files:
            digest.update(b"\0%b\0%b%d\0" % (file.encoded_path, file.kind.encode(), len(file.content)))
            digest.update(file.content)
        return digest.hexdigest()

    @property
    def dockerfile_path(self) -> str:
        """Path of the Dockerfile in the context."""
        return self.dockerfile or f"{self.service}/Dockerfile"


def image_sources(root: Path, config: Config, services: Iterable[str] | None = None) -> list[ImageSource]:
    """What the services' images are built or copied from.

    Raises:
        ConfigError: A service is not one of the configuration's.
    """
    chosen = _chosen(config, services)
    contexts = read_contexts(root / "services", [service.name for service in chosen if service.kit])
    return [_source(root, service, config.images.build_arguments, contexts) for service in chosen]


def _source(
    root: Path, service: Service, arguments: Mapping[str, str], contexts: Mapping[str, tuple[ContextFile, ...]]
) -> ImageSource:
    platform = _PLATFORMS[service.architecture]
    if service.image is not None:
        login = service.credentials.secret if service.credentials else ""
        return ImageSource(service.name, platform, {}, (), image=service.image, credentials=login)
    arguments = {**arguments, **service.build_arguments}
    target = service.target or ""
    if service.kit:
        return ImageSource(service.name, platform, arguments, contexts[service.name], target=target)
    files, dockerfile = read_directory(
        root / _context(service),
        root=root,
        dockerfile=service.dockerfile or f"services/{service.name}/Dockerfile",
    )
    return ImageSource(service.name, platform, arguments, files, dockerfile, target)


def left_out(root: Path, config: Config, services: Iterable[str] | None = None) -> list[str]:
    """The files that images could contain and do not, because git does not know them, a sentence each."""
    chosen = _chosen(config, services)
    kits = [service.name for service in chosen if service.kit]
    paths = {f"services/{path}" for path in unknown_to_contexts(root / "services", kits)} if kits else set()
    for context in {_context(service) for service in chosen if not service.kit and service.image is None}:
        paths |= {(PurePosixPath(context) / path).as_posix() for path in unknown_to_git(root / context)}
    because = "is left out of the tag and the image, because git does not know it: git add it"
    return [f"{path}: {because}" for path in sorted(paths)]


def _chosen(config: Config, services: Iterable[str] | None) -> list[Service]:
    return list(config.services) if services is None else [config.service(name) for name in services]


def _context(service: Service) -> str:
    return service.context or f"services/{service.name}"


def image_tags(root: Path, config: Config) -> dict[str, str]:
    """Name of every service to its image's content tag."""
    return {source.service: source.tag for source in image_sources(root, config)}


def checked_tag(where: str, tag: object) -> str:
    """The tag, if a registry can take it (API_PutImage)."""
    if not re.fullmatch(r"\w[\w.-]{0,127}", str(tag), re.ASCII):
        raise ConfigError(
            f"{where}: {shortened(repr(tag), 80)} is not an image tag: "
            "give letters, digits, dots, dashes and underscores, at most 128"
        )
    return str(tag)


def current_commit(root: Path) -> str | None:
    """The commit that a clean work tree is at; None where there is no git, or the tree differs from its commit."""
    return git.read(root, "rev-parse", "HEAD") if git.read(root, "status", "--porcelain") == "" else None

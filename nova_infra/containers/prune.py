"""``nova image prune``: finds the images on this machine that no branch uses any more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nova_infra.containers.build import CACHE, local_name, remove_images, untagged_images
from nova_infra.containers.engine import Engine
from nova_infra.errors import NovaError
from nova_infra.images.tags import image_tags
from nova_infra.machine import git
from nova_infra.machine.scratch import scratch_directory
from nova_infra.names import repository_name

if TYPE_CHECKING:
    from nova_infra.config import Config


def prune(engine: Engine, root: Path, config: Config, *, dry_run: bool, warn: Callable[[str], None]) -> list[str]:
    """Remove images that were built neither from the files here nor from a branch's.

    Args:
        config: Its configuration, by which the branches' sources are read, too.
        warn: Takes a line about what a branch has that is not looked at.

    Returns:
        The names of what was removed, or would be.
    """
    used = set(_names(root, config))
    for branch in _branches(root):
        used |= set(_names_of(branch, root, config, warn))
    names, prefix = engine.image_names(), local_name(repository_name(config.platform.name, ""))
    unused = sorted(unused_images(names, used, prefix=prefix))
    if not dry_run:
        if unused:
            engine.run("rmi", *unused)
        cache = re.compile(rf"{re.escape(prefix)}[^/:]+/{CACHE}:.+")
        remove_images(engine, filter(cache.fullmatch, names))
        left: list[str] = []
        while (untagged := untagged_images(engine)) != left:
            remove_images(engine, untagged)
            left = untagged
    return unused


def unused_images(names: Iterable[str], used: set[str], *, prefix: str) -> list[str]:
    """This project's unused images in an engine; images of others are ignored."""
    ours = re.compile(rf"{re.escape(prefix)}[^/:]+:[0-9a-f]{{16,64}}")
    return [name for name in names if ours.fullmatch(name) and name not in used]


def _names(root: Path, config: Config) -> list[str]:
    return [
        local_name(f"{repository_name(config.platform.name, service)}:{tag}")
        for service, tag in image_tags(root, config).items()
    ]


def _branches(root: Path) -> list[str]:
    answer = git.run(root, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes")
    if answer.code:
        raise NovaError(git.why_silent(root) or f"git for-each-ref: {answer.fault}: repair the repository")
    return [name for name in answer.text.split() if not name.endswith("/HEAD")]


def _names_of(branch: str, root: Path, config: Config, warn: Callable[[str], None]) -> list[str]:
    """What a branch's images are called, as far as it has this configuration's services."""
    with scratch_directory("branch") as directory:
        for link in git.check_out(root, branch, Path(directory)):
            warn(f"{branch}: {link} links outside the project, so images that contain it count as unused")
        there = Path(directory)
        kept = [
            service
            for service in config.services
            if service.image or (there / (service.dockerfile or f"services/{service.name}/Dockerfile")).is_file()
        ]
        return _names(there, config.model_copy(update={"services": tuple(kept)})) if kept else []

"""Which images on this machine no branch uses any more."""

import shutil
from pathlib import Path

import pytest

from nova_infra.config import Config
from nova_infra.containers.engine import Engine
from nova_infra.containers.prune import prune, unused_images
from nova_infra.errors import NovaError


def test_only_images_of_this_project_that_nobody_uses_are_removed() -> None:
    used, old = "localhost/nova/audio:0123456789abcdef", "localhost/nova/audio:fedcba9876543210"
    others = ["localhost/nova/audio:latest", "localhost/other/audio:fedcba9876543210", "localhost/python:3.13-slim"]
    assert unused_images([used, old, *others], {used}, prefix="localhost/nova/") == [old]


def test_without_branches_to_read_nothing_is_removed(example: Path, tmp_path: Path, config: Config) -> None:
    shutil.copytree(example, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
    absent = Engine("no-engine-is-asked", "amd64")
    with pytest.raises(NovaError, match="there is no git repository here, as in an unpacked archive: clone the proj"):
        prune(absent, tmp_path, config, dry_run=False, warn=print)

"""Builds an asset's image: ``python -m … NAME ARCHITECTURE DIRECTORY …``. A rehearsal can end this program."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from nova_infra.assembly import DockerAsset
from nova_infra.containers.build import ENGINES, Recipe, build
from nova_infra.containers.engine import detect
from nova_infra.errors import NovaError
from nova_infra.images.build_context import ContextFile, Kind, content_of


def asset_command(name: str, architecture: str, asset: DockerAsset) -> list[str]:
    """The command that builds it."""
    arguments = [f"{key}={value}" for key, value in asset.arguments.items()]
    where = str(asset.directory), asset.dockerfile, asset.target
    return [sys.executable, "-m", __name__, name, architecture, *where, *arguments]


def main(arguments: list[str]) -> int:
    """Build it; returns the exit code."""
    name, architecture, directory, dockerfile, target, *pairs = arguments
    given = dict(pair.split("=", 1) for pair in pairs)
    try:
        recipe = Recipe(name, dockerfile, f"linux/{architecture}", given, tuple(asset_files(Path(directory))), target)
        build(detect(ENGINES), recipe, tell=print)
    except NovaError as error:
        print(error)
        return error.exit_code
    return 0


def asset_files(directory: Path) -> Iterator[ContextFile]:
    """What is in the directory: CDK has left out what a .dockerignore names."""
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory).as_posix()
        if path.is_symlink():
            yield ContextFile(relative, "link", os.fsencode(path.readlink()))
        elif path.is_file():
            kind: Kind = "executable" if os.access(path, os.X_OK) else "file"
            yield ContextFile(relative, kind, content_of(path, relative))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

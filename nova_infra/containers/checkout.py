"""Builds an image of a checkout as it is on disk: ``python -m … NAME SERVICE ARCHITECTURE``.

A program of its own, so that a rehearsal can end it while it builds.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nova_infra.containers.build import ENGINES, Recipe, build
from nova_infra.containers.engine import detect
from nova_infra.errors import NovaError
from nova_infra.images.build_context import read_contexts
from nova_infra.toml import read_toml


def build_command(name: str, service: str, architecture: str) -> list[str]:
    """The command that builds it, to be run in the checkout."""
    return [sys.executable, "-m", __name__, name, service, architecture]


def recipe(checkout: Path, name: str, service: str, architecture: str) -> Recipe:
    """What a service's image is built from.

    Args:
        checkout: The checkout.
        name: What the image is to be called, with its tag.
        service: A directory of its ``services/``.
        architecture: ``amd64`` or ``arm64``.

    Raises:
        NovaError: The files cannot be read.
    """
    files = read_contexts(checkout / "services", [service])[service]
    settings = read_toml(checkout / "nova.toml")
    arguments = settings.get("images", {}).get("build_arguments", {})
    return Recipe(name, f"{service}/Dockerfile", f"linux/{architecture}", arguments, files)


def main(arguments: list[str]) -> int:
    """Build it; returns the exit code."""
    try:
        name, service, architecture = arguments
        build(detect(ENGINES), recipe(Path.cwd(), name, service, architecture), tell=print)
    except NovaError as error:
        print(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Builds an image of a checkout: ``python -m … NAME SERVICE ARCHITECTURE``. A rehearsal can end this program."""

import sys
from dataclasses import replace
from pathlib import Path

from nova_infra.config import CONFIG_FILE, load_config
from nova_infra.containers.build import ENGINES
from nova_infra.containers.engine import detect
from nova_infra.containers.local import have_image
from nova_infra.errors import NovaError
from nova_infra.images.tags import ImageSource, image_sources
from nova_infra.toml import read_toml


def build_command(name: str, service: str, architecture: str) -> list[str]:
    """The command that builds it, to be run in the checkout."""
    return [sys.executable, "-m", __name__, name, service, architecture]


def source(checkout: Path, service: str, architecture: str) -> ImageSource:
    """What a service's image is built from.

    Args:
        architecture: ``amd64`` or ``arm64``.
    """
    [found] = image_sources(checkout, load_config(checkout), [service])
    return replace(found, platform=f"linux/{architecture}")


def services_of(checkout: Path) -> set[str]:
    """Names of the services whose images a checkout can build or get: none where it is not a Nova project."""
    if not (checkout / CONFIG_FILE).is_file():
        return set()
    try:
        entries = read_toml(checkout / CONFIG_FILE).get("services", [])
    except NovaError:
        return set()
    return {str(entry["name"]) for entry in entries if isinstance(entry, dict) and "name" in entry}


def main(arguments: list[str]) -> int:
    """Build it; returns the exit code."""
    try:
        name, service, architecture = arguments
        have_image(detect(ENGINES), source(Path.cwd(), service, architecture), name, tell=print)
    except NovaError as error:
        print(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``nova image tag``, ``exists``, ``build``, ``scan``, ``promote``, ``prune``: images by content."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nova_infra.errors import RefusedError

if TYPE_CHECKING:
    from nova_infra.config import Config


@click.group()
def image() -> None:
    """Build, scan and name container images by content."""


@image.command()
@click.argument("service", required=False)
def tag(service: str | None) -> None:
    """Print the tag of SERVICE's image, or of every service's.

    It is a hash of what the image is built from.
    """
    from nova_infra.images.tags import image_sources

    root, config = _project()
    chosen = [service] if service else None
    sources = image_sources(root, config, chosen)
    _say_left_out(root, config, chosen)
    width = max(len(source.service) for source in sources)
    for source in sources:
        click.echo(source.tag if service else f"{source.service:{width}}  {source.tag}")


@image.command()
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
def exists(services: Sequence[str]) -> None:
    """Check whether the registry has the images of these files.

    Checks the named SERVICEs, or every service. Exits with 0 if it has all of them and with 2 if one is missing.
    """
    from nova_infra.images.publish import repository
    from nova_infra.images.tags import image_sources

    root, config = _project()
    missing = []
    for source in image_sources(root, config, services or None):
        registry = repository(config, source.service)
        if registry.find(source.tag) is None:
            missing.append(f"{registry.name}:{source.tag}")
        else:
            click.echo(f"{registry.name}:{source.tag} is in the registry")
    if missing:
        raise RefusedError(f"{', '.join(missing)}: not in the registry: build it with nova image build")


@image.command()
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@click.option("--architecture", help="Instead of SERVICEs: every service of x86-64 or of arm64.")
@click.option("--release", is_flag=True, help="Also tag them with the commit, which needs a clean tree.")
@click.option("--early", is_flag=True, help="Publish them only to the early branch's repositories.")
@click.option("--local", is_flag=True, help="Only build them on this machine, with Docker, Podman or Buildah.")
def build(services: Sequence[str], architecture: str | None, release: bool, early: bool, local: bool) -> None:
    """Build, push and scan the images of SERVICEs, unless they exist. ECR signs what is released.

    A build that fails does not stop the others. Exits with 1 if a build fails, or if an image has
    a serious vulnerability that has a fix and was not accepted. Exits with 2 if this machine cannot build images.
    """
    from nova_infra.deployed.connect import REHEARSAL_VARIABLE

    root, config = _project()
    names = _chosen(config, services, architecture)
    # A rehearsal plays this very command: it builds for real, and publishes nothing.
    rehearsed = bool(os.environ.get(REHEARSAL_VARIABLE))
    if not (local or rehearsed):
        from nova_infra.images.publish import publish

        publish(root, config, names, release=release, early=early, notify=click.echo)
        return
    from nova_infra.containers.local import build_here

    _say_left_out(root, config, names)
    if rehearsed:
        click.echo("not covered: vulnerabilities in images: they are scanned before they are pushed")
    build_here(root, config, names, click.echo)


@image.command()
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@click.option("--local", is_flag=True, help="Build them here, and scan them here: with Docker or Podman.")
def scan(services: Sequence[str], local: bool) -> None:
    """Judge existing images again by ECR's latest findings.

    Judges the images of these files: of the named SERVICEs, or of every service. Exits with 1 if one has a serious
    vulnerability that has a fix and was not accepted.
    """
    root, config = _project()
    if local:
        from nova_infra.containers.local import scan_here

        _say_left_out(root, config, [config.service(name).name for name in services] or None)
        scan_here(root, config, services, click.echo)
    else:
        from nova_infra.images.publish import scan

        scan(root, config, services, click.echo)


@image.command()
@click.argument("release")
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@click.option("--from", "origin", metavar="TAG", help="The images' current tag. Default: the tag of these files.")
def promote(release: str, services: Sequence[str], origin: str | None) -> None:
    """Add the tag RELEASE to images: to all of them or none.

    Tags the images of the named SERVICEs, or of every service. Builds and copies nothing. Afterwards
    `cdk deploy -c imageTag=RELEASE` deploys them.
    """
    from nova_infra.images.publish import promote as add_release
    from nova_infra.images.publish import repository
    from nova_infra.images.tags import checked_tag, image_tags

    root, config = _project()
    names = [config.service(name).name for name in services] or [service.name for service in config.services]
    tags = dict.fromkeys(names, checked_tag("--from", origin)) if origin else image_tags(root, config)
    registries = {name: repository(config, name) for name in names}
    click.echo("\n".join(add_release(registries, tags=tags, release=checked_tag("RELEASE", release))))


@image.command()
@click.option("--dry-run", is_flag=True, help="Show what would be removed.")
def prune(dry_run: bool) -> None:
    """Remove images from this machine that no branch uses.

    Also removes the build cache, so the next build starts from scratch.
    """
    from nova_infra.containers.build import ENGINES
    from nova_infra.containers.engine import detect
    from nova_infra.containers.prune import prune as remove

    root, config = _project()
    engine = detect(ENGINES)
    for name in remove(engine, root, config, dry_run=dry_run, warn=lambda line: click.echo(line, err=True)):
        click.echo(f"{'would remove' if dry_run else 'removed'} {name}")


def _chosen(config: Config, services: Sequence[str], architecture: str | None) -> list[str]:
    """The names of the services that a command is about: those that are named, or all of an architecture."""
    if bool(services) == bool(architecture):
        raise RefusedError("services: name them, or pass --architecture for all services of one, not both")
    if architecture is None:
        return [config.service(name).name for name in services]
    found = [service.name for service in config.services if service.architecture == architecture]
    if not found:
        known = ", ".join(sorted({service.architecture for service in config.services}))
        raise RefusedError(f"--architecture: no service has {architecture!r}: choose one of {known}")
    return found


def _project() -> tuple[Path, Config]:
    from nova_infra.config import load_config

    root = Path.cwd()
    return root, load_config(root)


def _say_left_out(root: Path, config: Config, services: Sequence[str] | None) -> None:
    """Warn about files that images could contain and do not."""
    from nova_infra.images.tags import left_out

    click.echo("".join(f"{each}\n" for each in left_out(root, config, services)), nl=False, err=True)


COMMANDS = (image,)

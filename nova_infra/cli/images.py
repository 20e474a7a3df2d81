"""``nova image …``: images by content. Slow imports happen inside the commands that need them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nova_infra.config import Config
    from nova_infra.images.registry import Registry, StoredImage


@click.group()
def image() -> None:
    """Build, scan and name container images by content."""


@image.command()
@click.argument("service", required=False)
def tag(service: str | None) -> None:
    """Print the tag of SERVICE's image, or of every service's.

    It is a hash of what the image is built from.
    """
    from nova_infra.config import load_config
    from nova_infra.images.build_context import unknown_to_git
    from nova_infra.images.tags import image_sources

    root = Path.cwd()
    sources = image_sources(root, load_config(root), [service] if service else None)
    for path in unknown_to_git(root / "services"):
        click.echo(
            f"services/{path}: is left out of the tag and the image, because git does not know it: git add it", err=True
        )
    width = max(len(source.service) for source in sources)
    for source in sources:
        click.echo(source.tag if service else f"{source.service:{width}}  {source.tag}")


@image.command()
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
def exists(services: Sequence[str]) -> None:
    """Check whether the registry has the images of these files.

    Checks the named SERVICEs, or every service. Exits with 0 if it has all of them and with 2 if one is missing.
    """
    from nova_infra.errors import RefusedError
    from nova_infra.images.tags import image_sources

    root, config = _project()
    missing = []
    for source in image_sources(root, config, services or None):
        registry = _registry(config, source.service)
        if registry.find(source.tag) is None:
            missing.append(f"{registry.name}:{source.tag}")
        else:
            click.echo(f"{registry.name}:{source.tag} is in the registry")
    if missing:
        raise RefusedError(f"{', '.join(missing)}: not in the registry: build it with nova image build")


@image.command()
@click.argument("service")
@click.option("--release", is_flag=True, help="Also tag it with the commit. Needs a tree without uncommitted changes.")
@click.option("--local", is_flag=True, help="Only build it on this machine, with Docker, Podman or Buildah.")
def build(service: str, release: bool, local: bool) -> None:
    """Build, push and scan SERVICE's image, unless it exists.

    Exits with 1 if the build fails, or if the image has a serious vulnerability that has a fix and was not accepted.
    Exits with 2 if this machine cannot build images.
    """
    from nova_infra.deployed.connect import REHEARSAL_VARIABLE

    # A rehearsal plays this very command: it builds for real, and publishes nothing.
    if local or os.environ.get(REHEARSAL_VARIABLE):
        _build_here(service)
        return
    from nova_infra.images.build import ensure_image
    from nova_infra.images.promote import promote
    from nova_infra.images.tags import image_sources

    root, config = _project()
    commit = _commit(root, required=release)
    [source] = image_sources(root, config, [service])
    registry = _registry(config, service)
    found, built = ensure_image(registry, source, tools=config.images)
    name = f"{registry.name}:{source.tag}"
    click.echo(f"built and pushed {name}" if built else f"{name} is in the registry already: not built again")
    _scan(root, registry, found, service)
    # Last, so that only complete images that may be deployed carry a release's name.
    if release and commit is not None:
        click.echo("\n".join(promote({service: registry}, tags={service: source.tag}, release=commit)))


@image.command()
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
def scan(services: Sequence[str]) -> None:
    """Judge existing images again by ECR's latest findings.

    Judges the images of these files: of the named SERVICEs, or of every service. Exits with 1 if one has a serious
    vulnerability that has a fix and was not accepted.
    """
    from nova_infra.errors import CheckFailedError, RefusedError
    from nova_infra.images.tags import image_sources

    root, config = _project()
    faults: list[str] = []
    for source in image_sources(root, config, services or None):
        registry = _registry(config, source.service)
        found = registry.find(source.tag)
        if found is None:
            raise RefusedError(f"{registry.name}:{source.tag}: not in the registry: build it with nova image build")
        try:
            _scan(root, registry, found, source.service)
        except CheckFailedError as error:
            faults.append(str(error))
    if faults:
        raise CheckFailedError("\n".join(faults))


@image.command()
@click.argument("release")
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@click.option("--from", "origin", metavar="TAG", help="The images' present tag. Default: the tag of these files.")
def promote(release: str, services: Sequence[str], origin: str | None) -> None:
    """Add the tag RELEASE to images: to all of them or none.

    Tags the images of the named SERVICEs, or of every service. Builds and copies nothing. Afterwards
    `cdk deploy -c imageTag=RELEASE` deploys them.
    """
    from nova_infra.images.promote import promote as add_release
    from nova_infra.images.tags import checked_tag, image_tags

    root, config = _project()
    names = [config.service(name).name for name in services] or [service.name for service in config.services]
    tags = dict.fromkeys(names, checked_tag("--from", origin)) if origin else image_tags(root, config)
    registries = {name: _registry(config, name) for name in names}
    click.echo("\n".join(add_release(registries, tags=tags, release=checked_tag("RELEASE", release))))


@image.command()
@click.option("--dry-run", is_flag=True, help="Show what would be removed.")
def prune(dry_run: bool) -> None:
    """Remove images from this machine that no branch uses.

    Also removes the build cache, so the next build starts from scratch.
    """
    from nova_infra.containers.engine import detect
    from nova_infra.containers.prune import prune as remove

    root, config = _project()
    for name in remove(detect(), root, config, dry_run=dry_run):
        click.echo(f"{'would remove' if dry_run else 'removed'} {name}")


def _build_here(service: str) -> None:
    from nova_infra.containers.build import ENGINES, local_name
    from nova_infra.containers.engine import detect
    from nova_infra.containers.local import have_image
    from nova_infra.images.tags import image_sources
    from nova_infra.names import repository_name

    root, config = _project()
    [source] = image_sources(root, config, [service])
    name = local_name(f"{repository_name(config.platform.name, service)}:{source.tag}")
    engine = detect(ENGINES)
    built = have_image(engine, source, name, tell=click.echo)
    click.echo(f"built {name} with {engine.program}" if built else f"{name} is unchanged: not built again")


def _project() -> tuple[Path, Config]:
    from nova_infra.config import load_config

    root = Path.cwd()
    return root, load_config(root)


def _registry(config: Config, service: str) -> Registry:
    from nova_infra.deployed.aws.session import sign_in
    from nova_infra.images.registry import Registry
    from nova_infra.names import repository_name

    aws = sign_in(region=config.toolchain.region)
    return Registry(repository_name(config.platform.name, service), aws=aws)


def _scan(root: Path, registry: Registry, found: StoredImage, service: str) -> None:
    from nova_infra.images.accepted_vulnerabilities import read_accepted
    from nova_infra.images.scan import check_image

    today = datetime.datetime.now(datetime.UTC).date()
    left = check_image(registry, found, service=service, accepted=read_accepted(root), today=today)
    click.echo(f"{registry.name}: scanned: {left} serious vulnerabilities that have no fix or are accepted")


def _commit(root: Path, *, required: bool) -> str | None:
    from nova_infra.errors import RefusedError
    from nova_infra.git import why_unreadable
    from nova_infra.images.tags import current_commit

    # A pipeline whose source is a token gets an archive without git, of exactly the commit that CodeBuild names.
    archive = not (root / ".git").exists()
    commit = os.environ.get("CODEBUILD_RESOLVED_SOURCE_VERSION") if archive else current_commit(root)
    if commit is None and required:
        fault = (
            why_unreadable(root) or "the files here are not those of a commit: commit or stash what git status lists"
        )
        raise RefusedError(f"--release: {fault}")
    return commit

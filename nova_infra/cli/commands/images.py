"""``nova image tag``, ``exists``, ``build``, ``scan``, ``promote``, ``prune``: images by content."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nova_infra.errors import CheckFailedError, NovaError, RefusedError

if TYPE_CHECKING:
    from nova_infra.config import Config
    from nova_infra.images.build import Check
    from nova_infra.images.registry import Registry, StoredImage
    from nova_infra.images.scanning.grype import Kind
    from nova_infra.images.tags import ImageSource


@click.group()
def image() -> None:
    """Build, scan and name container images by content."""


@image.command()
@click.argument("service", required=False)
def tag(service: str | None) -> None:
    """Print the tag of SERVICE's image, or of every service's.

    It is a hash of what the image is built from.
    """
    from nova_infra.images.tags import image_sources, left_out

    root, config = _project()
    chosen = [service] if service else None
    sources = image_sources(root, config, chosen)
    click.echo("".join(f"{each}\n" for each in left_out(root, config, chosen)), nl=False, err=True)
    width = max(len(source.service) for source in sources)
    for source in sources:
        click.echo(source.tag if service else f"{source.service:{width}}  {source.tag}")


@image.command()
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
def exists(services: Sequence[str]) -> None:
    """Check whether the registry has the images of these files.

    Checks the named SERVICEs, or every service. Exits with 0 if it has all of them and with 2 if one is missing.
    """
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
    if local or os.environ.get(REHEARSAL_VARIABLE):
        _build_here(root, config, names)
        return
    from nova_infra.images.promote import promote
    from nova_infra.images.tags import image_sources

    if early and config.early_branch is None:
        raise RefusedError("--early: there is no early branch: set early_branch under [delivery], or leave it out")
    commit = _commit(root, required=release)
    sources = image_sources(root, config, names)
    registries = {name: _registry(config, name, early=early) for name in names}
    _publish(root, config, sources, registries, signed=not early)
    tags = {source.service: source.tag for source in sources}
    places = [registries]
    if config.early_branch is not None and not early:
        # The first environment pulls from nowhere else, whichever branch it gets a release of.
        places.append(_copy_early(config, registries, tags))
    # Last, so that only complete images that may be deployed carry a release's name.
    for place in places if release and commit is not None else ():
        click.echo("\n".join(promote(place, tags=tags, release=str(commit))))


def _publish(
    root: Path, config: Config, sources: Sequence[ImageSource], registries: Mapping[str, Registry], *, signed: bool
) -> None:
    """Build, push and scan what is not there. A fault of one image keeps none of the others from being published."""
    from nova_infra.images.build import docker, ensure_image
    from nova_infra.images.signing import wait_for_signature

    found: dict[str, StoredImage] = {}
    faults: list[NovaError] = []
    for source in sources:
        name = f"{registries[source.service].name}:{source.tag}"
        with _noting(faults):
            found[source.service], built = ensure_image(
                registries[source.service],
                source,
                tools=config.images,
                check=_check(root, config, source.service, lambda *arguments: docker(*arguments, quiet=True)),
            )
            click.echo(f"built and pushed {name}" if built else f"{name} is in the registry already: not built again")
    # After all builds: the registry scans the first ones meanwhile.
    for service, stored in found.items():
        with _noting(faults):
            _scan(root, registries[service], stored, service)
            if signed:
                wait_for_signature(registries[service], stored)
    _raise(faults)


def _copy_early(config: Config, registries: Mapping[str, Registry], tags: Mapping[str, str]) -> dict[str, Registry]:
    """Copy images to the early branch's repositories, and return those."""
    from nova_infra.images.build import ensure_copy

    copies = {name: _registry(config, name, early=True) for name in registries}
    for name, registry in copies.items():
        if ensure_copy(registry, registries[name], tags[name]):
            click.echo(f"copied {registries[name].name}:{tags[name]} to {registry.name}")
    return copies


@image.command()
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@click.option("--local", is_flag=True, help="Build them here, and scan them here: with Docker or Podman.")
def scan(services: Sequence[str], local: bool) -> None:
    """Judge existing images again by ECR's latest findings.

    Judges the images of these files: of the named SERVICEs, or of every service. Exits with 1 if one has a serious
    vulnerability that has a fix and was not accepted.
    """
    if local:
        _scan_here(*_project(), services)
        return
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
@click.option("--from", "origin", metavar="TAG", help="The images' current tag. Default: the tag of these files.")
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
        raise RefusedError("services: name them, or pass --architecture for all services of one, and not both")
    if architecture is None:
        return [config.service(name).name for name in services]
    found = [service.name for service in config.services if service.architecture == architecture]
    if not found:
        known = ", ".join(sorted({service.architecture for service in config.services}))
        raise RefusedError(f"--architecture: no service has {architecture!r}: choose one of {known}")
    return found


@contextlib.contextmanager
def _noting(faults: list[NovaError]) -> Iterator[None]:
    """Note a fault instead of stopping there."""
    try:
        yield
    except NovaError as error:
        faults.append(error)


def _raise(faults: Sequence[NovaError]) -> None:
    """Raise what went wrong, if anything did: the fault itself, or all of them in one."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        error = NovaError("\n".join(map(str, faults)))
        error.exit_code = max(fault.exit_code for fault in faults)
        raise error


def _build_here(root: Path, config: Config, services: Sequence[str]) -> None:
    from nova_infra.containers.build import ENGINES, local_name
    from nova_infra.containers.engine import detect
    from nova_infra.containers.local import have_image
    from nova_infra.deployed.connect import REHEARSAL_VARIABLE
    from nova_infra.images.tags import image_sources, left_out
    from nova_infra.names import repository_name

    engine = detect(ENGINES)
    sources = image_sources(root, config, services)
    click.echo("".join(f"{each}\n" for each in left_out(root, config, services)), nl=False, err=True)
    faults: list[NovaError] = []
    for source in sources:
        name = local_name(f"{repository_name(config.platform.name, source.service)}:{source.tag}")
        with _noting(faults):
            built = have_image(engine, source, name, tell=click.echo)
            click.echo(f"built {name} with {engine.program}" if built else f"{name} is unchanged: not built again")
    if os.environ.get(REHEARSAL_VARIABLE):
        click.echo("not covered: vulnerabilities in images: they are scanned before they are pushed")
    _raise(faults)


def _scan_here(root: Path, config: Config, services: Sequence[str]) -> None:
    """Scan the images of these files on this machine, as a pull request does: it may not ask a registry."""
    from nova_infra.containers.build import local_name
    from nova_infra.containers.engine import detect
    from nova_infra.images.tags import image_sources
    from nova_infra.machine.scratch import scratch_directory
    from nova_infra.names import repository_name

    engine = detect()
    names = [config.service(name).name for name in services] or [service.name for service in config.services]
    _build_here(root, config, names)
    faults: list[NovaError] = []
    for source in image_sources(root, config, names):
        name = local_name(f"{repository_name(config.platform.name, source.service)}:{source.tag}")
        with scratch_directory("scan") as scratch:
            archive = Path(scratch, "image.tar")
            engine.run("save", f"--output={archive}", name)
            with _noting(faults):
                _check(root, config, source.service, engine.run)(archive, "docker-archive")
                click.echo(f"scanned {name}")
    _raise(faults)


def _check(root: Path, config: Config, service: str, run: Callable[..., str]) -> Check:
    """Judges an image that is a file, by what the scanner finds in it."""
    from datetime import UTC, datetime

    from nova_infra.images.accepted_vulnerabilities import read_accepted
    from nova_infra.images.scan import refusals
    from nova_infra.images.scanning.grype import scan_archive

    def check(archive: Path, kind: Kind) -> None:
        found = scan_archive(archive, kind, scanner=config.images.scanner, run=lambda arguments: run(*arguments))
        today = datetime.now(UTC).date()
        if lines := refusals(found, service, service=service, accepted=read_accepted(root), today=today):
            raise CheckFailedError("\n".join(lines))

    return check


def _project() -> tuple[Path, Config]:
    from nova_infra.config import load_config

    root = Path.cwd()
    return root, load_config(root)


def _registry(config: Config, service: str, *, early: bool = False) -> Registry:
    from nova_infra.deployed.aws.client.session import sign_in
    from nova_infra.images.registry import Registry
    from nova_infra.names import early_repository_name, repository_name

    aws = sign_in(region=config.toolchain.region)
    return Registry((early_repository_name if early else repository_name)(config.platform.name, service), aws=aws)


def _scan(root: Path, registry: Registry, found: StoredImage, service: str) -> None:
    from datetime import UTC, datetime

    from nova_infra.images.accepted_vulnerabilities import read_accepted
    from nova_infra.images.scan import check_image

    today = datetime.now(UTC).date()
    left = check_image(registry, found, service=service, accepted=read_accepted(root), today=today)
    click.echo(f"{registry.name}: scanned: {left} serious vulnerabilities that have no fix or are accepted")


def _commit(root: Path, *, required: bool) -> str | None:
    from nova_infra.images.tags import current_commit
    from nova_infra.machine.git import why_unreadable

    # A pipeline whose source is a token gets an archive without git, of exactly the commit that CodeBuild names.
    archive = not (root / ".git").exists()
    commit = os.environ.get("CODEBUILD_RESOLVED_SOURCE_VERSION") if archive else current_commit(root)
    if commit is None and required:
        fault = (
            why_unreadable(root) or "the files here are not those of a commit: commit or stash what git status lists"
        )
        raise RefusedError(f"--release: {fault}")
    return commit


COMMANDS = (image,)

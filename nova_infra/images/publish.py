"""Publishes images in ECR: builds or copies, scans, waits for signatures, tags releases (``nova image``)."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from nova_infra.config import Config
from nova_infra.deployed.aws.client.session import sign_in
from nova_infra.errors import CheckFailedError, NovaError, RefusedError, noting, raise_all
from nova_infra.images import build
from nova_infra.images.accepted_vulnerabilities import read_accepted
from nova_infra.images.registry import Registry, StoredImage
from nova_infra.images.scan import check_image, refusals
from nova_infra.images.scanning.grype import Kind, scan_archive
from nova_infra.images.signing import wait_for_signature
from nova_infra.images.tags import ImageSource, current_commit, image_sources
from nova_infra.machine.git import why_unreadable
from nova_infra.names import early_repository_name, repository_name

Notify = Callable[[str], None]


def repository(config: Config, service: str, *, early: bool = False) -> Registry:
    """The repository of a service's images, for releases or for what the early branch builds."""
    name = (early_repository_name if early else repository_name)(config.platform.name, service)
    return Registry(name, aws=sign_in(region=config.toolchain.region))


def publish(root: Path, config: Config, services: Sequence[str], *, release: bool, early: bool, notify: Notify) -> None:
    """Build, push and scan the services' images that are not there, and tag those of a release with its commit.

    Raises:
        NovaError: What was wrong with any of the images; the others are published.
    """
    if early and config.early_branch is None:
        raise RefusedError("--early: there is no early branch: set early_branch under [delivery], or leave it out")
    commit = _commit(root, required=release)
    sources = image_sources(root, config, services)
    registries = {name: repository(config, name, early=early) for name in services}
    _publish(root, config, sources, registries, signed=not early, notify=notify)
    tags = {source.service: source.tag for source in sources}
    places = [registries]
    if config.early_branch is not None and not early:
        # The first environment pulls from nowhere else, whichever branch it gets a release of.
        places.append(_copy_early(config, registries, tags, notify))
    # Last, so that only complete images that may be deployed carry a release's name.
    if release and commit is not None:
        for place in places:
            notify("\n".join(promote(place, tags=tags, release=commit)))


def _publish(
    root: Path,
    config: Config,
    sources: Sequence[ImageSource],
    registries: Mapping[str, Registry],
    *,
    signed: bool,
    notify: Notify,
) -> None:
    """Build, push and scan what is not there. A fault of one image keeps none of the others from being published."""
    found: dict[str, StoredImage] = {}
    faults: list[NovaError] = []
    for source in sources:
        registry = registries[source.service]
        name = f"{registry.name}:{source.tag}"
        check = checked_by_scanner(
            root, config, source.service, lambda *arguments: build.docker(*arguments, quiet=True)
        )
        with noting(faults):
            found[source.service], built = build.ensure_image(registry, source, tools=config.images, check=check)
            notify(f"built and pushed {name}" if built else f"{name} is in the registry already: not built again")
    # After all builds: the registry scans the first ones meanwhile.
    for service, stored in found.items():
        with noting(faults):
            _scan(root, registries[service], stored, service, notify)
            if signed:
                wait_for_signature(registries[service], stored)
    raise_all(faults)


def _copy_early(
    config: Config, registries: Mapping[str, Registry], tags: Mapping[str, str], notify: Notify
) -> dict[str, Registry]:
    """Copy images to the early branch's repositories, and return those."""
    copies = {name: repository(config, name, early=True) for name in registries}
    for name, registry in copies.items():
        if build.ensure_copy(registry, registries[name], tags[name]):
            notify(f"copied {registries[name].name}:{tags[name]} to {registry.name}")
    return copies


def scan(root: Path, config: Config, services: Sequence[str], notify: Notify) -> None:
    """Judge images that are in the registry by what it has found since: the named services', or all.

    Raises:
        CheckFailedError: One has a serious vulnerability that has a fix and was not accepted.
    """
    faults: list[str] = []
    for source in image_sources(root, config, services or None):
        registry = repository(config, source.service)
        found = registry.find(source.tag)
        if found is None:
            raise RefusedError(f"{registry.name}:{source.tag}: not in the registry: build it with nova image build")
        try:
            _scan(root, registry, found, source.service, notify)
        except CheckFailedError as error:
            faults.append(str(error))
    if faults:
        raise CheckFailedError("\n".join(faults))


def _scan(root: Path, registry: Registry, found: StoredImage, service: str, notify: Notify) -> None:
    today = datetime.now(UTC).date()
    left = check_image(registry, found, service=service, accepted=read_accepted(root), today=today)
    notify(f"{registry.name}: scanned: {left} serious vulnerabilities that have no fix or are accepted")


def checked_by_scanner(root: Path, config: Config, service: str, run: Callable[..., str]) -> build.Check:
    """What judges an image that is a file, by what the scanner finds in it."""

    def check(archive: Path, kind: Kind) -> None:
        found = scan_archive(archive, kind, scanner=config.images.scanner, run=lambda arguments: run(*arguments))
        today = datetime.now(UTC).date()
        if lines := refusals(found, service, service=service, accepted=read_accepted(root), today=today):
            raise CheckFailedError("\n".join(lines))

    return check


def _commit(root: Path, *, required: bool) -> str | None:
    # A pipeline whose source is a token gets an archive without git, of exactly the commit that CodeBuild names.
    archive = not (root / ".git").exists()
    commit = os.environ.get("CODEBUILD_RESOLVED_SOURCE_VERSION") if archive else current_commit(root)
    if commit is None and required:
        fault = (
            why_unreadable(root) or "the files here are not those of a commit: commit or stash what git status lists"
        )
        raise RefusedError(f"--release: {fault}")
    return commit


def promote(registries: Mapping[str, Registry], *, tags: Mapping[str, str], release: str) -> list[str]:
    """Add a tag to each service's image: to all of them or none.

    Nothing is copied or built: the environments run images from the one registry, so what was tested under one name is,
    bit for bit, what is deployed under the other.

    Returns:
        A sentence for each service.

    Raises:
        RefusedError: An image is missing, or another one has the release's tag; no image has been given it.
    """
    images = {service: registry.find(tags[service]) for service, registry in registries.items()}
    missing = [f"{registries[service].name}:{tags[service]}" for service, image in images.items() if image is None]
    if missing:
        raise RefusedError(f"{', '.join(missing)}: not in the registry: build it first, with nova image build")
    for service, registry in registries.items():
        named = registry.find(release)
        if named is not None and named != images[service]:
            raise RefusedError(
                f"{registry.name}:{release}: already names another image, and tags never move: choose another tag"
            )
    said = []
    for service, registry in registries.items():
        image = images[service]
        assert image is not None, "the missing ones were refused above"
        done = "is" if registry.add_tag(image, release) else "was already"
        said.append(f"{registry.name}:{tags[service]} {done} {release}")
    return said

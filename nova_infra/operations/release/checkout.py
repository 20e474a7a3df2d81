"""The release in a checkout: its commit, and its images by digest as the registry has them."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nova_infra.config import Config, load_config
from nova_infra.deployed.model import Image
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.errors import RefusedError
from nova_infra.images.tags import current_commit, image_tags
from nova_infra.machine import git
from nova_infra.names import domain_of
from nova_infra.operations.gates import signatures
from nova_infra.operations.records.ledger import ReleasedImage


@dataclass(frozen=True)
class Checkout:
    """A release, as the sources describe it.

    Attributes:
        release: The commit; for a tree that differs from its commit, a name made of its content.
        images: Service to its image by tag, without digest.
    """

    release: str
    images: Mapping[str, Image]
    committed_at: datetime | None


def read_checkout(root: Path, environment: str) -> Checkout:
    """The release of a directory, as an environment pulls it."""
    config = load_config(root)
    images = {
        service: Image(f"{_registry(config)}/{config.repository(service, environment)}", tag)
        for service, tag in image_tags(root, config).items()
    }
    # CodeBuild says which commit it was started for, also where the source is an archive without git.
    commit = os.environ.get("CODEBUILD_RESOLVED_SOURCE_VERSION") or current_commit(root)
    if commit is None:
        content = hashlib.sha256("".join(image.tag for image in images.values()).encode()).hexdigest()
        return Checkout(f"uncommitted-{content[:12]}", images, None)
    return Checkout(commit, images, _committed_at(root, commit))


def released(environment: ObservedEnvironment, root: Path) -> tuple[str, dict[str, ReleasedImage], datetime | None]:
    """Name, images and commit time of the release that a delivery step handles.

    It is the one in the step's directory; in a rehearsal the one that is being played, which may be the earlier one.

    Raises:
        NovaError: The directory holds no release, or an image of it was not built.
    """
    if (played := environment.played()) is not None:
        return played.release, {each: _stored(image) for each, image in played.images.items()}, None
    checkout = read_checkout(root, environment.name)
    return checkout.release, with_digests(environment, checkout), checkout.committed_at


def unsigned(environment: ObservedEnvironment, images: Mapping[str, ReleasedImage], root: Path) -> list[str]:
    """A sentence for each image of the release that is not signed; none in a rehearsal or an early branch."""
    config = load_config(root)
    if environment.played() is not None or config.takes_early_images(environment.name):
        return []
    asked = {
        service: Image(f"{_registry(config)}/{config.repository(service, environment.name)}", image.tag, image.digest)
        for service, image in images.items()
    }
    return signatures.unsigned(environment, asked)


def with_digests(environment: ObservedEnvironment, checkout: Checkout) -> dict[str, ReleasedImage]:
    """Service to its image in the registry."""
    found = environment.images(list(checkout.images.values()))
    released = {}
    for (service, wanted), image in zip(checkout.images.items(), found, strict=True):
        if image is None or image.digest is None:
            raise RefusedError(f"{service}: its image {wanted} is not in the registry: `nova image build {service}`")
        released[service] = _stored(image)
    return released


def _registry(config: Config) -> str:
    region = config.toolchain.region
    return f"{config.toolchain.account}.dkr.ecr.{region}.{domain_of(region)}"


def _stored(image: Image) -> ReleasedImage:
    assert image.digest is not None, "it is in a registry"
    return ReleasedImage(image.tag, image.digest)


def _committed_at(root: Path, commit: str) -> datetime | None:
    at = git.read(root, "show", "--no-patch", "--format=%cI", commit)
    try:
        return datetime.fromisoformat(at) if at is not None else None
    except ValueError:
        return None

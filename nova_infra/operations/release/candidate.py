"""The release to be deployed: its name, templates and images, for the brief."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nova_infra.assembly import Assembly
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.stack import Template
from nova_infra.operations.release.checkout import read_checkout, with_digests


@dataclass(frozen=True)
class Candidate:
    """A release that is about to be deployed to an environment.

    Attributes:
        release: The commit; for a tree that differs from its commit, a name made of its content.
        digests: Finds service to the digest of its image; it may raise NovaError.
    """

    release: str
    templates: Mapping[str, Template]
    digests: Callable[[], Mapping[str, str]]


def read_candidate(environment: ObservedEnvironment, root: Path, assembly: Callable[[], Path]) -> Candidate:
    """The release in a directory; in a rehearsal the one that is being played.

    Args:
        assembly: Finds, or synthesizes, its assembly.
    """
    if (played := environment.played()) is not None:
        digests = {service: str(image.digest) for service, image in played.images.items()}
        return Candidate(played.release, played.templates, lambda: digests)
    checkout = read_checkout(root, environment.name)

    def registry() -> dict[str, str]:
        return {service: image.digest for service, image in with_digests(environment, checkout).items()}

    return Candidate(checkout.release, Assembly(assembly()).templates(environment.prefix), registry)

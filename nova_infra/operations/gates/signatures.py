"""Preflight: refuses images that ECR has not signed, by digest, with the delivered branch's profile."""

from collections.abc import Mapping

from nova_infra.deployed.model import Image, short_digest
from nova_infra.deployed.protocol import ObservedEnvironment


def unsigned(environment: ObservedEnvironment, images: Mapping[str, Image]) -> list[str]:
    """A sentence for each image that is not signed.

    Args:
        environment: Where the images are to run; its account may ask the registry.
    """
    found = environment.signatures(list(images.values()))
    return [
        _sentence(service, image, statuses)
        for (service, image), statuses in zip(images.items(), found, strict=True)
        if not statuses or set(statuses) != {"COMPLETE"}
    ]


def _sentence(service: str, image: Image, statuses: tuple[str, ...]) -> str:
    digest = short_digest(str(image.digest))
    if "FAILED" in statuses or not statuses:
        return (
            f"{service}: its image {digest} is not signed, so nobody knows who pushed it: find out in CloudTrail "
            "(PutImage), and build the release again"
        )
    return f"{service}: its image {digest} is still being signed: wait a minute, then retry"

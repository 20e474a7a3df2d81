"""Waits, after a push, until ECR has signed the digest that a tag names: an index, if it has attestations."""

import time
from collections.abc import Callable

from nova_infra.errors import AwsError, RefusedError
from nova_infra.images.registry import Registry, StoredImage
from nova_infra.names import REGISTRY_STACK

_POLL_SECONDS = 5.0
_PATIENCE_SECONDS = 300.0


def wait_for_signature(registry: Registry, image: StoredImage, *, pause: Callable[[float], None] = time.sleep) -> None:
    """Wait until an image is signed.

    Raises:
        RefusedError: The registry could not sign it, or signs nothing.
        AwsError: It was not signed in time, or the registry was not reached.
    """
    waited = 0.0
    while True:
        statuses = registry.signing(image.digest)
        failed = [reason or "no reason given" for status, reason in statuses if status == "FAILED"]
        if failed:
            raise RefusedError(
                f"{registry.name}@{image.digest}: was not signed: {failed[0]}: let the role that pushes use the "
                "signing profile (signer:SignPayload), change what the image is built from, and build it again"
            )
        if statuses and all(status == "COMPLETE" for status, _ in statuses):
            return
        if waited >= _PATIENCE_SECONDS:
            if not statuses:
                raise RefusedError(
                    f"{registry.name}@{image.digest}: is not signed: the registry signs what is pushed after "
                    f"{REGISTRY_STACK} was deployed: deploy it, and build the image again under another tag"
                )
            raise AwsError(
                f"{registry.name}@{image.digest}: is not signed after {waited / 60:.0f} minutes: run the command again"
            )
        pause(_POLL_SECONDS)
        waited += _POLL_SECONDS

"""One service's image repository."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from nova_infra.deployed.aws.errors import translated
from nova_infra.errors import RefusedError

_INDEXES = {
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
}


@dataclass(frozen=True)
class StoredImage:
    """An image in the repository.

    Attributes:
        digest: Digest of the manifest that its tags name.
        manifest: The manifest: with attestations it is an index of the image and of what is attested of it.
        media_type: The manifest's.
    """

    digest: str
    manifest: str = field(repr=False)
    media_type: str | None

    def runnable_digests(self) -> tuple[str, ...]:
        """Digests of what a task runs, and a scan therefore finds something in: not the index, not the attestations."""
        manifest = json.loads(self.manifest)
        if (self.media_type or manifest.get("mediaType")) not in _INDEXES:
            return (self.digest,)
        return tuple(
            each["digest"]
            for each in manifest.get("manifests", ())
            if each.get("platform", {}).get("os", "unknown") != "unknown"
        )


class Registry:
    """The repository of one service's images, in the toolchain's account.

    Every method raises :class:`RefusedError` where the registry refuses, and :class:`AwsError` where it is not reached.

    Attributes:
        name: Its name, such as ``nova/audio-service``.
        client: The ECR client.
    """

    def __init__(self, name: str, *, region: str, client: Any = None) -> None:
        """Prepare to ask for a repository; nothing is asked yet.

        Args:
            name: Its name.
            region: Its region.
            client: An ECR client. Default: one with the process's own credentials.
        """
        self.name = name
        self._region = region
        with self.refusals():
            self.client = client or boto3.client("ecr", region_name=region)

    def find(self, tag: str) -> StoredImage | None:
        """The image under a tag, if there is one."""
        with self.refusals():
            answer = self.client.batch_get_image(repositoryName=self.name, imageIds=[{"imageTag": tag}])
        for image in answer["images"]:
            return StoredImage(
                image["imageId"]["imageDigest"], image["imageManifest"], image.get("imageManifestMediaType")
            )
        return None

    def add_tag(self, image: StoredImage, tag: str) -> bool:
        """Give an image a further tag.

        Returns:
            False where it has that tag already.

        Raises:
            RefusedError: Another image has that tag, which never moves.
        """
        # The media type comes with the manifests that name it themselves, and is needed for those that do not.
        media_type = {"imageManifestMediaType": image.media_type} if image.media_type else {}
        with self.refusals():
            try:
                self.client.put_image(
                    repositoryName=self.name, imageManifest=image.manifest, imageTag=tag, **media_type
                )
            except self.client.exceptions.ImageAlreadyExistsException:
                return False
            except self.client.exceptions.ImageTagAlreadyExistsException:
                raise RefusedError(
                    f"{self.name}:{tag}: is another image already, and tags never move: choose another tag"
                ) from None
        return True

    def address(self) -> str:
        """Where container engines find it, such as ``….dkr.ecr.us-east-1.amazonaws.com/nova/audio-service``."""
        with self.refusals():
            answer = self.client.describe_repositories(repositoryNames=[self.name])
        address: str = answer["repositories"][0]["repositoryUri"]
        return address

    def login(self) -> tuple[str, str]:
        """A user and a password for container engines, good for twelve hours."""
        with self.refusals():
            [authorization] = self.client.get_authorization_token()["authorizationData"]
        user, _, password = base64.b64decode(authorization["authorizationToken"]).decode().partition(":")
        return user, password

    def scan(self, digest: str) -> dict[str, Any] | None:
        """What a scan found so far, all pages of it; None where no scan has started yet."""
        with self.refusals():
            pages = self.client.get_paginator("describe_image_scan_findings").paginate(
                repositoryName=self.name, imageId={"imageDigest": digest}
            )
            try:
                collected = list(pages)
            except self.client.exceptions.ScanNotFoundException:
                return None
        found = [page.get("imageScanFindings", {}) for page in collected]
        return {
            "status": collected[-1]["imageScanStatus"],
            "complete": any("imageScanCompletedAt" in each for each in found),
            "enhanced": [finding for each in found for finding in each.get("enhancedFindings", ())],
            "basic": [finding for each in found for finding in each.get("findings", ())],
        }

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Tell in one line what AWS answers in many."""
        try:
            yield
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
            if code == "RepositoryNotFoundException":
                raise RefusedError(
                    f"{self.name}: there is no such repository in {self._region} of this account: "
                    "deploy NovaRegistryStack, or use the toolchain account's credentials"
                ) from None
            raise RefusedError(
                f"{self.name}: the registry refuses: {code}: {' '.join(message.split())}: check the credentials"
            ) from None
        except BotoCoreError as error:
            raise translated(error, f"{self.name}: the registry") from None

"""One service's image repository in ECR: tags, logins, scan findings and signing status."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nova_infra.deployed.aws.client.errors import ServiceError
from nova_infra.deployed.aws.client.session import Aws
from nova_infra.errors import RefusedError
from nova_infra.names import DEPLOY_REGISTRY

_INDEXES = {
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
}


@dataclass(frozen=True)
class StoredImage:
    """An image in the repository. With attestations its manifest is an index of the image and of what is attested."""

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

    Every method raises :class:`RefusedError` where there is no such repository or the credentials may not use it, and
    :class:`AwsError` for whatever else AWS answers.
    """

    def __init__(self, name: str, *, aws: Aws) -> None:
        self.name = name
        self._aws = aws

    def find(self, tag: str) -> StoredImage | None:
        """The image under a tag, if there is one."""
        for image in self._call("batch_get_image", repositoryName=self.name, imageIds=[{"imageTag": tag}])["images"]:
            return StoredImage(
                image["imageId"]["imageDigest"], image["imageManifest"], image.get("imageManifestMediaType")
            )
        return None

    def add_tag(self, image: StoredImage, tag: str) -> bool:
        """Add a tag to an image.

        Returns:
            False where it has that tag already.

        Raises:
            RefusedError: Another image has that tag, which never moves.
        """
        # The media type comes with the manifests that name it themselves, and is needed for those that do not.
        media_type = {"imageManifestMediaType": image.media_type} if image.media_type else {}

        def done() -> bool:
            found = self.find(tag)
            return found is not None and found.digest == image.digest

        try:
            with self._refusals():
                self._aws.write(
                    "ecr",
                    "put_image",
                    done=done,
                    repositoryName=self.name,
                    imageManifest=image.manifest,
                    imageTag=tag,
                    **media_type,
                )
        except ServiceError as error:
            if error.code == "ImageAlreadyExistsException":
                return False
            if error.code == "ImageTagAlreadyExistsException":
                raise RefusedError(
                    f"{self.name}:{tag}: already names another image, and tags never move: choose another tag"
                ) from None
            raise
        return True

    def address(self) -> str:
        """Where container engines find it, such as ``….dkr.ecr.us-east-1.amazonaws.com/nova/audio-service``."""
        [repository] = self._call("describe_repositories", repositoryNames=[self.name])["repositories"]
        return str(repository["repositoryUri"])

    def login(self) -> tuple[str, str]:
        """A user and a password for container engines, good for twelve hours."""
        [authorization] = self._call("get_authorization_token")["authorizationData"]
        user, _, password = base64.b64decode(authorization["authorizationToken"]).decode().partition(":")
        return user, password

    def login_of(self, secret: str) -> tuple[str, str]:
        """The user and the password of another registry.

        Args:
            secret: Name or ARN of the secret, in the account and region of this repository.

        Raises:
            RefusedError: There is no such secret, the credentials may not read it, or it is no login.
        """
        remedy = "store a secret there whose JSON has username and password, and let the images' role read it"
        try:
            text = self._aws.call("secretsmanager", "get_secret_value", SecretId=secret).get("SecretString", "")
        except ServiceError as error:
            raise RefusedError(f"credentials: {secret}: {error.code} in {self._aws.region}: {remedy}") from None
        try:
            login = json.loads(text)
            return str(login["username"]), str(login["password"])
        except (ValueError, KeyError, TypeError):
            raise RefusedError(f"credentials: {secret}: has no username and password: {remedy}") from None

    def scan(self, digest: str) -> dict[str, Any] | None:
        """What a scan found so far, all pages of it; None where no scan has started yet."""
        pages: list[dict[str, Any]] = []
        try:
            while not pages or pages[-1].get("nextToken"):
                token = {"nextToken": pages[-1]["nextToken"]} if pages else {}
                pages.append(
                    self._call(
                        "describe_image_scan_findings",
                        repositoryName=self.name,
                        imageId={"imageDigest": digest},
                        **token,
                    )
                )
        except ServiceError as error:
            if error.code == "ScanNotFoundException":
                return None
            raise
        found = [page.get("imageScanFindings", {}) for page in pages]
        return {
            "status": pages[-1]["imageScanStatus"],
            "complete": any("imageScanCompletedAt" in each for each in found),
            "enhanced": [finding for each in found for finding in each.get("enhancedFindings", ())],
            "basic": [finding for each in found for finding in each.get("findings", ())],
        }

    def signing(self, digest: str) -> list[tuple[str, str]]:
        """The status of the registry's own signing of an image, by profile, and why it failed.

        https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageSigningStatus.html

        Returns:
            ``IN_PROGRESS``, ``COMPLETE`` or ``FAILED``, each with a reason, which may be empty. Nothing where the
            registry does not sign what is pushed there.
        """
        answer = self._call("describe_image_signing_status", repositoryName=self.name, imageId={"imageDigest": digest})
        return [
            (each["status"], each.get("failureReason") or each.get("failureCode", ""))
            for each in answer.get("signingStatuses", ())
        ]

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        with self._refusals():
            return self._aws.call("ecr", operation, **arguments)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Say what to do about a repository that does not exist."""
        try:
            yield
        except ServiceError as error:
            if error.code != "RepositoryNotFoundException":
                raise
            raise RefusedError(
                f"{self.name}: there is no such repository in {self._aws.region} of this account: "
                f"`{DEPLOY_REGISTRY}`, or use the toolchain account's credentials"
            ) from None

"""Building and publishing a service's image."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from nova_infra.errors import NovaError
from nova_infra.operations.errors import AwsError


def build_image(*, services: Path, service: str, repository: str, region: str, tag: str, release: str | None) -> str:
    """Build and push a service's image, unless one with its content tag is in the repository already.

    Args:
        services: The ``services/`` directory, which is the build context.
        service: Name of the service.
        repository: Name of its ECR repository in the account of the current credentials.
        region: The repository's region.
        tag: Its content tag. Tags are immutable, so an image under it is this image.
        release: A further tag, the commit that is being released, if it is known.

    Returns:
        A sentence about what was done.

    Raises:
        NovaError: There is no container engine, or the image does not build.
        AwsError: ECR refused.
    """
    ecr = boto3.client("ecr", region_name=region)
    try:
        image = _find(ecr, repository, tag)
        done = f"{repository}:{tag} is in the repository already: not built again"
        if image is None:
            _build_and_push(ecr, services, service, repository, tag)
            image = _find(ecr, repository, tag)
            done = f"built and pushed {repository}:{tag}"
        if release is not None and image is not None:
            _add_tag(ecr, repository, image, release)
    except (ClientError, BotoCoreError) as error:
        raise AwsError(
            f"{repository}: ECR: {error}: check the credentials and that the registry stack is deployed"
        ) from None
    return done


def _find(ecr: Any, repository: str, tag: str) -> dict[str, Any] | None:
    answer = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": tag}])
    return next(iter(answer["images"]), None)


def _add_tag(ecr: Any, repository: str, image: dict[str, Any], tag: str) -> None:
    # The media type comes with the manifests that name it themselves, and is needed for those that do not.
    media_type = (
        {"imageManifestMediaType": image["imageManifestMediaType"]} if "imageManifestMediaType" in image else {}
    )
    try:
        ecr.put_image(repositoryName=repository, imageManifest=image["imageManifest"], imageTag=tag, **media_type)
    except ecr.exceptions.ImageAlreadyExistsException:
        return


def _build_and_push(ecr: Any, services: Path, service: str, repository: str, tag: str) -> None:
    if shutil.which("docker") is None:
        raise NovaError("docker: not found: building an image needs a container engine with a docker command")
    uri = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]["repositoryUri"]
    authorization = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(authorization["authorizationToken"]).decode().partition(":")
    image = f"{uri}:{tag}"
    _docker("login", "--username", user, "--password-stdin", uri.partition("/")[0], stdin=password)
    _docker("build", "--file", str(services / service / "Dockerfile"), "--tag", image, str(services))
    _docker("push", image)


def _docker(*arguments: str, stdin: str = "") -> None:
    result = subprocess.run(["docker", *arguments], input=stdin, text=True, check=False)
    if result.returncode:
        raise NovaError(f"docker {arguments[0]}: exited with {result.returncode}: mend what it printed above")

"""``nova image build``: builds and pushes a service's image, or copies a ready one, with its attestations."""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from nova_infra.errors import RefusedError
from nova_infra.images.build_context import write_context
from nova_infra.images.registry import Registry, StoredImage
from nova_infra.images.scanning.grype import Kind
from nova_infra.images.tags import ImageSource
from nova_infra.machine.scratch import scratch_directory

if TYPE_CHECKING:
    from nova_infra.config import Images


DOCKER_HUB_MIRROR = "mirror.gcr.io"
"""Google's cache of what is often pulled from Docker Hub:
https://cloud.google.com/artifact-registry/docs/pull-cached-dockerhub-images."""

Check = Callable[[Path, Kind], None]
"""Judges an image that is a file, and raises NovaError for one that must not be pushed."""


def ensure_image(registry: Registry, source: ImageSource, *, tools: Images, check: Check) -> tuple[StoredImage, bool]:
    """Build and push a service's image, or copy its ready one, unless its content tag is in the repository already.

    Tags are immutable, so an image under the content tag is this image. It is pushed with a bill of materials and its
    provenance; both belong to the index that the tag names, so an image with the tag has them.

    Returns:
        The image, and whether it was built now.

    Raises:
        RefusedError: There is no container engine, the image does not build, or the registry refuses it.
    """
    image = registry.find(source.tag)
    if image is not None:
        return image, False
    if shutil.which("docker") is None:
        raise RefusedError("docker: not found: building an image needs a container engine with docker buildx")
    address = registry.address()
    if source.image:
        with _login(registry.login(), address.partition("/")[0]), _origin_login(registry, source):
            _check_ready(source, check)
            _copy(source.image, f"{address}:{source.tag}")
    else:
        _build(registry, source, address, tools, check)
    image = registry.find(source.tag)
    if image is None:
        raise RefusedError(
            f"{registry.name}:{source.tag}: was pushed, but the registry does not have it: push it again"
        )
    return image, True


def ensure_copy(registry: Registry, origin: Registry, tag: str) -> bool:
    """Copy an image to another repository, unchanged and under the same tag.

    Args:
        registry: Where it is to be. What has the tag there is left alone: only what comes from there can tell.

    Returns:
        Whether it was copied now.

    Raises:
        RefusedError: There is no container engine, or the registry refuses it.
    """
    if registry.find(tag) is not None:
        return False
    address = registry.address()
    with _login(registry.login(), address.partition("/")[0]):
        _copy(f"{origin.address()}:{tag}", f"{address}:{tag}")
    return True


def _copy(image: str, name: str) -> None:
    """A copy as it is, with its digest, all of its platforms and what is attested of it."""
    docker("buildx", "imagetools", "create", "--prefer-index=false", f"--tag={name}", image)


def _build(registry: Registry, source: ImageSource, address: str, tools: Images, check: Check) -> None:
    arguments = {**source.arguments, "RELEASE": source.tag, "SOURCE_DATE_EPOCH": "0"}
    with (
        scratch_directory("image") as directory,
        scratch_directory("scan") as scratch,
        _login(registry.login(), address.partition("/")[0]),
        _builder(nearest(tools.buildkit)) as builder,
    ):
        write_context(source.files, Path(directory))
        build = (
            "buildx",
            "build",
            f"--builder={builder}",
            f"--platform={source.platform}",
            f"--sbom=generator={nearest(tools.sbom_generator)}",
            "--provenance=mode=max",
            *(f"--build-arg={name}={value}" for name, value in sorted(arguments.items())),
            *([f"--target={source.target}"] if source.target else []),
            f"--file={directory}/{source.dockerfile_path}",
        )
        # The builder keeps its layers: the second output is the same image, and takes seconds.
        archive = Path(scratch, "image.tar")
        docker(*build, f"--output=type=oci,dest={archive},rewrite-timestamp=true", directory)
        check(archive, "oci-archive")
        # No file carries the day on which it was built: the same files give the same digest.
        docker(*build, f"--output=type=image,name={address}:{source.tag},push=true,rewrite-timestamp=true", directory)


def _check_ready(source: ImageSource, check: Check) -> None:
    with scratch_directory("scan") as scratch:
        archive = Path(scratch, "image.tar")
        docker("pull", "--quiet", f"--platform={source.platform}", source.image)
        docker("save", f"--output={archive}", source.image)
        check(archive, "docker-archive")


def _origin_login(registry: Registry, source: ImageSource) -> AbstractContextManager[None]:
    """A login where a ready image comes from, if it takes one."""
    if not source.credentials:
        return nullcontext()
    return _login(registry.login_of(source.credentials), registry_of(source.image))


def registry_of(image: str) -> str:
    """The host of an image's registry: Docker Hub's if the first part names none (distribution: normalize.go)."""
    host, slash, _ = image.partition("/")
    return host if slash and (re.search(r"[.:]", host) or host == "localhost") else "docker.io"


@cache
def nearest(image: str) -> str:
    """Where to pull an image given by digest: a Docker Hub mirror that has it, or its own registry.

    Docker Hub limits anonymous pulls by address, and builds share their addresses with strangers. A digest names the
    same image wherever it comes from, so the mirror need not be trusted.
    """
    if registry_of(image) != "docker.io":
        return image
    path = image.removeprefix("docker.io/")
    mirrored = f"{DOCKER_HUB_MIRROR}/{path if '/' in path else f'library/{path}'}"
    try:
        docker("buildx", "imagetools", "inspect", "--raw", mirrored, quiet=True)
    except RefusedError:
        return image
    return mirrored


@contextmanager
def _login(login: tuple[str, str], host: str) -> Iterator[None]:
    """A login for the time of the build: its password would otherwise stay in a file."""
    user, password = login
    docker("login", "--username", user, "--password-stdin", host, stdin=password, quiet=True)
    try:
        yield
    finally:
        docker("logout", host, quiet=True)


@contextmanager
def _builder(buildkit: str) -> Iterator[str]:
    """A builder of its own, because the default one cannot attest anything; removed in the end."""
    name = f"nova-{uuid.uuid4().hex[:8]}"
    docker(
        "buildx", "create", f"--name={name}", "--driver=docker-container", f"--driver-opt=image={buildkit}", quiet=True
    )
    try:
        yield name
    finally:
        docker("buildx", "rm", "--force", name, quiet=True)


def docker(*arguments: str, stdin: str = "", quiet: bool = False) -> str:
    """Run Docker's command line; what it printed, where it is quiet."""
    output = subprocess.PIPE if quiet else None
    result = subprocess.run(["docker", *arguments], input=stdin, text=True, check=False, stdout=output, stderr=output)
    if result.returncode:
        step = " ".join(arguments[: 2 if arguments[0] == "buildx" else 1])
        said = result.stderr.strip().splitlines()[-1:] if quiet else ["fix what it printed above"]
        raise RefusedError(f"docker {step}: exited with {result.returncode}: {''.join(said)}")
    return result.stdout or ""

"""Building and publishing images, against a local implementation of ECR and a recording docker command."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from nova_infra.errors import NovaError
from nova_infra.operations.errors import AwsError
from nova_infra.operations.image_build import build_image

REPOSITORY = "nova/audio-service"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"digest": f"sha256:{'0' * 64}"},
        "layers": [],
    }
)


@pytest.fixture
def ecr(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(key, "testing")
    with mock_aws():
        client = boto3.client("ecr", region_name="us-east-1")
        client.create_repository(repositoryName=REPOSITORY, imageTagMutability="IMMUTABLE")
        yield client


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker command that writes down how it was called; its push puts nothing anywhere."""
    calls = tmp_path / "calls"
    command = tmp_path / "bin" / "docker"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\necho "$@" >> {calls}\ntest "$1" != "$DOCKER_FAILS_AT"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    return calls


def build(tag: str, release: str | None = None) -> str:
    return build_image(
        services=Path("services"),
        service="audio-service",
        repository=REPOSITORY,
        region="us-east-1",
        tag=tag,
        release=release,
    )


def tags(ecr: object) -> set[str]:
    images = ecr.list_images(repositoryName=REPOSITORY)["imageIds"]  # type: ignore[attr-defined]
    return {image["imageTag"] for image in images}


def test_an_image_that_is_not_there_is_built_and_pushed_under_its_content_tag(ecr: object, docker: Path) -> None:
    assert build("abc") == "built and pushed nova/audio-service:abc"
    uri = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
    assert docker.read_text().splitlines() == [
        f"login --username AWS --password-stdin {uri}",
        f"build --file services/audio-service/Dockerfile --tag {uri}/{REPOSITORY}:abc services",
        f"push {uri}/{REPOSITORY}:abc",
    ]


def test_an_image_that_is_there_is_only_tagged_with_the_release(ecr: object, docker: Path) -> None:
    ecr.put_image(repositoryName=REPOSITORY, imageManifest=MANIFEST, imageTag="abc")  # type: ignore[attr-defined]
    assert build("abc", release="commit") == "nova/audio-service:abc is in the repository already: not built again"
    assert tags(ecr) == {"abc", "commit"}
    assert not docker.exists()


def test_tagging_the_same_release_twice_changes_nothing(ecr: object, docker: Path) -> None:
    ecr.put_image(repositoryName=REPOSITORY, imageManifest=MANIFEST, imageTag="abc")  # type: ignore[attr-defined]
    build("abc", release="commit")
    build("abc", release="commit")
    assert tags(ecr) == {"abc", "commit"}


@pytest.mark.parametrize("step", ["login", "build", "push"])
def test_a_failing_docker_step_is_named_and_nothing_is_tagged(
    ecr: object, docker: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setenv("DOCKER_FAILS_AT", step)
    with pytest.raises(NovaError, match=f"docker {step}: exited with 1"):
        build("abc", release="commit")
    assert tags(ecr) == set()


def test_without_a_container_engine_the_message_says_what_is_needed(
    ecr: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(NovaError, match="docker: not found"):
        build("abc")


def test_a_repository_that_does_not_exist_is_an_aws_error(ecr: object) -> None:
    with pytest.raises(AwsError, match="check the credentials and that the registry stack is deployed"):
        build_image(
            services=Path("services"), service="x", repository="nova/x", region="us-east-1", tag="abc", release=None
        )

"""Building, naming and publishing images, against a local implementation of ECR and a recording docker command."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from helpers.ecr import (
    ADDRESS,
    CHECKED,
    REPOSITORY,
    RUNNABLE,
    SOURCE,
    TOOLS,
    Docker,
    check,
    put,
    registry,
    tags,
)
from helpers.exhaustive import one_of_each
from nova_infra.config import Images
from nova_infra.deployed.aws.client.session import Aws
from nova_infra.errors import AwsError, NovaError, RefusedError
from nova_infra.images import build as image_build
from nova_infra.images.build import ensure_image
from nova_infra.images.registry import Registry


@pytest.mark.parametrize(
    ("image", "mirrored"),
    one_of_each(
        [
            ("moby/buildkit:v1", "mirror.gcr.io/moby/buildkit:v1"),
            ("docker.io/moby/buildkit:v1", "mirror.gcr.io/moby/buildkit:v1"),
            ("registry:3", "mirror.gcr.io/library/registry:3"),
            ("ghcr.io/moby/buildkit:v1", None),
            ("localhost:5000/buildkit", None),
        ],
        kind=lambda case: case[1] is None,
    ),
)
@pytest.mark.parametrize("there", [True, False])
def test_what_a_digest_names_comes_from_a_mirror_of_docker_hub_that_has_it(
    docker: Docker, image: str, mirrored: str | None, there: bool
) -> None:
    image_build.nearest.cache_clear()
    docker.fails_at = "" if there else "buildx imagetools inspect"
    pinned = f"{image}@sha256:{'a' * 64}"
    expected = f"{mirrored}@sha256:{'a' * 64}" if mirrored is not None and there else pinned
    assert [image_build.nearest(pinned), image_build.nearest(pinned)] == [expected, expected]
    assert len(docker.calls) == (mirrored is not None), "it is asked once"


def test_the_builder_and_what_it_runs_come_from_the_mirror(ecr: Any, docker: Docker) -> None:
    image_build.nearest.cache_clear()
    hub = Images(buildkit=f"moby/buildkit@sha256:{'b' * 64}", sbom_generator=f"docker/syft@sha256:{'c' * 64}")
    ensure_image(registry(), SOURCE, tools=hub, check=check)
    image_build.nearest.cache_clear()
    said = [argument for call in docker.calls if "inspect" not in call for argument in call]
    assert f"--driver-opt=image=mirror.gcr.io/{hub.buildkit}" in said
    assert f"--sbom=generator=mirror.gcr.io/{hub.sbom_generator}" in said


def test_an_image_that_is_not_there_is_built_with_its_attestations_and_pushed(ecr: Any, docker: Docker) -> None:
    image, built = ensure_image(registry(), SOURCE, tools=TOOLS, check=check)
    assert built
    assert image.runnable_digests() == (RUNNABLE,)
    login, create, scanned, build, remove, logout = docker.calls
    assert CHECKED.pop() == "oci-archive image.tar"
    assert scanned[:-2] == build[:-2]  # the same image, to a file
    assert re.fullmatch(r"--output=type=oci,dest=\S+/image.tar,rewrite-timestamp=true", scanned[-2])
    host = ADDRESS.partition("/")[0]
    assert (login, logout) == (["login", "--username", "AWS", "--password-stdin", host], ["logout", host])
    assert create[:2] == ["buildx", "create"]
    assert f"--driver-opt=image={TOOLS.buildkit}" in create
    directory = build[-1]
    builder = create[2].removeprefix("--name=")
    assert build[2:] == [
        f"--builder={builder}",
        "--platform=linux/amd64",
        f"--sbom=generator={TOOLS.sbom_generator}",
        "--provenance=mode=max",
        "--build-arg=PYTHON_IMAGE=mirror/python",
        f"--build-arg=RELEASE={SOURCE.tag}",
        "--build-arg=SOURCE_DATE_EPOCH=0",
        f"--file={directory}/carts-service/Dockerfile",
        f"--output=type=image,name={ADDRESS}:{SOURCE.tag},push=true,rewrite-timestamp=true",
        directory,
    ]
    assert remove == ["buildx", "rm", "--force", builder]
    assert docker.context == {"carts-service/Dockerfile": 0o644, "run": 0o755}
    assert not Path(directory).exists()


def test_an_image_that_is_there_is_not_built_again(ecr: Any, docker: Docker) -> None:
    put(ecr, SOURCE.tag)
    _, built = ensure_image(registry(), SOURCE, tools=Images(), check=check)
    assert not built
    assert docker.calls == []


@pytest.mark.parametrize("step", ["login", "buildx create", "buildx build"])
def test_a_failing_docker_step_is_named_and_leaves_no_tag_and_no_builder(ecr: Any, docker: Docker, step: str) -> None:
    docker.fails_at = step
    with pytest.raises(RefusedError, match=f"^docker {step}: exited with 1: .*$"):
        ensure_image(registry(), SOURCE, tools=Images(), check=check)
    assert tags(ecr) == set()
    created = [call for call in docker.calls if call[:2] == ["buildx", "create"]]
    removed = [call for call in docker.calls if call[:2] == ["buildx", "rm"]]
    assert len(removed) == (len(created) if step == "buildx build" else 0)


def test_without_a_container_engine_the_message_says_what_is_needed(ecr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(NovaError, match="docker: not found"):
        ensure_image(registry(), SOURCE, tools=Images(), check=check)


def test_a_repository_that_does_not_exist_is_refused_in_one_line_and_nothing_is_built(ecr: Any, docker: Docker) -> None:
    with pytest.raises(RefusedError, match=r"^nova/x: there is no such repository .* deploy NovaRegistryStack .*$"):
        ensure_image(registry("nova/x"), SOURCE, tools=Images(), check=check)
    assert docker.calls == []


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    one_of_each(
        [
            (
                "AccessDeniedException",
                RefusedError,
                "AWS does not allow ecr:batch_get_image: User is not authorized: use other credentials, "
                "or add the permission",
            ),
            ("ThrottlingException", AwsError, "AWS: ecr:batch_get_image: User is not authorized (ThrottlingException)"),
            ("ServerException", AwsError, "AWS: ecr:batch_get_image: User is not authorized (ServerException)"),
        ]
    ),
)
def test_what_the_registry_answers_is_reported_in_one_line(
    ecr: Any, docker: Docker, aws_of: Callable[[Any], Aws], code: str, kind: type[NovaError], said: str
) -> None:
    client = boto3.client("ecr", region_name="us-east-1")
    with Stubber(client) as stubber:
        stubber.add_client_error("batch_get_image", code, "User is\nnot authorized")
        with pytest.raises(kind) as refused:
            ensure_image(Registry(REPOSITORY, aws=aws_of(client)), SOURCE, tools=Images(), check=check)
    assert str(refused.value) == said
    assert refused.value.exit_code == kind.exit_code
    assert docker.calls == []


def test_without_credentials_it_is_an_error_of_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(key, raising=False)
    for key in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(key, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AwsError, match=r"^credentials: none found: sign in, or set AWS_PROFILE$"):
        registry().find("abc")

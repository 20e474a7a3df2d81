"""Images that a release names, and ready ones that are copied."""

import json
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest

from helpers.ecr import (
    ADDRESS,
    REPOSITORY,
    SOURCE,
    TOOLS,
    Docker,
    check,
    index,
    put,
    registry,
    tags,
)
from helpers.exhaustive import one_of_each
from nova_infra.deployed.aws.client.session import sign_in
from nova_infra.errors import CheckFailedError, RefusedError
from nova_infra.images.build import ensure_image
from nova_infra.images.publish import promote
from nova_infra.images.registry import Registry
from nova_infra.images.tags import ImageSource

STORE = "nova/store-service"


def test_a_release_names_every_services_image(ecr: Any) -> None:
    put(ecr, "aaa")
    put(ecr, "bbb", STORE)
    registries = {"carts-service": registry(), "store-service": registry(STORE)}
    found = {"carts-service": "aaa", "store-service": "bbb"}
    said = promote(registries, tags=found, release="v1")
    assert said == [f"{REPOSITORY}:aaa is v1", f"{STORE}:bbb is v1"]
    assert promote(registries, tags=found, release="v1") == [
        f"{REPOSITORY}:aaa was already v1",
        f"{STORE}:bbb was already v1",
    ]
    assert (tags(ecr), tags(ecr, STORE)) == ({"aaa", "v1"}, {"bbb", "v1"})


@pytest.mark.parametrize("taken", [False, True], ids=["an image is missing", "another image has the name"])
def test_a_release_names_every_services_image_or_none(ecr: Any, taken: bool) -> None:
    put(ecr, "aaa")
    if taken:
        put(ecr, "bbb", STORE)
        put(ecr, "v1", STORE, mark="2")
    registries = {"carts-service": registry(), "store-service": registry(STORE)}
    with pytest.raises(RefusedError, match="already names another image" if taken else f"{STORE}:bbb: not in the reg"):
        promote(registries, tags={"carts-service": "aaa", "store-service": "bbb"}, release="v1")
    assert tags(ecr) == {"aaa"}


def test_a_ready_image_is_copied_as_it_is_and_only_once(ecr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = f"registry.example.com/shop:1@sha256:{'d' * 64}"
    ready = ImageSource("carts-service", "linux/amd64", {}, (), image=reference)
    calls: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command[1:])
        if "imagetools" in command:
            ecr.put_image(repositoryName=REPOSITORY, imageManifest=index(), imageTag=ready.tag)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("nova_infra.images.build.subprocess.run", run)
    monkeypatch.setattr("nova_infra.images.build.shutil.which", lambda _: "/usr/bin/docker")
    registry = Registry(REPOSITORY, aws=sign_in(region="us-east-1"))
    assert [ensure_image(registry, ready, tools=TOOLS, check=check)[1] for _ in range(2)] == [True, False]
    [copy] = [call for call in calls if "imagetools" in call]
    assert copy == ["buildx", "imagetools", "create", "--prefer-index=false", f"--tag={ADDRESS}:{ready.tag}", reference]
    assert not any(call[:2] == ["buildx", "build"] for call in calls)
    assert calls[-1][0] == "logout"


@pytest.mark.parametrize(
    ("reference", "host"),
    one_of_each(
        [
            ("ghcr.io/acme/shop:1", "ghcr.io"),
            ("registry.example.com:5000/shop:1", "registry.example.com:5000"),
            ("localhost/shop:1", "localhost"),
            ("acme/shop:1", "docker.io"),
            ("postgres:17", "docker.io"),
        ]
    ),
)
def test_a_private_image_is_copied_with_the_login_of_its_registry_for_that_time_alone(
    ecr: Any, docker: Docker, monkeypatch: pytest.MonkeyPatch, reference: str, host: str
) -> None:
    login = json.dumps({"username": "robot", "password": "hush"})
    boto3.client("secretsmanager", region_name="us-east-1").create_secret(Name="quay/login", SecretString=login)
    passwords: dict[str, str] = {}
    calls: list[list[str]] = []
    private = ImageSource("carts-service", "linux/amd64", {}, (), image=reference, credentials="quay/login")

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command[1:])
        if command[1] == "login":
            passwords[command[-1]] = options["input"]
        if "imagetools" in command:
            ecr.put_image(repositoryName=REPOSITORY, imageManifest=index(), imageTag=private.tag)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("nova_infra.images.build.subprocess.run", run)
    ensure_image(registry(), private, tools=TOOLS, check=check)
    assert ["login", "--username", "robot", "--password-stdin", host] in calls
    assert passwords[host] == "hush"
    names = [call[0] for call in calls]
    assert names.index("pull") > names.index("login", 1)
    assert calls[-2:] == [["logout", host], ["logout", ADDRESS.partition("/")[0]]]
    assert private.tag == ImageSource("carts-service", "linux/amd64", {}, (), image=reference).tag


@pytest.mark.parametrize(
    ("text", "said"),
    one_of_each(
        [
            (None, "quay/login: ResourceNotFoundException in us-east-1"),
            ("hush", "quay/login: has no username and password"),
            ('["a"]', "quay/login: has no username and password"),
            ('{"username": "robot"}', "quay/login: has no username and password"),
        ]
    ),
)
def test_a_secret_that_is_no_login_is_refused_in_one_line_and_nothing_is_pulled(
    ecr: Any, docker: Docker, text: str | None, said: str
) -> None:
    if text is not None:
        boto3.client("secretsmanager", region_name="us-east-1").create_secret(Name="quay/login", SecretString=text)
    private = ImageSource("carts-service", "linux/amd64", {}, (), image="ghcr.io/a/b:1", credentials="quay/login")
    with pytest.raises(RefusedError) as refused:
        ensure_image(registry(), private, tools=TOOLS, check=check)
    assert said in str(refused.value)
    assert str(refused.value).endswith(
        "store a secret there whose JSON has username and password, and let the images' role read it"
    )
    assert "\n" not in str(refused.value)
    assert not [call for call in docker.calls if call[0] == "pull"]


def test_an_image_that_must_not_be_deployed_is_not_pushed(ecr: Any, docker: Docker) -> None:
    def refuse(archive: Path, kind: str) -> None:
        raise CheckFailedError(f"{kind}: CVE-2026-1")

    with pytest.raises(CheckFailedError, match="oci-archive: CVE-2026-1"):
        ensure_image(registry(), SOURCE, tools=TOOLS, check=refuse)
    assert not [call for call in docker.calls if "push=true" in " ".join(call)]
    assert docker.calls[-2][:2] == ["buildx", "rm"]  # and nothing is left

"""Building, naming and publishing images, against a local implementation of ECR and a recording docker command."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from nova_infra.config import Images
from nova_infra.deployed.aws.client.session import Aws, sign_in
from nova_infra.errors import AwsError, CheckFailedError, NovaError, RefusedError
from nova_infra.images import build as image_build
from nova_infra.images.build import ensure_image
from nova_infra.images.build_context import ContextFile
from nova_infra.images.promote import promote
from nova_infra.images.registry import Registry
from nova_infra.images.tags import ImageSource

REPOSITORY = "nova/carts-service"
ADDRESS = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{REPOSITORY}"
RUNNABLE = f"sha256:{'1' * 64}"
FILES = (ContextFile("carts-service/Dockerfile", "file", b"FROM scratch\n"), ContextFile("run", "executable", b"#!"))
SOURCE = ImageSource("carts-service", "linux/amd64", {"PYTHON_IMAGE": "mirror/python"}, FILES)
CHECKED: list[str] = []


def check(archive: Path, kind: str) -> None:
    """Lets every image pass."""
    CHECKED.append(f"{kind} {archive.name}")


TOOLS = Images(
    buildkit=f"mirror.example.com/buildkit@sha256:{'b' * 64}",
    sbom_generator=f"mirror.example.com/syft@sha256:{'c' * 64}",
)


def index(mark: str = "0") -> str:
    """What docker buildx pushes: an image, and what is attested of it."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [
                {"digest": RUNNABLE, "platform": {"architecture": "amd64", "os": "linux"}},
                {"digest": f"sha256:{mark * 64}", "platform": {"architecture": "unknown", "os": "unknown"}},
            ],
        }
    )


@pytest.fixture
def ecr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(key, "testing")
    with mock_aws():
        client = boto3.client("ecr", region_name="us-east-1")
        for name in (REPOSITORY, "nova/store-service"):
            client.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
        yield client


class Docker:
    """Writes down how it is called, what is in the build context, and puts the image where --push would."""

    def __init__(self, ecr: Any) -> None:
        self.calls: list[list[str]] = []
        self.context: dict[str, int] = {}
        self.fails_at = ""
        self._ecr = ecr

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        arguments = command[1:]
        self.calls.append(arguments)
        if " ".join(arguments).startswith(self.fails_at or "never"):
            return subprocess.CompletedProcess(command, 1, "", "no space\n")
        if arguments[:2] == ["buildx", "build"] and "push=true" in " ".join(arguments):
            context = Path(arguments[-1])
            self.context = {
                path.relative_to(context).as_posix(): path.stat().st_mode & 0o777
                for path in context.rglob("*")
                if path.is_file()
            }
            self._ecr.put_image(repositoryName=REPOSITORY, imageManifest=index(), imageTag=SOURCE.tag)
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def docker(ecr: Any, monkeypatch: pytest.MonkeyPatch) -> Docker:
    docker = Docker(ecr)
    monkeypatch.setattr(image_build.subprocess, "run", docker.run)
    monkeypatch.setattr(image_build.shutil, "which", lambda name: f"/bin/{name}")
    return docker


def registry(name: str = REPOSITORY) -> Registry:
    return Registry(name, aws=sign_in(region="us-east-1"))


def tags(ecr: Any, name: str = REPOSITORY) -> set[str]:
    return {image["imageTag"] for image in ecr.list_images(repositoryName=name)["imageIds"]}


def put(ecr: Any, tag: str, name: str = REPOSITORY, mark: str = "0") -> None:
    ecr.put_image(repositoryName=name, imageManifest=index(mark), imageTag=tag)


@pytest.mark.parametrize(
    ("image", "mirrored"),
    [
        ("moby/buildkit:v1", "mirror.gcr.io/moby/buildkit:v1"),
        ("docker.io/moby/buildkit:v1", "mirror.gcr.io/moby/buildkit:v1"),
        ("registry:3", "mirror.gcr.io/library/registry:3"),
        ("ghcr.io/moby/buildkit:v1", None),
        ("localhost:5000/buildkit", None),
    ],
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
    with pytest.raises(RefusedError, match=r"^nova/x: there is no such repository .* deploy NovaRegistryStack.*$"):
        ensure_image(registry("nova/x"), SOURCE, tools=Images(), check=check)
    assert docker.calls == []


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (
            "AccessDeniedException",
            RefusedError,
            "AWS does not allow ecr:batch_get_image: User is not authorized: use other credentials, "
            "or add the permission",
        ),
        ("ThrottlingException", AwsError, "AWS: ecr:batch_get_image: User is not authorized (ThrottlingException)"),
        ("ServerException", AwsError, "AWS: ecr:batch_get_image: User is not authorized (ServerException)"),
    ],
)
def test_what_the_registry_answers_is_said_in_one_line(
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


def test_a_ready_image_is_copied_as_it_is_and_only_once(ecr, monkeypatch) -> None:
    reference = f"registry.example.com/shop:1@sha256:{'d' * 64}"
    ready = ImageSource("carts-service", "linux/amd64", {}, (), image=reference)
    calls: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command[1:])
        if "imagetools" in command:
            ecr.put_image(repositoryName=REPOSITORY, imageManifest=index(), imageTag=ready.tag)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(image_build.subprocess, "run", run)
    monkeypatch.setattr(image_build.shutil, "which", lambda _: "/usr/bin/docker")
    registry = Registry(REPOSITORY, aws=sign_in(region="us-east-1"))
    assert [ensure_image(registry, ready, tools=TOOLS, check=check)[1] for _ in range(2)] == [True, False]
    [copy] = [call for call in calls if "imagetools" in call]
    assert copy == ["buildx", "imagetools", "create", "--prefer-index=false", f"--tag={ADDRESS}:{ready.tag}", reference]
    assert not any(call[:2] == ["buildx", "build"] for call in calls)
    assert calls[-1][0] == "logout"


@pytest.mark.parametrize(
    ("reference", "host"),
    [
        ("ghcr.io/acme/shop:1", "ghcr.io"),
        ("registry.example.com:5000/shop:1", "registry.example.com:5000"),
        ("localhost/shop:1", "localhost"),
        ("acme/shop:1", "docker.io"),
        ("postgres:17", "docker.io"),
    ],
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

    monkeypatch.setattr(image_build.subprocess, "run", run)
    ensure_image(registry(), private, tools=TOOLS, check=check)
    assert ["login", "--username", "robot", "--password-stdin", host] in calls
    assert passwords[host] == "hush"
    names = [call[0] for call in calls]
    assert names.index("pull") > names.index("login", 1)
    assert calls[-2:] == [["logout", host], ["logout", ADDRESS.partition("/")[0]]]
    assert private.tag == ImageSource("carts-service", "linux/amd64", {}, (), image=reference).tag


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "quay/login: ResourceNotFoundException in us-east-1"),
        ("hush", "quay/login: has no username and password"),
        ('["a"]', "quay/login: has no username and password"),
        ('{"username": "robot"}', "quay/login: has no username and password"),
    ],
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

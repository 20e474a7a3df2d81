"""Images in a local ECR, and a Docker that builds them."""

import json
import subprocess
from pathlib import Path
from typing import Any

from nova_infra.config import Images
from nova_infra.deployed.aws.client.session import sign_in
from nova_infra.images.build_context import ContextFile
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


def registry(name: str = REPOSITORY) -> Registry:
    return Registry(name, aws=sign_in(region="us-east-1"))


def tags(ecr: Any, name: str = REPOSITORY) -> set[str]:
    return {image["imageTag"] for image in ecr.list_images(repositoryName=name)["imageIds"]}


def put(ecr: Any, tag: str, name: str = REPOSITORY, mark: str = "0") -> None:
    ecr.put_image(repositoryName=name, imageManifest=index(mark), imageTag=tag)

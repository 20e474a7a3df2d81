"""A service's container: image or build, command, CPU, memory, ``[health]``, and its stop and drain timeouts."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from nova_infra.config.values.fields import Model, ProjectPath, Variable, WrittenOut, matching, refusal

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
FARGATE_MEMORY_MIB: dict[int, range | tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}

ImageReference = Annotated[
    str,
    *matching(
        r"(?!.*:latest(@|$))[a-z0-9][\w.-]*(:\d+(?=/))?(/[\w.-]+)*(:[\w][\w.-]{0,127}(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})",
        "is not an image by a digest or a tag other than latest",
        "write <registry>/<name>:<tag>@sha256:<64 digits>, as docker buildx imagetools inspect prints it",
    ),
]


def _begins_with_its_program(command: tuple[str, ...], others: str = "CMD(-SHELL)?") -> tuple[str, ...]:
    program = command[0]
    if re.fullmatch(others, program, re.DOTALL):
        raise refusal(
            f"would run a program of the name {program!r}",
            'begin with the program, with each word by itself, or write ["sh", "-c", "…"] for a line of a shell',
        )
    return command


Command = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1), AfterValidator(_begins_with_its_program)
]
Check = Annotated[
    Command, AfterValidator(lambda command: _begins_with_its_program(command, r".*\s(-|&&|\|\||https?:).*"))
]
"""A command that runs in a container as it stands: no entry point comes before it, and no shell reads it."""

User = Annotated[
    str,
    *matching(
        r"[A-Za-z0-9_][\w.-]*(:[A-Za-z0-9_][\w.-]*)?",
        "is not a user",
        "write a number or name, or both with its group, as in 10001:10001",
    ),
]


class Health(Model):
    """How a task's health is checked."""

    path: Annotated[
        str,
        *matching(
            r"/[\w\-.~!$&'()*+,;=:@%/?]{0,1023}",
            "is not the path of a health check",
            "start it with / and use no spaces, as in /health",
        ),
    ] = "/health"
    """Path that the load balancer requests from a web service; 200 means healthy. With ``protocol = "grpc"`` the
    method to call, and status 0 is healthy; /AWS.ALB/healthcheck, for a service without a health service, is healthy
    where it is not implemented. Default: /health, and with grpc the standard /grpc.health.v1.Health/Check."""
    command: Check | None = None
    """Command that ECS also runs in the container, such as ``["curl", "-f", "http://localhost:8080/health"]``; it
    exits with
    0 if the container is healthy. Default: nothing, and the load balancer decides; for a service of the kit, the
    kit's."""
    interval: Annotated[int, Field(ge=5, le=300)] = 10
    """Seconds between two checks. Default: 10."""
    timeout: Annotated[int, Field(ge=2, le=60)] = 5
    """Seconds that a check may take. Default: 5."""
    start_seconds: Annotated[int, Field(ge=0, le=300)] = 30
    """Seconds that a container may take to start; until then, failures do not count. Default: 30."""


class Container(Model):
    """What every service has, whatever its kind: an image and a container."""

    image: ImageReference | None = None
    """A ready image of any registry, by its digest, or by a tag where no environment requires an approval. It is copied
    into this project's repository once, so a tag that moves changes nothing. Default: built from the service's
    Dockerfile."""
    kit: bool = False
    """Whether the service is built on ``services/kit``, as ``nova service add`` writes it: then the kit starts it and
    checks its health, and its build context is ``services``. Default: false."""
    context: ProjectPath | None = None
    """Directory that the image is built from, relative to the project. Default: ``services/<name>``."""
    dockerfile: ProjectPath | None = None
    """Relative to the project. Default: ``services/<name>/Dockerfile``."""
    target: Annotated[str, *matching(r"[A-Za-z0-9][\w.-]*", "is not a stage", "write the name after AS")] | None = None
    """Stage of the Dockerfile to build. Default: the last."""
    build_arguments: dict[Variable, str] = Field(default={})
    """Build arguments of its image, besides those of ``[images]``. Default: none."""
    entrypoint: Command | None = None
    """Default: the image's own."""
    command: Command | None = None
    """Default: the image's own."""
    health: Health = Health()
    user: User | None = None
    """Root, also as a sidecar's, needs ``root_reason``. Default: the image's own."""
    root_reason: Annotated[str, Field(min_length=8), WrittenOut] | None = None
    """Why a container has to run as root."""
    stop_seconds: Annotated[int, Field(ge=2, le=120)] = 30
    """Seconds from SIGTERM to SIGKILL. A request that is under way when a task is taken out of service gets all but the
    last ten of them, or half, where there are fewer than twenty. Default: 30."""
    readonly_root: bool = True
    """Whether the file system is read-only, except ``/tmp``. False needs ``readonly_root_reason``. Default: true."""
    readonly_root_reason: Annotated[str, Field(min_length=8), WrittenOut] | None = None
    """Why the file system has to be writable."""
    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384] = 256
    """CPU units; 1024 are one vCPU. Default: 256."""
    memory: int = Field(default_factory=lambda data: FARGATE_MEMORY_MIB.get(data.get("cpu", 256), (512,))[0])
    """MiB; Fargate offers only certain pairs with ``cpu``. Default: the least that fits, such as 512 with 256."""
    architecture: Literal["x86-64", "arm64"] = "x86-64"
    """Default: x86-64."""

    @property
    def drain_seconds(self) -> int:
        """How long a request that is under way may take when its task is taken out of service."""
        return self.stop_seconds - min(10, self.stop_seconds // 2)

    @field_validator("memory")
    @classmethod
    def _fargate_size(cls, memory: int, info: ValidationInfo) -> int:
        cpu = info.data.get("cpu")
        if cpu is not None and memory not in FARGATE_MEMORY_MIB[cpu]:
            offered = FARGATE_MEMORY_MIB[cpu]
            choices = (
                f"{offered[0]} to {offered[-1]} in steps of {offered.step}"
                if isinstance(offered, range)
                else f"one of {', '.join(map(str, offered))}"
            )
            raise refusal(f"is not a memory that Fargate offers with cpu = {cpu}", f"choose {choices}")
        return memory

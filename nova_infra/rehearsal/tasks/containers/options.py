"""Turns a task definition into the options that create a container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.task import SECRET

# What differs between engines, as Fargate has it. Its capabilities are Docker's, of which Podman leaves some out; its
# shared memory cannot be changed; and only root may listen on the ports below 1024, which Docker allows to anybody:
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_KernelCapabilities.html
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LinuxParameters.html
# https://github.com/aws/containers-roadmap/issues/1721
_OF_DOCKER = ("AUDIT_WRITE", "MKNOD", "NET_RAW")
_AS_FARGATE = ("--shm-size=64m", "--sysctl=net.ipv4.ip_unprivileged_port_start=1024")


@dataclass(frozen=True)
class ContainerNetwork:
    """The network of a rehearsal's containers.

    Attributes:
        name: Its name.
        gateway: This machine's address in it, None where the engine has a name for it.
    """

    name: str
    gateway: str | None


def create_options(
    definition: TaskDefinition,
    image: EngineImage,
    network: ContainerNetwork,
    *,
    name: str,
    label: str,
    port: int,
    podman: bool,
) -> list[str]:
    """The options of an engine's create command: all that the task definition says, and nothing else.

    Args:
        definition: What the task runs.
        image: What the container is made of.
        network: Where it is.
        name: What it is called.
        label: Label by which everything of the rehearsal is found.
        port: The port of this machine that leads to it.
        podman: Whether the engine is Podman, which has options of its own.
    """
    variables = {**definition.environment, **dict.fromkeys(definition.secrets, SECRET)}
    size = ",size=4k" if definition.fault == "full-tmp" else ""
    mounts = []
    for path in definition.mounts:
        # ECS gives a volume to root, unless the image declares its path: then to whom the image does.
        mode = "1777" if path.rstrip("/") in {volume.rstrip("/") for volume in image.volumes} else "0755"
        mounts.append(f"--tmpfs={path}:rw,exec,mode={mode}{size}")
    if definition.fault == "no-tmp":
        # Docker cannot leave out a volume that the image declares.
        mounts += ["--image-volume=ignore"] if podman else [f"--tmpfs={path}:ro" for path in image.volumes]
    entry_point, command = definition.entry_point[:1], (*definition.entry_point[1:], *definition.command)
    return [
        f"--name={name}",
        f"--label={label}",
        f"--network={network.name}",
        *_AS_FARGATE,
        *_capabilities(definition.capabilities, podman=podman),
        *([f"--publish=127.0.0.1:{port}:{definition.port}"] if definition.port else []),
        f"--memory={definition.memory}m",
        f"--memory-swap={definition.memory}m",
        "--no-healthcheck",
        *(["--http-proxy=false"] if podman else []),
        *([f"--add-host=host.docker.internal:{network.gateway}"] if network.gateway else []),
        *(f"--add-host={host}:{address}" for host, address in sorted(definition.hosts.items())),
        *(["--read-only"] if definition.read_only_root else []),
        *(["--read-only-tmpfs=false"] if definition.read_only_root and podman else []),
        *mounts,
        *([f"--user={definition.user}"] if definition.user else []),
        *([f"--workdir={definition.working_directory}"] if definition.working_directory else []),
        *(f"--env={key}={value}" for key, value in sorted(variables.items())),
        *(f"--entrypoint={word}" for word in entry_point),
        image.name,
        *command,
    ]


def _capabilities(changes: Sequence[str], *, podman: bool) -> list[str]:
    dropped = [each[1:].upper().removeprefix("CAP_") for each in changes if each.startswith("-")]
    added = [each[1:] for each in changes if each.startswith("+")]
    if podman and "ALL" not in dropped:
        added = [*(each for each in _OF_DOCKER if each not in dropped), *added]
    return [*(f"--cap-drop={each}" for each in dropped), *(f"--cap-add={each}" for each in added)]

"""Turns a task definition into the options that create a container."""

from __future__ import annotations

from dataclasses import dataclass

from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.task import SECRET


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

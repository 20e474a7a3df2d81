"""A container's options from its task definition: memory, mounts, user, variables, made-up secrets."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nova_infra.containers.probe import limit_options
from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.task import SECRET

# What differs between engines, as Fargate has it. Its capabilities are Docker's, of which Podman leaves some out; its
# shared memory cannot be changed; and only root may listen on the ports below 1024, which Docker allows to anybody:
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_KernelCapabilities.html
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LinuxParameters.html
# https://github.com/aws/containers-roadmap/issues/1721
_OF_DOCKER = ("AUDIT_WRITE", "MKNOD", "NET_RAW")
_SHARED_MEMORY = "--shm-size=64m"
_PORTS_OF_ROOT = "--sysctl=net.ipv4.ip_unprivileged_port_start=1024"

RELABEL = ",z" if Path("/sys/fs/selinux").exists() else ""
"""The mount option without which SELinux keeps containers out of this machine's directories."""
SHARES_DIRECTORIES = sys.platform != "darwin"
"""Whether Podman gives its containers the directories of this machine itself. The virtual machine in between gives
their files to the Mac's user, and cannot label them: https://github.com/containers/podman/issues/13631
"""


@dataclass(frozen=True)
class ContainerNetwork:
    """The network of a rehearsal's containers.

    Attributes:
        name: What the engine calls it; ``container:`` and a container's name where it is that container's.
        gateway: This machine's address in it, None where the engine has a name for it.
    """

    name: str
    gateway: str | None

    @property
    def is_anothers(self) -> bool:
        """Whether another container of the task opens it."""
        return self.name.startswith("container:")


def create_options(
    definition: TaskDefinition,
    image: EngineImage,
    network: ContainerNetwork,
    *,
    name: str,
    label: str,
    port: int,
    podman: bool,
    directories: Mapping[str, str] | None = None,
    volumes: Mapping[str, str] | None = None,
) -> list[str]:
    """The options of an engine's create command: all that the task definition says, and nothing else.

    Args:
        label: Label by which everything of the rehearsal is found.
        port: The port of this machine that leads to it.
        podman: Whether the engine is Podman, which has options of its own.
        directories: Path in the container to the empty directory of this machine that is there, for Podman.
        volumes: Each of its shared volumes to a directory of this machine, or to the engine's volume.
    """
    variables = {**definition.environment, **dict.fromkeys(definition.secrets, SECRET)}
    mounts = [*_mounts(definition, image, directories or {}, podman=podman), *_shared(definition, image, volumes or {})]
    if definition.fault == "no-tmp":
        # Docker cannot leave out a volume that the image declares.
        mounts += ["--image-volume=ignore"] if podman else [f"--tmpfs={path}:ro" for path in image.volumes]
    entry_point, command = definition.entry_point[:1], (*definition.entry_point[1:], *definition.command)
    return [
        f"--name={name}",
        f"--label={label}",
        _SHARED_MEMORY,
        *network_options(definition, network, port),
        *_capabilities(definition.capabilities, podman=podman),
        f"--memory={definition.memory}m",
        f"--memory-swap={definition.memory}m",
        *(limit_options(*definition.open_files, definition.processes) if definition.open_files else []),
        *(["--tty"] if definition.terminal else []),
        *(["--interactive"] if definition.interactive else []),
        "--no-healthcheck",
        # A user whom the image does not name gets a comment in place of the line that Podman writes for him.
        *(["--http-proxy=false", "--passwd-entry=#"] if podman else []),
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


def network_options(definition: TaskDefinition, network: ContainerNetwork, port: int) -> list[str]:
    """The options of what opens a task's network; where another container opens it, that network is all there is."""
    if network.is_anothers:
        return [f"--network={network.name}"]
    return [
        f"--network={network.name}",
        _PORTS_OF_ROOT,
        *([f"--publish=127.0.0.1:{port}:{definition.port}"] if definition.port else []),
        *([f"--add-host=host.docker.internal:{network.gateway}"] if network.gateway else []),
        *(f"--add-host={host}:{address}" for host, address in sorted(definition.hosts.items())),
    ]


def bare_mounts(definition: TaskDefinition, image: EngineImage) -> list[str]:
    """Paths of volumes that the image does not declare: root's, 0755 (ECS: bind-mounts)."""
    return [path for path in definition.mounts if not image.declares(path)]


def _shared(definition: TaskDefinition, image: EngineImage, volumes: Mapping[str, str]) -> Iterator[str]:
    """The volumes that it shares: what an image has at a path that it declares is copied to one that is empty."""
    for mount in definition.shared:
        source, access = volumes[mount.volume], "ro" if mount.read_only else "rw"
        of_engine = "" if image.declares(mount.path) else ",nocopy"
        yield f"--volume={source}:{mount.path}:{access}{RELABEL if source.startswith('/') else of_engine}"
    yield from (f"--volumes-from={each}" for each in definition.volumes_from)


def _mounts(
    definition: TaskDefinition, image: EngineImage, directories: Mapping[str, str], *, podman: bool
) -> list[str]:
    """What is mounted in a container.

    A path that the image declares gets a volume by itself, with the owner, the mode and the files that the image has
    there, as ECS does it. Of any other, runc gives a tmpfs the mode that the image has there, and so does Podman with
    a volume: only where it has to is one mounted.
    """
    if definition.fault == "full-tmp":
        return [f"--tmpfs={path}:rw,exec,mode=1777,size=4k" for path in definition.mounts]
    bare = bare_mounts(definition, image)
    if not podman:
        return [f"--mount=type=volume,destination={path},volume-nocopy" for path in bare]
    found = [_bare_mount(path, directories[path], "rw") for path in bare]
    # Docker makes a working directory that is not there, and so does the runtime of containers; Podman looks before.
    made = definition.working_directory
    if made in directories and made not in bare:
        found.append(_bare_mount(made, directories[made], "ro" if definition.read_only_root else "rw"))
    return found


def _bare_mount(path: str, directory: str, access: str) -> str:
    if SHARES_DIRECTORIES:
        return f"--volume={directory}:{path}:{access}{RELABEL}"
    return f"--tmpfs={path}:{access},exec,mode=0755"


def _capabilities(changes: Sequence[str], *, podman: bool) -> list[str]:
    dropped = [each[1:].upper().removeprefix("CAP_") for each in changes if each.startswith("-")]
    added = [each[1:] for each in changes if each.startswith("+")]
    if podman and "ALL" not in dropped:
        added = [*(each for each in _OF_DOCKER if each not in dropped), *added]
    return [*(f"--cap-drop={each}" for each in dropped), *(f"--cap-add={each}" for each in added)]

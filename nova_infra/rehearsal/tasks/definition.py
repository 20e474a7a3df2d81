"""Reads a task definition from a template: container, ports, health check, stop timeout, memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.tasks.faults import LABEL

_OWN = "NOVA_RELEASE"  # the variable that only the service's own container has

_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}


@dataclass(frozen=True)
class HealthCheck:
    """A container health check. Times are in seconds, as in the task definition."""

    command: tuple[str, ...]
    interval: float
    timeout: float
    retries: int
    start_period: float = 0.0

    @property
    def words(self) -> tuple[str, ...]:
        """The program that it runs in the container, and the program's arguments."""
        kind, *words = self.command
        return ("/bin/sh", "-c", *words) if kind == "CMD-SHELL" else tuple(words)

    @property
    def seconds_to_unhealthy(self) -> float:
        """Seconds from a container's start until it is unhealthy, if it never passes."""
        return self.start_period + self.retries * self.interval


_DISK = 20
"""GiB: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-storage.html."""
_START_TIMEOUT = 180.0
"""Seconds: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html, startTimeout."""


@dataclass(frozen=True)
class SharedMount:
    """A volume that is more than an empty directory which one container writes to.

    Attributes:
        volume: What is mounted: a name within the task, or what tells a file system of EFS from any other.
        lasts: Whether all tasks share it, and it stays when they end.
        is_everybodys: Whether any user may write to it: an access point acts as its own user for all.
    """

    path: str
    volume: str
    read_only: bool = False
    lasts: bool = False
    is_everybodys: bool = False


@dataclass(frozen=True)
class TaskDefinition:
    """What one revision of a task runs.

    Attributes:
        revision: ``family:number``.
        port: The port it listens on; 0 for one that nothing sends requests to.
        stop_timeout: Seconds from SIGTERM to SIGKILL.
        memory: MiB of the container: its own limit, or else the task's.
        task_memory: MiB of the task, where that is another; 0 where it is the same.
        secrets: Environment variables whose values are secrets, each with where ECS takes the value from; here they get
            a stand-in.
        cpu: CPU units of the task; 1024 are one processor.
        entry_point: The container's entry point; empty for the image's own.
        read_only_root: Whether nothing but the mounts can be written.
        mounts: Paths in the container that volumes are mounted at, and can be written.
        fault: A drill's fault, empty in every other release.
        name: The container's name in the task.
        essential: Whether the task ends with it.
        waits_for: Containers that it starts after, each with the condition.
        start_timeout: Seconds that others wait for it.
        shared: Volumes that it has in common with others, or may only read.
        volumes_from: Containers whose mounts it has as well, each with how it may use them.
        is_router: Whether it passes on the logs of others.
        further: The task's other containers.
        sidecars: Names of those of them that are not run here.
        hosts: Names of hosts that lead to addresses of this machine's containers.
        capabilities: Capabilities of Linux, each with a ``+`` or a ``-``, that it gets or loses.
        init: Whether an init process runs before it, and passes signals on.
        open_files: How many files a process may have open, soft and hard limit; None for what it gets by default.
        disk: GiB of its disk.
        processes: How many processes its user may have; None for as many as the engine gives him.
        interactive: Whether its input stays open.
    """

    revision: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    health_check: HealthCheck | None
    stop_timeout: float
    memory: int
    task_memory: int = field(default=0, kw_only=True)
    secrets: Mapping[str, str] = field(default_factory=dict)
    cpu: int = 1024
    entry_point: tuple[str, ...] = ()
    user: str = ""
    working_directory: str = ""
    read_only_root: bool = False
    mounts: tuple[str, ...] = ()
    architecture: str = "amd64"
    fault: str = ""
    name: str = ""
    essential: bool = True
    waits_for: tuple[tuple[str, str], ...] = ()
    start_timeout: float = _START_TIMEOUT
    shared: tuple[SharedMount, ...] = ()
    volumes_from: tuple[str, ...] = ()
    is_router: bool = False
    further: tuple["TaskDefinition", ...] = ()
    sidecars: tuple[str, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    init: bool = False
    open_files: tuple[int, int] | None = None
    processes: int | None = None
    disk: int = _DISK
    terminal: bool = False
    interactive: bool = False

    @property
    def repository(self) -> str:
        """Last part of the image's name, without the tag."""
        return self.image.rpartition("/")[2].partition(":")[0]

    @property
    def release(self) -> str:
        """The image's tag."""
        return self.image.rpartition(":")[2]


def read_task_definition(
    properties: Mapping[str, Any], revision: str, serving: tuple[str, int] = ("", 0)
) -> TaskDefinition:
    """The task definition that a resource's resolved properties define.

    Args:
        serving: Container and port that a load balancer's requests go to; empty and 0 where no service says it.
    """
    containers = properties["ContainerDefinitions"]
    if not containers:
        raise UnresolvableError(f"{revision}: ContainerDefinitions is empty: name a container")
    place = place_for_requests(containers, serving[0])
    read = [_container(properties, number, revision) for number in range(len(containers))]
    further = (*read[:place], *read[place + 1 :])
    port = _port(containers[place], serving[1])
    return replace(read[place], port=port, further=further, sidecars=tuple(each.name for each in further))


def _container(properties: Mapping[str, Any], number: int, revision: str) -> TaskDefinition:
    """What one container of a task runs."""
    container, where = properties["ContainerDefinitions"][number], f"{revision}: ContainerDefinitions[{number}]"
    if "Image" not in container:
        raise UnresolvableError(f"{where}.Image is missing: it names the service's sources")
    linux = container.get("LinuxParameters", {})
    mounts, shared = _mounts(properties, container)
    return TaskDefinition(
        revision=revision,
        image=container["Image"],
        command=tuple(map(str, container.get("Command", ()))),
        environment={variable["Name"]: str(variable["Value"]) for variable in container.get("Environment", ())},
        port=0,
        health_check=_health_check(container.get("HealthCheck"), where),
        stop_timeout=float(container.get("StopTimeout", 30)),
        memory=min(int(properties["Memory"]), int(container.get("Memory", properties["Memory"]))),
        task_memory=int(properties["Memory"]),
        secrets={str(each["Name"]): str(each.get("ValueFrom", "")) for each in container.get("Secrets", ())},
        cpu=int(float(properties.get("Cpu") or container.get("Cpu") or 0)) or 1024,
        entry_point=tuple(map(str, container.get("EntryPoint", ()))),
        user=str(container.get("User", "")),
        working_directory=str(container.get("WorkingDirectory", "")),
        read_only_root=container.get("ReadonlyRootFilesystem", False) in (True, "true"),
        mounts=mounts,
        architecture=_ARCHITECTURES.get(properties.get("RuntimePlatform", {}).get("CpuArchitecture"), "amd64"),
        fault=str(container.get("DockerLabels", {}).get(LABEL, "")),
        name=str(container.get("Name", "")),
        essential=container.get("Essential", True) in (True, "true"),
        waits_for=tuple(
            (str(each.get("ContainerName")), str(each.get("Condition"))) for each in container.get("DependsOn", ())
        ),
        start_timeout=float(container.get("StartTimeout", _START_TIMEOUT)),
        shared=shared,
        volumes_from=tuple(
            f"{each.get('SourceContainer')}:{'ro' if each.get('ReadOnly', False) in (True, 'true') else 'rw'}"
            for each in container.get("VolumesFrom", ())
        ),
        is_router="FirelensConfiguration" in container,
        capabilities=tuple(
            f"{sign}{name}"
            for sign, key in (("+", "Add"), ("-", "Drop"))
            for name in linux.get("Capabilities", {}).get(key, ())
        ),
        init=linux.get("InitProcessEnabled", False) in (True, "true"),
        open_files=_open_files(container.get("Ulimits", ()), where),
        disk=_disk(properties.get("EphemeralStorage")),
        terminal=container.get("PseudoTerminal", False) in (True, "true"),
        interactive=container.get("Interactive", False) in (True, "true"),
    )


def _disk(storage: Any) -> int:
    """GiB of a task's disk; the default where its definition says nothing that counts."""
    size = storage.get("SizeInGiB") if isinstance(storage, Mapping) else None
    return int(str(size)) if str(size).isdecimal() else _DISK


def _mounts(
    properties: Mapping[str, Any], container: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[SharedMount, ...]]:
    """The paths where a container has an empty directory to itself, and its other mounts."""
    all_mounts = [each for one in properties["ContainerDefinitions"] for each in one.get("MountPoints", ())]
    files = {each.get("Name"): each.get("EFSVolumeConfiguration") for each in properties.get("Volumes", ())}
    own, shared = [], []
    for mount in container.get("MountPoints", ()):
        path, source = str(mount["ContainerPath"]), mount.get("SourceVolume")
        read_only = mount.get("ReadOnly", False) in (True, "true")
        if isinstance(system := files.get(source), Mapping):
            access = system.get("AuthorizationConfig")
            point = access.get("AccessPointId") if isinstance(access, Mapping) else None
            name = repr((system.get("FilesystemId"), system.get("RootDirectory"), point))
            shared.append(SharedMount(path, name, read_only, lasts=True, is_everybodys=point is not None))
        elif read_only or sum(each.get("SourceVolume") == source for each in all_mounts) > 1:
            shared.append(SharedMount(path, str(source), read_only))
        else:
            own.append(path)
    return tuple(own), tuple(shared)


def _open_files(limits: Sequence[Mapping[str, Any]], where: str) -> tuple[int, int] | None:
    """The limits on open files that a container's definition sets, soft and hard (API_Ulimit)."""
    where = f"{where}.Ulimits"
    if others := [str(each["Name"]) for each in limits if each["Name"] != "nofile"]:
        raise UnresolvableError(
            f"{where}: {others[0]} is not played: nofile is the only limit that AWS documents Fargate to set: leave "
            f"{others[0]} out"
        )
    found = [(int(each["SoftLimit"]), int(each["HardLimit"])) for each in limits]
    if len(found) > 1:
        raise UnresolvableError(f"{where}: has nofile {len(found)} times: write it once")
    if found and found[0][0] > found[0][1]:
        soft, hard = found[0]
        raise UnresolvableError(f"{where}: the soft limit {soft} is above the hard limit {hard}: lower SoftLimit")
    return found[0] if found else None


def place_for_requests(containers: Sequence[Mapping[str, Any]], name: str) -> int:
    """The place of the container that requests are for.

    It is the one that a load balancer names, or the service's own, or the first with a port for TCP: an agent's may be
    for UDP. Of a task without any, it is the first essential one, as CDK has it.
    """

    def rank(place: int) -> tuple[bool, ...]:
        each = containers[place]
        is_own = any(variable["Name"] == _OWN for variable in each.get("Environment", ()))
        is_named = bool(name) and each.get("Name") == name
        return not is_named, not is_own, each.get("Essential", True) not in (True, "true"), not ports_of(each)

    return min(range(len(containers)), key=rank)


def ports_of(container: Mapping[str, Any]) -> list[int]:
    """The ports for TCP that a container maps. In awsvpc it may listen on others as well."""
    mappings = container.get("PortMappings", ())
    return [int(each["ContainerPort"]) for each in mappings if each.get("Protocol", "tcp") == "tcp"]


def _port(container: Mapping[str, Any], wanted: int) -> int:
    """The port that requests go to: the one that a load balancer names, else the first one; 0 without any."""
    ports = ports_of(container)
    return wanted if wanted in ports else next(iter(ports), 0)


def _health_check(check: Mapping[str, Any] | None, where: str) -> HealthCheck | None:
    if check is None:
        return None
    if check["Command"][:1] not in (["CMD"], ["CMD-SHELL"]):
        raise UnresolvableError(f"{where}.HealthCheck.Command must begin with CMD or CMD-SHELL")
    return HealthCheck(
        command=tuple(check["Command"]),
        interval=float(check.get("Interval", 30)),
        timeout=float(check.get("Timeout", 5)),
        retries=int(check.get("Retries", 3)),
        start_period=float(check.get("StartPeriod", 0)),
    )

"""Network and labels of a rehearsal's containers; finds and removes what a killed one left."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import random
import shutil
import struct
import tempfile
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError, explain
from nova_infra.containers.probe import have_program, limit_options
from nova_infra.machine.parallel import to_the_end
from nova_infra.machine.scratch import scratch_directory
from nova_infra.rehearsal.tasks.containers import watching
from nova_infra.rehearsal.tasks.containers.options import SHARES_DIRECTORIES, ContainerNetwork, network_options
from nova_infra.rehearsal.tasks.containers.seccomp import write_profile
from nova_infra.rehearsal.tasks.definition import SharedMount, TaskDefinition
from nova_infra.rehearsal.tasks.task import free_port

LABEL = "nova.rehearsal"
_ADDRESSES = "10.97.0.0/16"
_TRIES = 20
_PAUSE = "localhost/nova-pause"
_MOST_STARTS = 5
# pause() for ever, and on ARM ppoll() of nothing: number in the ELF header, and the code.
_PROGRAMS = {
    "amd64": (62, "b822000000 0f05 ebf7"),
    "arm64": (183, "000080d2 010080d2 020080d2 030080d2 040080d2 280980d2 010000d4 f9ffff17"),
}
_AT = 0x400000
_ROUNDS = 2  # What holds a network cannot go before those that are in it.


@dataclass
class Place:
    """Use it as an asynchronous context manager: it leaves nothing behind."""

    engine: Engine
    label: str = field(default_factory=lambda: f"{LABEL}={os.getpid()}-{uuid.uuid4().hex[:8]}")
    _network: ContainerNetwork | None = None
    _scratch: tempfile.TemporaryDirectory[str] | None = None

    @property
    def network(self) -> ContainerNetwork:
        """The network, once it has been entered."""
        assert self._network is not None, "entered"
        return self._network

    @property
    def directory(self) -> str:
        """Where the engine is called: its monitor may leave files there."""
        assert self._scratch is not None, "entered"
        return self._scratch.name

    async def __aenter__(self) -> Place:
        """Remove what killed rehearsals left, and make a network."""
        self._scratch = scratch_directory("containers")
        try:
            await remove_orphans(self.engine)
            if SHARES_DIRECTORIES:
                await write_profile(self.engine, self.directory)
            self._network = await self._make_network()
        except BaseException:
            with contextlib.suppress(EngineError):  # What failed first is what to say.
                await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await to_the_end(_remove_labelled(self.engine, self.label))
        finally:
            if self._scratch is not None:
                self._scratch.cleanup()

    async def _make_network(self) -> ContainerNetwork:
        """A network of its own: the engine's default one may be claimed by another engine, too."""
        said = ""
        name = _run_of(self.label)
        for subnet in _free_subnets():
            podman = ["--disable-dns"] if not self.engine.is_docker else []
            code, _, said = await self.engine.attempt(
                "network", "create", *podman, f"--subnet={subnet}", f"--label={self.label}", name
            )
            if not code:
                return ContainerNetwork(name, await self._gateway(str(subnet[1])))
        raise EngineError(f"{self.engine.program} network create: {said.splitlines()[-1:]}: free an address range")

    async def _gateway(self, address: str) -> str | None:
        """This machine's address in the network; a virtual machine in between has a name for it."""
        if self.engine.is_docker:
            _, system, _ = await self.engine.attempt("info", "--format={{.OperatingSystem}}")
            return None if "Docker Desktop" in system else address
        return address


def empty_directories(directory: str, container: str, paths: Iterable[str]) -> dict[str, str]:
    """Make empty directories of this machine for a container: root's there, and closed to others.

    Returns:
        Path in the container to the directory.
    """
    made = {path: Path(directory, f"{container}-{number}") for number, path in enumerate(dict.fromkeys(paths))}
    for each in made.values():
        each.mkdir(exist_ok=True)
        each.chmod(0o755)  # Whatever this machine's mask is.
    return {path: str(each) for path, each in made.items()}


def volume_sources(
    directory: str, shared: Iterable[SharedMount], *, owner: str, run: str, by_engine: Collection[str]
) -> dict[str, str]:
    """Have a place for each shared volume: an empty directory of this machine, or a name for one of the engine's.

    Args:
        owner: The container with which those of one task go.
        run: Begins the names of those that last.
        by_engine: Those that the engine has to make.

    Returns:
        Volume to its place.
    """
    found = {}
    for mount in shared:
        name = f"{run if mount.lasts else owner}-{hashlib.sha256(mount.volume.encode()).hexdigest()[:12]}"
        found[mount.volume] = name if mount.volume in by_engine else str(Path(directory, name))
        if mount.volume not in by_engine and not Path(directory, name).exists():
            Path(directory, name).mkdir()
            Path(directory, name).chmod(0o777 if mount.is_everybodys else 0o755)  # Whatever this machine's mask is.
    return found


def remove_directories(directory: str, container: str) -> None:
    """Remove the directories that :func:`empty_directories` made for a container, with their contents."""
    for each in Path(directory).glob(f"{container}-*"):
        shutil.rmtree(each, ignore_errors=True)


async def remove_orphans(engine: Engine) -> None:
    """Remove containers and networks of killed rehearsals: their names hold a process id that no longer exists."""
    _, listed, _ = await engine.attempt("ps", "--all", f"--filter=label={LABEL}", f'--format={{{{.Label "{LABEL}"}}}}')
    _, networks, _ = await engine.attempt("network", "ls", f"--filter=label={LABEL}", "--format={{.Name}}")
    owners = {*listed.split(), *(name.removeprefix("nova-") for name in networks.split())}
    for owner in owners:
        pid = owner.partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            await _remove_labelled(engine, f"{LABEL}={owner}")


def _run_of(label: str) -> str:
    """The network of the rehearsal that a label stands for, with which the names of its containers begin."""
    return f"nova-{label.partition('=')[2]}"


async def _remove_labelled(engine: Engine, label: str) -> None:
    try:
        for _ in range(_ROUNDS):
            _, containers, _ = await engine.attempt("ps", "--all", "--quiet", f"--filter=label={label}")
            if not containers:
                break
            await engine.attempt("rm", "--force", "--volumes", *containers.split())
        _, volumes, _ = await engine.attempt("volume", "ls", "--quiet", f"--filter=name={_run_of(label)}")
        if volumes:
            await engine.attempt("volume", "rm", "--force", *volumes.split())
    finally:
        _, networks, _ = await engine.attempt("network", "ls", "--quiet", f"--filter=label={label}")
        for network in networks.split():
            await engine.attempt("network", "rm", network)


def _free_subnets() -> list[ipaddress.IPv4Network]:
    """Address ranges without an interface of this machine, in random order, because two may rehearse at once."""
    taken: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            with contextlib.suppress(ValueError):
                if address.netmask:
                    taken.append(ipaddress.ip_network(f"{address.address}/{address.netmask}", strict=False))
    subnets = list(ipaddress.IPv4Network(_ADDRESSES).subnets(new_prefix=24))
    random.shuffle(subnets)
    ours = [each for each in taken if isinstance(each, ipaddress.IPv4Network)]
    return [subnet for subnet in subnets if not any(subnet.overlaps(each) for each in ours)][:_TRIES]


def pause_program(architecture: str) -> bytes:
    """The smallest program that never ends."""
    machine, code = _PROGRAMS[architecture][0], bytes.fromhex(_PROGRAMS[architecture][1])
    size = 120 + len(code)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, machine, 1, _AT + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, _AT, _AT, size, size, 4096) + code


def have_pause_image(engine: Engine) -> str:
    """The image of what holds a task's network, in the engine's store."""
    name = f"{_PAUSE}:{engine.architecture}"
    have_program(engine, name, "pause", pause_program(engine.architecture))
    return name


@dataclass
class Pause:
    """Holds a task's network while its containers come and go, as ECS's own pause container does."""

    place: Place
    name: str
    definition: TaskDefinition
    _made: bool = False

    async def begin(self, port: int) -> tuple[int, str]:
        """Open the network.

        Args:
            port: The port of this machine to lead to the task.

        Returns:
            The one that does, where another program has taken that meanwhile, and the task's address.
        """
        given = self.definition.open_files
        limits = limit_options(*given, self.definition.processes) if given else ()
        for attempt in range(1, _MOST_STARTS + 1):
            self._made = True
            code, _, said = await self._engine(
                "run", "--detach", f"--name={self.name}", f"--label={self.place.label}", "--stop-signal=SIGKILL",
                "--no-healthcheck", *limits, *network_options(self.definition, self.place.network, port),
                have_pause_image(self.place.engine), "/pause",
            )  # fmt: skip
            if not code:
                return port, (await watching.read_start(self.place.engine, self.name))[2]
            if "address already in use" not in said.lower() or attempt == _MOST_STARTS:
                raise explain(self.place.engine.program, ["run"], said)
            await self.remove()
            port = free_port()
        raise AssertionError("the last try returns or raises")

    async def remove(self) -> None:
        """Close the network, and remove the volumes of the task. Safe to call twice."""
        if self._made:
            self._made = False
            await self._engine("rm", "--force", self.name)
            remove_directories(self.place.directory, self.name)

    async def _engine(self, *words: str) -> tuple[int, str, str]:
        return await self.place.engine.attempt(*words, directory=self.place.directory)

"""Network and labels of a rehearsal's containers; finds and removes what a killed one left."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import random
import shutil
import tempfile
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError
from nova_infra.machine.parallel import to_the_end
from nova_infra.machine.scratch import scratch_directory
from nova_infra.rehearsal.tasks.containers.options import SHARES_DIRECTORIES, ContainerNetwork
from nova_infra.rehearsal.tasks.containers.seccomp import write_profile

LABEL = "nova.rehearsal"
_ADDRESSES = "10.97.0.0/16"
_TRIES = 20


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
        for subnet in _free_subnets():
            name = self.label.partition("=")[2]
            podman = ["--disable-dns"] if not self.engine.is_docker else []
            code, _, said = await self.engine.attempt(
                "network", "create", *podman, f"--subnet={subnet}", f"--label={self.label}", f"nova-{name}"
            )
            if not code:
                return ContainerNetwork(f"nova-{name}", await self._gateway(str(subnet[1])))
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


async def _remove_labelled(engine: Engine, label: str) -> None:
    try:
        _, containers, _ = await engine.attempt("ps", "--all", "--quiet", f"--filter=label={label}")
        if containers:
            await engine.attempt("rm", "--force", "--volumes", *containers.split())
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

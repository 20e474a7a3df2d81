"""Starts a dependency's container, such as a database, and waits for it to be ready."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

import aiohttp

from nova_infra.config import Dependency
from nova_infra.containers.errors import EngineError, last_lines
from nova_infra.containers.probe import limit_options, own_open_files
from nova_infra.rehearsal.load_balancer.client import open_client
from nova_infra.rehearsal.tasks.containers.labels import Place
from nova_infra.rehearsal.tasks.task import free_port

_POLL_SECONDS = 0.2
_ONE_CHECK_SECONDS = 10.0
_HOLD_SECONDS = 0.2
_LAST_LINES = 3
_HOST_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?", re.ASCII)
_NUMBERS = itertools.count(1)
_LOOPBACK = "127.0.0.1"
_NOBODY = 1  # tcpmux
_TRIES = 5
_MOST_PROCESSES = 1024
"""How many processes its user may have where the kernel refuses what the engine asks for."""


@dataclass(frozen=True)
class Needed:
    """A dependency and its local image.

    Attributes:
        before: What the baseline's tasks call it, where its nova.toml says something else.
        retired: Whether the release's tasks no longer have it.
    """

    wanted: Dependency
    image: str
    hosts: frozenset[str] = frozenset()
    before: Needed | None = None
    retired: bool = False

    def called(self, *, before: bool) -> frozenset[str]:
        """The hosts that it stands for to the release's tasks, or to those of the baseline."""
        if before:
            return (self.before or self).hosts
        return frozenset() if self.retired else self.hosts


@dataclass
class DependencyContainer:
    """One dependency of one environment.

    Attributes:
        in_network: Whether tasks are containers in its network, and not processes of this machine.
        holder: The one whose address it shares, because both stand for one host. It starts first and ends last.
        ports: What is published at its address: its own ports, and those of all that share it.
    """

    needed: Needed
    place: Place
    in_network: bool
    holder: DependencyContainer | None = None
    ports: frozenset[int] = frozenset()
    _container: str = ""
    _ports: dict[int, int] = field(default_factory=dict)
    _address: str = ""
    _limits: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Its ports are its own as long as it shares its address with nobody."""
        self.ports = self.ports or self.needed.wanted.ports

    @property
    def name(self) -> str:
        """What nova.toml calls it."""
        return self.needed.wanted.name

    @property
    def address(self) -> str:
        """Its address in the network of the tasks, once it runs."""
        return self._address

    @property
    def nobody(self) -> str:
        """The last address of that network, which no container has: connections to it end as if dropped."""
        return str(ip_network(f"{self._address}/24", strict=False)[-2]) if self._address else ""

    @property
    def reached_at(self) -> tuple[str, int]:
        """The address and port that tasks connect to; no address before it runs."""
        port = self.needed.wanted.port
        if self.in_network:
            return self._address, port
        return (_LOOPBACK, self._ports[port]) if port in self._ports else ("", port)

    @property
    def hosts(self) -> list[str]:
        """What tasks that are in its network call it."""
        return [self.name, *(host for host in sorted(self.needed.hosts) if _HOST_NAME.fullmatch(host))]

    @property
    def out_of_reach(self) -> list[str]:
        """What it stands for beyond names that can lead to it: an address, a range, or any name of a domain."""
        return [host for host in sorted(self.needed.hosts) if host not in self.hosts]

    def provided(self, *, on_this_machine: bool = False, closed: bool = False) -> dict[str, str]:
        """The variables that lead services to it.

        Args:
            closed: Whether to lead where nobody answers; in its network, its name does.
            on_this_machine: Whether the reader is a process of this machine, and not one of the tasks.
        """
        outside = on_this_machine or not self.in_network
        host = _LOOPBACK if outside else self.name
        port = self._ports.get(self.needed.wanted.port, self.needed.wanted.port) if outside else self.needed.wanted.port
        port = _NOBODY if closed and outside else port
        return {
            name: value.replace("{host}", host).replace("{port}", str(port))
            for name, value in self.needed.wanted.provides.items()
        }

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        for attempt in range(1, _TRIES + 1):
            self._container = f"{self.place.network.name}-{self.name}-{next(_NUMBERS)}"
            own = {port: free_port() for port in self.ports}
            self._ports = self.holder._ports if self.holder else own
            code, _, said = await self._engine("run", "--detach", *self._arguments())
            if not code:
                break
            await self._engine("rm", "--force", "--volumes", self._container)
            # Some kernels let nobody raise a limit above that of his shell.
            if "rlimit" in said.lower() and not self._limits:
                self._limits = limit_options(own_open_files(), own_open_files(), _MOST_PROCESSES)
                continue
            # Another program may take a port between its choice and its use.
            if "address already in use" not in said.lower() or attempt == _TRIES:
                raise self._error(f"does not start: {last_lines(said, 1)}", "correct its image or command")
        where = f'{{{{(index .NetworkSettings.Networks "{self.place.network.name}").IPAddress}}}}'
        at = self.holder._container if self.holder else self._container
        _, self._address, _ = await self._engine("inspect", f"--format={where}", at)
        await self._wait()

    async def stop(self) -> str:
        """Remove it. Safe to call twice.

        Returns:
            How it had ended by itself before, in a clause; empty where it ran to the end.
        """
        if not self._container:
            return ""
        ended = await self._ended()
        await self._engine("rm", "--force", "--volumes", "--time=0", self._container)
        self._container = ""
        return ended

    def _arguments(self) -> list[str]:
        podman, gateway = not self.place.engine.is_docker, self.place.network.gateway
        network = [
            f"--network={self.place.network.name}",
            *(f"--publish={_LOOPBACK}:{here}:{there}" for there, here in sorted(self._ports.items())),
            *([f"--add-host=host.docker.internal:{gateway}"] if gateway else []),
        ]
        return [
            f"--name={self._container}",
            f"--label={self.place.label}",
            *([f"--network=container:{self.holder._container}"] if self.holder else network),
            "--no-healthcheck",
            *self._limits,
            *(["--http-proxy=false"] if podman else []),
            *(f"--env={name}={value}" for name, value in sorted(self.needed.wanted.environment.items())),
            self.needed.image,
            *(self.needed.wanted.command or ()),
        ]

    async def _wait(self) -> None:
        seconds = self.needed.wanted.ready.seconds
        try:
            async with asyncio.timeout(seconds):
                why = "nothing was asked"
                while why := await self._unready():
                    if ended := await self._ended():
                        raise self._error(ended, "correct its image, command or environment")
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            said = await self._said()
            raise self._error(
                f"is not ready within {seconds} s ({why}); its last output: {said}", "correct ready, or raise seconds"
            ) from None

    async def _unready(self) -> str:
        """Why it is not ready, in a clause; empty where it is."""
        ready = self.needed.wanted.ready
        try:
            async with asyncio.timeout(None if ready.command else _ONE_CHECK_SECONDS):
                if ready.command is not None:
                    code, out, said = await self._engine(
                        "exec", self._container, *ready.command, seconds=_ONE_CHECK_SECONDS
                    )
                    return f"{ready.command[0]} exited with {code}: {last_lines(said or out, 1)}" if code else ""
                port = self._ports[ready.port or self.needed.wanted.port]
                if ready.path is None:
                    return await _refuses(port)
                return await _answer(f"http://{_LOOPBACK}:{port}{ready.path}")
        except TimeoutError:
            return f"it did not answer within {_ONE_CHECK_SECONDS:g} s"

    async def _ended(self) -> str:
        code, state, _ = await self._engine(
            "inspect", "--format={{.State.Status}} {{.State.ExitCode}}", self._container
        )
        status, _, exit_code = state.partition(" ")
        if code or status in ("running", "created", "initialized", "configured"):
            return ""
        return f"ended with exit code {exit_code}: {await self._said()}"

    async def _said(self) -> str:
        _, out, said = await self._engine("logs", f"--tail={2 * _LAST_LINES}", self._container)
        return last_lines("\n".join([out, said]), _LAST_LINES) or "nothing"

    async def _engine(self, *arguments: str, seconds: float | None = None) -> tuple[int, str, str]:
        return await self.place.engine.attempt(*arguments, directory=self.place.directory, seconds=seconds)

    def _error(self, fault: str, remedy: str) -> EngineError:
        return EngineError(f"rehearsal.dependencies: {self.name} {fault}: {remedy}")


def share_addresses(containers: Sequence[DependencyContainer]) -> None:
    """Give one address to those that stand for one host at different ports, to tasks of the release or the baseline.

    The release goes first: where only the baseline has that host, a port that is taken keeps both apart.

    Raises:
        EngineError: In the release, a port is taken already.
    """
    for before, (other, each) in itertools.product((False, True), itertools.combinations(containers, 2)):
        both = each.needed.called(before=before) & other.needed.called(before=before)
        mine, its = each.holder or each, other.holder or other
        if not both or mine is its or (before and mine.ports & its.ports):
            continue
        if mine.ports & its.ports:
            raise EngineError(
                f"rehearsal.dependencies: {each.name} stands for {' and '.join(sorted(both))}, as {other.name} does, "
                "where a port is taken already: give it a port or a host of its own"
            )
        its.ports |= mine.ports
        for guest in containers:
            if (guest.holder or guest) is mine:
                guest.holder = its


async def _refuses(port: int) -> str:
    """Why a port takes no connections, in a clause. An engine may listen there and close at once."""
    try:
        reader, writer = await asyncio.open_connection(_LOOPBACK, port)
    except OSError as error:
        return f"its port: {error.strerror or error}"
    try:
        async with asyncio.timeout(_HOLD_SECONDS):
            if not await reader.read(1):
                return "its port: closed at once"
    except TimeoutError:
        pass  # It waits for what a client says first.
    except OSError as error:
        return f"its port: {error.strerror or error}"
    finally:
        writer.close()
    return ""


async def _answer(url: str) -> str:
    try:
        async with open_client() as session, session.get(url, allow_redirects=False) as response:
            return f"{url} answered {response.status}" if response.status >= 400 else ""
    except (aiohttp.ClientError, OSError) as error:
        return f"{url}: {error or type(error).__name__}"

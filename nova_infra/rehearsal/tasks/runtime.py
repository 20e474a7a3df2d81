"""What runs tasks: a container engine, or this machine's processes."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import os
import random
import shlex
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import psutil

from nova_infra.assembly import DockerAsset
from nova_infra.containers.asset import asset_command
from nova_infra.containers.build import ENGINES, local_name
from nova_infra.containers.checkout import build_command, services_of
from nova_infra.containers.engine import Engine, detect
from nova_infra.containers.errors import EngineError, ImageError
from nova_infra.containers.probe import require_usable
from nova_infra.errors import NovaError
from nova_infra.machine.commands import run_command
from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.clock import COMPRESSED, Pace
from nova_infra.rehearsal.tasks.containers.container import ContainerTask
from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.containers.options import ContainerNetwork
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.process import ProcessTask
from nova_infra.rehearsal.tasks.task import Task, TaskFailedError

Kind = Literal["images", "sources"]

PREVIOUS = "-previous"
"""Ends the tag of an image that stands for the one before: its content is the same."""
LABEL = "nova.rehearsal"
_UNPROVEN = "their images, users, file systems, dependencies, and limits of CPU"
UNPROVEN = f"building and pushing images: services run from their sources; {_UNPROVEN} are unproven"
_STARTS_PER_PROCESSOR = 4
_ADDRESSES = "10.97.0.0/16"
_TRIES = 20
_HOST_NAME = "host.docker.internal"


class TaskRuntime(ABC):
    """Makes tasks.

    Attributes:
        kind: What tasks are made of.
        starts: Limits how many tasks start side by side.
        pace: How fast time passes.
        assets: Tag to the sources of an image that an assembly holds.
    """

    kind: Kind
    starts: asyncio.Semaphore
    pace: Pace = COMPRESSED
    assets: Mapping[str, DockerAsset] = MappingProxyType({})

    def asset_of(self, definition: TaskDefinition) -> DockerAsset | None:
        """The sources of an image, where an assembly holds them."""
        return self.assets.get(definition.release.removesuffix(PREVIOUS))

    @property
    @abstractmethod
    def words(self) -> str:
        """What tasks run as, in a clause."""

    @abstractmethod
    async def prepare(self, definition: TaskDefinition, count: int) -> None:
        """Do beforehand what takes time and is no part of a start.

        Args:
            definition: What will be started.
            count: How many tasks of it.
        """

    @abstractmethod
    def task(self, definition: TaskDefinition, sources: Path, patience: float) -> Task:
        """A task that can be started.

        Args:
            definition: What it runs.
            sources: The checkout that belongs to it.
            patience: Seconds after which ECS gives it up.
        """

    @abstractmethod
    async def build(self, definition: TaskDefinition, sources: Path) -> None:
        """Have the image of a release that is deployed already, where images are what runs.

        Args:
            definition: What will be started.
            sources: The checkout that belongs to it.

        Raises:
            EngineError: This machine cannot build it.
            ImageError: It does not build.
        """

    gateway: str | None = None
    """A further address of this machine that tasks reach it by; None where loopback is enough."""

    def on_this_machine(self, url: str) -> str:
        """An address of this machine as tasks reach it."""
        return url

    @abstractmethod
    async def __aenter__(self) -> TaskRuntime:
        """Get ready."""

    @abstractmethod
    async def __aexit__(self, *_: object) -> None:
        """Leave nothing behind."""


class SourceRuntime(TaskRuntime):
    """Tasks are processes of the sources."""

    kind: Kind = "sources"

    def __init__(self) -> None:
        """Starts as many side by side as there are processors."""
        self.starts = asyncio.Semaphore(max(os.cpu_count() or 1, 2))

    @property
    def words(self) -> str:
        """What tasks run as, in a clause."""
        return f"from their sources: unproven are {_UNPROVEN}"

    async def __aenter__(self) -> SourceRuntime:
        """There is nothing to get ready."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Each task leaves nothing behind."""

    async def build(self, definition: TaskDefinition, sources: Path) -> None:
        """There are no images."""

    async def prepare(self, definition: TaskDefinition, count: int) -> None:
        """Nothing has to be prepared."""

    def task(self, definition: TaskDefinition, sources: Path, patience: float) -> Task:
        """A process that can be started."""
        asset = self.asset_of(definition)
        return ProcessTask(definition, self.starts, patience, sources=sources, pace=self.pace, asset=asset)


@dataclass
class ImageRuntime(TaskRuntime):
    """Tasks are containers of their images. Use it as an asynchronous context manager: it leaves nothing behind.

    Attributes:
        engine: What runs them.
        log: Where the output of builds goes.
        label: Label of everything that it makes.
    """

    engine: Engine
    kind: Kind = "images"
    starts: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_STARTS_PER_PROCESSOR * (os.cpu_count() or 1))
    )
    log: Path = field(default_factory=lambda: Path(os.devnull))
    _building: asyncio.Lock = field(default_factory=asyncio.Lock)
    label: str = field(default_factory=lambda: f"{LABEL}={os.getpid()}-{uuid.uuid4().hex[:8]}")
    _network: ContainerNetwork | None = None
    _images: dict[str, EngineImage] = field(default_factory=dict)
    _ready: dict[str, list[ContainerTask]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _scratch: tempfile.TemporaryDirectory[str] | None = None

    @property
    def words(self) -> str:
        """What tasks run as, in a clause."""
        return f"as containers of their images, by {self.engine.program.capitalize()}"

    async def __aenter__(self) -> ImageRuntime:
        """Clear away what killed rehearsals have left, and make a network."""
        self._scratch = tempfile.TemporaryDirectory(prefix="nova-containers-", ignore_cleanup_errors=True)
        await remove_orphans(self.engine)
        self._network = await self._make_network()
        self.gateway = self._network.gateway
        return self

    async def __aexit__(self, *_: object) -> None:
        """Remove every container and the network, also of an interrupted rehearsal."""
        await asyncio.shield(asyncio.ensure_future(self._clear()))
        if self._scratch is not None:
            self._scratch.cleanup()

    async def _clear(self) -> None:
        await _remove_labelled(self.engine, self.label)

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

    def on_this_machine(self, url: str) -> str:
        """An address of this machine as containers reach it."""
        return url.replace("//127.0.0.1:", f"//{_HOST_NAME}:")

    async def build(self, definition: TaskDefinition, sources: Path) -> None:
        """Build the image that a release's definition names from its sources, unless it is there."""
        name = definition.image.removesuffix(PREVIOUS)
        asset = self.asset_of(definition)
        if asset is None and definition.repository not in services_of(sources):
            return
        async with self._building:
            local = local_name(name)
            for known in (name, local):
                if await asyncio.to_thread(self.engine.image, known) is not None:
                    return
            command = shlex.join(
                asset_command(local, definition.architecture, asset)
                if asset is not None
                else build_command(local, definition.repository, definition.architecture)
            )
            code, said = await run_command(
                command, directory=sources, environment={}, log=self.log, spare=ENGINES, without_aws=True
            )
        if code:
            error = EngineError if code == EngineError.exit_code else ImageError
            what = "an asset" if asset is not None else "baseline"
            raise error(f"{what}: {said[-1] if said else f'{definition.repository} does not build'}")

    async def prepare(self, definition: TaskDefinition, count: int) -> None:
        """Create containers beforehand: with some storage drivers that takes seconds, and starting does not."""
        try:
            await asyncio.to_thread(self._image, definition.image)
            tasks = [self._container(definition) for _ in range(count)]
            await gather(*(task.create() for task in tasks))
        except (TaskFailedError, ImageError):
            return  # It is told when the task is started.
        self._ready.setdefault(_key(definition), []).extend(tasks)

    def task(self, definition: TaskDefinition, sources: Path, patience: float) -> Task:  # noqa: ARG002 - in the image
        """A container that can be started.

        Raises:
            TaskFailedError: Its image is not there.
        """
        ready = self._ready.get(_key(definition))
        if ready:
            task = ready.pop()
            task.patience = patience
            return task
        try:
            return replace(self._container(definition), patience=patience)
        except ImageError as error:
            raise TaskFailedError(f"CannotPullContainerError: {error}") from None

    def _container(self, definition: TaskDefinition) -> ContainerTask:
        assert self._network is not None, "entered"
        assert self._scratch is not None, "entered"
        name = f"{self._network.name}-{next(self._numbers)}"
        return ContainerTask(
            definition,
            self.starts,
            0.0,
            engine=self.engine,
            image=self._image(definition.image),
            network=self._network,
            name=name,
            label=self.label,
            directory=self._scratch.name,
            pace=self.pace,
        )

    def _image(self, name: str) -> EngineImage:
        """An image by the name in its definition: the one of that name, or the one that was built for it here.

        Raises:
            ImageError: There is none, and its registry has none.
            EngineError: Its registry cannot be reached.
        """
        name = name.removesuffix(PREVIOUS)
        if name not in self._images:
            for candidate in (name, local_name(name)):
                if (found := self.engine.image(candidate)) is not None:
                    self._images[name] = EngineImage.read(candidate, found)
                    break
            else:
                self._images[name] = self._pulled(name)
        return self._images[name]

    def _pulled(self, name: str) -> EngineImage:
        if ".dkr.ecr." in name or name.startswith("localhost/"):
            raise ImageError(f"{name}: is not in {self.engine.program}'s store: nova image build --local builds it")
        self.engine.run("pull", "--quiet", name)
        return EngineImage.read(name, self.engine.image(name) or {})


def choose_runtime(
    kind: Kind | None, dockerfiles: Iterable[Path] = (), *, tell: Callable[[str], None] = lambda _: None
) -> TaskRuntime:
    """What tasks run as.

    Args:
        kind: What was asked for; None for images where an engine can build and run them here.
        dockerfiles: What would be built.
        tell: Told why there are no images.

    Raises:
        EngineError: Images were asked for, and no engine answers.
    """
    if kind == "sources":
        return SourceRuntime()
    try:
        engine = detect()
        if kind is None:
            require_usable(engine, dockerfiles)
    except NovaError as error:
        if kind == "images":
            raise
        tell(f"{error}: services run from their sources")
        return SourceRuntime()
    return ImageRuntime(engine)


async def remove_orphans(engine: Engine) -> None:
    """Remove containers and networks of rehearsals that were killed: they name the process that nobody has any more."""
    _, listed, _ = await engine.attempt("ps", "--all", f"--filter=label={LABEL}", f'--format={{{{.Label "{LABEL}"}}}}')
    _, networks, _ = await engine.attempt("network", "ls", f"--filter=label={LABEL}", "--format={{.Name}}")
    owners = {*listed.split(), *(name.removeprefix("nova-") for name in networks.split())}
    for owner in owners:
        pid = owner.partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            await _remove_labelled(engine, f"{LABEL}={owner}")


async def _remove_labelled(engine: Engine, label: str) -> None:
    _, containers, _ = await engine.attempt("ps", "--all", "--quiet", f"--filter=label={label}")
    if containers:
        await engine.attempt("rm", "--force", "--volumes", *containers.split())
    _, networks, _ = await engine.attempt("network", "ls", "--quiet", f"--filter=label={label}")
    for network in networks.split():
        await engine.attempt("network", "rm", network)


def _key(definition: TaskDefinition) -> str:
    return repr(definition)


def _free_subnets() -> list[ipaddress.IPv4Network]:
    """Address ranges that no interface of this machine is in, in another order each time: two may rehearse at once."""
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

"""Chooses containers or processes (``--tasks``) to run tasks, and starts them."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from nova_infra.assembly import DockerAsset
from nova_infra.containers.asset import asset_command
from nova_infra.containers.build import ENGINES, local_name
from nova_infra.containers.checkout import build_command, services_of
from nova_infra.containers.engine import Engine, detect
from nova_infra.containers.errors import EngineError, ImageError
from nova_infra.containers.probe import FARGATE_OPEN_FILES, Limits, require_start, require_usable
from nova_infra.errors import NovaError
from nova_infra.machine.commands import run_command
from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.clock import COMPRESSED, Pace
from nova_infra.rehearsal.dependencies.container import Needed
from nova_infra.rehearsal.tasks.containers.container import ContainerTask
from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.containers.labels import Place
from nova_infra.rehearsal.tasks.containers.several import task_of
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.process import ProcessTask
from nova_infra.rehearsal.tasks.task import Task, TaskFailedError

Kind = Literal["images", "sources"]

PREVIOUS = "-previous"
"""Suffix of the tag of an image that stands for the previous one, with the same content."""
_UNPROVEN = "their images, users, file systems, dependencies and CPU limits"
UNPROVEN = f"building and pushing images: services ran from their sources, which does not prove {_UNPROVEN}"
_STARTS_PER_PROCESSOR = 4
_HOST_NAME = "host.docker.internal"


class TaskRuntime(ABC):
    """Makes tasks.

    Attributes:
        starts: Limits how many tasks start side by side.
        assets: Tag to the sources of an image that an assembly holds.
        dependencies: What nova.toml has started alongside the services.
        place: Where containers run; None where there are none.
        doubts: Revision to what only its image would show, a clause.
        gaps: What turned out not to be covered, to a sentence.
    """

    kind: Kind
    starts: asyncio.Semaphore
    pace: Pace = COMPRESSED
    assets: Mapping[str, DockerAsset] = MappingProxyType({})
    dependencies: tuple[Needed, ...] = ()
    place: Place | None = None
    doubts: Mapping[str, str] = MappingProxyType({})
    gaps: Mapping[str, str] = MappingProxyType({})

    def runs(self, _: TaskDefinition, /) -> bool:
        """Whether a further container of a task runs here."""
        return False

    @property
    def leaves_out(self) -> bool:
        """Whether there may be containers that do not run here."""
        return True

    def asset_of(self, definition: TaskDefinition) -> DockerAsset | None:
        """The sources of an image, where an assembly holds them."""
        return self.assets.get(definition.release.removesuffix(PREVIOUS))

    @property
    @abstractmethod
    def words(self) -> str:
        """What tasks run as, in a clause."""

    @property
    def lacks(self) -> str:
        """What Fargate gives tasks and this machine does not, in a clause; empty for nothing."""
        return ""

    @abstractmethod
    async def prepare(self, definition: TaskDefinition, count: int) -> None:
        """Do the slow work that is not part of a start in advance."""

    @abstractmethod
    def task(self, definition: TaskDefinition, sources: Path, patience: float) -> Task:
        """A task that can be started.

        Args:
            patience: Seconds after which ECS gives it up.
        """

    @abstractmethod
    async def build(self, definition: TaskDefinition, sources: Path) -> None:
        """Get the image of a deployed release, if tasks run as images."""

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

    def __init__(self, engine: Engine | None = None) -> None:
        """Starts as many in parallel as there are processors."""
        self.starts = asyncio.Semaphore(max(os.cpu_count() or 1, 2))
        self.engine = engine
        self.doubts: dict[str, str] = {}

    @property
    def words(self) -> str:
        return f"from their sources, which does not prove {_UNPROVEN}"

    async def __aenter__(self) -> SourceRuntime:
        """Make a place for the dependencies, if there are any."""
        if self.engine is not None:
            self.place = await Place(self.engine).__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Leave no dependency behind; each task leaves nothing."""
        if self.place is not None:
            await self.place.__aexit__(*error)

    async def build(self, definition: TaskDefinition, sources: Path) -> None:
        """There are no images."""

    async def prepare(self, definition: TaskDefinition, count: int) -> None:
        """Nothing has to be prepared."""

    def task(self, definition: TaskDefinition, sources: Path, patience: float) -> Task:
        asset = self.asset_of(definition)
        return ProcessTask(
            definition, self.starts, patience, sources=sources, pace=self.pace, asset=asset, doubts=self.doubts
        )


@dataclass
class ImageRuntime(TaskRuntime):
    """Tasks are containers of their images. Use it as an asynchronous context manager: it leaves nothing behind.

    Attributes:
        limits: What this machine's kernel lets containers have; None for what the engine gives them.
    """

    engine: Engine
    kind: Kind = "images"
    starts: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_STARTS_PER_PROCESSOR * (os.cpu_count() or 1))
    )
    log: Path = field(default_factory=lambda: Path(os.devnull))
    limits: Limits | None = None
    _building: asyncio.Lock = field(default_factory=asyncio.Lock)
    _images: dict[str, EngineImage] = field(default_factory=dict)
    doubts: dict[str, str] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)
    _lacking: set[str] = field(default_factory=set)
    _pulled_ones: set[str] = field(default_factory=set)
    _ready: dict[str, list[ContainerTask]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def words(self) -> str:
        return f"as containers of their images, by {self.engine.program.capitalize()}"

    @property
    def lacks(self) -> str:
        return self.limits.lacks if self.limits is not None else ""

    async def __aenter__(self) -> ImageRuntime:
        self.place = await Place(self.engine).__aenter__()
        self.gateway = self.place.network.gateway
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self.place is not None, "entered"
        await self.place.__aexit__(*error)

    def on_this_machine(self, url: str) -> str:
        return url.replace("//127.0.0.1:", f"//{_HOST_NAME}:")

    def runs(self, container: TaskDefinition, /) -> bool:
        """Whether its image is at hand. A router of logs has nowhere to send them."""
        if container.is_router or container.image in self._lacking:
            return False
        try:
            return self.asset_of(container) is not None or bool(self._image(container.image))
        except NovaError:  # whatever keeps it from being pulled
            self._lacking.add(container.image)
            return False

    @property
    def leaves_out(self) -> bool:
        return bool(self._lacking)

    async def build(self, definition: TaskDefinition, sources: Path) -> None:
        for each in (definition, *definition.further):
            await self._build(each, sources)

    async def _build(self, definition: TaskDefinition, sources: Path) -> None:
        name = definition.image.removesuffix(PREVIOUS)
        asset = self.asset_of(definition)
        if asset is None and definition.repository not in services_of(sources):
            return
        async with self._building:
            local = local_name(name)
            for known in (name, local):
                found = await asyncio.to_thread(self.engine.image, known)
                # One on a base that another image stands in for is as old as that image: the build knows.
                if found is not None and not EngineImage.read(known, found).stood_in:
                    return
            command = shlex.join(
                asset_command(local, self._architecture(definition), asset)
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
        """Create containers in advance: with some storage drivers, creating takes seconds and starting does not."""
        try:
            await asyncio.to_thread(self._image, definition.image)
            tasks = [self._container(definition) for _ in range(count)]
            await gather(*(task.create() for task in tasks))
        except (TaskFailedError, ImageError):
            return  # Starting the task will report it.
        self._ready.setdefault(_key(definition), []).extend(tasks)

    def task(self, definition: TaskDefinition, sources: Path, patience: float) -> Task:  # noqa: ARG002 - in the image
        """A container that can be started."""
        ready = self._ready.get(_key(definition))
        try:
            task = ready.pop() if ready else self._container(definition)
        except ImageError as error:
            raise TaskFailedError(f"CannotPullContainerError: {error}") from None
        task.patience = patience
        return task

    def _container(self, definition: TaskDefinition) -> ContainerTask:
        assert self.place is not None, "entered"
        place, beside = self.place, [each for each in definition.further if self.runs(each)]
        left_out = tuple(each.name for each in definition.further if each not in beside)
        return task_of(
            self.as_here(replace(definition, further=(), sidecars=left_out)),
            [self.as_here(each) for each in beside],
            image_of=self._image,
            place=place,
            names=(f"{place.network.name}-{number}" for number in self._numbers),
            starts=self.starts,
            pace=self.pace,
            gaps=self.gaps,
        )

    def as_here(self, definition: TaskDefinition) -> TaskDefinition:
        """A definition with the limits that Fargate would give it, or as much of them as this machine has."""
        definition = replace(definition, architecture=self._architecture(definition))
        if self.limits is None:
            return definition
        soft, hard = definition.open_files or (FARGATE_OPEN_FILES, FARGATE_OPEN_FILES)
        most = self.limits.open_files
        return replace(definition, open_files=(min(soft, most), min(hard, most)), processes=self.limits.processes)

    def _architecture(self, definition: TaskDefinition) -> str:
        """What a task's image is for here: of an app's, on a machine that runs nothing else, what this machine is."""
        wanted, ours, asset = definition.architecture, self.engine.architecture, self.asset_of(definition)
        if wanted == ours or self.engine.emulates or (asset is None and definition.image not in self._pulled_ones):
            return wanted
        self.gaps[wanted] = f"{wanted}: tasks for it ran as {ours} here, which is what this machine is"
        if asset is not None and not asset.platform:
            # https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_ecr_assets-readme.html
            builder = "its asset names no platform, so it is for that of the machine that builds it"
            self.doubts[definition.revision] = f"only AWS knows whether {definition.name} is for {wanted}: {builder}"
        return ours

    def _image(self, name: str) -> EngineImage:
        """The image that a definition names: one of that name, or the one built for it here."""
        name = name.removesuffix(PREVIOUS)
        if name not in self._images:
            stand_in = f"localhost/{name.partition('@')[0].rpartition('/')[2]}"
            for candidate in (name, local_name(name), stand_in):
                if (found := self.engine.image(candidate)) is not None:
                    self._images[name] = EngineImage.read(candidate, found)
                    break
            else:
                self._images[name] = self._pulled(name)
        return self._images[name]

    def _pulled(self, name: str) -> EngineImage:
        if re.search(r"\.dkr[.-]ecr(-fips)?\.", name) or name.startswith("localhost/"):
            raise ImageError(f"{name}: is not in {self.engine.program}'s store: nova image build --local builds it")
        self._pulled_ones.add(name)
        name = self.engine.full_name(name)
        self.engine.run("pull", "--quiet", name)
        return EngineImage.read(name, self.engine.image(name) or {})


def choose_runtime(
    kind: Kind | None, dockerfiles: Iterable[Path] = (), *, tell: Callable[[str], None] = lambda _: None
) -> TaskRuntime:
    """What tasks run as.

    Args:
        kind: What was asked for; None for images where an engine can build and run them here.
        tell: Called with the reason if there are no images.
    """
    if kind == "sources":
        return SourceRuntime()
    try:
        engine = detect()
        limits = require_usable(engine, dockerfiles) if kind is None else require_start(engine)
    except NovaError as error:
        if kind == "images":
            raise
        tell(f"{error}: services run from their sources")
        return SourceRuntime()
    return ImageRuntime(engine, limits=limits)


def _key(definition: TaskDefinition) -> str:
    return repr(definition)

"""Runs a task of several containers: one network; started as they wait for one another, stopped in reverse.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDependency.html, and for what is said where a
container waits in vain, agent/engine/dependencygraph of https://github.com/aws/amazon-ecs-agent.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.clock import Pace
from nova_infra.rehearsal.tasks.containers.container import ContainerTask
from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.containers.labels import Pause, Place, volume_sources
from nova_infra.rehearsal.tasks.containers.options import SHARES_DIRECTORIES, ContainerNetwork
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.task import TaskFailedError, last_words
from nova_infra.rehearsal.usage.crowding import with_others
from nova_infra.rehearsal.usage.processes import Usage

_POLL_SECONDS = 0.05
_GUARD_SECONDS = 0.25
_STAY_SECONDS = 1.0
"""Sooner than in this time after its last container has started, ECS finds no task healthy."""
_WAITED_FOR = {"START": "starts", "COMPLETE": "has ended", "SUCCESS": "has succeeded", "HEALTHY": "is healthy"}


@dataclass
class _Part:
    """One of the containers, and what others wait for."""

    task: ContainerTask
    started: bool = False
    healthy: bool = False
    failure: str = ""

    @property
    def name(self) -> str:
        return self.task.definition.name

    def meets(self, condition: str) -> bool:
        """Whether it is as another container waits for it to be.

        Raises:
            TaskFailedError: It will never be.
        """
        code = self.task.exit_code
        if self.failure:
            raise TaskFailedError(self.failure)
        if code is not None and ((condition == "HEALTHY" and not self.healthy) or (condition == "SUCCESS" and code)):
            raise TaskFailedError(f"it exited with code {code}: {last_words(self.task.said)}")
        match condition:
            case "START":
                return self.started
            case "HEALTHY":
                return self.healthy
        return code is not None


@dataclass
class SeveralContainers(ContainerTask):
    """The container that requests go to, with the task's other containers around it.

    Attributes:
        stopped_because: Why another container ended the task.
        gaps: The name of a container that failed, and that the task goes on without, to a sentence on it.
    """

    others: Sequence[ContainerTask] = field(kw_only=True)
    pause: Pause = field(kw_only=True)
    gaps: dict[str, str] = field(kw_only=True, default_factory=dict)
    _parts: dict[str, _Part] = field(default_factory=dict)
    _fallen: ContainerTask | None = None
    _fall: asyncio.Task[None] | None = None
    _background: list[asyncio.Task[None]] = field(default_factory=list)
    _ends: bool = False

    def __post_init__(self) -> None:
        self._parts = {each.definition.name: _Part(each) for each in (self, *self.others)}

    @property
    def running(self) -> bool:
        return super().running and (self._fallen is None or self._ends)

    @property
    def elsewhere_seconds(self) -> float:
        """Other ports are other containers'."""
        return super().elsewhere_seconds if self.hurried else self.patience

    async def create(self) -> None:
        if self._created:
            return
        self.port, self.address = await self.pause.begin(self.port)
        made = {each.name: each for each in (self, *self.others)}
        sources = {name: [of.rpartition(":")[0] for of in each.definition.volumes_from] for name, each in made.items()}
        order = TopologicalSorter(sources)
        try:
            order.prepare()
        except CycleError:
            raise TaskFailedError("VolumesFrom: its containers take volumes from each other") from None
        while order.is_active():
            ready = order.get_ready()
            await gather(*(ContainerTask.create(made[each]) for each in ready))
            order.done(*ready)

    async def start(self) -> None:
        await self._together(self._rise())
        assert self._fall is not None, "its containers have started"
        if any(each.definition.essential for each in self.others):
            await asyncio.wait({self._fall}, timeout=with_others(_STAY_SECONDS))
        if self._fallen is not None:
            raise TaskFailedError(self.stopped_reason())
        for each in self.others:
            each.read_usage()  # Programs work hard while they start.

    async def launch(self) -> None:
        await self._together(self._go())

    async def _together(self, own: Coroutine[None, None, None]) -> None:
        """Start all containers; the task fails with the first one that it cannot do without."""
        try:
            self.check_secrets()
            await self.create()
        except BaseException:
            own.close()
            raise
        self._fall = asyncio.create_task(self._until_one_falls())
        self._background = [asyncio.create_task(self._guard_task())]
        first = asyncio.create_task(own)
        needed = {first}
        for each in self.others:
            bringing = asyncio.create_task(self._bring_up(self._parts[each.definition.name]))
            (needed.add if each.definition.essential else self._background.append)(bringing)
        try:
            waiting = set(needed)
            while waiting and not self._fall.done():
                done, _ = await asyncio.wait({*waiting, self._fall}, return_when=asyncio.FIRST_COMPLETED)
                waiting -= done
                for started in done & needed:
                    started.result()
            if self._fallen not in (None, self):
                raise TaskFailedError(self.stopped_reason())
            await first
        finally:
            for started in needed:
                started.cancel()
            await asyncio.wait(needed)

    async def _rise(self) -> None:
        await self._wait_for_others(self.definition)
        await super().start()
        self._parts[self.definition.name].healthy = True

    async def _go(self) -> None:
        await self._wait_for_others(self.definition)
        await super().launch()

    async def _run(self) -> None:
        await super()._run()
        self._parts[self.definition.name].started = True

    async def _bring_up(self, part: _Part) -> None:
        each, check = part.task, part.task.definition.health_check
        try:
            await self._wait_for_others(each.definition)
            await each.launch()
            await each.limit_processor()
            part.started = True
            if check is not None:
                await each.wait_for_health()
                part.healthy = True
            if not each.definition.essential:
                await self._note_end(each)
        except TaskFailedError as error:
            part.failure = str(error)
            if each.definition.essential and each.exit_code is None:  # else its end says more
                raise TaskFailedError(f"container {part.name}: {error}") from None

    async def _note_end(self, container: ContainerTask) -> None:
        """Wait for the end of one that the task goes on without, and note it where it failed."""
        await container.ended()
        if container.exit_code and not self._ends:
            name, said = container.definition.name, last_words(container.said)
            ended = f"exited with code {container.exit_code} ({said})"
            self.gaps.setdefault(name, f"what {name} would go on to do: it {ended}, and is not essential to its task")

    async def _wait_for_others(self, waiter: TaskDefinition) -> None:
        """Wait for what a container waits for. One that does not run here counts as what it is waited for."""
        for name, condition in waiter.waits_for:
            if (part := self._parts.get(name)) is None:
                continue
            limit, until = part.task.definition.start_timeout, f"waits until {name} {_WAITED_FOR.get(condition)}"
            try:
                async with asyncio.timeout(with_others(limit)):
                    while not part.meets(condition):  # noqa: ASYNC110 - its start, its end or a check may
                        await asyncio.sleep(_POLL_SECONDS)
            except TimeoutError:
                why = f"container ordering dependency has timed out: {waiter.name} {until}, for {limit:g} s at most"
                raise TaskFailedError(why) from None
            except TaskFailedError as error:
                why = f"failed to resolve container ordering dependency: {waiter.name} {until}, and {error}"
                raise TaskFailedError(why) from None

    async def _until_one_falls(self) -> None:
        """Wait until the first container has ended with which the task ends."""
        essential = [self, *(each for each in self.others if each.definition.essential)]
        ends = {asyncio.create_task(ContainerTask.ended(each)): each for each in essential}
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ends:
                each.cancel()
        fallen = ends[done.pop()]
        await fallen.hear_out()
        self._fallen = fallen
        if fallen is not self and not self._ends:
            self.stopped_because = self.stopped_reason()

    async def _guard_task(self) -> None:
        """Keep the containers together within the memory of the task: the kernel ends the one that holds most."""
        limit = self.definition.task_memory or self.definition.memory
        while True:
            held = [super().memory, *(each.memory for each in self.others)]
            self.note_memory(sum(held))
            if sum(held) > limit and not self._ends:
                await (self, *self.others)[held.index(max(held))].kill_for_memory()
            await asyncio.sleep(_GUARD_SECONDS)

    async def stop(self) -> None:
        self._ends = True
        for each in self._background:
            each.cancel()
        if self._fall is not None:
            self._fall.cancel()
        waits = {each.name: {name for name, _ in each.task.definition.waits_for} for each in self._parts.values()}
        order = TopologicalSorter({name: {each for each in waits if name in waits[each]} for name in waits})
        order.prepare()
        try:
            while order.is_active():
                ready = order.get_ready()
                await gather(*(ContainerTask.stop(self._parts[each].task) for each in ready))
                order.done(*ready)
            for container in self.others:
                if container.killed_at_stop:
                    name = container.definition.name
                    clause = f"what {name} was doing when it was killed at the end of its stop timeout"
                    self.gaps.setdefault(
                        name, f"{clause}: it does not stop on SIGTERM or its STOPSIGNAL, or not in time"
                    )
        finally:
            await self.pause.remove()

    async def ended(self) -> None:
        await (super().ended() if self._fall is None else asyncio.wait({self._fall}))

    @property
    def memory(self) -> float:
        return super().memory + sum(each.memory for each in self.others)

    @property
    def disk(self) -> float:
        return max(super().disk, *(each.disk for each in self.others))  # What they share would count twice.

    def read_usage(self) -> Usage | None:
        found = [super().read_usage(), *(each.read_usage() for each in self.others)]
        if found[0] is None:
            return None
        known = [each for each in found if each is not None]  # One of the others may just have ended.
        cpu, memory = (sum(getattr(each, name) for each in known) for name in ("cpu", "memory"))
        return Usage(min(cpu, 100.0), memory, sum(each.spent for each in known), max(each.had for each in known))

    def stopped_reason(self) -> str:
        if self._fallen is None or self._fallen is self:
            return super().stopped_reason()
        return f"container {self._fallen.definition.name}: {self._fallen.stopped_reason()}"


def task_of(
    first: TaskDefinition,
    beside: Sequence[TaskDefinition],
    *,
    image_of: Callable[[str], EngineImage],
    place: Place,
    names: Iterator[str],
    starts: asyncio.Semaphore,
    pace: Pace,
    gaps: dict[str, str],
) -> ContainerTask:
    """A task.

    Args:
        first: The container that gets its requests.
        beside: Its other containers that run here.
        names: What the engine may call containers.
        starts: Limits how many tasks start side by side.
        gaps: What turns out not to be covered is written here.
    """
    containers = [(each, image_of(each.image)) for each in (first, *beside)]
    gaps.update(said for each, image in containers for said in image.stand_ins(each.image).items())
    owner = next(names)
    common: dict[str, Any] = {"engine": place.engine, "label": place.label, "directory": place.directory, "pace": pace}
    common["volumes"] = _volumes(containers, place, owner)
    if not beside:
        return ContainerTask(first, starts, 0.0, image=containers[0][1], name=owner, network=place.network, **common)
    common["network"] = ContainerNetwork(f"container:{owner}", None)
    called = {each.name: next(names) for each, _ in containers}
    own, *others = (
        (_with_mounts(each, called), {**common, "image": image, "name": called[each.name]})
        for each, image in containers
    )
    return SeveralContainers(
        own[0],
        starts,
        0.0,
        **own[1],
        others=[ContainerTask(each, asyncio.Semaphore(), _patience(each), **how) for each, how in others],
        pause=Pause(place, owner, first),
        gaps=gaps,
    )


def _volumes(containers: Sequence[tuple[TaskDefinition, EngineImage]], place: Place, owner: str) -> dict[str, str]:
    """The places of the volumes that containers share."""
    mounts = [(mount, image) for each, image in containers for mount in each.shared]
    shares = SHARES_DIRECTORIES and not place.engine.is_docker
    return volume_sources(
        place.directory,
        [mount for mount, _ in mounts],
        owner=owner,
        run=place.network.name,
        by_engine={mount.volume for mount, image in mounts if not shares or image.declares(mount.path)},
    )


def _with_mounts(container: TaskDefinition, called: Mapping[str, str]) -> TaskDefinition:
    """A container with the mounts of others, as the engine calls those."""
    sources = [each.rpartition(":") for each in container.volumes_from]
    return replace(container, volumes_from=tuple(f"{called[of]}:{how}" for of, _, how in sources if of in called))


def _patience(container: TaskDefinition) -> float:
    """Seconds until a container that gets no requests has failed its health checks for good."""
    check = container.health_check
    if check is None or not container.essential:
        return container.start_timeout
    return min(check.seconds_to_unhealthy, container.start_timeout)

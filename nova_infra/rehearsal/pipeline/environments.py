"""Opens a pipeline's environments with the baseline running in them, and closes them.

Time stands still in an environment until the candidate reaches it, so what runs before may start early: while the tests
of one environment are played, the next one gets ready, and the last one closes. Which of its two target groups a
service uses before the candidate arrives is decided here, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from nova_infra.assembly import Template, resources_of_type
from nova_infra.errors import NovaError
from nova_infra.machine.parallel import gather, to_the_end
from nova_infra.rehearsal.clock import Clock
from nova_infra.rehearsal.delivery.definition import DeployAction, Pipeline, Stage
from nova_infra.rehearsal.ecs.deployment import DeploymentFailedError
from nova_infra.rehearsal.ecs.lifecycle.suite import SuiteAnswers
from nova_infra.rehearsal.ecs.service import PlacedTask, since_start
from nova_infra.rehearsal.environment.background.stand_ins import HOME
from nova_infra.rehearsal.environment.environment import PlayedEnvironment
from nova_infra.rehearsal.pipeline.release import Release, home_of, left_out, templates_of
from nova_infra.rehearsal.record import Record
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.tasks.runtime import TaskRuntime
from nova_infra.rehearsal.usage.filling.growth import Growth

_LOOKS = 5


@dataclass
class Environments:
    """Use it as an asynchronous context manager: leaving it stops everything that it started.

    Attributes:
        seconds_between_looks: Seconds between two looks at a task that seems to be unhealthy at the end.
    """

    pipeline: Pipeline
    candidate: Release
    baseline: Release
    record: Record
    tell: Callable[[str], None]
    runtime: TaskRuntime
    seconds_per_minute: float
    steering: SuiteAnswers
    files: RequestFiles
    seconds_between_looks: float = 1.0
    _ahead: dict[str, asyncio.Task[PlayedEnvironment]] = field(default_factory=dict)
    _closing: list[asyncio.Task[None]] = field(default_factory=list)
    _resting: PlayedEnvironment | None = None
    _watching: asyncio.Task[None] | None = None
    _growth: dict[str, list[Growth]] = field(default_factory=dict)

    async def __aenter__(self) -> Environments:
        return self

    async def __aexit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        """Close the open environments, and silently those that were never used; at once after a failure."""
        try:
            if kind is None and self._resting is not None:
                await self._look_again(self._resting)
        finally:
            if self._watching is not None:
                self._watching.cancel()
            await to_the_end(self._close_all())

    async def _close_all(self) -> None:
        for opening in self._ahead.values():
            opening.cancel()
        opened = await asyncio.gather(*self._ahead.values(), return_exceptions=True)
        for name, environment in zip(self._ahead, opened, strict=True):
            if isinstance(environment, PlayedEnvironment):
                self.close(environment)
            self.record.load.pop(name, None)
            self.record.elsewhere.pop(name, None)
            self.record.deployments[:] = [each for each in self.record.deployments if each.environment != name]
        self._ahead.clear()
        if self._resting is not None:
            self._closing.append(asyncio.create_task(self._resting.__aexit__()))
        closed = await asyncio.gather(*self._closing, return_exceptions=True)
        for error in closed:
            if isinstance(error, BaseException):
                raise error

    async def open(self, stage: Stage) -> PlayedEnvironment:
        """The environment that a stage deploys to, with what runs there before."""
        opening = self._ahead.pop(stage.name, None)
        if opening is None:
            return await self._open(stage)
        try:
            return await opening
        except asyncio.CancelledError:
            self._ahead[stage.name] = opening
            raise

    def open_ahead(self, after: Stage) -> None:
        """Begin to open the environment of the pipeline's next stage, if there is one."""
        later = self.pipeline.stages[self.pipeline.stages.index(after) + 1 :]
        for stage in later:
            if stage.closed_because is not None:
                return
            if any(isinstance(action, DeployAction) for action in stage.actions):
                if stage.name not in self._ahead:
                    self._ahead[stage.name] = asyncio.create_task(self._open(stage))
                return

    def close(self, environment: PlayedEnvironment, *, rests: bool = False) -> None:
        """Stop what runs in an environment, while the pipeline goes on.

        Args:
            rests: Whether its tasks may stay up until the pipeline has ended. The first one's do: what takes more
                uptime than a short minute's bake shows there, and costs no time.
        """
        if rests and self._resting is None:
            self._resting = environment
            self._closing.append(asyncio.create_task(environment.rest()))
            self._watching = asyncio.create_task(self._watch(environment))
        else:
            self._closing.append(asyncio.create_task(environment.__aexit__()))

    async def _watch(self, environment: PlayedEnvironment) -> None:
        """See every second what the release's tasks hold now that nobody asks them anything."""
        released = {each.new for each in self.record.deployments if not each.baseline}
        placed = [each for service in environment.services() for each in service.tasks]
        tasks = {each.task.definition.revision: each.task for each in placed}
        for revision, task in tasks.items():
            if revision in released:
                limits = {"memory": task.definition.memory, "disk": 1024 * task.definition.disk}
                self._growth[revision] = [Growth(f"a task of {revision}", *each) for each in limits.items()]
        while True:
            for revision, (memory, disk) in self._growth.items():
                memory.note(tasks[revision].memory)
                disk.note(tasks[revision].disk)
            await asyncio.sleep(1)

    async def _look_again(self, environment: PlayedEnvironment) -> None:
        """Note which tasks of the release have ended, become unhealthy or grown since their environment was played."""
        self.record.unsafe += filter(None, (each.fills() for kinds in self._growth.values() for each in kinds))
        released = {each.new for each in self.record.deployments if not each.baseline}
        for service in environment.services():
            for placed in service.tasks:
                revision = placed.task.definition.revision
                if revision not in released or service.may_end(placed):
                    continue
                if (fault := await _lasting(placed, self.seconds_between_looks)) is not None:
                    self.record.note_lost(revision, since_start(placed, fault))
                    break  # the others are of one image

    async def _open(self, stage: Stage) -> PlayedEnvironment:
        environment = PlayedEnvironment(
            stage.name,
            record=self.record,
            tell=self.tell,
            runtime=self.runtime,
            clock=Clock(seconds_per_minute=self.seconds_per_minute),
            steering=self.steering,
            held=self.steering.until_idle,
            files=self.files,
            home=home_of(self.candidate, stage) or HOME,
            expected=templates_of(stage, self.baseline, self.candidate),
            neighbours=left_out(self.candidate, stage),
        )
        async with AsyncExitStack() as unless_it_opens:
            await unless_it_opens.enter_async_context(environment)
            self.tell(f"{stage.name}: starting what runs there now, {self.baseline.name}")
            await self.deploy_baseline(stage, environment)
            await environment.get_to_know_services()
            unless_it_opens.pop_all()
        return environment

    async def deploy_baseline(self, stage: Stage, environment: PlayedEnvironment) -> None:
        """Start in an environment what runs in a stage before the candidate comes.

        Raises:
            NovaError: It does not run, and is not the candidate itself.
        """
        place = self.pipeline.stages.index(stage)
        for wave in stage.waves():
            deployments = []
            for action in wave:
                if isinstance(action, DeployAction):
                    name = action.stack_name
                    template, after = self.baseline.template_of_stack(name), self.candidate.template_of_stack(name)
                    if template is not None:
                        alternate = starts_from_alternate(name, stage.name, place, template, after)
                        deployments.append(
                            environment.deploy(
                                name,
                                template,
                                sources=self.baseline.sources,
                                baseline=True,
                                from_alternate=alternate,
                            )
                        )
            try:
                await gather(*deployments)
            except DeploymentFailedError as error:
                beside = self.runtime.leaves_out and any(map(_has_sidecars, templates_of(stage, self.baseline)))
                if self.baseline.is_candidate and not beside:
                    self.tell(f"{stage.name}: {self.baseline.name} does not run there")
                    return  # The candidate fails by itself, as it has to.
                remedy = "name a revision that does with --baseline"
                if beside:  # AWS may well run it.
                    remedy = f"not all containers of a task run here, and one may be what it lacks: {remedy}"
                raise NovaError(f"baseline: {self.baseline.name} does not run: {error}: {remedy}") from None


async def _lasting(placed: PlacedTask, seconds: float) -> str | None:
    """What stays wrong with a task: on a busy machine, a check or two may be slow."""
    fault = placed.fault()
    for _ in range(_LOOKS):
        if fault is None or not placed.task.running:
            break
        await asyncio.sleep(seconds)
        fault = placed.fault()
    return fault


def _has_sidecars(template: Template) -> bool:
    """Whether a task has a further container: what it does first may be what the task lacks."""
    tasks = resources_of_type(template, "AWS::ECS::TaskDefinition").values()
    return any(len(each.get("Properties", {}).get("ContainerDefinitions", ())) > 1 for each in tasks)


_RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"


def starts_from_alternate(stack_name: str, stage: str, place: int, before: Template, after: Template | None) -> bool:
    """Whether the alternate target group serves in a rehearsal before a stack is updated.

    Both colours are played in every rehearsal of two environments: a service begins in one of them from the first
    group and in the next one from the second. Where the rule changes the harder one is played everywhere.

    Args:
        before: The stack's template as it is deployed.
        after: The template of the candidate, None where it has no such stack.
    """
    if after is not None and _rules(before) != _rules(after):
        return True
    service = stack_name.lower().replace(stage.lower(), "")
    return (sum(service.encode()) + place) % 2 == 1


def _rules(template: Template) -> dict[str, Any]:
    return {key: rule.get("Properties") for key, rule in resources_of_type(template, _RULE).items()}

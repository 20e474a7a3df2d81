"""Deploys the services of an environment, keeps their tasks running, and stops them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.clock import Clock
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.ecs.deployment import DeploymentFailedError, PlayedDeployment
from nova_infra.rehearsal.ecs.lifecycle.functions import Functions
from nova_infra.rehearsal.ecs.rollout import DeploymentConfiguration, TrafficStep
from nova_infra.rehearsal.ecs.service import PlayedService, Revision
from nova_infra.rehearsal.ecs.service_definition import ServiceDefinition, read_service
from nova_infra.rehearsal.ecs.without_balancer import Unbalanced
from nova_infra.rehearsal.environment.load import Load
from nova_infra.rehearsal.environment.load_balancers import LoadBalancers
from nova_infra.rehearsal.environment.monitoring import Monitoring
from nova_infra.rehearsal.load_balancer.proxy import LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import RoutingRule
from nova_infra.rehearsal.load_balancer.targets import TargetGroup
from nova_infra.rehearsal.record import DeploymentRecord, Record
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.runtime import TaskRuntime
from nova_infra.rehearsal.tasks.task import Task


class Services:
    """The services of one environment."""

    def __init__(
        self,
        environment: str,
        running: dict[str, PlayedService],
        *,
        record: Record,
        tell: Callable[[str], None],
        runtime: TaskRuntime,
        clock: Clock,
        load: Load,
        monitoring: Monitoring,
        balancers: LoadBalancers,
        steering: Functions,
        gone: Callable[[Task, bool], Awaitable[None]],
    ) -> None:
        """Create it; see :class:`nova_infra.rehearsal.environment.environment.PlayedEnvironment` for most of it.

        Args:
            running: Where the services are kept, which the load balancers read, too.
            gone: Called with each task that has ended, and whether it has done so by itself.
        """
        self.running = running
        self._environment = environment
        self._record = record
        self._tell = tell
        self._runtime = runtime
        self._clock = clock
        self._load = load
        self._monitoring = monitoring
        self._balancers = balancers
        self._steering = steering
        self._gone = gone
        self._deployed: dict[str, Any] = {}

    async def deploy(
        self,
        wanted: ServiceDefinition,
        definition: TaskDefinition,
        sources: Path,
        *,
        baseline: bool,
        takes_back: bool,
        from_alternate: bool,
    ) -> None:
        """Update a service to what its stack says, if that has changed.

        Args:
            definition: What its tasks run, with addresses of this machine.
        """
        name, rollout = wanted.name, wanted.rollout
        if not rollout.bake_is_given and not rollout.shifts_traffic:
            # "Amazon ECS computes this time period based on the alarm configuration associated with the deployment":
            # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
            rollout = rollout.with_bake(self._monitoring.minutes_to_judge(rollout.alarms))
        if self._deployed.get(name) == wanted.properties:
            self._note_maximum(wanted)
            return
        service = self.running.get(name)
        if service is None:
            service = self.running[name] = self._new_service(wanted)
            service.test_rule = self._balancers.rule_named(wanted.test_rule)
            if from_alternate and rollout.shifts_traffic:
                service.serve_from_alternate()
        if baseline or self._runtime.asset_of(definition) is not None:
            await self._runtime.build(definition, sources)
        await self._runtime.prepare(definition, wanted.desired)
        service.desired, service.grace = wanted.desired, wanted.grace
        service.further = self._balancers.groups_named(wanted.further)
        service.test_rule = self._balancers.rule_named(wanted.test_rule)
        record = self._new_record(service, definition, rollout, baseline=baseline, takes_back=takes_back)
        # What this release does not deploy has no second revision at once.
        record.most_tasks = wanted.maximum if baseline else wanted.most_tasks
        deployment = PlayedDeployment(
            service=service,
            revision=Revision(definition, sources),
            rollout=_long_over(rollout) if baseline else rollout,
            record=record,
            clock=self._clock,
            states=self._monitoring.states,
            measured=self._monitoring.measured,
            tell=_say_nothing if baseline else self._tell,
            steering=self._steering,
        )
        try:
            await deployment.run()
        except DeploymentFailedError as error:
            raise DeploymentFailedError(f"{name}: {error}") from None
        self._deployed[name] = wanted.properties

    def _note_maximum(self, wanted: ServiceDefinition) -> None:
        """Let a release that changes only an autoscaler's maximum answer for the next rollout, with both revisions."""
        for each in self._record.deployments:
            if (each.environment, each.service) == (self._environment, wanted.name) and each.baseline:
                each.most_tasks = each.most_tasks if each.most_tasks == wanted.maximum else wanted.most_tasks

    async def remove(self, before: PlayedStack, after: PlayedStack) -> None:
        """Stop the services that a stack no longer has. Their users keep sending requests."""
        for name in _names(before) - _names(after):
            self._deployed.pop(name, None)
            if (service := self.running.pop(name, None)) is not None:
                await self._stop(service)
                self._tell(f"{name}: deleted")

    async def keep(self) -> None:
        """Replace tasks that are lost between deployments."""
        while True:
            await asyncio.sleep(self._clock.seconds_between_looks)
            for story in await gather(*(service.replace_lost() for service in self.running.values())):
                for line in story:
                    self._tell(line)
            self._note_fallen()

    def _note_fallen(self) -> None:
        """Note which tasks of the release have ended by themselves."""
        released = {each.new for each in self._record.deployments if not each.baseline}
        for revision, why in [pair for service in self.running.values() for pair in service.fallen.items()]:
            if revision in released:
                self._record.note_lost(revision, why)

    def revisions(self) -> dict[str, set[str]]:
        """Service to the revisions that its tasks run."""
        return {
            name: {entry.task.definition.revision for entry in service.tasks} for name, service in self.running.items()
        }

    def note_end(self) -> None:
        """Note how long the oldest task of the candidate has run, what has ended, and what no task got."""
        self._note_fallen()
        released = {each.new for each in self._record.deployments if not each.baseline}
        uptimes = [
            entry.task.uptime
            for service in self.running.values()
            for entry in service.tasks
            if entry.task.running and entry.task.definition.revision in released
        ]
        self._record.lived = max([self._record.lived, *uptimes])
        self._record.refused[self._environment] = self._balancers.refused()

    async def stop(self) -> None:
        """Stop the tasks of every service."""
        await gather(*(self._stop(service) for service in self.running.values()))

    async def _stop(self, service: PlayedService) -> None:
        """Stop a service's tasks, and note if none ends by itself: deployments stop only old tasks."""
        tasks, killed = list(service.tasks), service.killed_at_stop
        await service.stop(tasks)
        if tasks and service.killed_at_stop - killed == len(tasks) and service.revision is not None:
            for record in self._record.deployments:
                if (record.service, record.new) == (service.name, service.revision.name):
                    record.ignores_sigterm = True

    def _new_record(
        self,
        service: PlayedService,
        definition: TaskDefinition,
        rollout: DeploymentConfiguration,
        *,
        baseline: bool,
        takes_back: bool,
    ) -> DeploymentRecord:
        """The record of a new deployment, whose service gets users' requests from now on."""
        record = DeploymentRecord(
            environment=self._environment,
            service=service.name,
            strategy=rollout.strategy,
            old=service.revision.name if service.revision else None,
            new=definition.revision,
            baseline=baseline,
            takes_back=takes_back,
            plan=rollout.in_words,
            from_alternate=service.serves_from_alternate,
            bake_is_given=rollout.bake_is_given,
        )
        record.idle, record.kept_open = service.idle, service.kept_open
        record.idle_timeout = service.load_balancer.idle_timeout
        self._record.deployments.append(record)
        asked = self._load.include(service, definition.repository, rollout)
        unchanged = self._record.elsewhere.setdefault(self._environment, {})
        if baseline:
            unchanged[service.name] = asked.elsewhere
        else:
            unchanged.pop(service.name, None)
            record.answers = asked.answers_of(record.new)
            record.answers_before = asked.answers_of(record.old) if record.old else {}
            record.elsewhere = asked.elsewhere
            record.has_requests = service.is_asked
            record.watched, record.bakes = list(rollout.alarms), any(step.bake_minutes for step in rollout.steps)
            record.unlisted = self._monitoring.unlisted(service.name, rollout.alarms)
            record.needs = self._monitoring.needs([*rollout.alarms, *record.unlisted])
            record.needs_of_each = self._monitoring.needs_of_each([*rollout.alarms, *record.unlisted])
        return record

    def _new_service(self, wanted: ServiceDefinition) -> PlayedService:
        if not wanted.groups:
            none = Unbalanced(wanted.name)
            place: tuple[LoadBalancer, RoutingRule, list[TargetGroup]] = none, none.rule, [none.group]
        else:
            place = self._balancers.place_of(wanted)
        return PlayedService(wanted.name, wanted.cluster, *place, self._runtime, gone=self._gone)


def _names(stack: PlayedStack) -> set[str]:
    return {read_service(stack, each).name for each in stack.resources("AWS::ECS::Service")}


def _long_over(rollout: DeploymentConfiguration) -> DeploymentConfiguration:
    """The rollout without its bakes, alarms and hooks: the baseline was deployed long ago."""
    return replace(rollout, steps=(TrafficStep(100.0, 0),), alarms=(), hooks=())


def _say_nothing(_: str) -> None:
    """The baseline's own start is not part of the story."""

"""One environment: deploys stacks as CloudFormation would; has its services, load balancers, alarms, load."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nova_infra.assembly import Template
from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.clock import Clock
from nova_infra.rehearsal.cloudformation.physical import Home
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.alarms import State
from nova_infra.rehearsal.dependencies.environment import Dependencies
from nova_infra.rehearsal.ecs.lifecycle.api import EcsApi
from nova_infra.rehearsal.ecs.lifecycle.functions import Functions
from nova_infra.rehearsal.ecs.lifecycle.hooks import GoesOn, Steering
from nova_infra.rehearsal.ecs.service import PlayedService
from nova_infra.rehearsal.ecs.service_definition import in_order
from nova_infra.rehearsal.environment.background.before_deploy import PlayedBeforeDeploy
from nova_infra.rehearsal.environment.background.queues import Queues
from nova_infra.rehearsal.environment.background.stand_ins import HOME, StandIns
from nova_infra.rehearsal.environment.discovery import Discovery
from nova_infra.rehearsal.environment.load import Load
from nova_infra.rehearsal.environment.load_balancers import LoadBalancers
from nova_infra.rehearsal.environment.monitoring import METRIC_DELAY, Monitoring
from nova_infra.rehearsal.environment.revisions import Revisions
from nova_infra.rehearsal.environment.services import Services
from nova_infra.rehearsal.jobs.schedule import PlayedJobs
from nova_infra.rehearsal.record import Record
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.faults import LONG_RUNS
from nova_infra.rehearsal.tasks.runtime import TaskRuntime

_MOST_MINUTES_TO_ANSWER = 3
# The kernel grants processor time by tenths of a second.
_REST_SECONDS = 0.1
_MOST_RESTS = 5
_MOST_RESTS_WHEN_BUSY = 30  # where this machine has so little processor time that five show nothing
_MINUTES_TO_BE_HEARD = 1 + METRIC_DELAY  # until the alarm on a run that failed has fired


class PlayedEnvironment:
    """An environment that stacks are deployed to. Leaving this context manager stops what it started."""

    def __init__(
        self,
        name: str,
        *,
        record: Record,
        tell: Callable[[str], None],
        runtime: TaskRuntime,
        clock: Clock,
        steering: Steering | None = None,
        files: RequestFiles | None = None,
        home: Home = HOME,
        expected: Sequence[Template] = (),
        neighbours: Mapping[str, Template] | None = None,
        held: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Create it empty.

        Args:
            steering: Who answers its deployments. Default: everything goes on.
            files: The requests that are written down.
            neighbours: Stacks that are in it and not deployed here, by their names: what tasks use of them is there.
            held: Waits for what takes real time, before each simulated minute. Default: nothing does.
        """
        self.name = name
        self._expected = expected
        self._neighbours = neighbours or {}
        self._held = held
        self._functions = Functions(
            steering or GoesOn(),
            localize=lambda value: json.loads(self.localize(json.dumps(value))),
            next_minute=clock.next_minute,
            ecs=EcsApi(lambda: list(self._services.running.values())),
        )
        self._record = record
        self._tell = tell
        self._runtime = runtime
        self._clock = clock
        self._pace = replace(runtime.pace, seconds_per_minute=clock.seconds_per_minute)
        self.monitoring = Monitoring(name, record.notifications, record.not_rehearsed, tell, record.unknown_cpu)
        self._load = Load(record.load, name, pace=self._pace, files=files)
        self._stacks: dict[str, PlayedStack] = {}
        self._rolled_back: dict[str, str] = {}
        self._exports: dict[str, Any] = {}
        self._revisions = Revisions(home)
        running: dict[str, PlayedService] = {}
        self._balancers = LoadBalancers(running, store=self.monitoring.store, pace=self._pace, gateway=runtime.gateway)
        self._discovery = Discovery(running, record.called, runtime, record.not_rehearsed)
        self._services = Services(
            name,
            running,
            record=record,
            tell=tell,
            runtime=runtime,
            clock=clock,
            load=self._load,
            monitoring=self.monitoring,
            balancers=self._balancers,
            steering=self._functions,
            gone=lambda task, alone: self._stand_ins.give_back(task.address, alone=alone),
        )
        self._background: list[asyncio.Task[None]] = []
        self._stand_in(home)
        self._before_deploy = PlayedBeforeDeploy(runtime, tell, self._load.waits)

    def _stand_in(self, home: Home) -> None:
        """Prepare what stands in for AWS, and what runs without requests: dependencies, queues, jobs."""
        name, record, runtime = self.name, self._record, self._runtime
        self._stand_ins = StandIns(
            self._pace,
            runtime.gateway,
            home,
            on_this_machine=runtime.on_this_machine,
            denied=record.denied,
            gaps=record.not_rehearsed,
        )
        self._dependencies = Dependencies(
            runtime, name, record.not_rehearsed, record.connections.setdefault(name, {}), record.denied
        )
        self._queues = Queues(
            self._stand_ins, self.monitoring.store, record.not_rehearsed, pace=self._pace, records=record.queues
        )
        self._jobs = PlayedJobs(
            runtime,
            self.monitoring.store,
            pace=self._pace,
            tell=self._tell,
            gaps=record.not_rehearsed,
            at_once=record.at_once,
            wrong=record.unsafe,
        )

    async def __aenter__(self) -> PlayedEnvironment:
        """Get ready. The clock stands still until :meth:`let_time_pass`."""
        await self._load.start()
        try:
            await self._dependencies.start()
            await self._stand_ins.expect(self._expected, *self._dependencies.aws_endpoint)
            await self._stand_ins.apply_neighbours(self._neighbours)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    def let_time_pass(self) -> None:
        """Start the clock, the load, the alarms and the replacement of lost tasks."""
        self.monitoring.begin()
        self._background = [
            asyncio.create_task(
                self._clock.run(self._minute, lambda: self.monitoring.end_minute(self._services.running.values()))
            ),
            asyncio.create_task(self._services.keep()),
        ]

    async def _minute(self) -> None:
        """Play a minute: its requests, then a pause that shows what tasks do without any."""
        if self._held is not None and not self._pace.is_real:
            await self._held()
        if self._pace.is_real:  # Both may take all of it.
            await gather(self._load.minute(), self._queues.minute(self._services.revisions()))
        else:
            await self._load.minute()
            await self._queues.minute(self._services.revisions())
        entries = [entry for service in self._services.running.values() for entry in service.tasks]
        self._dependencies.note_connections([entry.task for entry in entries])
        if self._pace.is_real:
            return
        for entry in entries:
            entry.note_requests()
        for count in range(_MOST_RESTS_WHEN_BUSY):
            seconds = _REST_SECONDS * min(self._pace.seconds_per_minute, 1)
            await asyncio.sleep(seconds)
            quiet = [entry.note_rest(seconds) for entry in entries]
            if all(quiet) or (count + 1 >= _MOST_RESTS and all(entry.work.known for entry in entries)):
                return

    async def get_to_know_services(self) -> None:
        """Find out the operations of the services that run now."""
        await self._load.learn(baseline=True)

    async def hear_answers(self) -> None:
        """Wait a few minutes at most until what runs has answered every operation and finished a message."""
        for _ in range(_MOST_MINUTES_TO_ANSWER):
            if not (self._load.knows_answers() and self._queues.knows_work(self._services.revisions())):
                await self.next_minute()

    async def next_minute(self) -> None:
        """Wait until the current simulated minute has ended."""
        await self._clock.next_minute()

    async def rest(self) -> None:
        """Stop the clock and the users again. Tasks stay up, and lost ones are not replaced."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def __aexit__(self, *_: object) -> None:
        self._record.slow_minutes += self._clock.slow_minutes
        self._services.note_end()
        self._queues.note_gaps(self._services.revisions())
        self._load.compare(self.name, self._record.deployments)
        self._record.waits.setdefault(self.name, []).extend(self._load.waits.clauses())
        await self.rest()
        await self._load.stop()
        await self._services.stop()
        await self._balancers.stop()
        self._discovery.stop()
        await self._stand_ins.stop()
        await self._dependencies.stop()

    async def deploy(
        self,
        stack_name: str,
        template: Template,
        *,
        sources: Path,
        baseline: bool = False,
        from_alternate: bool = False,
        takes_back: bool = False,
    ) -> dict[str, Any]:
        """Create or update a stack.

        Args:
            baseline: Whether this is part of the state that the rehearsal starts from.
            from_alternate: Whether services that shift traffic then serve from their alternate target group.
            takes_back: Whether this takes a release back that was deployed before.

        Returns:
            The stack's outputs, with addresses of this machine.

        Raises:
            DeploymentFailedError: A service did not take the new revision; the stack is as it was before.
        """
        previous = self._stacks.get(stack_name)
        if previous is not None and previous.template == template:
            return self._outputs(previous)  # CloudFormation: no updates are to be performed.
        stack = self._revisions.resolve(stack_name, template, self._exports)
        await self._apply(stack)
        self._load.forget()
        self._stand_ins.admit(stack, judged=not baseline)
        definitions = {task: self._revisions[each] for task, each in stack.revisions.items()}
        others = {name: each for name, each in self._stacks.items() if name != stack_name}
        self._dependencies.bar(stack, others, definitions, judged=not (baseline or takes_back))
        await self._queues.include(stack, sources, judged=not (baseline or takes_back))
        faults = {each.fault for each in definitions.values()}
        self._queues.poison(stack, poisoned="poison" in faults)
        try:
            await self._deploy_services(stack, sources, baseline, takes_back=takes_back, from_alternate=from_alternate)
        except Exception as error:  # whatever ended it, the stack has to be as it was before
            self._queues.poison(stack, poisoned=False)
            if previous is not None:
                await self._apply(previous)
            self._rolled_back[stack_name] = str(error)
            raise
        self.monitoring.apply(stack, services_run=True)
        if not baseline and not await self._jobs.run(stack, self._definition, sources, again=LONG_RUNS in faults):
            for _ in range(_MINUTES_TO_BE_HEARD):
                await self.next_minute()
        if previous is not None:
            await self._clean_up(previous, stack)
        self._stacks[stack_name] = stack
        self._rolled_back.pop(stack_name, None)
        self._exports |= stack.exports()
        return self._outputs(stack)

    async def _deploy_services(self, stack: PlayedStack, sources: Path, baseline: bool, **how: bool) -> None:
        """Run the commands before the deployment, then deploy all services; raise the first error once all are over."""
        hear = None if baseline else self.next_minute
        await self._before_deploy.run(stack, self._definition, sources, hear=hear)
        for wave in in_order(stack):
            deploying = (
                self._services.deploy(each, self._definition(each.task_definition), sources, baseline=baseline, **how)
                for each in wave
            )
            for error in await asyncio.gather(*deploying, return_exceptions=True):
                if isinstance(error, BaseException):
                    raise error

    def localize(self, text: str) -> str:
        """The text with the environment's public addresses replaced by those on this machine."""
        return self._balancers.localize(text)

    def templates(self) -> dict[str, Template]:
        """Stack to the template that it was last deployed with."""
        return {name: stack.template for name, stack in self._stacks.items()}

    def outputs(self, stack_name: str) -> dict[str, Any]:
        """A stack's outputs, with addresses of this machine; none where it was never deployed."""
        stack = self._stacks.get(stack_name)
        return self._outputs(stack) if stack else {}

    def stack_reasons(self) -> dict[str, str]:
        """Stack to why its last deployment was rolled back; empty where it was not."""
        return {name: self._rolled_back.get(name, "") for name in self._stacks}

    def services(self) -> list[PlayedService]:
        """The services that run."""
        return [service for service in self._services.running.values() if service.revision is not None]

    def alarm_states(self) -> dict[str, State]:
        """Alarm to its state now."""
        return dict(self.monitoring.states)

    def _outputs(self, stack: PlayedStack) -> dict[str, Any]:
        return {name: self.localize(str(value)) for name, value in stack.outputs().items()}

    async def _apply(self, stack: PlayedStack) -> None:
        """Update everything but services to what the stack says, except for what has not changed."""
        await self._balancers.apply(stack)
        await self._discovery.apply(stack)
        for logical_id in stack.resources("AWS::Lambda::Function"):
            self._functions.put(stack.properties(logical_id), f"{stack.name}.{logical_id}")
        self.monitoring.apply(stack)

    async def _clean_up(self, previous: PlayedStack, stack: PlayedStack) -> None:
        """Delete removed resources last of all, as CloudFormation does."""
        await self._services.remove(previous, stack)
        if self._balancers.remove(previous, stack):
            self._load.forget()

    def _definition(self, reference: str) -> TaskDefinition:
        """The task definition that a resource refers to, with addresses of this machine."""
        definition = self._revisions[reference]
        # The metadata that a task can ask for describes the container that is led last.
        further = tuple(self._led(each, reference) for each in definition.further)
        return replace(self._led(definition, reference), further=further)

    def _led(self, definition: TaskDefinition, reference: str) -> TaskDefinition:
        led = self._stand_ins.lead(definition)
        environment = {
            key: value if (local := self.localize(value)) == value else self._runtime.on_this_machine(local)
            for key, value in led.environment.items()
        }
        environment = self._discovery.lead(environment, reference)
        found = self._dependencies.provide(replace(led, environment=environment))
        return replace(found, hosts={**self._discovery.hosts(reference), **found.hosts})

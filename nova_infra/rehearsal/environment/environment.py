"""One environment on this machine: its stacks, services, load balancers, alarms and load."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nova_infra.assembly import Template, resources_of_type
from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.clock import Clock
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.alarms import State
from nova_infra.rehearsal.ecs.deployment import DeploymentFailedError, PlayedDeployment
from nova_infra.rehearsal.ecs.lifecycle.api import EcsApi
from nova_infra.rehearsal.ecs.lifecycle.functions import Functions
from nova_infra.rehearsal.ecs.lifecycle.hooks import GoesOn, Steering
from nova_infra.rehearsal.ecs.rollout import DeploymentConfiguration, TrafficStep
from nova_infra.rehearsal.ecs.service import PlayedService, Revision
from nova_infra.rehearsal.ecs.service_definition import ServiceDefinition, read_service
from nova_infra.rehearsal.ecs.unbalanced import Unbalanced
from nova_infra.rehearsal.environment.before_deploy import PlayedBeforeDeploy
from nova_infra.rehearsal.environment.load import Load
from nova_infra.rehearsal.environment.monitoring import METRIC_DELAY, Monitoring
from nova_infra.rehearsal.environment.queues import Queues
from nova_infra.rehearsal.environment.stand_ins import StandIns
from nova_infra.rehearsal.jobs.schedule import PlayedJobs
from nova_infra.rehearsal.load_balancer.proxy import LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import RoutingRule, read_default_rule, read_rule
from nova_infra.rehearsal.load_balancer.targets import TargetGroup, read_target_group
from nova_infra.rehearsal.record import DeploymentRecord, Record
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.tasks.definition import TaskDefinition, read_task_definition
from nova_infra.rehearsal.tasks.runtime import TaskRuntime

_ELB = "AWS::ElasticLoadBalancingV2"

_MOST_MINUTES_TO_ANSWER = 3
# The kernel grants processor time by tenths of a second.
_REST_SECONDS = 0.1
_MOST_RESTS = 5
_MINUTES_TO_BE_HEARD = 1 + METRIC_DELAY  # until the alarm on a run that failed has fired


class PlayedEnvironment:
    """An environment that stacks are deployed to, as CloudFormation would.

    Use it as an asynchronous context manager: leaving it stops everything that it started.
    """

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
    ) -> None:
        """Create it empty.

        Args:
            name: Its name, for the record.
            record: What happens is written here.
            tell: Told a line about each turn of the story.
            runtime: What runs the tasks.
            clock: Simulated time.
            steering: Who answers its deployments. Default: everything goes on.
            files: The requests that are written down.
        """
        self.name = name
        self._functions = Functions(
            steering or GoesOn(),
            localize=lambda value: json.loads(self.localize(json.dumps(value))),
            next_minute=clock.next_minute,
            ecs=EcsApi(lambda: list(self._services.values())),
        )
        self._record = record
        self._tell = tell
        self._runtime = runtime
        self._clock = clock
        self._pace = replace(runtime.pace, seconds_per_minute=clock.seconds_per_minute)
        self.monitoring = Monitoring(name, record.notifications, record.not_rehearsed, tell)
        self._load = Load(record.load, name, pace=self._pace, files=files)
        self._stacks: dict[str, PlayedStack] = {}
        self._rolled_back: dict[str, str] = {}
        self._exports: dict[str, Any] = {}
        self._definitions: dict[str, TaskDefinition] = {}
        self._revisions: dict[str, tuple[int, str]] = {}
        self._listeners: dict[str, LoadBalancer] = {}
        self._siblings: dict[str, dict[str, str]] = {}
        self._groups: dict[str, TargetGroup] = {}
        self._services: dict[str, PlayedService] = {}
        self._applied: dict[str, Any] = {}
        self._urls: dict[str, str] = {}
        self._stand_ins = StandIns(self._pace, runtime.gateway)
        self._queues = Queues(self._stand_ins, self.monitoring.store, record.not_rehearsed)
        self._background: list[asyncio.Task[None]] = []
        self._jobs = PlayedJobs(runtime, self.monitoring.store, pace=self._pace, tell=tell, gaps=record.not_rehearsed)
        self._before_deploy = PlayedBeforeDeploy(runtime, tell)

    async def __aenter__(self) -> PlayedEnvironment:
        """Get ready. Time stands still until :meth:`let_time_pass`."""
        await self._load.start()
        return self

    def let_time_pass(self) -> None:
        """Start the clock, the load, the alarms and the replacement of lost tasks."""
        self._background = [
            asyncio.create_task(
                self._clock.run(self._minute, lambda: self.monitoring.end_minute(self._services.values()))
            ),
            asyncio.create_task(self._keep_services()),
        ]

    async def _minute(self) -> None:
        """All that belongs to a minute: its requests, and a rest in which what tasks do without any shows."""
        await self._load.minute()
        await self._queues.minute()
        if self._pace.is_real:
            return
        entries = [entry for service in self._services.values() for entry in service.tasks]
        for entry in entries:
            entry.note_requests()
        for _ in range(_MOST_RESTS):
            seconds = _REST_SECONDS * min(self._pace.seconds_per_minute, 1)
            await asyncio.sleep(seconds)
            quiet = [entry.note_rest(seconds) for entry in entries]
            if all(quiet):
                return

    async def get_to_know_services(self) -> None:
        """Find out what the services that run now can be asked."""
        await self._load.learn(baseline=True)

    async def hear_answers(self) -> None:
        """Wait until the revisions that serve now have answered all that users ask, a few minutes at most.

        A deployment without a bake is over before anybody has asked it anything.
        """
        for _ in range(_MOST_MINUTES_TO_ANSWER):
            if self._load.knows_answers():
                return
            await self.next_minute()

    async def next_minute(self) -> None:
        """Wait until the current simulated minute has ended."""
        await self._clock.next_minute()

    async def __aexit__(self, *_: object) -> None:
        """Stop the load, every task and every load balancer."""
        self._record.slow_minutes += self._clock.slow_minutes
        released = {each.new for each in self._record.deployments if not each.baseline}
        uptimes = [
            entry.task.uptime
            for service in self._services.values()
            for entry in service.tasks
            if entry.task.running and entry.task.definition.revision in released
        ]
        self._record.lived = max([self._record.lived, *uptimes])
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._load.stop()
        await gather(*(self._close(service) for service in self._services.values()))
        await gather(*(listener.stop() for listener in self._listeners.values()))
        await self._stand_ins.stop()

    async def _close(self, service: PlayedService) -> None:
        """Stop what runs of a service, and note where none of it ends by itself: a deployment stops old tasks only."""
        tasks, killed = list(service.tasks), service.killed_at_stop
        await service.stop(tasks)
        if tasks and service.killed_at_stop - killed == len(tasks) and service.revision is not None:
            for record in self._record.deployments:
                if (record.service, record.new) == (service.name, service.revision.name):
                    record.ignores_sigterm = True

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
            stack_name: Name of the stack.
            template: Its template.
            sources: Checkout that holds what the template's images contain.
            baseline: Whether this is part of the state that the rehearsal starts from.
            from_alternate: Whether services that shift traffic then serve from their alternate target group.
            takes_back: Whether this takes a release back that was deployed before.

        Returns:
            The stack's outputs, with addresses of this machine.

        Raises:
            DeploymentFailedError: A service did not take the new revision; the stack is as it was before.
            UnresolvableError: The template holds something that the rehearsal does not know.
        """
        previous = self._stacks.get(stack_name)
        if previous is not None and previous.template == template:
            return self._outputs(previous)  # CloudFormation: no updates are to be performed.
        stack = self._resolve(stack_name, template)
        await self._apply(stack)
        await self._queues.include(stack, sources)
        faults = {self._definitions[each].fault for each in stack.revisions.values()}
        self._queues.poison(stack, poisoned="poison" in faults)
        results: list[BaseException | None] = []
        try:
            await self._before_deploy.run(
                stack, lambda ref: self._with_local_addresses(self._definitions[ref]), sources
            )
        except DeploymentFailedError as failed:
            results = [failed]
        results = results or await asyncio.gather(
            *(
                self._deploy_service(stack, service, sources, baseline, takes_back, from_alternate=from_alternate)
                for service in stack.resources("AWS::ECS::Service")
            ),
            return_exceptions=True,
        )
        for error in results:
            if isinstance(error, BaseException):
                self._queues.poison(stack, poisoned=False)
                if previous is not None:
                    await self._apply(previous)
                self._rolled_back[stack_name] = str(error)
                raise error
        if not baseline:
            await self._run_jobs(stack, sources)
        self._stacks[stack_name] = stack
        self._rolled_back.pop(stack_name, None)
        self._exports |= stack.exports()
        return self._outputs(stack)

    def localize(self, text: str) -> str:
        """The text with the environment's public addresses replaced by those on this machine."""
        for url in sorted(self._urls, key=len, reverse=True):
            text = text.replace(url, self._urls[url])
        return text

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
        return [service for service in self._services.values() if service.revision is not None]

    def alarm_states(self) -> dict[str, State]:
        """Alarm to its state now."""
        return dict(self.monitoring.states)

    def _outputs(self, stack: PlayedStack) -> dict[str, Any]:
        return {name: self.localize(str(value)) for name, value in stack.outputs().items()}

    def _resolve(self, stack_name: str, template: Template) -> PlayedStack:
        """The stack, with a revision number for each task definition that goes up only when it has changed."""
        revisions = {}
        for logical_id in resources_of_type(template, "AWS::ECS::TaskDefinition"):
            key = f"{stack_name}/{logical_id}"
            content = hashlib.sha256(json.dumps(template["Resources"][logical_id], sort_keys=True).encode()).hexdigest()
            number, known = self._revisions.get(key, (0, ""))
            if content != known:
                number += 1
                self._revisions[key] = (number, content)
            revisions[logical_id] = f"{key}:{number}"
        stack = PlayedStack(stack_name, template, exports=self._exports, revisions=revisions)
        for logical_id in revisions:
            properties = stack.properties(logical_id)
            family = properties.get("Family", logical_id)
            revision = f"{family}:{self._revisions[f'{stack_name}/{logical_id}'][0]}"
            self._definitions[revisions[logical_id]] = read_task_definition(properties, revision)
        return stack

    async def _apply(self, stack: PlayedStack) -> None:
        """Bring everything but services to what the stack says, and leave alone what has not changed."""
        for logical_id in stack.resources(f"{_ELB}::TargetGroup"):
            await self._target_group(stack, logical_id)
        for logical_id in stack.resources(f"{_ELB}::Listener"):
            await self._listener(stack, logical_id)
        for logical_id in stack.resources(f"{_ELB}::ListenerRule"):
            self._rule(stack, logical_id)
        for logical_id in stack.resources("AWS::Lambda::Function"):
            self._functions.put(stack.properties(logical_id), f"{stack.name}.{logical_id}")
        for logical_id in stack.resources("AWS::Route53::RecordSet"):
            await self._record_set(stack.properties(logical_id))
        for logical_id in stack.resources("AWS::CloudWatch::Alarm"):
            self.monitoring.put_alarm(stack.properties(logical_id))
        for logical_id in stack.resources("AWS::CloudWatch::CompositeAlarm"):
            self.monitoring.put_composite_alarm(stack.properties(logical_id))

    async def _run_jobs(self, stack: PlayedStack, sources: Path) -> None:
        """The time of a stack's jobs has come."""
        ended_well = await self._jobs.run(
            stack, lambda reference: self._with_local_addresses(self._definitions[reference]), sources
        )
        for _ in range(0 if ended_well else _MINUTES_TO_BE_HEARD):
            await self.next_minute()

    async def _keep_services(self) -> None:
        """Replace tasks that are lost between deployments."""
        while True:
            await self._clock.next_minute()
            for story in await gather(*(service.replace_lost() for service in self._services.values())):
                for line in story:
                    self._tell(line)

    def _changed(self, key: str, properties: Any) -> bool:
        if self._applied.get(key) == properties:
            return False
        self._applied[key] = properties
        return True

    async def _target_group(self, stack: PlayedStack, logical_id: str) -> None:
        arn, properties = stack.ref(logical_id), stack.properties(logical_id)
        if not self._changed(arn, properties):
            return
        settings = read_target_group(properties)
        if arn in self._groups:
            self._groups[arn].settings = settings
        else:
            self._groups[arn] = TargetGroup(f"{arn}.TargetGroupFullName", settings)

    async def _listener(self, stack: PlayedStack, logical_id: str) -> None:
        arn, properties = stack.ref(logical_id), stack.properties(logical_id)
        if not self._changed(arn, properties):
            return
        if arn not in self._listeners:
            load_balancer, protocol = str(properties["LoadBalancerArn"]), str(properties["Protocol"])
            listener = LoadBalancer(
                full_name=f"{load_balancer}.LoadBalancerFullName",
                protocol=protocol,
                public_port=int(properties["Port"]),
                siblings=self._siblings.setdefault(load_balancer, {}),
                store=self.monitoring.store,
                pace=self._pace,
            )
            self._listeners[arn] = listener
            await listener.start(self._runtime.gateway)
            stack_name, _, load_balancer_id = load_balancer.partition("/")
            self._urls[f"{protocol}://{load_balancer_id}.{stack_name}.elb.test".lower()] = listener.url
        listener = self._listeners[arn]
        listener.rules = [rule for rule in listener.rules if rule.priority != float("inf")]
        default = read_default_rule(properties["DefaultActions"], arn, self._groups)
        listener.rules.append(default)
        for service in self._services.values():
            if service.rule.name == arn:
                service.rule = default

    def _rule(self, stack: PlayedStack, logical_id: str) -> None:
        """Add or replace a rule. A rule that has changed loses the weights that ECS gave it (aws/aws-cdk#36649)."""
        arn, properties = stack.ref(logical_id), stack.properties(logical_id)
        if not self._changed(arn, properties):
            return
        rule = read_rule(properties, arn, self._groups)
        listener = self._listeners[properties["ListenerArn"]]
        listener.rules = [known for known in listener.rules if known.name != arn] + [rule]
        for service in self._services.values():
            if service.rule.name == arn:
                service.rule = rule
            elif service.test_rule is not None and service.test_rule.name == arn:
                service.test_rule = rule

    async def _record_set(self, properties: dict[str, Any]) -> None:
        """A domain name that leads to a load balancer is another public address of its listeners."""
        name = properties["Name"].rstrip(".")
        alias = properties.get("AliasTarget", {}).get("DNSName", "").removeprefix("dualstack.")
        for url, local in list(self._urls.items()):
            scheme, _, host = url.partition("://")
            if host == alias:
                [listener] = [each for each in self._listeners.values() if each.url == local]
                self._urls[f"{scheme}://{name}"] = await listener.address_of(name, self._runtime.gateway)

    async def _deploy_service(
        self,
        stack: PlayedStack,
        logical_id: str,
        sources: Path,
        baseline: bool,
        takes_back: bool,
        *,
        from_alternate: bool,
    ) -> None:
        wanted = read_service(stack, logical_id)
        name, rollout = wanted.name, wanted.rollout
        if not rollout.bake_is_given and not rollout.shifts_traffic:
            # "Amazon ECS computes this time period based on the alarm configuration associated with the deployment":
            # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
            rollout = rollout.with_bake(self.monitoring.minutes_to_judge(rollout.alarms))
        if self._applied.get(f"service {name}") == wanted.properties:
            return
        definition = self._with_local_addresses(self._definitions[wanted.task_definition])
        service = self._services.get(name)
        if service is None:
            service = self._services[name] = self._new_service(wanted)
            if from_alternate and rollout.shifts_traffic:
                service.serve_from_alternate()
        if baseline or self._runtime.asset_of(definition) is not None:
            await self._runtime.build(definition, sources)
        await self._runtime.prepare(definition, wanted.desired)
        service.desired, service.grace = wanted.desired, wanted.grace
        service.test_rule = self._rule_named(wanted.test_rule)
        record = DeploymentRecord(
            environment=self.name,
            service=name,
            strategy=rollout.strategy,
            old=service.revision.name if service.revision else None,
            new=definition.revision,
            baseline=baseline,
            takes_back=takes_back,
            plan=rollout.in_words,
            from_alternate=service.serves_from_alternate,
            bake_is_given=rollout.bake_is_given,
        )
        self._record.deployments.append(record)
        asked = self._load.include(service, definition.repository, rollout)
        if not baseline:
            record.answers, record.answers_before = asked.answers_of(record.new), asked.answers_of(record.old)
            record.answers_without_target, record.taken = asked.answers_of(None), asked.taken
            record.not_asked, record.asked_from = asked.left_out, asked.origin
            record.has_requests = service.is_asked
            record.watched, record.bakes = list(rollout.alarms), any(step.bake_minutes for step in rollout.steps)
        deployment = PlayedDeployment(
            service=service,
            revision=Revision(definition, sources),
            rollout=_long_over(rollout) if baseline else rollout,
            record=record,
            clock=self._clock,
            states=self.monitoring.states,
            measured=self.monitoring.measured,
            tell=_say_nothing if baseline else self._tell,
            steering=self._functions,
        )
        try:
            await deployment.run()
        except DeploymentFailedError as error:
            raise DeploymentFailedError(f"{name}: {error}") from None
        self._applied[f"service {name}"] = wanted.properties

    def _rule_named(self, arn: str | None) -> RoutingRule | None:
        found = next((rule for each in self._listeners.values() for rule in each.rules if rule.name == arn), None)
        if arn is not None and found is None:
            raise UnresolvableError(f"TestListenerRule: {arn} is no rule of this environment: add it, or leave it out")
        return found

    def _new_service(self, wanted: ServiceDefinition) -> PlayedService:
        if not wanted.groups:
            none = Unbalanced(wanted.name)
            return PlayedService(wanted.name, wanted.cluster, none, none.rule, [none.group], self._runtime)
        groups = [self._groups[arn] for arn in wanted.groups]
        listener, rule = self._place_of(wanted, groups)
        return PlayedService(wanted.name, wanted.cluster, listener, rule, groups, self._runtime)

    def _place_of(self, wanted: ServiceDefinition, groups: list[TargetGroup]) -> tuple[LoadBalancer, RoutingRule]:
        """The listener and the rule that lead to a service: the one it names, or the one that forwards to its group."""
        for listener in self._listeners.values():
            for rule in listener.rules:
                if rule.name == wanted.rule or (
                    wanted.rule is None and any(entry.group is groups[0] for entry in rule.forward)
                ):
                    return listener, rule
        raise UnresolvableError(
            f"{wanted.name}: no listener rule of this environment leads to it, so it would get no traffic: add one"
        )

    def _with_local_addresses(self, definition: TaskDefinition) -> TaskDefinition:
        environment = {
            key: value if (local := self.localize(value)) == value else self._runtime.on_this_machine(local)
            for key, value in self._stand_ins.environment(definition.environment).items()
        }
        return TaskDefinition(**{**vars(definition), "environment": environment})


def _long_over(rollout: DeploymentConfiguration) -> DeploymentConfiguration:
    """The rollout without its bakes, alarms and hooks: the baseline was deployed long ago."""
    return replace(rollout, steps=(TrafficStep(100.0, 0),), alarms=(), hooks=())


def _say_nothing(_: str) -> None:
    """The baseline's own start is no part of the story."""

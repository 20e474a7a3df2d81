"""Runs jobs and tasks that a schedule starts: once after they are deployed, and jobs again while a run is going."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from nova_infra.rehearsal.clock import Pace
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore
from nova_infra.rehearsal.jobs.machine import JobExecution, StateMachine
from nova_infra.rehearsal.jobs.runs import RUN_TASK, JobRuns
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.faults import LONG_RUNS
from nova_infra.rehearsal.tasks.run_task import TOO_LONG, Ended, run_once
from nova_infra.rehearsal.tasks.runtime import TaskRuntime
from nova_infra.rehearsal.tasks.task import NotAmongSourcesError
from nova_infra.schedules import parse

MACHINE = "AWS::StepFunctions::StateMachine"
SCHEDULE = "AWS::Scheduler::Schedule"
RULE = "AWS::Events::Rule"
"""Stands for no schedule: only the release itself starts the machine."""
MOST_SECONDS = 60.0
"""Longest real time for a run here, if its own limit is longer: nobody waits an hour on a laptop."""
_TO_STOP_SECONDS = 10.0

_LONG_SECONDS = 2.0
"""How much longer a drill makes each run, so that the next one starts meanwhile."""
_FAILURES = {"FAILED": "ExecutionsFailed", "TIMED_OUT": "ExecutionsTimedOut"}


class PlayedJobs:
    """The jobs of one environment."""

    def __init__(
        self,
        runtime: TaskRuntime,
        store: MetricStore,
        *,
        pace: Pace,
        tell: Callable[[str], None],
        gaps: list[str],
        most_seconds: float = MOST_SECONDS,
        at_once: dict[str, int] | None = None,
        wrong: list[str] | None = None,
    ) -> None:
        """Begin without jobs.

        Args:
            pace: How much faster a machine's waits pass. What a run takes, and may take, passes as it is.
            gaps: What was not waited for is added to these sentences.
            most_seconds: Real time that a run gets.
            at_once: Where a second run came while the first was going, the most that ran at once is written here.
            wrong: What is wrong with the runs of the release's jobs is added here, a clause each.
        """
        self._at_once = at_once if at_once is not None else {}
        self._wrong = wrong if wrong is not None else []
        self._runtime = runtime
        self._store = store
        self._pace = pace
        self._tell = tell
        self._gaps = gaps
        self._most_seconds = most_seconds
        self._numbers = itertools.count(1)

    async def run(
        self, stack: PlayedStack, definition_of: Callable[[str], TaskDefinition], sources: Path, *, again: bool = False
    ) -> bool:
        """The time of a stack's jobs has come.

        Args:
            again: Whether it comes a second time while the first run is going, whatever the schedule says.

        Returns:
            Whether every run ended well, or goes on.
        """
        started = list(_started_alone(stack, self._gaps))
        alone = [await self._alone(stack.name, each, definition_of, sources) for each in started]
        schedules = stack.resources(SCHEDULE)
        machines = [each for each in stack.resources(MACHINE) if RUN_TASK in _definition(stack, each)]
        if not schedules or not machines:
            return all(alone)
        interval = min(_interval(stack, each) for each in schedules)
        come = [await self._come(stack, each, definition_of, sources, interval, again) for each in machines]
        return all([*alone, *come])

    async def _alone(
        self, stack: str, given: Mapping[str, Any], definition_of: Callable[[str], TaskDefinition], sources: Path
    ) -> bool:
        """A task that its schedule starts without a state machine has its time once; return whether it ended well."""
        reference = str(given["EcsParameters"].get("TaskDefinitionArn"))
        try:
            definition = _overridden(definition_of(reference), given.get("Input"))
        except KeyError:
            self._gaps.append(f"{stack}: a task that a schedule starts: its task definition is in no stack here")
            return True
        went = f"{stack}: a run of {definition.revision}"
        await self._runtime.build(definition, sources)
        try:
            ended = await run_once(self._runtime, definition, sources=sources, seconds=self._most_seconds)
        except NotAmongSourcesError as error:
            return self._not_played(stack, error)
        if ended.exit_code == 0:
            self._tell(f"{went} succeeded")
            return True
        if ended.reason == TOO_LONG:
            self._tell(f"{went} was still going after {self._most_seconds:g} s: the rehearsal goes on without it")
            self._gaps.append(f"{stack}: the end of its run: it was still going after {self._most_seconds:g} s")
            return True
        why = ": ".join([ended.reason or f"it exited with {ended.exit_code}", *ended.said[:1]])
        self._tell(f"{went} failed: {why}")
        self._wrong.append(f"{went.partition(': ')[2]} failed: {why}")
        return False

    async def _come(
        self,
        stack: PlayedStack,
        logical_id: str,
        definition_of: Callable[[str], TaskDefinition],
        sources: Path,
        interval: float,
        again: bool,
    ) -> bool:
        used: list[TaskDefinition] = []

        def start(reference: str) -> tuple[str, Awaitable[Ended]]:
            definition = definition_of(reference)
            used.append(definition)
            return definition.revision.partition(":")[0], self._task(definition, sources)

        runs = JobRuns(start)
        machine = StateMachine(
            json.loads(_definition(stack, logical_id)),
            runs.call,
            pause=lambda seconds: seconds / 60 * self._pace.seconds_per_minute,
        )
        first = self._execute(machine, stack.name)
        others: list[asyncio.Task[JobExecution]] = []
        try:
            if again or interval < self._most_seconds:
                await asyncio.wait({first}, timeout=0.2 if again else interval)
                others += [] if first.done() else [self._execute(machine, stack.name)]
            await asyncio.wait({first, *others}, timeout=self._most_seconds + _TO_STOP_SECONDS)
            if others:
                self._at_once[stack.name] = runs.most
            if not again:
                self._wrong += _twice(stack.name, runs, executions=1 + len(others))
            results = [self._told(stack, logical_id, each, used) for each in (first, *others)]
            return all(results)
        finally:
            for each in (first, *others):
                each.cancel()
            await asyncio.gather(first, *others, return_exceptions=True)
            await runs.stop()

    def _not_played(self, stack: str, error: NotAmongSourcesError) -> Literal[True]:
        self._tell(f"{stack}: a run was not played: {error}")
        self._gaps.append(f"{stack}: a run of {error}")
        return True

    def _execute(self, machine: StateMachine, name: str) -> asyncio.Task[JobExecution]:
        return asyncio.create_task(machine.execute(f"{name}-{next(self._numbers)}"))

    async def _task(self, definition: TaskDefinition, sources: Path) -> Ended:
        await self._runtime.build(definition, sources)
        if definition.fault == LONG_RUNS:
            await asyncio.sleep(_LONG_SECONDS)
        return await run_once(self._runtime, definition, sources=sources, seconds=24 * 3600)

    def _told(
        self, stack: PlayedStack, logical_id: str, execution: asyncio.Task[JobExecution], used: list[TaskDefinition]
    ) -> bool:
        went = f"{stack.name}: a run of {used[0].revision if used else logical_id}"
        if not execution.done():
            self._tell(f"{went} is still going after {self._most_seconds:g} s: the rehearsal goes on without it")
            self._gaps.append(f"{stack.name}: the end of its run: it was still going after {self._most_seconds:g} s")
            return True
        if isinstance(error := execution.exception(), NotAmongSourcesError):
            return self._not_played(stack.name, error)
        ended = execution.result()
        if ended.status == "SUCCEEDED":
            ran = any(_resource(stack, logical_id, state).endswith(RUN_TASK) for state in ended.states)
            self._tell(f"{went} succeeded" if ran else f"{stack.name}: a run was skipped: {ended.states[-1]}")
            return True
        self._tell(f"{went} failed: {ended.cause or ended.error}")
        self._wrong.append(f"{went.partition(': ')[2]} failed: {ended.cause or ended.error}")
        self._store.record(
            Metric.of("AWS/States", _FAILURES[ended.status], {"StateMachineArn": stack.ref(logical_id)}), 1
        )
        return False


def _started_alone(stack: PlayedStack, gaps: list[str]) -> Iterator[Mapping[str, Any]]:
    """The targets of schedules that are tasks: of rules, and of EventBridge's scheduler.

    Args:
        gaps: What cannot be known here is added to these sentences.
    """
    for logical_id in (*stack.resources(RULE), *stack.resources(SCHEDULE)):
        raw = repr(stack.template["Resources"][logical_id])
        if not ("'EcsParameters'" in raw and "'ScheduleExpression'" in raw):
            continue
        try:
            given = stack.properties(logical_id)
        except UnresolvableError as error:
            gaps.append(f"a task that a schedule starts: {error}")
            continue
        targets = given.get("Targets") or [given.get("Target")]
        for target in targets if given.get("ScheduleExpression") and given.get("State") != "DISABLED" else ():
            if isinstance(target, Mapping) and isinstance(target.get("EcsParameters"), Mapping):
                yield target


def _overridden(definition: TaskDefinition, given: Any) -> TaskDefinition:
    """A task with its schedule target's overrides of containers (ECS: API_ContainerOverride)."""
    try:
        changes = {str(each["name"]): each for each in json.loads(given)["containerOverrides"]}
        further = tuple(_changed(each, changes.get(each.name, {})) for each in definition.further)
        return replace(_changed(definition, changes.get(definition.name, {})), further=further)
    except (TypeError, ValueError, KeyError, AttributeError):  # none, or what only the event says, or ECS refuses
        return definition


def _changed(container: TaskDefinition, change: Mapping[str, Any]) -> TaskDefinition:
    command, variables = change.get("command") or [*container.command], change.get("environment") or []
    if not (isinstance(command, list) and isinstance(variables, list)):
        raise TypeError("ECS takes lists")
    environment = {**container.environment, **{str(each["name"]): str(each["value"]) for each in variables}}
    return replace(container, command=tuple(map(str, command)), environment=environment)


def _twice(name: str, runs: JobRuns, *, executions: int) -> list[str]:
    """What a job repeats, in clauses."""
    found = []
    if runs.most > 1:
        found.append(f"{runs.most} runs of {name} overlap, because its schedule comes round before a run has ended")
    if runs.started > executions and runs.last is not None and runs.last.exit_code == 0:
        found.append(f"a run of {name} failed and was started again (Retry): what it had done by then is done twice")
    return found


def _definition(stack: PlayedStack, logical_id: str) -> str:
    return str(stack.properties(logical_id).get("DefinitionString", "{}"))


def _resource(stack: PlayedStack, logical_id: str, state: str) -> str:
    states = json.loads(_definition(stack, logical_id))["States"]
    return str(states.get(state, {}).get("Resource", ""))


def _interval(stack: PlayedStack, logical_id: str) -> float:
    """Seconds from a schedule's next start to the one after it; infinite if it starts once."""
    properties = stack.properties(logical_id)
    try:
        times = parse(str(properties.get("ScheduleExpression", ""))).times(
            datetime.now(UTC), ZoneInfo(str(properties.get("ScheduleExpressionTimezone", "UTC")))
        )
    except ValueError:  # one of another kind, such as at(…)
        return float("inf")
    first, second = next(times, None), next(times, None)
    return (second - first).total_seconds() if first and second else float("inf")

"""Jobs: their time comes once in an environment, when they have been deployed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.once import TOO_LONG, run_once
from nova_infra.rehearsal.tasks.runtime import TaskRuntime

MACHINE = "AWS::StepFunctions::StateMachine"
SCHEDULE = "AWS::Scheduler::Schedule"
"""Without one, nothing starts it but the release itself."""
MOST_SECONDS = 60.0
"""Real time that a run gets here, where its own limit is longer: nobody waits for an hour on a laptop."""

_RUN_TASK = ":states:::ecs:runTask.sync"


def task_of(stack: PlayedStack, logical_id: str) -> tuple[str, float] | None:
    """The task definition that a state machine runs and its limit in seconds; None for one that runs none."""
    text = stack.properties(logical_id).get("DefinitionString", "{}")
    states: dict[str, Any] = json.loads(text).get("States", {})
    for state in states.values():
        if str(state.get("Resource", "")).endswith(_RUN_TASK):
            return str(state["Parameters"]["TaskDefinition"]), float(state.get("TimeoutSeconds", MOST_SECONDS))
    return None


async def run(
    name: str,
    machine: str,
    definition: TaskDefinition,
    limit: float,
    *,
    runtime: TaskRuntime,
    sources: Path,
    store: MetricStore,
    tell: Callable[[str], None],
) -> bool:
    """Run a job once; a failure is counted as Step Functions does, so that its alarm fires.

    Args:
        name: Name of the job.
        machine: What ``Ref`` gives for its state machine, the dimension of its metrics.
        definition: What it runs.
        limit: Seconds that a run may take.
        runtime: What runs it.
        sources: The checkout that belongs to it.
        store: Where failures are counted.
        tell: Told how it ended.

    Returns:
        Whether it ended well, or is still going after :data:`MOST_SECONDS`.
    """
    seconds = min(limit, MOST_SECONDS)
    ended = await run_once(runtime, definition, sources=sources, seconds=seconds)
    went = f"{name}: a run of {definition.revision}"
    if ended.exit_code == 0:
        tell(f"{went} ended well")
        return True
    if ended.reason == TOO_LONG and limit > MOST_SECONDS:
        tell(f"{went} is still going after {seconds:g} s, and is not waited for")
        return True
    why = ended.reason or f"it exited with {ended.exit_code}"
    tell(f"{went} failed: {': '.join([why, *ended.said[-1:]])}")
    store.record(Metric.of("AWS/States", "ExecutionsFailed", {"StateMachineArn": machine}), 1)
    return False

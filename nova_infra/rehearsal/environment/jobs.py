"""Jobs: their time comes once in an environment, when they have been deployed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from nova_infra.rehearsal.cloudformation.stack import Stack
from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.task import Task, TaskFailedError

MACHINE = "AWS::StepFunctions::StateMachine"
MOST_SECONDS = 60.0
"""Real time that a run gets here, where its own limit is longer: nobody waits for an hour on a laptop."""

_RUN_TASK = ":states:::ecs:runTask.sync"


def task_of(stack: Stack, logical_id: str) -> tuple[str, float] | None:
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
    task: Task,
    definition: TaskDefinition,
    limit: float,
    *,
    store: MetricStore,
    tell: Callable[[str], None],
) -> bool:
    """Run a job once; a failure is counted as Step Functions does, so that its alarm fires.

    Args:
        name: Name of the job.
        machine: What ``Ref`` gives for its state machine, the dimension of its metrics.
        task: The task.
        definition: What it runs.
        limit: Seconds that a run may take.
        store: Where failures are counted.
        tell: Told how it ended.

    Returns:
        Whether it ended well, or is still going after :data:`MOST_SECONDS`.
    """
    seconds = min(limit, MOST_SECONDS)
    try:
        code = await task.run_to_end(seconds)
        reason = "" if code in (0, None) else task.stopped_reason()
    except TaskFailedError as error:
        code, reason = 1, str(error)
    finally:
        await asyncio.shield(task.stop())
    if code is None and limit <= MOST_SECONDS:
        reason = f"it took longer than {limit:g} s and was stopped"
    if reason:
        tell(f"{name}: a run of {definition.revision} failed: {reason}")
        store.record(Metric.of("AWS/States", "ExecutionsFailed", {"StateMachineArn": machine}), 1)
        return False
    still = f" is still going after {seconds:g} s, and is not waited for" if code is None else " ended well"
    tell(f"{name}: a run of {definition.revision}{still}")
    return True

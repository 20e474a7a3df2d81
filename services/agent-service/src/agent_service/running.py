"""Carries out a plan: all calls at once, telling what happens as it happens."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import BinaryIO

from agent_service.models import Event, Run, Step, StepProblem
from agent_service.planning import Call
from agent_service.siblings import CallError, OverloadError, Siblings
from nova_kit.problems import Problem


async def carry_out(calls: list[Call], upload: BinaryIO | None, siblings: Siblings) -> AsyncIterator[Event]:
    """Make all calls at once and yield every change; the last event holds the whole run.

    A call that fails does not stop the others.
    """
    begun = time.perf_counter()
    steps = [Step(name=call.name, service=call.service, operation=call.operation) for call in calls]
    yield Event(event="planned", steps=[step.model_copy() for step in steps])
    changes: asyncio.Queue[Event] = asyncio.Queue()

    async def perform(index: int) -> None:
        step, call = steps[index], calls[index]

        def count() -> None:
            step.attempts += 1

        step.status, step.started_ms = "running", _since(begun)
        changes.put_nowait(Event(event="started", index=index, step=step.model_copy()))
        try:
            step.result = await siblings.call(call, upload, count)
            step.status = "succeeded"
        except CallError as failure:
            asked = math.ceil(failure.retry_after) if isinstance(failure, OverloadError) else None
            step.problem = StepProblem(status=failure.status, detail=failure.detail, retry_after_seconds=asked)
            step.status = "failed"
        step.duration_ms = round(_since(begun) - step.started_ms, 1)
        changes.put_nowait(Event(event="finished", index=index, step=step.model_copy()))

    async with asyncio.TaskGroup() as group:
        for index in range(len(calls)):
            group.create_task(perform(index))
        # Every call reports its start and its end.
        for _ in range(2 * len(calls)):
            yield await changes.get()
    yield Event(event="done", run=_concluded(steps, _since(begun)))


def require_success(run: Run) -> Run:
    """Return a run that has at least a part of the answer.

    Raises:
        Problem: Every step failed. The status is the caller's mistake if there is one, else 504, 503 or 502.
    """
    if run.outcome != "failed":
        return run
    statuses = [step.problem.status for step in run.steps if step.problem]
    status = next((status for status in statuses if status < 500), max(statuses))
    asked = max((step.problem.retry_after_seconds or 0 for step in run.steps if step.problem), default=0)
    headers = {"Retry-After": str(asked)} if asked else None
    raise Problem(status, run.summary, headers=headers, steps=[step.model_dump() for step in run.steps])


def _since(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 1)


def _concluded(steps: list[Step], duration: float) -> Run:
    failed = [step for step in steps if step.problem]
    done = [step for step in steps if not step.problem]
    sentences = [f"{step.name}: {step.problem.detail}" for step in failed if step.problem]
    if done:
        sentences.insert(0, f"{len(done)} of {len(steps)} steps succeeded.")
    return Run(
        outcome="failed" if not done else "partial" if failed else "complete",
        summary=" ".join(sentences),
        duration_ms=duration,
        steps=steps,
    )

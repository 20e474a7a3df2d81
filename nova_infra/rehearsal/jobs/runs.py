"""The tasks that machines of jobs start, look for and stop, as ECS does for Step Functions."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.jobs.paths import StateError
from nova_infra.rehearsal.tasks.run_task import Ended

RUN_TASK = "ecs:runTask.sync"
_LIST_TASKS, _STOP_TASK = "aws-sdk:ecs:listTasks", "aws-sdk:ecs:stopTask"


@dataclass(frozen=True)
class _Run:
    """A task of a job."""

    family: str
    started_by: str
    ends: asyncio.Task[Ended]


class JobRuns:
    """The tasks of one job."""

    def __init__(self, start: Callable[[str], tuple[str, Awaitable[Ended]]]) -> None:
        self._start = start
        self._runs: dict[str, _Run] = {}
        self._numbers = itertools.count(1)
        self.most = self.started = 0
        self.last: Ended | None = None

    @property
    def going(self) -> int:
        """How many run now."""
        return sum(not run.ends.done() for run in self._runs.values())

    async def call(self, resource: str, parameters: Any) -> Any:
        """What a Task state asks for."""
        match resource.partition(":states:::")[2]:
            case "ecs:runTask.sync":
                return await self._run(parameters)
            case "aws-sdk:ecs:listTasks":
                return {"TaskArns": self._listed(parameters)}
            case "aws-sdk:ecs:stopTask":
                await self._stop(str(parameters["Task"]))
                return {}
            case _:
                raise UnresolvableError(f"{resource}: has no stand-in in the rehearsal: leave it out")

    async def stop(self) -> None:
        """Stop all that run."""
        await gather(*(self._stop(arn) for arn in list(self._runs)))

    async def _run(self, parameters: Any) -> Any:
        if "Overrides" in parameters:
            raise UnresolvableError("Overrides: are not played by the rehearsal: put them into the task definition")
        family, awaited = self._start(str(parameters["TaskDefinition"]))
        run = _Run(family, str(parameters.get("StartedBy", "")), asyncio.ensure_future(_until_it_ends(awaited)))
        self._runs[f"task/{next(self._numbers)}"] = run
        self.most, self.started = max(self.most, self.going), self.started + 1
        # A machine that waits no longer leaves the task to run: https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html
        ended = self.last = await asyncio.shield(run.ends)
        if ended.exit_code != 0:
            why = ended.reason or f"it exited with {ended.exit_code}"
            raise StateError("States.TaskFailed", ": ".join([why, *ended.said[:1]]))
        return {"Containers": [{"ExitCode": 0}]}

    def _listed(self, parameters: Any) -> list[str]:
        if unknown := sorted(parameters.keys() - {"Cluster", "Family", "StartedBy", "DesiredStatus"}):
            raise UnresolvableError(f"{unknown[0]}: is not played by the rehearsal: leave it out")
        return [
            arn
            for arn, run in self._runs.items()
            if (parameters.get("DesiredStatus", "RUNNING") == "RUNNING") is not run.ends.done()
            and parameters.get("Family", run.family) == run.family
            and parameters.get("StartedBy", run.started_by) == run.started_by
        ]

    async def _stop(self, arn: str) -> None:
        run = self._runs[arn]
        run.ends.cancel()
        await asyncio.gather(run.ends, return_exceptions=True)


async def _until_it_ends(awaited: Awaitable[Ended]) -> Ended:
    try:
        return await awaited
    except asyncio.CancelledError:
        return Ended(None, "it was stopped")

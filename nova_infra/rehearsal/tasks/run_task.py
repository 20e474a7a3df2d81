"""Runs a command in a task definition to its end, as ECS's RunTask with an override does."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from nova_infra.documents.last_words import telling_first
from nova_infra.rehearsal.tasks.containers.container import ContainerTask
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.process import ProcessTask
from nova_infra.rehearsal.tasks.runtime import TaskRuntime
from nova_infra.rehearsal.tasks.task import TaskFailedError, tail

TOO_LONG = "it did not end in time"
"""The reason for a run that was stopped at its time limit."""

_LINES = 30


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        exit_code: The exit code of its program; None where it did not start, or not end in time.
        said: The last lines that it printed, after the one that says why it failed.
    """

    exit_code: int | None
    reason: str = ""
    said: tuple[str, ...] = ()


async def run_once(
    runtime: TaskRuntime,
    definition: TaskDefinition,
    *,
    command: tuple[str, ...] = (),
    sources: Path,
    seconds: float,
    held: bool = False,
) -> Ended:
    """Run a task to its end.

    Args:
        seconds: Seconds of this machine that it may take.
        held: Whether its program is held back at its start, so that it never ends.
    """
    wanted = replace(definition, command=command or definition.command, health_check=None)
    try:
        task = runtime.task(wanted, sources, seconds)
        assert isinstance(task, ContainerTask | ProcessTask), "there are no others"
    except TaskFailedError as error:
        return Ended(None, str(error))
    try:
        if held:
            await asyncio.sleep(seconds)
            return Ended(None, TOO_LONG)
        await task.launch()
        await asyncio.wait_for(task.ended(), seconds)
        await task.hear_out()
        # On a busy machine the engine may take longer to say it than anybody waits for a task that serves.
        said = tail(task.said, _LINES) or tail(await task.said_now(), _LINES)
        return Ended(task.exit_code, task.stopped_because, tuple(telling_first(said)))
    except TaskFailedError as error:
        return Ended(None, str(error))
    except TimeoutError:
        return Ended(None, TOO_LONG, tuple(telling_first(tail(await task.said_now(), _LINES))))
    finally:
        await task.stop()

"""Plays ``before_deploy``: commands that run in a new image before its service takes it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from nova_infra.names import BEFORE_DEPLOY
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.ecs.deployment import DeploymentFailedError
from nova_infra.rehearsal.slowness import Waits
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.faults import NO_PROGRAM
from nova_infra.rehearsal.tasks.run_task import TOO_LONG, Ended, run_once
from nova_infra.rehearsal.tasks.runtime import TaskRuntime

_HANGING_SECONDS = 2.0
LIMIT_SECONDS = 15 * 60 - 45
"""Seconds after which the function that waits for the command stops its task, here as in AWS, in real time."""
MINUTE = 60
TOLD_SECONDS = 60.0
"""When to report that a command still runs."""


class PlayedBeforeDeploy:
    """Runs commands as the custom resource does: once for each image and its settings, in one environment."""

    def __init__(self, runtime: TaskRuntime, tell: Callable[[str], None], waits: Waits) -> None:
        """Begin with nothing done.

        Args:
            waits: What users wait for meanwhile: the command may stop what still serves.
        """
        self._waits = waits
        self._runtime = runtime
        self._tell = tell
        self._done: set[tuple[str, str]] = set()

    async def run(
        self,
        stack: PlayedStack,
        definition_of: Callable[[str], TaskDefinition],
        sources: Path,
        *,
        hear: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Run what a stack says, unless it has run before.

        Args:
            hear: Lets what serves answer its users before the command begins. Default: nothing serves yet.

        Raises:
            DeploymentFailedError: A command failed, or did not end.
        """
        for logical_id in stack.resources(BEFORE_DEPLOY):
            wanted = stack.properties(logical_id)
            family, key = str(wanted["Family"]), (str(wanted["Family"]), str(wanted["Key"]))
            if key in self._done:
                continue
            setting = str(wanted.get("Setting", "before_deploy"))
            definition = definition_of(_reference(stack, logical_id, family))
            await self._runtime.build(definition, sources)
            if hear is not None:
                await hear()
            seconds = min(float(wanted.get("Seconds", LIMIT_SECONDS)), LIMIT_SECONDS)
            limit = f"{seconds:g} s" if seconds < 2 * MINUTE else f"{seconds // MINUTE:g} minutes"
            patience = f"{family}: {setting} still runs: it has {limit}, as in AWS"
            loop = asyncio.get_running_loop()
            telling = loop.call_later(TOLD_SECONDS, self._tell, patience)
            meanwhile = self._waits.begin(f"{setting} of {family}", loop.time())
            try:
                ended = await self._run(definition, tuple(map(str, wanted["Command"])), sources, seconds)
            finally:
                telling.cancel()
                meanwhile.ended = loop.time()
            if ended.exit_code != 0:
                how = f"exited with {ended.exit_code}" if ended.exit_code is not None else f"failed: {ended.reason}"
                if ended.reason == TOO_LONG:
                    how = f"failed: it did not end within {limit}"
                    how += " (timeout_seconds)" if setting == "run_before_promotion" else ""
                raise DeploymentFailedError(f"{family}: {setting} {how}: {' | '.join(ended.said) or 'no output'}")
            self._done.add(key)
            self._tell(f"{family}: {setting} has run in {definition.revision}")

    async def _run(self, definition: TaskDefinition, command: tuple[str, ...], sources: Path, seconds: float) -> Ended:
        wanted = replace(definition, fault="")
        match definition.fault:
            case "command-fails":
                wanted, command = replace(wanted, entry_point=(NO_PROGRAM,)), (NO_PROGRAM,)
            case "command-hangs":
                # What waits for it gives up as it always does, only sooner: nobody learns more from 14 minutes.
                return await run_once(self._runtime, wanted, sources=sources, seconds=_HANGING_SECONDS, held=True)
        return await run_once(self._runtime, wanted, command=command, sources=sources, seconds=seconds)


def _reference(stack: PlayedStack, logical_id: str, family: str) -> str:
    for each in stack.resources("AWS::ECS::TaskDefinition"):
        if stack.properties(each).get("Family") == family:
            return stack.ref(each)
    raise UnresolvableError(f"{stack.name}.{logical_id}.Family: {family!r} is not a task definition of this stack")

"""Plays a pipeline: its stages, actions and run order."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from nova_infra.deployed.connect import REHEARSAL_VARIABLE
from nova_infra.machine.commands import not_covered_in
from nova_infra.machine.parallel import gather
from nova_infra.machine.processes import nothing_left
from nova_infra.names import GATED_VARIABLE, LOADED_VARIABLE
from nova_infra.rehearsal.clock import longest
from nova_infra.rehearsal.delivery.definition import (
    ApprovalAction,
    BuildAction,
    DeployAction,
    Pipeline,
    Stage,
    StageAction,
)
from nova_infra.rehearsal.delivery.workflows.reader import DoomedAction
from nova_infra.rehearsal.ecs.deployment import DeploymentFailedError
from nova_infra.rehearsal.ecs.lifecycle.hooks import GoesOn, Steering
from nova_infra.rehearsal.ecs.lifecycle.suite import SuiteAnswers
from nova_infra.rehearsal.environment.environment import PlayedEnvironment
from nova_infra.rehearsal.pipeline.builds import (
    ActionFailedError,
    asks_aws,
    begins_in,
    led_here,
    left_to_suite,
    log_name,
    manifest_of,
    read_log,
    run_build_command,
    why_no_artifact,
    with_outputs,
)
from nova_infra.rehearsal.pipeline.environments import Environments
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.pipeline.simulated import kind_of, simulated
from nova_infra.rehearsal.pipeline.state_server import ReleaseTools
from nova_infra.rehearsal.record import ActionRecord, Notification, Record, StageRecord
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.tasks.runtime import SourceRuntime, TaskRuntime

_VERIFY_MINUTES = 5

Approve = Callable[[str], Awaitable[bool]]
Tell = Callable[[str], None]


@dataclass
class Player:
    """Plays one release over another.

    Attributes:
        minutes_before: Simulated minutes for which what ran before serves alone in each environment.
        taking_back: Whether it plays a stage again with an earlier release, because a later one failed.
        ahead: Whether the next environment is got ready while the tests of one are played.
        tools: Where build commands run; by default in the candidate's sources.
        suite_ends: Whether a suite that answers gates comes to an end, so that time may stand still while it runs.
    """

    pipeline: Pipeline
    candidate: Release
    baseline: Release
    record: Record
    approve: Approve
    tell: Tell
    logs: Path
    seconds_per_minute: float = 1.0
    minutes_before: int = 0
    taking_back: bool = False
    ahead: bool = False
    tools: Path | None = None
    runtime: TaskRuntime = field(default_factory=SourceRuntime)
    steering: Steering = field(default_factory=GoesOn)
    suite_ends: bool = True
    files: RequestFiles = field(default_factory=RequestFiles)
    _began: float = 0.0
    _suite: SuiteAnswers = field(default_factory=lambda: SuiteAnswers(GoesOn()))
    _release_tools: ReleaseTools | None = None
    _environments: Environments | None = None
    _outputs: dict[str, dict[str, str]] = field(default_factory=dict)

    async def play(self) -> None:
        """Play stage after stage until one fails."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self._began = asyncio.get_running_loop().time()
        self._suite = SuiteAnswers(self.steering, holds_time=self.suite_ends)
        tools = ReleaseTools(
            self.candidate, self.baseline, record=self.record, announce=self._announce, suite=self._suite
        )
        environments = Environments(
            self.pipeline,
            self.candidate,
            self.baseline,
            self.record,
            self.tell,
            self.runtime,
            self.seconds_per_minute,
            self._suite,
            self.files,
        )
        with nothing_left():
            async with tools as self._release_tools, environments as self._environments:
                await self._play_stages()

    async def _play_stages(self) -> None:
        for stage, record in zip(self.pipeline.stages, self.record.stages, strict=True):
            if stage.closed_because is not None:
                record.status = "stopped"
                record.note = stage.closed_because
                self.tell(record.note)
                return
            record.status = "running"
            self.tell(f"stage {stage.name}")
            began = asyncio.get_running_loop().time()
            record.began = began - self._began
            try:
                record.status = "succeeded" if await self._play_stage(stage, record) else "failed"
            finally:
                record.seconds = asyncio.get_running_loop().time() - began
                if record.status == "running":
                    record.status = "stopped"
            self.tell(f"stage {stage.name} {record.status} in {record.seconds:.1f} s")
            if record.status != "succeeded":
                self._notify("pipeline-execution-failed", f"{self.pipeline.name} failed in {stage.name}")
                return
        self._notify("pipeline-execution-succeeded", f"{self.pipeline.name} succeeded")

    def _notify(self, event: str, message: str) -> None:
        """Notify the subscribers of the pipeline's notification rules about an event."""
        for topic in self.pipeline.told.get(event, ()):
            self.record.notifications.append(Notification(self.pipeline.name, 0, topic, message))
            self.tell(f"{topic}: {message}")

    def _announce(self, message: str) -> None:
        """Notify the approvers."""
        self._notify("manual-approval-needed", message)

    async def _play_stage(self, stage: Stage, record: StageRecord) -> bool:
        records = {action.name: action for action in record.actions}
        if not any(isinstance(action, DeployAction) for action in stage.actions):
            return await self._play_with(None, stage, record, records)
        assert self._environments is not None, "open while stages are played"
        self._suite.leave(left_to_suite(stage))
        environment, passed = await self._environments.open(stage), False
        try:
            if self._release_tools is not None:
                stacks = [action.stack_name for action in stage.actions if isinstance(action, DeployAction)]
                self._release_tools.open(environment, stacks)
            environment.let_time_pass()
            for _ in range(self.minutes_before):
                await environment.next_minute()
            passed = await self._play_with(environment, stage, record, records)
            return passed
        finally:
            self._environments.close(environment, rests=passed and self.ahead)

    async def _play_with(
        self, environment: PlayedEnvironment | None, stage: Stage, record: StageRecord, records: dict[str, ActionRecord]
    ) -> bool:
        if await self._play_actions(stage, records, environment):
            if environment is not None:
                await environment.hear_answers()
            return True
        if stage.on_failure == "RETRY":
            return await self._play_again(stage, record, environment)
        if stage.on_failure == "ROLLBACK":
            await self._take_back(stage, record, environment)
        return False

    async def _play_actions(
        self, stage: Stage, records: dict[str, ActionRecord], environment: PlayedEnvironment | None
    ) -> bool:
        """Play those actions of a stage that have not succeeded, wave after wave until one fails."""
        waves = list(stage.waves())
        last = max((n for n, wave in enumerate(waves) if any(isinstance(a, DeployAction) for a in wave)), default=-1)
        for number, wave in enumerate(waves):
            if self.ahead and self._environments is not None and 0 <= last < number:
                self._environments.open_ahead(stage)
            actions = [action for action in wave if records[action.name].status != "succeeded"]
            results = await gather(
                *(self._play_action(stage, action, records[action.name], environment) for action in actions)
            )
            if not all(results):
                return False
        return True

    async def _play_again(self, stage: Stage, record: StageRecord, environment: PlayedEnvironment | None) -> bool:
        """Play a failed stage a second time, once, as its OnFailure says (CodePipeline: stage-retry)."""
        failed = ", ".join(action.name for action in record.actions if action.status == "failed")
        record.note = f"played again after {failed} had failed, as its OnFailure says"
        self.tell(f"{stage.name}: {record.note}")
        for action in record.actions:
            if stage.retries_all or action.status != "succeeded":
                action.status, action.note = "not reached", ""
        return await self._play_actions(stage, {action.name: action for action in record.actions}, environment)

    async def _take_back(self, stage: Stage, record: StageRecord, environment: PlayedEnvironment | None) -> None:
        """Play a failed stage with its previous release, if the pipeline has the same structure (stage-rollback)."""
        before, after = self.baseline.pipeline(), self.candidate.pipeline()
        why = "the pipeline's structure has changed with this release" if before != after else ""
        if why or after.mode == "PARALLEL":
            why = why or "a pipeline whose executions run side by side cannot roll back"
            record.note = f"not rolled back as its OnFailure says: {why}"
            self.tell(f"{stage.name}: {record.note}")
            return
        self.tell(f"{stage.name}: rolling back to {self.baseline.name}, as its OnFailure says")
        # Commands need installed tools, and a baseline's checkout has none.
        player = replace(self, candidate=self.baseline, taking_back=True, ahead=False, tools=self.candidate.sources)
        actions = {
            action.name: ActionRecord(action.name, kind_of(action), action.run_order) for action in stage.actions
        }
        if await player._play_actions(stage, actions, environment):
            record.note = f"rolled back to {self.baseline.name}, as its OnFailure says"
        else:
            failed = "; ".join(f"{a.name}: {a.note}" for a in actions.values() if a.status == "failed")
            record.note = f"its OnFailure says to roll back to {self.baseline.name}, but that failed: {failed}"

    async def _play_action(
        self, stage: Stage, action: StageAction, record: ActionRecord, environment: PlayedEnvironment | None
    ) -> bool:
        record.status = "running"
        self.tell(f"{stage.name}.{action.name}")
        began = asyncio.get_running_loop().time()
        record.began = began - self._began
        try:
            await self._do(stage, action, record, environment)
            record.status = "succeeded"
        except (ActionFailedError, DeploymentFailedError) as error:
            record.status, record.note = "failed", str(error)
        finally:
            record.seconds = asyncio.get_running_loop().time() - began
            if record.status == "running":
                record.status = "stopped"
        self.tell(f"{stage.name}.{action.name} {record.status}" + (f": {record.note}" if record.note else ""))
        return record.status == "succeeded"

    async def _do(
        self, stage: Stage, action: StageAction, record: ActionRecord, environment: PlayedEnvironment | None
    ) -> None:
        if (why := simulated(action, stage, with_images=self.runtime.kind == "images")) is not None:
            record.played, record.note = "simulated", why
            return
        match action:
            case DoomedAction():
                record.played = "simulated"
                raise ActionFailedError(action.reason)
            case BuildAction() if {GATED_VARIABLE, LOADED_VARIABLE} & action.environment.keys():
                with self._suite.running():
                    await self._build(stage, action, record, environment)
            case BuildAction():
                await self._build(stage, action, record, environment)
            case DeployAction():
                assert environment is not None, "a stage with deployments has an environment"
                outputs = await environment.deploy(
                    action.stack_name,
                    self.candidate.template(action),
                    sources=self.candidate.sources,
                    takes_back=self.taking_back,
                )
                if action.namespace:
                    self._outputs[action.namespace] = outputs
            case ApprovalAction():
                self._notify("manual-approval-needed", f"{action.name} waits for an approval")
                if not await self.approve(action.name):
                    raise ActionFailedError("the approval was refused")

    async def _build(
        self, stage: Stage, action: BuildAction, record: ActionRecord, played: PlayedEnvironment | None
    ) -> None:
        # What links an artifact of an earlier step is CDK's own: everything runs in one directory here.
        if install := [command for command in action.install if "CODEBUILD_SRC_DIR_" not in command]:
            record.note = f"not run here: {'; '.join(install)}"
        makes = self.candidate.assembly.directory if action.leaves else None
        if self.candidate.app and asks_aws(action.commands, makes):
            record.note, record.played = (
                "not played: its commands ask AWS, with its own role's permissions",
                "simulated",
            )
            self.record.granted.append(f"{stage.name}.{action.name} asks AWS, so it was not played")
            return
        environment = {key: with_outputs(value, self._outputs) for key, value in action.environment.items()}
        localize = played.localize if played is not None else str
        commands, environment = led_here(action.commands, environment, localize)
        if self._release_tools is not None:
            release = "baseline" if self.taking_back else "candidate"
            environment[REHEARSAL_VARIABLE] = f"{self._release_tools.url}/{release}"
            # Alarms go back within simulated minutes, which last longer while nothing here waits for them.
            environment["VERIFY_WAIT"] = str(_VERIFY_MINUTES * longest(self.seconds_per_minute))
        log = self.logs / log_name(f"{stage.name}.{action.name}")
        log.unlink(missing_ok=True)
        place = self.tools or self.candidate.sources
        if self.candidate.app:
            place = begins_in(place, action)
        written = manifest_of(place / action.leaves)
        for command in commands:
            self.tell(f"{stage.name}.{action.name}: {command}")
            await run_build_command(command, action, record, directory=place, environment=environment, log=log)
        if self.candidate.app and action.leaves and (why := why_no_artifact(place / action.leaves, written)):
            raise ActionFailedError(why)
        for gap in not_covered_in(read_log(log)):
            record.note = "; ".join(filter(None, (f"not covered: {gap}", record.note)))
            if gap not in self.record.not_rehearsed:
                self.record.not_rehearsed.append(gap)

"""Lists the actions that a rehearsal only simulates; creates the empty record."""

from nova_infra.rehearsal.delivery.definition import (
    ApprovalAction,
    BuildAction,
    DeployAction,
    Pipeline,
    PrepareAction,
    SourceAction,
    Stage,
    StageAction,
)
from nova_infra.rehearsal.environment.background.metadata import unlike_fargate
from nova_infra.rehearsal.pipeline.release import Release, runs_tasks
from nova_infra.rehearsal.record import ActionRecord, Record, StageRecord
from nova_infra.rehearsal.tasks.runtime import UNPROVEN, SourceRuntime, TaskRuntime

_PIPELINE_UPDATE = "the pipeline's update of itself: the synthesized pipeline was played"
_PUSH = "pushing and scanning images: they were built and stay on this machine"


def _synthesizes(action: BuildAction) -> bool:
    """Whether a build that may use an engine leaves something else than images, as a Synth step does."""
    return bool(action.leaves) and not any("docker" in command for command in action.commands)


def simulated(action: StageAction, stage: Stage, *, with_images: bool) -> str | None:
    """The note for an action that is only simulated; None for one that is played."""
    match action:
        case SourceAction():
            return f"the working tree takes the place of {action.repository} {action.branch}"
        case BuildAction(updates_pipeline=True):
            return "the synthesized pipeline is played, so there is nothing to update"
        case BuildAction(publishes_assets=True):
            return "nothing is uploaded: images are built from the assembly when they are first run"
        case PrepareAction():
            return "the plan shows what the change set would contain"
        case BuildAction(exports=(_, *_)):
            return "the synthesized pipeline is played: no deployed one to compare it with"
        case BuildAction(privileged=True) if not with_images and not _synthesizes(action):
            return "needs a container engine and a registry: the service runs from its sources"
        case ApprovalAction() if stage.skipped_unless is not None:
            return f"needed only if {stage.skipped_unless}: here the pipeline does not change"
    return None


def new_record(
    pipeline: Pipeline, *, candidate: Release, baseline: Release, runtime: TaskRuntime | None = None
) -> Record:
    """A record of a rehearsal that has not begun."""
    runtime = runtime or SourceRuntime()
    deploys = [action for stage in pipeline.stages for action in stage.actions if isinstance(action, DeployAction)]
    return Record(
        pipeline=pipeline.name,
        candidate=candidate.name,
        baseline=baseline.name,
        app=candidate.app,
        not_rehearsed=[
            _PUSH if runtime.kind == "images" else UNPROVEN,
            _PIPELINE_UPDATE,
            *filter(None, [pipeline.what_takes_days, runtime.lacks, unlike_fargate()]),
        ],
        tasks=runtime.words,
        runs_tasks=not deploys or any(runs_tasks(candidate.template(each)) for each in deploys),
        stages=[
            StageRecord(stage.name, [ActionRecord(a.name, kind_of(a), a.run_order) for a in stage.actions])
            for stage in pipeline.stages
        ],
    )


def kind_of(action: StageAction) -> str:
    """What an action is called in the record, such as ``deploy``."""
    return type(action).__name__.removesuffix("Action").lower()

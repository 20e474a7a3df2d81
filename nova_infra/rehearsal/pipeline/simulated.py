"""Which actions of a pipeline a rehearsal does not carry out, and why."""

from __future__ import annotations

from nova_infra.rehearsal.delivery.definition import (
    ApprovalAction,
    BuildAction,
    PrepareAction,
    SourceAction,
    Stage,
    StageAction,
)


def simulated(action: StageAction, stage: Stage, *, with_images: bool) -> str | None:
    """What stands for an action that is not carried out; None for one that is.

    Args:
        action: The action.
        stage: The stage that it is in.
        with_images: Whether tasks run from images.
    """
    match action:
        case SourceAction():
            return f"the working tree stands for {action.repository} {action.branch}"
        case BuildAction(updates_pipeline=True):
            return "the pipeline played is the one synthesized: nothing to update"
        case BuildAction(publishes_assets=True):
            return "nothing is uploaded: images are built from the assembly when they are first run"
        case PrepareAction():
            return "the plan says what the change set would hold"
        case BuildAction(exports=(_, *_)):
            return "the pipeline played is the one synthesized: nothing deployed to compare it with"
        case BuildAction(privileged=True) if not with_images:
            return "needs a container engine and a registry: the service runs from its sources"
        case ApprovalAction() if stage.skipped_unless is not None:
            return f"asked for only where {stage.skipped_unless}: here the pipeline does not change"
    return None

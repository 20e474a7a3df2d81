"""The phases of a deployment and of a task."""

from dataclasses import dataclass
from enum import Enum

from nova_infra.rehearsal.ecs.commands import Side


class Phase(Enum):
    """Where a deployment is."""

    SCALING = "starting the new revision"
    WAITING = "waiting at a lifecycle hook"
    BAKING = "waiting while the alarms watch"
    CLEANING = "stopping the old revision"
    RESTORING = "going back to the old revision"
    OVER = "over"


class TaskPhase(Enum):
    """Where a task is in its life."""

    STARTING = "starting"
    HEALTHY = "healthy"
    STOPPING = "stopping"


@dataclass
class ScheduledTask:
    """A task of the deployment: which revision it runs, and where it is in its life.

    Attributes:
        forgave: Failed tasks that were forgotten when it became healthy.
    """

    side: Side
    phase: TaskPhase
    forgave: int = 0

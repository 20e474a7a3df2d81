"""The data classes of workers' queues and of jobs. Times are UTC."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Backlog:
    """The queue of a worker.

    Attributes:
        waiting: About how many messages wait.
        in_flight: About how many were received, and not deleted yet.
        dead: About how many are in the dead-letter queue; None where that is not known.
    """

    queue: str
    waiting: int
    in_flight: int
    dead: int | None


@dataclass(frozen=True)
class JobRun:
    """A run of a job.

    Attributes:
        status: ``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``ABORTED``, in Step Functions' words.
        ended: When it ended, UTC; None while it is going.
        arn: Of the execution.
    """

    status: str
    began: datetime
    ended: datetime | None
    arn: str = ""


@dataclass(frozen=True)
class RunningJob:
    """A job.

    Attributes:
        runs: Its latest runs, newest first.
        schedule: When it runs, as EventBridge Scheduler has it; empty where it has no schedule.
    """

    name: str
    stack: str
    runs: tuple[JobRun, ...]
    schedule: str = ""
    time_zone: str = "UTC"
    enabled: bool = True

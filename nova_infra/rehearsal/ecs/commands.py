"""What the ECS scheduler commands: start a task, stop it, shift traffic, wait at a hook, finish."""

from dataclasses import dataclass
from typing import Literal

Side = Literal["old", "new"]
Outcome = Literal["completed", "rolled back", "failed"]


@dataclass(frozen=True)
class StartTask:
    """Start a task of a revision; tell the scheduler when it is healthy, or why it is not."""

    task: int
    side: Side


@dataclass(frozen=True)
class StopTask:
    """Take a task out of service, stop it, and tell the scheduler when it is gone."""

    task: int


@dataclass(frozen=True)
class ShiftTraffic:
    """Give the new revision this share of the traffic, in percent."""

    percent: float


@dataclass(frozen=True)
class AwaitHook:
    """Have a hook answered, and tell the scheduler the answer."""

    number: int
    stage: str


@dataclass(frozen=True)
class Finish:
    """The deployment is over."""

    outcome: Outcome
    reason: str


Command = StartTask | StopTask | ShiftTraffic | AwaitHook | Finish

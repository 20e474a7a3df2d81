"""The data classes for operators: tasks, log events, one-off tasks, capacity. Times are UTC."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class TaskDetail:
    """A task, as an operator looks at it.

    Attributes:
        health: ``healthy``, ``unhealthy`` or ``unknown``.
        digest: Digest that the reference stood for; None before it was pulled.
        stopped: When it ended, UTC; None while it runs.
        exit_code: Its container's; None where it never started, or runs.
    """

    arn: str
    revision: str
    status: str
    health: str
    zone: str
    image: str
    digest: str | None
    started: datetime | None
    stopped: datetime | None = None
    reason: str = ""
    exit_code: int | None = None

    @property
    def id(self) -> str:
        """The last part of its ARN, as log streams have it."""
        return self.arn.rpartition("/")[2]


@dataclass(frozen=True)
class OneOff:
    """A task that was started by itself."""

    arn: str
    log_group: str
    log_stream: str


@dataclass(frozen=True)
class Capacity:
    """How many tasks a service may have.

    Attributes:
        usual: The least and the most, when nothing is scaled for an incident.
    """

    least: int
    most: int
    usual: tuple[int, int]
    scaled: bool


@dataclass(frozen=True)
class LogEvent:
    """A line of a log.

    Attributes:
        id: What CloudWatch knows it by.
    """

    id: str
    at: datetime
    task: str
    message: str

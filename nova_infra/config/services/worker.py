"""The keys of a worker: its SQS queue, visibility timeout, tries before the dead-letter queue."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from nova_infra.config.services.surroundings import KeyArn
from nova_infra.config.services.web import Targets, Thresholds
from nova_infra.config.values.fields import Model, matching, refusal

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
QueueName = Annotated[
    str,
    *matching(
        r"[A-Za-z0-9_{}-]{1,80}",
        "is not the name of a queue",
        "use up to 80 letters, digits, hyphens, underscores; for a FIFO queue, write fifo = true and leave out .fifo",
    ),
]

BEGINS_MINUTES = 7
"""Within which a worker that a schedule starts has to work off what waited for it; the data of two may be late."""

_DELAY_MINUTES = 3
"""Of a bake: the minute in which the alarm fires, the one in which the bake began, and the one whose data is late."""


class Queue(Model):
    """The queue of a worker, and the one for messages that it cannot process.

    The container finds its address as ``QUEUE_URL``. A message that was received ``tries`` times and not deleted goes
    to the dead-letter queue.
    """

    name: QueueName | None = None
    """Name of the queue; ``{environment}`` in it is filled in. Default: ``<platform>-<environment>-<service>``."""
    dead: QueueName | None = None
    """Name of the dead-letter queue. Default: the queue's name and ``-dead``."""
    fifo: bool = False
    """Whether both queues are FIFO queues; their names then end with ``.fifo``. Who sends gives each message a group,
    whose messages are handled in order by one task at a time. Default: false."""
    existing: bool = False
    """Whether both queues already exist, for example because ``infrastructure.py`` creates them. Nova then creates
    neither, and ``name`` and ``dead`` are required. Default: false."""
    key: KeyArn | None = None
    """Customer managed key that an existing queue is encrypted with, which the worker's role may then decrypt with.
    Default: SQS's own key."""
    messages_per_task: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Waiting messages per task that scaling aims for. Default: 100."""
    oldest_seconds: Annotated[int, Field(ge=60, le=1_209_600)] | None = None
    """Age of the oldest message, in seconds, at which the alarm fires. It rolls a deployment back only if the bake is
    at least three minutes longer than this. Default: 120, or twice ``visibility_seconds`` if that is
    longer."""
    dead_messages: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Number of messages in the dead-letter queue at which the alarm fires. Default: 1."""
    tries: Annotated[int, Field(ge=1, le=1000)] = 5
    """How often a message is received before it goes to the dead-letter queue. Default: 5."""
    visibility_seconds: Annotated[int, Field(ge=1, le=43_200)] = 60
    """Seconds for which a received message is hidden from other tasks: more than it takes to process one. Default:
    60."""

    def names(self, stack: str) -> tuple[str, str]:
        """Names of the queue and of the dead-letter queue, by the name of the service's stack."""
        end, name = ".fifo" if self.fifo else "", self.name or stack
        return f"{name}{end}", f"{self.dead or f'{name}-dead'}{end}"

    @property
    def oldest(self) -> int:
        """The age at which the alarm fires: one failed try is no reason, as when a rollout stops a task at work.

        A message ages while it is hidden. So the second try begins at ``visibility_seconds`` and may take as long
        again; after three tries, SQS leaves the message out of the metric:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html.
        """
        return self.oldest_seconds or max(120, 2 * self.visibility_seconds)

    def fires_within(self, bake_minutes: int, *, stops: bool = False) -> bool:
        """Whether a bake is long enough for a message to become too old, and for the alarm to fire.

        Args:
            stops: Whether the alarm also waits for a worker that a schedule has started.
        """
        minutes = _DELAY_MINUTES + (BEGINS_MINUTES if stops else 0)
        return self.oldest + 60 * minutes <= 60 * bake_minutes

    @field_validator("dead")
    @classmethod
    def _another_one(cls, dead: str | None, info: ValidationInfo) -> str | None:
        if dead is not None and dead == info.data.get("name"):
            raise refusal("is the queue itself", "write another name")
        return dead


class Worker(Model):
    """What a service of ``kind = "worker"`` may also say."""

    queue: Queue | None = None
    """Where its work comes from. Default: no queue, and only its CPU scales it."""
    targets: Targets = Targets()
    """What scaling holds each task to; of its keys, a worker has ``cpu_percent``."""
    alarms: Thresholds = Thresholds()
    """When its alarms fire; of its keys, a worker has ``memory_percent``."""

"""A worker's alarms: some roll a deployment back, the others only notify."""

from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.config import Queue, Thresholds
from nova_infra.constructs.tasks.alarms import AT_LEAST, AlarmMetric, TaskAlarms

_DELAY_MINUTES = 3
"""Of a bake: the minute in which the alarm fires, the one in which the bake began, and the one whose data is late."""


class WorkerAlarms(TaskAlarms):
    """CPU, memory, the age of the oldest message and the dead-letter queue; and too few tasks, which only notifies.

    What rolls back is what a new revision does to its work within minutes: it takes no messages, so the oldest one
    ages; or it fails on them until they are dead. The age rolls back only where the bake is long enough to see it.

    SQS reports a queue that nothing has touched for hours as nothing at all, which is why missing data is good:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster_name: str,
        service_name: str,
        queue: tuple[Queue, str, str] | None,
        min_tasks: int,
        bake_minutes: int,
        thresholds: Thresholds,
        topic: sns.ITopic | None,
    ) -> None:
        """Create the alarms and make them notify the topic.

        Args:
            queue: What the configuration says of the queue, and the names of both; None for a worker without one.
        """
        super().__init__(scope, construct_id, cluster_name=cluster_name, service_name=service_name, topic=topic)
        self.rollback_alarms = self._busiest_task(thresholds)
        if queue is not None:
            settings, name, dead_name = queue
            oldest = self._alarm(
                "Oldest",
                f"leaves messages waiting for {settings.oldest_seconds} s or more",
                AlarmMetric("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": name}),
                threshold=settings.oldest_seconds,
                comparison=AT_LEAST,
            )
            dead = self._alarm(
                "Dead",
                f"has {settings.dead_messages} or more messages that it could not process",
                AlarmMetric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": dead_name}),
                threshold=settings.dead_messages,
                comparison=AT_LEAST,
            )
            in_time = fires_in_time(settings.oldest_seconds, bake_minutes)
            self.rollback_alarms += [oldest, dead] if in_time else [dead]
        self.notify_alarms = [self._too_few(min_tasks)]


def fires_in_time(oldest_seconds: int, bake_minutes: int) -> bool:
    """Whether a bake is long enough for a message to become too old, and for the alarm to fire."""
    return oldest_seconds + 60 * _DELAY_MINUTES <= 60 * bake_minutes

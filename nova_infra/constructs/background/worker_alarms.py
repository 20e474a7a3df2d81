"""A worker's alarms: oldest message and dead letters roll a deployment back, too few tasks only notify."""

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.config import Queue, Runtime, Thresholds
from nova_infra.config.services.worker import BEGINS_MINUTES
from nova_infra.constructs.tasks.alarms import AT_LEAST, LATE, AlarmMetric, TaskAlarms, query, returned


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
        runtime: Runtime,
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
            stops = runtime.scaling.stops
            oldest = self._oldest(settings.oldest, name, stops=stops)
            dead = self._alarm(
                "Dead",
                f"has {settings.dead_messages} or more messages that it could not process",
                AlarmMetric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": dead_name}),
                threshold=settings.dead_messages,
                comparison=AT_LEAST,
            )
            in_time = settings.fires_within(runtime.rollout.bake_minutes, stops=stops)
            self.rollback_alarms += [oldest, dead] if in_time else [dead]
        self.notify_alarms = [self._too_few(runtime.scaling.least)]

    def _oldest(self, seconds: int, queue: str, *, stops: bool) -> cloudwatch.CfnAlarm:
        """On the age of the oldest message; of a worker that a schedule stops, while it is meant to work.

        What came at night is old in the morning, so it then has a few minutes to begin.

        Args:
            stops: Whether there are times at which no task may run.
        """
        said = f"leaves messages waiting for {seconds} s or more"
        age = AlarmMetric("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": queue})
        if not stops:
            return self._alarm("Oldest", said, age, threshold=seconds, comparison=AT_LEAST)
        wanted = AlarmMetric("ECS/ContainerInsights", "DesiredTaskCount", self._in_cluster)
        return self._alarm(
            "Oldest",
            f"{said} while it is to run",
            [
                query("age", age, "Maximum"),
                query("desired", wanted, "Average"),
                returned("waits", "IF(FILL(desired,0)<1,0,FILL(age,0))"),
            ],
            threshold=seconds,
            comparison=AT_LEAST,
            periods=BEGINS_MINUTES,
            datapoints=BEGINS_MINUTES - LATE,
        )

"""A worker's alarms: some roll a deployment back, the others only notify."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.config import Queue, Thresholds
from nova_infra.names import alarm_name

PERIOD_SECONDS = 60
_DELAY_MINUTES = 3
"""Of a bake: the minute in which the alarm fires, the one in which the bake began, and the one whose data is late."""


class WorkerAlarms(Construct):
    """CPU, memory, the age of the oldest message and the dead-letter queue; and too few tasks, which only notifies.

    What rolls back is what a new revision does to its work within minutes: it takes no messages, so the oldest one
    ages; or it fails on them until they are dead. The age rolls back only where the bake is long enough to see it.

    SQS reports a queue that nothing has touched for hours as nothing at all, which is why missing data is good:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html.

    Attributes:
        rollback_alarms: Those that belong in the service's deployment alarms.
        rollback_names: Their names.
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
            scope: Parent.
            construct_id: Id under the parent.
            cluster_name: Name of the ECS cluster.
            service_name: Name of the ECS service, and prefix of the alarms' names.
            queue: What the configuration says of the queue, and the names of both; None for a worker without one.
            min_tasks: Number of tasks below which too few run.
            bake_minutes: How long a deployment is watched.
            thresholds: When memory is too full.
            topic: Notified of every change to ALARM and back; None for nobody.
        """
        super().__init__(scope, construct_id)
        self._service_name = service_name
        self._actions = [topic.topic_arn] if topic is not None else None
        in_cluster = {"ClusterName": cluster_name, "ServiceName": service_name}
        self.rollback_alarms = [
            self._alarm(
                "Cpu",
                "has had a task at 90 % of its CPU or more for three minutes",
                ("AWS/ECS", "CPUUtilization", in_cluster),
                threshold=90,
                periods=3,
            ),
            self._alarm(
                "Memory",
                f"has had a task at {thresholds.memory_percent} % of its memory or more in one of three minutes",
                ("AWS/ECS", "MemoryUtilization", in_cluster),
                threshold=thresholds.memory_percent,
                periods=3,
                datapoints=1,
            ),
        ]
        if queue is not None:
            settings, name, dead_name = queue
            oldest = self._alarm(
                "Oldest",
                f"leaves messages waiting for {settings.oldest_seconds} s or more",
                ("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": name}),
                threshold=settings.oldest_seconds,
            )
            dead = self._alarm(
                "Dead",
                f"has {settings.dead_messages} or more messages that it could not process",
                ("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": dead_name}),
                threshold=settings.dead_messages,
            )
            in_time = settings.oldest_seconds / 60 + _DELAY_MINUTES <= bake_minutes
            self.rollback_alarms += [oldest, dead] if in_time else [dead]
        self.rollback_names = [str(alarm.alarm_name) for alarm in self.rollback_alarms]
        self._alarm(
            "Running",
            f"has had fewer than {min_tasks} running tasks for three minutes",
            ("ECS/ContainerInsights", "RunningTaskCount", in_cluster),
            threshold=min_tasks,
            comparison="LessThanThreshold",
            statistic="Average",
            periods=3,
            # A service that reports nothing runs nothing.
            missing="breaching",
        )

    def _alarm(
        self,
        construct_id: str,
        what: str,
        metric: tuple[str, str, dict[str, str]],
        *,
        threshold: float,
        comparison: str = "GreaterThanOrEqualToThreshold",
        statistic: str = "Maximum",
        periods: int = 1,
        datapoints: int | None = None,
        missing: str = "notBreaching",
    ) -> cloudwatch.CfnAlarm:
        namespace, name, dimensions = metric
        return cloudwatch.CfnAlarm(
            self,
            construct_id,
            alarm_name=alarm_name(self._service_name, construct_id.lower()),
            alarm_description=f"{self._service_name} {what}",
            namespace=namespace,
            metric_name=name,
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(name=key, value=value) for key, value in dimensions.items()
            ],
            statistic=statistic,
            period=PERIOD_SECONDS,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=periods,
            datapoints_to_alarm=datapoints or periods,
            treat_missing_data=missing,
            alarm_actions=self._actions,
            ok_actions=self._actions,
        )

"""Alarms on CPU, memory, too few tasks; how a service's alarms describe themselves. `web/alarms` has the rest."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.config import Thresholds
from nova_infra.constructs.cached import cached
from nova_infra.names import alarm_name

PERIOD_SECONDS = 60
LATE = 2
"""Minutes whose data may not have arrived yet, so that ``FILL`` gives 0 for them. An alarm that needed the newest
minute to breach would stay OK for ever, so that many more are looked at:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html."""

Query = cloudwatch.CfnAlarm.MetricDataQueryProperty
AT_LEAST = "GreaterThanOrEqualToThreshold"


class AlarmMetric(NamedTuple):
    """A metric's namespace, name and dimensions in CloudWatch."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]

    def of_alarm(self) -> cloudwatch.CfnAlarm.MetricProperty:
        """The same as an alarm's property."""
        return cloudwatch.CfnAlarm.MetricProperty(
            namespace=self.namespace, metric_name=self.name, dimensions=self.alarm_dimensions()
        )

    def alarm_dimensions(self) -> list[cloudwatch.CfnAlarm.DimensionProperty]:
        """Its dimensions as an alarm's property."""
        return [cloudwatch.CfnAlarm.DimensionProperty(name=key, value=value) for key, value in self.dimensions.items()]


class TaskAlarms(Construct):
    """Alarms of one ECS service. Each has a fixed name: the service's, and the construct's id in lower case.

    CPU and memory are those of the busiest task. ECS reports each task once a minute, old and new ones alike, so an
    average over them would halve a canary that burns its CPU, or hide it among many. The price: one old task that is
    stuck at 90 % also stops a release, and notifies its owner outside of one.

    Attributes:
        rollback_alarms: Those that belong in the service's deployment alarms.
        notify_alarms: The others, which only notify.
    """

    rollback_alarms: list[cloudwatch.CfnAlarm]
    notify_alarms: list[cloudwatch.CfnAlarm]

    def __init__(
        self, scope: Construct, construct_id: str, *, cluster_name: str, service_name: str, topic: sns.ITopic | None
    ) -> None:
        """Create no alarm yet.

        Args:
            service_name: Name of the ECS service, and prefix of the alarms' names.
            topic: Notified of every change to ALARM and back; None for nobody.
        """
        super().__init__(scope, construct_id)
        self._service_name = service_name
        self._names: dict[cloudwatch.CfnAlarm, str] = {}
        self._actions = [_arn(topic)] if topic is not None else None
        self._in_cluster = {"ClusterName": cluster_name, "ServiceName": service_name}

    def notify_after(self, service: ecs.CfnService) -> None:
        """Have the alarms that only notify come with the first tasks: nobody is woken because no service runs yet."""
        for alarm in self.notify_alarms:
            alarm.add_resource_dependency(service)

    def named(self, alarms: Iterable[cloudwatch.CfnAlarm]) -> dict[str, cloudwatch.CfnAlarm]:
        """Some of these alarms, each by its name."""
        return {self._names[alarm]: alarm for alarm in alarms}

    def _busiest_task(self, thresholds: Thresholds) -> list[cloudwatch.CfnAlarm]:
        """On CPU and memory. A task killed for its memory starts empty again, so one of three minutes is enough."""
        return [
            self._alarm(
                "Cpu",
                "has had a task at 90 % of its CPU or more for three minutes",
                AlarmMetric("AWS/ECS", "CPUUtilization", self._in_cluster),
                threshold=90,
                comparison=AT_LEAST,
                periods=3,
            ),
            self._alarm(
                "Memory",
                f"has had a task at {thresholds.memory_percent} % of its memory or more in one of three minutes",
                AlarmMetric("AWS/ECS", "MemoryUtilization", self._in_cluster),
                threshold=thresholds.memory_percent,
                comparison=AT_LEAST,
                periods=3,
                datapoints=1,
            ),
        ]

    def _too_few(self, min_tasks: int) -> cloudwatch.CfnAlarm:
        """On fewer tasks than the minimum, if ECS wants more than there are; if the minimum is 0, on fewer than wanted.

        A first deployment ends with one task. Only then is the service scaled to its minimum, and the alarm, which is
        created at that moment, judges the minutes before, too. So it also asks how many tasks are wanted. If that is
        none, somebody has stopped the service: nothing scales it to zero below its minimum.
        https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html
        """
        tasks = {"running": "RunningTaskCount", "desired": "DesiredTaskCount"}
        counts = [
            query(key, AlarmMetric("ECS/ContainerInsights", name, self._in_cluster), "Average")
            for key, name in tasks.items()
        ]
        if min_tasks:
            return self._alarm(
                "Running",
                f"has had fewer than {min_tasks} running tasks, and fewer than it wants or none, for three minutes",
                [*counts, returned("missing", f"IF(running<{min_tasks},IF(running<desired,1,IF(desired<1,1,0)),0)")],
                threshold=0,
                periods=3,
                # A service that reports nothing runs nothing.
                missing="breaching",
            )
        # By a schedule there may be none, and then that is right.
        return self._alarm(
            "Running",
            "has had fewer running tasks than it wants for five minutes",
            [*counts, returned("missing", "IF(FILL(running,0)<FILL(desired,0),1,0)")],
            threshold=0,
            periods=5 + LATE,
            datapoints=5,
        )

    def _alarm(
        self,
        construct_id: str,
        what: str,
        metric: AlarmMetric | Sequence[cloudwatch.CfnAlarm.MetricDataQueryProperty],
        *,
        threshold: float,
        statistic: str = "Maximum",
        comparison: str = "GreaterThanThreshold",
        periods: int = 1,
        datapoints: int | None = None,
        missing: str = "notBreaching",
    ) -> cloudwatch.CfnAlarm:
        single = metric if isinstance(metric, AlarmMetric) else None
        name = alarm_name(self._service_name, construct_id.lower())
        alarm = cloudwatch.CfnAlarm(
            self,
            construct_id,
            alarm_name=name,
            alarm_description=f"{self._service_name} {what}",
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=periods,
            datapoints_to_alarm=datapoints or periods,
            treat_missing_data=missing,
            namespace=single.namespace if single else None,
            metric_name=single.name if single else None,
            dimensions=single.alarm_dimensions() if single else None,
            statistic=statistic if single else None,
            period=PERIOD_SECONDS if single else None,
            metrics=None if isinstance(metric, AlarmMetric) else metric,
            alarm_actions=self._actions,
            ok_actions=self._actions,
        )
        self._names[alarm] = name
        return alarm


@cached
def _arn(topic: sns.ITopic) -> str:
    return topic.topic_arn


def query(key: str, metric: AlarmMetric, stat: str) -> cloudwatch.CfnAlarm.MetricDataQueryProperty:
    """A metric that an expression of an alarm refers to by its key."""
    return Query(
        id=key,
        metric_stat=cloudwatch.CfnAlarm.MetricStatProperty(metric=metric.of_alarm(), period=PERIOD_SECONDS, stat=stat),
        return_data=False,
    )


def returned(key: str, expression: str, label: str | None = None) -> cloudwatch.CfnAlarm.MetricDataQueryProperty:
    """The expression that an alarm compares with its threshold."""
    return Query(id=key, expression=expression, label=label, return_data=True)

"""The alarms that decide whether a deployment of a service stays."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_sns as sns
from constructs import Construct

PERIOD = cdk.Duration.minutes(1)


class ServiceAlarms(Construct):
    """Errors over both colours, and CPU.

    The alarms have fixed names and are built from names, never from the service's own metrics: the service refers to
    them, so a reference back would be a cycle.

    Attributes:
        names: The alarms' names, all of which belong in the service's deployment alarms.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster_name: str,
        service_name: str,
        load_balancer: elbv2.IApplicationLoadBalancer,
        target_groups: Sequence[elbv2.IApplicationTargetGroup],
        topic: sns.ITopic,
        error_percent: float = 5,
        error_min_requests: int = 20,
    ) -> None:
        """Create the alarms and make them notify the topic.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            cluster_name: Name of the ECS cluster.
            service_name: Name of the ECS service, and prefix of the alarms' names.
            load_balancer: The load balancer in front.
            target_groups: Both colours: which of them is the new one alternates from deployment to deployment.
            topic: Told about every change to ALARM and back.
            error_percent: Share of 5xx answers, in percent, above which the errors alarm fires.
            error_min_requests: Requests per minute below which the share says nothing and the alarm stays OK.
        """
        super().__init__(scope, construct_id)
        errors = cloudwatch.Alarm(
            self,
            "Errors",
            alarm_name=f"{service_name}-errors",
            alarm_description=f"{service_name} answers more than {error_percent:g} % of requests with a 5xx",
            metric=_error_rate(load_balancer, target_groups, error_min_requests),
            threshold=error_percent,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        cpu = cloudwatch.Alarm(
            self,
            "Cpu",
            alarm_name=f"{service_name}-cpu",
            alarm_description=f"{service_name} uses 90 % of its CPU or more for three minutes",
            metric=cloudwatch.Metric(
                namespace="AWS/ECS",
                metric_name="CPUUtilization",
                dimensions_map={"ClusterName": cluster_name, "ServiceName": service_name},
                statistic="Average",
                period=PERIOD,
            ),
            threshold=90,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=3,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        self.names = [f"{service_name}-errors", f"{service_name}-cpu"]
        for alarm in (errors, cpu):
            alarm.add_alarm_action(actions.SnsAction(topic))
            alarm.add_ok_action(actions.SnsAction(topic))


def _error_rate(
    load_balancer: elbv2.IApplicationLoadBalancer,
    target_groups: Sequence[elbv2.IApplicationTargetGroup],
    min_requests: int,
) -> cloudwatch.MathExpression:
    """Percent of 5xx answers over all target groups; 0 where there were too few requests to tell."""
    metrics: dict[str, cloudwatch.IMetric] = {}
    for index, group in enumerate(target_groups):
        dimensions = {
            "LoadBalancer": load_balancer.load_balancer_full_name,
            "TargetGroup": group.target_group_full_name,
        }
        for key, name in (("errors", "HTTPCode_Target_5XX_Count"), ("requests", "RequestCount")):
            metrics[f"{key}{index}"] = cloudwatch.Metric(
                namespace="AWS/ApplicationELB",
                metric_name=name,
                dimensions_map=dimensions,
                statistic="Sum",
                period=PERIOD,
            )
    # A colour without traffic reports nothing at all, and a sum with nothing in it is nothing.
    errors, requests = (
        "+".join(f"FILL({key}{index},0)" for index in range(len(target_groups))) for key in ("errors", "requests")
    )
    return cloudwatch.MathExpression(
        expression=f"IF({requests}>={min_requests},100*({errors})/({requests}),0)",
        using_metrics=metrics,
        label="5xx answers, % of requests",
        period=PERIOD,
    )

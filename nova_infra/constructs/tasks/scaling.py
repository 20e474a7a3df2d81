"""Autoscaling: least and most tasks, also by schedule (to zero at night), and target tracking on CPU and requests."""

from collections.abc import Mapping

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from nova_infra.config import Scaling, Targets
from nova_infra.constructs.tasks.alarms import AlarmMetric
from nova_infra.constructs.tasks.service import service_resource
from nova_infra.schedules import expression

_Policy = scaling.CfnScalingPolicy


class Autoscaling(Construct):
    """Target tracking on CPU, and on requests per task over both colours."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        service: ecs.FargateService,
        cluster_name: str,
        name: str,
        range_: Scaling,
        targets: Targets,
        load_balancer: str,
        target_groups: Mapping[str, str],
    ) -> None:
        """Create the scalable target and its policies.

        Args:
            target_groups: Full names of both colours.
        """
        super().__init__(scope, construct_id)
        target = scale_on_cpu(service, cluster_name, name, range_=range_, cpu_percent=targets.cpu_percent)
        # The predefined metric knows one target group only, and each deployment moves the traffic to the other one. A
        # policy for each would never scale in: the idle colour's has no data.
        #
        # SUM takes the colours that have data, and has none itself once nobody asks: tracking it never scales in then.
        # With FILL it does, but does not scale out: the newest minute, whose data has not arrived, would count as 0,
        # and tracking wants three minutes in a row. So one policy scales out, and the other in.
        for policy, of_one, only_out in (("Requests", "{}", True), ("Idle", "FILL({},0)", None)):
            scaling.CfnScalingPolicy(
                self,
                policy,
                policy_name=f"{name}-{policy.lower()}",
                policy_type="TargetTrackingScaling",
                scaling_target_id=target.ref,
                target_tracking_scaling_policy_configuration=_Policy.TargetTrackingScalingPolicyConfigurationProperty(
                    target_value=targets.requests_per_minute,
                    customized_metric_specification=_requests_per_task(load_balancer, target_groups, of_one),
                    disable_scale_in=only_out,
                ),
            )


def _requests_per_task(
    load_balancer: str, target_groups: Mapping[str, str], of_one: str
) -> scaling.CfnScalingPolicy.CustomizedMetricSpecificationProperty:
    """The requests per task and minute, over both colours.

    Args:
        of_one: What of one colour is added up, with ``{}`` for its metric.
    """

    def of(group: str) -> AlarmMetric:
        dimensions = {"LoadBalancer": load_balancer, "TargetGroup": group}
        return AlarmMetric("AWS/ApplicationELB", "RequestCountPerTarget", dimensions)

    both = _Policy.TargetTrackingMetricDataQueryProperty(
        id="requests",
        expression=f"SUM([{','.join(map(of_one.format, target_groups))}])",
        label="requests per task and minute",
        return_data=True,
    )
    each = [tracked(colour, of(group), "Sum") for colour, group in target_groups.items()]
    return _Policy.CustomizedMetricSpecificationProperty(metrics=[*each, both])


def scale_on_cpu(
    service: ecs.FargateService, cluster_name: str, name: str, *, range_: Scaling, cpu_percent: int
) -> scaling.CfnScalableTarget:
    """Scale a service by its CPU, within the range for the time of day.

    Args:
        name: Its name, the prefix of the policy's name. CDK would take the construct path, which differs between a
            direct deployment and one through the pipeline, and a changed name replaces the policy.

    Returns:
        The scalable target, for further policies.
    """
    # No desired count: a fixed one would undo the autoscaler's choice at every deployment (aws/aws-cdk#3919).
    tasks = service.auto_scale_task_count(min_capacity=range_.min_tasks, max_capacity=range_.max_tasks)
    # CDK keeps the target to itself.
    target = tasks.node.find_child("Target").node.default_child
    assert isinstance(target, scaling.CfnScalableTarget)
    # A value that is taken from the service makes CloudFormation list the target, and its policies after it, as
    # resources that may change with every release: a rollback's plan would no longer be an image and nothing else.
    target.resource_id = f"service/{cluster_name}/{name}"
    target.add_resource_dependency(service_resource(service))
    if range_.schedules:
        target.scheduled_actions = [*_scheduled_actions(range_)]
    tasks.scale_on_cpu_utilization("Cpu", policy_name=f"{name}-cpu", target_utilization_percent=cpu_percent)
    return target


def _scheduled_actions(range_: Scaling) -> list[scaling.CfnScalableTarget.ScheduledActionProperty]:
    """The times at which the number of tasks changes (Application Auto Scaling: scheduled scaling)."""
    return [
        scaling.CfnScalableTarget.ScheduledActionProperty(
            scheduled_action_name=f"schedule-{number}",
            schedule=expression(each.schedule),
            timezone=each.time_zone,
            scalable_target_action=scaling.CfnScalableTarget.ScalableTargetActionProperty(
                min_capacity=each.min_tasks, max_capacity=each.max_tasks
            ),
        )
        for number, each in enumerate(range_.schedules, start=1)
    ]


def tracked(key: str, metric: AlarmMetric, stat: str) -> scaling.CfnScalingPolicy.TargetTrackingMetricDataQueryProperty:
    """A metric that an expression of a scaling policy refers to by its key."""
    return _Policy.TargetTrackingMetricDataQueryProperty(
        id=key,
        return_data=False,
        metric_stat=_Policy.TargetTrackingMetricStatProperty(
            stat=stat,
            metric=_Policy.TargetTrackingMetricProperty(
                namespace=metric.namespace,
                metric_name=metric.name,
                dimensions=[
                    _Policy.TargetTrackingMetricDimensionProperty(name=name, value=value)
                    for name, value in metric.dimensions.items()
                ],
            ),
        ),
    )

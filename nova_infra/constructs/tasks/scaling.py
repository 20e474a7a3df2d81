"""How many tasks of a service run."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from nova_infra.config import Scaling, Targets
from nova_infra.config.services.runtime import Spot
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
            scope: Parent.
            construct_id: Id under the parent.
            service: The service.
            cluster_name: Name of its cluster.
            name: Its name, the prefix of the policies' names. CDK would take the construct path, which differs between
                a direct deployment and one through the pipeline, and a changed name replaces the policy.
            range_: The least and the most tasks.
            targets: What each task is held to.
            load_balancer: Full name of the load balancer in front.
            target_groups: Full names of both colours.
        """
        super().__init__(scope, construct_id)
        tasks = service.auto_scale_task_count(min_capacity=range_.min_tasks, max_capacity=range_.max_tasks)
        target = scalable_target(service)
        # A value that is taken from the service makes CloudFormation list the target, and its policies after it, as
        # resources that may change with every release: a rollback's plan would no longer be an image and nothing else.
        target.resource_id = f"service/{cluster_name}/{name}"
        target.add_resource_dependency(_resource(service))
        if range_.schedules:
            target.scheduled_actions = [*scheduled_actions(range_)]
        tasks.scale_on_cpu_utilization("Cpu", policy_name=f"{name}-cpu", target_utilization_percent=targets.cpu_percent)
        # The predefined metric knows one target group only, and each deployment moves the traffic to the other one. A
        # policy for each would never scale in: the idle colour's has no data.
        scaling.CfnScalingPolicy(
            self,
            "Requests",
            policy_name=f"{name}-requests",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=_Policy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=targets.requests_per_minute,
                customized_metric_specification=_Policy.CustomizedMetricSpecificationProperty(
                    metrics=[
                        *(
                            _requests_per_target(colour, load_balancer, group)
                            for colour, group in target_groups.items()
                        ),
                        # FILL would answer 0 for the newest minute, whose data has not arrived, and the policy wants
                        # three minutes in a row: it would never scale out. SUM takes the colours that have data.
                        _Policy.TargetTrackingMetricDataQueryProperty(
                            id="requests",
                            expression=f"SUM([{','.join(target_groups)}])",
                            label="requests per task and minute",
                            return_data=True,
                        ),
                    ]
                ),
            ),
        )


def scheduled_actions(range_: Scaling) -> list[scaling.CfnScalableTarget.ScheduledActionProperty]:
    """The times at which the number of tasks changes.

    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scheduled-scaling.html
    """
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


def capacity(spot: Spot | None) -> list[ecs.CapacityProviderStrategy]:
    """What a service's tasks run on, always by capacity providers: with a launch type, ``spot`` could not be added.

    A strategy is changed in place; a service that has one cannot go back to a launch type, and CloudFormation may
    replace a service that comes from one, which its name forbids:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-service.html,
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
    """
    if spot is None:
        return [ecs.CapacityProviderStrategy(capacity_provider="FARGATE", weight=1)]
    return [
        ecs.CapacityProviderStrategy(capacity_provider="FARGATE", base=spot.base, weight=100 - spot.percent),
        ecs.CapacityProviderStrategy(capacity_provider="FARGATE_SPOT", weight=spot.percent),
    ]


def scalable_target(service: ecs.FargateService) -> scaling.CfnScalableTarget:
    """The service's scalable target, which CDK keeps to itself."""
    target = service.node.find_child("TaskCount").node.find_child("Target").node.default_child
    assert isinstance(target, scaling.CfnScalableTarget)
    return target


def _resource(service: ecs.FargateService) -> ecs.CfnService:
    resource = service.node.default_child
    assert isinstance(resource, ecs.CfnService)
    return resource


def _requests_per_target(
    colour: str, load_balancer: str, group: str
) -> scaling.CfnScalingPolicy.TargetTrackingMetricDataQueryProperty:
    return _Policy.TargetTrackingMetricDataQueryProperty(
        id=colour,
        return_data=False,
        metric_stat=_Policy.TargetTrackingMetricStatProperty(
            stat="Sum",
            metric=_Policy.TargetTrackingMetricProperty(
                namespace="AWS/ApplicationELB",
                metric_name="RequestCountPerTarget",
                dimensions=[
                    _Policy.TargetTrackingMetricDimensionProperty(name="LoadBalancer", value=load_balancer),
                    _Policy.TargetTrackingMetricDimensionProperty(name="TargetGroup", value=group),
                ],
            ),
        ),
    )

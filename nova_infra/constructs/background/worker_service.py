"""A worker on Fargate: no listener, a queue, and rolling deployments that alarms roll back."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, NIST, acknowledge
from nova_infra.constructs.background.work_queue import WorkQueue
from nova_infra.constructs.background.worker_alarms import WorkerAlarms
from nova_infra.constructs.tasks.connections import open_connections
from nova_infra.constructs.tasks.durations import minutes
from nova_infra.constructs.tasks.scaling import capacity, scalable_target, scheduled_actions
from nova_infra.constructs.web.settings import ServiceSettings

_Policy = scaling.CfnScalingPolicy


class WorkerService(Construct):
    """A Fargate service that nothing sends requests to.

    Its deployments are rolling: the other strategies shift traffic, and new tasks take messages from the moment they
    run. So both revisions work side by side, and the circuit breaker and the alarms are what stops a bad one.

    Attributes:
        service: The ECS service.
        alarms: Its alarms.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster: ecs.ICluster,
        task_definition: ecs.FargateTaskDefinition,
        settings: ServiceSettings,
        queue: WorkQueue | None = None,
        topic: sns.ITopic | None = None,
        subnets: ec2.SubnetSelection | None = None,
    ) -> None:
        """Create the service, its security group, scaling and alarms.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            cluster: The ECS cluster.
            task_definition: What each task runs.
            settings: Size, rollout, scaling and thresholds; ``name`` and ``cluster_name`` are needed.
            queue: Where its work comes from. Default: nothing, and it is scaled by its CPU alone.
            topic: Notified when an alarm changes. Default: nobody is.
            subnets: Where tasks run. Default: the VPC's private subnets.
        """
        super().__init__(scope, construct_id)
        service, runtime = settings.service, settings.runtime
        name = settings.name or service.name
        cluster_name = settings.cluster_name or cluster.cluster_name
        self.alarms = WorkerAlarms(
            self,
            "Alarms",
            cluster_name=cluster_name,
            service_name=name,
            queue=(service.queue, queue.name, queue.dead_name) if service.queue and queue else None,
            min_tasks=runtime.scaling.min_tasks,
            bake_minutes=runtime.rollout.bake_minutes,
            thresholds=service.alarms,
            topic=topic,
        )
        self.service = ecs.FargateService(
            self,
            "Service",
            service_name=name,
            cluster=cluster,
            task_definition=task_definition,
            vpc_subnets=subnets,
            security_groups=[outbound_group(self, name, cluster.vpc, service.connects_to)],
            assign_public_ip=False,
            enable_execute_command=runtime.exec,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            min_healthy_percent=100,
            max_healthy_percent=200,
            deployment_controller=ecs.DeploymentController(type=ecs.DeploymentControllerType.ECS),
            deployment_strategy=ecs.DeploymentStrategy.ROLLING,
            deployment_alarms=ecs.DeploymentAlarmConfig(
                alarm_names=self.alarms.rollback_names, behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM
            ),
            bake_time=minutes(runtime.rollout.bake_minutes),
            capacity_provider_strategies=capacity(runtime.scaling.spot),
        )
        resource = self.service.node.default_child
        assert isinstance(resource, ecs.CfnService)
        resource.add_property_override("DeploymentConfiguration.DeploymentCircuitBreaker.ResetOnHealthyTask", False)
        resource.node.add_dependency(*self.alarms.rollback_alarms)
        self.service.node.add_dependency(task_definition.obtain_execution_role())
        if runtime.exec:
            acknowledge_exec(task_definition)
        tasks = self.service.auto_scale_task_count(
            min_capacity=runtime.scaling.min_tasks, max_capacity=runtime.scaling.max_tasks
        )
        target = scalable_target(self.service)
        target.resource_id = f"service/{cluster_name}/{name}"
        target.add_resource_dependency(resource)
        if runtime.scaling.schedules:
            target.scheduled_actions = [*scheduled_actions(runtime.scaling)]
        tasks.scale_on_cpu_utilization(
            "Cpu", policy_name=f"{name}-cpu", target_utilization_percent=service.targets.cpu_percent
        )
        if queue is not None and service.queue is not None:
            self._backlog(target, name, cluster_name, queue.name, service.queue.messages_per_task)

    def _backlog(
        self, target: scaling.CfnScalableTarget, name: str, cluster_name: str, queue: str, per_task: int
    ) -> None:
        """Hold the messages that wait for each task.

        https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking-metric-math.html
        """
        in_cluster = {"ClusterName": cluster_name, "ServiceName": name}
        scaling.CfnScalingPolicy(
            self,
            "Backlog",
            policy_name=f"{name}-backlog",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=_Policy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=per_task,
                customized_metric_specification=_Policy.CustomizedMetricSpecificationProperty(
                    metrics=[
                        _metric("waiting", "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue}),
                        _metric("tasks", "ECS/ContainerInsights", "RunningTaskCount", in_cluster),
                        _Policy.TargetTrackingMetricDataQueryProperty(
                            id="backlog", expression="waiting/tasks", label="messages per task", return_data=True
                        ),
                    ]
                ),
            ),
        )


def outbound_group(scope: Construct, name: str, vpc: ec2.IVpc, connections: Sequence[str]) -> ec2.SecurityGroup:
    """A group that nothing gets into, and that reaches what it connects to, and HTTP and HTTPS anywhere."""
    group = ec2.SecurityGroup(
        scope, "Group", vpc=vpc, description=f"{name}: tasks, reached by nothing", allow_all_outbound=False
    )
    for protocol, out in (("HTTP", 80), ("HTTPS", 443)):
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(out), f"{protocol} to AWS and to other services")
    open_connections(group, connections)
    return group


def acknowledge_exec(task_definition: ecs.FargateTaskDefinition) -> None:
    """Answer what cdk-nag says of ECS Exec's permissions."""
    acknowledge(
        task_definition.task_role,
        "The configuration asks for ECS Exec, whose channels have no ARN before they are opened",
        f"{AWS_SOLUTIONS}-IAM5[Resource::*]",
    )
    acknowledge(
        task_definition.task_role,
        "A policy of one role, granted where the role is used, cannot be attached elsewhere by mistake",
        f"{NIST}-IAMNoInlinePolicy",
    )


def _metric(
    key: str, namespace: str, name: str, dimensions: dict[str, str]
) -> scaling.CfnScalingPolicy.TargetTrackingMetricDataQueryProperty:
    return _Policy.TargetTrackingMetricDataQueryProperty(
        id=key,
        return_data=False,
        metric_stat=_Policy.TargetTrackingMetricStatProperty(
            stat="Average",
            metric=_Policy.TargetTrackingMetricProperty(
                namespace=namespace,
                metric_name=name,
                dimensions=[
                    _Policy.TargetTrackingMetricDimensionProperty(name=each, value=value)
                    for each, value in dimensions.items()
                ],
            ),
        ),
    )

"""A web service on Fargate that replaces itself safely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.config import Rollout, Scaling
from nova_infra.constructs.service_alarms import ServiceAlarms

CONTAINER = "app"
DRAIN = cdk.Duration.seconds(20)
STOP_TIMEOUT = cdk.Duration.seconds(30)
"""Longer than the drain: a task must outlive the last request that the load balancer may still send it."""


class WebService(Construct):
    """A Fargate service behind a listener rule, with two target groups, alarms and automatic rollback.

    ECS shifts traffic by rewriting the rule's weights, and the colour that is new alternates, so nothing in the rule may
    change from release to release.

    Attributes:
        service: The ECS service.
        alarms: The alarms that roll a deployment back.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        cluster: ecs.ICluster,
        cluster_name: str,
        load_balancer: elbv2.IApplicationLoadBalancer,
        listener: elbv2.IApplicationListener,
        priority: int,
        paths: Sequence[str],
        image: ecs.ContainerImage,
        command: Sequence[str],
        environment: Mapping[str, str],
        cpu: int,
        memory: int,
        port: int,
        rollout: Rollout,
        scaling: Scaling,
        topic: sns.ITopic,
    ) -> None:
        """Create the task definition, the service, its target groups, rule, scaling and alarms.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            name: Physical name of the service, its task definition family and log group.
            cluster: The ECS cluster.
            cluster_name: The cluster's physical name, for alarms that must not refer to the service.
            load_balancer: The load balancer in front.
            listener: The listener that gets the rule.
            priority: Priority of the rule, unique on the listener.
            paths: Path patterns that lead here, at most five.
            image: The container image.
            command: What the container runs.
            environment: The container's environment variables.
            cpu: CPU units of the task.
            memory: MiB of the task.
            port: Port that the container listens on.
            rollout: How a new revision takes over.
            scaling: Number of tasks.
            topic: Told when an alarm changes.
        """
        super().__init__(scope, construct_id)
        blue, green = (self._target_group(colour, vpc=cluster.vpc, port=port) for colour in ("Blue", "Green"))
        rule = elbv2.ApplicationListenerRule(
            self,
            "Rule",
            listener=listener,
            priority=priority,
            conditions=[elbv2.ListenerCondition.path_patterns(list(paths))],
            action=elbv2.ListenerAction.weighted_forward(
                [
                    elbv2.WeightedTargetGroup(target_group=blue, weight=100),
                    elbv2.WeightedTargetGroup(target_group=green, weight=0),
                ]
            ),
        )
        self.alarms = ServiceAlarms(
            self,
            "Alarms",
            cluster_name=cluster_name,
            service_name=name,
            load_balancer=load_balancer,
            target_groups=[blue, green],
            topic=topic,
        )
        self.service = ecs.FargateService(
            self,
            "Service",
            service_name=name,
            cluster=cluster,
            task_definition=self._task_definition(
                name=name, image=image, command=command, environment=environment, cpu=cpu, memory=memory, port=port
            ),
            assign_public_ip=False,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            min_healthy_percent=100,
            max_healthy_percent=200,
            health_check_grace_period=cdk.Duration.seconds(60),
            deployment_controller=ecs.DeploymentController(type=ecs.DeploymentControllerType.ECS),
            # enable_deployment_alarms() keeps only the first list it is given (aws/aws-cdk#36308): pass all here.
            deployment_alarms=ecs.DeploymentAlarmConfig(
                alarm_names=self.alarms.names, behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM
            ),
            bake_time=cdk.Duration.minutes(rollout.bake_minutes),
            **_strategy(rollout),
        )
        # The names above are plain text, so only this makes the alarms exist before the deployment that needs them.
        self.service.node.add_dependency(self.alarms)
        self.service.load_balancer_target(
            container_name=CONTAINER,
            container_port=port,
            alternate_target=ecs.AlternateTarget(
                "Green",
                alternate_target_group=green,
                production_listener=ecs.ListenerRuleConfiguration.application_listener_rule(rule),
            ),
        ).attach_to_application_target_group(blue)
        # No desired count: a fixed one would undo the autoscaler's choice at every deployment (aws/aws-cdk#3919).
        self.service.auto_scale_task_count(
            min_capacity=scaling.min_tasks, max_capacity=scaling.max_tasks
        ).scale_on_cpu_utilization("Cpu", target_utilization_percent=60)

    def _task_definition(
        self,
        *,
        name: str,
        image: ecs.ContainerImage,
        command: Sequence[str],
        environment: Mapping[str, str],
        cpu: int,
        memory: int,
        port: int,
    ) -> ecs.FargateTaskDefinition:
        definition = ecs.FargateTaskDefinition(self, "Task", family=name, cpu=cpu, memory_limit_mib=memory)
        # Without it CloudFormation deregisters the old revision, and a rollback finds it inactive (aws/aws-cdk#24372).
        definition.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        definition.add_container(
            CONTAINER,
            image=image,
            command=list(command),
            environment=dict(environment),
            port_mappings=[ecs.PortMapping(container_port=port)],
            readonly_root_filesystem=False,
            stop_timeout=STOP_TIMEOUT,
            health_check=ecs.HealthCheck(
                command=["CMD", "python", "-m", "nova_kit.healthcheck"],
                interval=cdk.Duration.seconds(15),
                timeout=cdk.Duration.seconds(5),
                retries=3,
                start_period=cdk.Duration.seconds(30),
            ),
            logging=ecs.LogDriver.aws_logs(
                stream_prefix=name,
                log_group=logs.LogGroup(
                    self,
                    "Logs",
                    log_group_name=f"/nova/{name}",
                    retention=logs.RetentionDays.ONE_MONTH,
                    removal_policy=cdk.RemovalPolicy.DESTROY,
                ),
            ),
        )
        return definition

    def _target_group(self, colour: str, *, vpc: ec2.IVpc, port: int) -> elbv2.ApplicationTargetGroup:
        return elbv2.ApplicationTargetGroup(
            self,
            colour,
            vpc=vpc,
            port=port,
            protocol=elbv2.ApplicationProtocol.HTTP,
            target_type=elbv2.TargetType.IP,
            deregistration_delay=DRAIN,
            health_check=elbv2.HealthCheck(
                path="/health",
                interval=cdk.Duration.seconds(10),
                timeout=cdk.Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=3,
            ),
        )


_STRATEGIES = {
    "rolling": ecs.DeploymentStrategy.ROLLING,
    "blue-green": ecs.DeploymentStrategy.BLUE_GREEN,
    "canary": ecs.DeploymentStrategy.CANARY,
    "linear": ecs.DeploymentStrategy.LINEAR,
}


class _StrategyProps(TypedDict, total=False):
    deployment_strategy: ecs.DeploymentStrategy
    canary_configuration: ecs.TrafficShiftConfig
    linear_configuration: ecs.TrafficShiftConfig


def _strategy(rollout: Rollout) -> _StrategyProps:
    props: _StrategyProps = {"deployment_strategy": _STRATEGIES[rollout.strategy]}
    shift = ecs.TrafficShiftConfig(
        step_percent=rollout.percent, step_bake_time=cdk.Duration.minutes(rollout.step_bake_minutes)
    )
    if rollout.strategy == "canary":
        props["canary_configuration"] = shift
    elif rollout.strategy == "linear":
        props["linear_configuration"] = shift
    return props

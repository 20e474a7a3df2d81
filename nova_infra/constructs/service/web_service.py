"""A web service on Fargate that replaces itself safely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, NIST, acknowledge
from nova_infra.config import Rollout, Scaling, Targets, Thresholds
from nova_infra.constructs.environment.network import PRIVATE
from nova_infra.constructs.service.alarms import ServiceAlarms
from nova_infra.constructs.service.scaling import Autoscaling
from nova_infra.constructs.service.task import CONTAINER

DRAIN = cdk.Duration.seconds(20)


class WebService(Construct):
    """A Fargate service behind a listener rule, with two target groups, alarms and automatic rollback.

    ECS shifts traffic by rewriting the rule's weights, and the colour that is new alternates, so nothing in the rule
    may change from release to release.

    Attributes:
        service: The ECS service.
        alarms: Its alarms.
        target_groups: Both colours by name.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        task_definition: ecs.FargateTaskDefinition,
        port: int,
        cluster: ecs.ICluster,
        cluster_name: str,
        load_balancer: elbv2.IApplicationLoadBalancer,
        load_balancer_group_id: str,
        listener: elbv2.IApplicationListener,
        priority: int,
        paths: Sequence[str],
        rollout: Rollout,
        scaling: Scaling,
        targets: Targets,
        thresholds: Thresholds,
        exec_: bool,
        topic: sns.ITopic,
    ) -> None:
        """Create the service, its target groups, rule, security group, scaling and alarms.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            name: Physical name of the service.
            task_definition: What each task runs.
            port: Port that the container listens on.
            cluster: The ECS cluster.
            cluster_name: The cluster's physical name, for alarms that must not refer to the service.
            load_balancer: The load balancer in front.
            load_balancer_group_id: Its security group, the only one that tasks accept connections from.
            listener: The listener that gets the rule.
            priority: Priority of the rule, unique on the listener.
            paths: Path patterns that lead here, at most five.
            rollout: How a new revision takes over.
            scaling: Number of tasks.
            targets: What autoscaling holds each task to.
            thresholds: When the alarms fire.
            exec_: Whether ECS Exec can open a shell in a container.
            topic: Told when an alarm changes.
        """
        super().__init__(scope, construct_id)
        self.target_groups = {colour: self._target_group(colour, vpc=cluster.vpc) for colour in ("blue", "green")}
        rule = elbv2.ApplicationListenerRule(
            self,
            "Rule",
            listener=listener,
            priority=priority,
            conditions=[elbv2.ListenerCondition.path_patterns(list(paths))],
            action=elbv2.ListenerAction.weighted_forward(
                [
                    elbv2.WeightedTargetGroup(target_group=self.target_groups["blue"], weight=100),
                    elbv2.WeightedTargetGroup(target_group=self.target_groups["green"], weight=0),
                ]
            ),
        )
        self.alarms = ServiceAlarms(
            self,
            "Alarms",
            cluster_name=cluster_name,
            service_name=name,
            load_balancer=load_balancer,
            target_groups=self.target_groups,
            min_tasks=scaling.min_tasks,
            thresholds=thresholds,
            topic=topic,
        )
        self.service = ecs.FargateService(
            self,
            "Service",
            service_name=name,
            cluster=cluster,
            task_definition=task_definition,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=PRIVATE),
            security_groups=[self._security_group(name, cluster.vpc, port, load_balancer_group_id)],
            assign_public_ip=False,
            enable_execute_command=exec_,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            min_healthy_percent=100,
            max_healthy_percent=200,
            health_check_grace_period=cdk.Duration.seconds(60),
            deployment_controller=ecs.DeploymentController(type=ecs.DeploymentControllerType.ECS),
            # enable_deployment_alarms() keeps only the first list it is given (aws/aws-cdk#36308): pass all here.
            deployment_alarms=ecs.DeploymentAlarmConfig(
                alarm_names=self.alarms.rollback_names, behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM
            ),
            bake_time=cdk.Duration.minutes(rollout.bake_minutes),
            **_strategy(rollout),
        )
        service = self.service.node.default_child
        assert isinstance(service, ecs.CfnService)
        # A task that dies under traffic is replaced by one that is healthy for a while: counted anew each time, such
        # tasks would never open the breaker. CDK's own construct has no name for this yet.
        service.add_property_override("DeploymentConfiguration.DeploymentCircuitBreaker.ResetOnHealthyTask", False)
        # The names above are plain text, so only this makes the alarms exist before the deployment that needs them.
        for alarm in self.alarms.rollback_alarms:
            service.add_resource_dependency(alarm)
        # CDK waits for the task role's policy only. Tasks that start before the execution role may pull their image or
        # read a new secret fail, and the breaker counts them.
        self.service.node.add_dependency(task_definition.obtain_execution_role())
        self.service.load_balancer_target(
            container_name=CONTAINER,
            container_port=port,
            alternate_target=ecs.AlternateTarget(
                "Green",
                alternate_target_group=self.target_groups["green"],
                production_listener=ecs.ListenerRuleConfiguration.application_listener_rule(rule),
            ),
        ).attach_to_application_target_group(self.target_groups["blue"])
        acknowledge(
            self.service.node.find_child("GreenRole"),
            "AWS's own policy for what ECS does to the load balancer, kept up by AWS as ECS learns more",
            f"{AWS_SOLUTIONS}-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/"
            "AmazonECSInfrastructureRolePolicyForLoadBalancers]",
        )
        if exec_:
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
        # No desired count: a fixed one would undo the autoscaler's choice at every deployment (aws/aws-cdk#3919).
        Autoscaling(
            self,
            "Scaling",
            service=self.service,
            cluster_name=cluster_name,
            name=name,
            range_=scaling,
            targets=targets,
            load_balancer=load_balancer,
            target_groups=self.target_groups,
        )

    def _security_group(self, name: str, vpc: ec2.IVpc, port: int, load_balancer_group_id: str) -> ec2.ISecurityGroup:
        group = ec2.SecurityGroup(
            self,
            "Group",
            vpc=vpc,
            description=f"{name}: tasks, reached by the load balancer only",
            allow_all_outbound=False,
        )
        for protocol, out in (("HTTP", 80), ("HTTPS", 443)):
            group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(out), f"{protocol} to AWS and to other services")
        ec2.CfnSecurityGroupIngress(
            self,
            "FromLoadBalancer",
            group_id=group.security_group_id,
            source_security_group_id=load_balancer_group_id,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description="Load balancer to tasks",
        )
        # CDK would add the same rule again, under an id that holds the construct path. That differs between a direct
        # deployment and one through the pipeline, so a change of way would remove the rule for a moment.
        return ec2.SecurityGroup.from_security_group_id(self, "FixedGroup", group.security_group_id, mutable=False)

    def _target_group(self, colour: str, *, vpc: ec2.IVpc) -> elbv2.ApplicationTargetGroup:
        return elbv2.ApplicationTargetGroup(
            self,
            colour.capitalize(),
            vpc=vpc,
            # ECS registers each task with its own port. A change here would replace the group.
            port=80,
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

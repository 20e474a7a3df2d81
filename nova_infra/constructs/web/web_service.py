"""A web service: canary, bakes, hooks, health check grace, listener rules. `tasks/service` is its ECS service."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_sns as sns
from constructs import Construct
from pydantic import ValidationError

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge
from nova_infra.config import Rollout, Service
from nova_infra.constructs.cached import cached, group_id, minutes, node_of, seconds, vpc_of
from nova_infra.constructs.hooks.gates import gate_hooks
from nova_infra.constructs.settings import ServiceSettings, check_settings
from nova_infra.constructs.tasks.scaling import Autoscaling
from nova_infra.constructs.tasks.service import fargate_service, outbound_group, service_resource
from nova_infra.constructs.tasks.task import FargateTask
from nova_infra.constructs.web.alarms import WebAlarms
from nova_infra.constructs.web.target_group import conditions, target_group
from nova_infra.names import CONTAINER, TEST_HEADER

_SETTLING_SECONDS = 30
"""What the load balancer may need from a container's start to its second good answer."""


class WebService(Construct):
    """A Fargate service behind a listener rule, with two target groups, alarms and automatic rollback.

    ECS shifts traffic by rewriting the rule's weights, and the colour that is new alternates, so nothing in the rule
    may change from release to release.

    Attributes:
        target_groups: Both colours by name.
        target_group_full_names: What CloudWatch knows them by.
        load_balancer_full_name: What CloudWatch knows the load balancer by.
        security_group: Its tasks', which may be given further rules.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster: ecs.ICluster,
        listener: elbv2.IApplicationListener,
        image: ecs.ContainerImage | ecs.TaskDefinition | FargateTask,
        port: int | None = None,
        settings: ServiceSettings | None = None,
        topic: sns.ITopic | None = None,
        load_balancer: elbv2.IApplicationLoadBalancer | None = None,
        subnets: ec2.SubnetSelection | None = None,
    ) -> None:
        """Create the service, its target groups, rule, security group, scaling and alarms.

        Args:
            image: What each task runs: an image, or a Fargate task definition whose default container takes the
                requests, or a :class:`FargateTask`.
            port: Port that the container listens on. Default: the container's first port mapping, or the settings'.
            settings: Paths, size, rollout, scaling and thresholds. Default: a service of the construct's id, at
                ``/<id>/*``, by a canary of 10 %.
            topic: Notified when an alarm changes. Default: nobody is.
            load_balancer: The load balancer of the listener. Needed for a listener that is imported.
            subnets: Where tasks run. Default: the VPC's private subnets, or its public ones where it has no others.

        Raises:
            ValueError: The listener is imported and no load balancer given, or is a network load balancer's; the task
                definition has no container with the port, or there is no such port; or no service's name can be made of
                the id.
        """
        super().__init__(scope, construct_id)
        _check_port(self, port)
        _check_image(self, image)
        settings = settings or ServiceSettings(service=_default_service(self))
        check_settings(self, settings, "web")
        service, runtime = settings.service, settings.runtime
        name, cluster_name = settings.names(self, cluster)
        load_balancer = load_balancer or _load_balancer(listener)
        _check_network(self, vpc_of(cluster), load_balancer)
        if isinstance(image, ecs.ContainerImage):
            service = service.model_copy(update={"port": port or service.port})
            image = FargateTask(self, "Task", name=name, image=image, service=service, runtime=runtime)
        task_definition, container, port = self._task(image, port)
        self.load_balancer_full_name = _full_name(load_balancer)
        self._add_target_groups(vpc_of(cluster), service)
        tested = runtime.rollout.asks_suite or (settings.test is not None and runtime.rollout.strategy != "rolling")
        rule, test_rule = self._rules(listener, service, tested=tested)
        self.alarms = self._alarms(cluster_name, name, settings, topic)
        self.security_group = outbound_group(
            self, name, vpc_of(cluster), service.connects_to, reached_by="the load balancer only"
        )
        self.service = fargate_service(
            self,
            name=name,
            cluster=cluster,
            task_definition=task_definition,
            runtime=runtime,
            rollback_alarms=self.alarms.named(self.alarms.rollback_alarms),
            security_group=self._attached(port, load_balancer),
            subnets=subnets,
            health_check_grace_period=seconds(service.health.start_seconds + _SETTLING_SECONDS),
            **_strategy(runtime.rollout),
        )
        self._add_hooks(settings, tested=tested)
        self.alarms.notify_after(service_resource(self.service))
        self._attach(container, port, rule, test_rule)
        self._scale(cluster_name, name, settings)

    def _alarms(self, cluster_name: str, name: str, settings: ServiceSettings, topic: sns.ITopic | None) -> WebAlarms:
        return WebAlarms(
            self,
            "Alarms",
            cluster_name=cluster_name,
            service_name=name,
            load_balancer=self.load_balancer_full_name,
            target_groups=self.target_group_full_names,
            min_tasks=settings.runtime.scaling.least,
            thresholds=settings.service.alarms,
            topic=topic,
        )

    def _add_hooks(self, settings: ServiceSettings, *, tested: bool) -> None:
        """Where its deployments wait: at tests first, then at gates, then for the other services of the release."""
        rollout = settings.runtime.rollout
        hooks: list[Mapping[str, Any]] = [settings.test] if tested and settings.test is not None else []
        hooks += gate_hooks(rollout, after_tests=tested)
        if settings.together is not None and rollout.strategy != "rolling":
            hooks.append(settings.together)
        if hooks:
            # CDK's own construct knows no hooks that pause, and would keep no others beside these.
            resource = service_resource(self.service)
            resource.add_property_override("DeploymentConfiguration.LifecycleHooks", hooks)

    def _scale(self, cluster_name: str, name: str, settings: ServiceSettings) -> None:
        Autoscaling(
            self,
            "Scaling",
            service=self.service,
            cluster_name=cluster_name,
            name=name,
            range_=settings.runtime.scaling,
            targets=settings.service.targets,
            load_balancer=self.load_balancer_full_name,
            target_groups=self.target_group_full_names,
        )

    def _add_target_groups(self, vpc: ec2.IVpc, service: Service) -> None:
        self.target_groups = {
            colour: target_group(self, colour, vpc=vpc, service=service) for colour in ("blue", "green")
        }
        self.target_group_full_names = {
            colour: group.target_group_full_name for colour, group in self.target_groups.items()
        }

    def _attach(
        self,
        container: str,
        port: int,
        rule: elbv2.ApplicationListenerRule,
        test_rule: elbv2.ApplicationListenerRule | None,
    ) -> None:
        """Register the tasks with both target groups, whose weights ECS sets in the rules."""
        by_rule = ecs.ListenerRuleConfiguration.application_listener_rule
        self.service.load_balancer_target(
            container_name=container,
            container_port=port,
            alternate_target=ecs.AlternateTarget(
                "Green",
                alternate_target_group=self.target_groups["green"],
                production_listener=by_rule(rule),
                test_listener=by_rule(test_rule) if test_rule else None,
            ),
        ).attach_to_application_target_group(self.target_groups["blue"])
        acknowledge(
            node_of(self.service).find_child("GreenRole"),
            "AWS's own policy for what ECS does to the load balancer, kept up by AWS as ECS learns more",
            f"{AWS_SOLUTIONS}-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/"
            "AmazonECSInfrastructureRolePolicyForLoadBalancers]",
        )

    def _rules(
        self, listener: elbv2.IApplicationListener, service: Service, *, tested: bool
    ) -> tuple[elbv2.ApplicationListenerRule, elbv2.ApplicationListenerRule | None]:
        """The service's rule, and right before it the one for requests with the tests' header."""
        rule = self._rule("Rule", listener, service.priority, conditions(service))
        if not tested:
            return rule, None
        of_tests = [*conditions(service), elbv2.ListenerCondition.http_header(TEST_HEADER[0], [TEST_HEADER[1]])]
        return rule, self._rule("TestRule", listener, service.priority - 1, of_tests)

    def _task(self, task: ecs.TaskDefinition | FargateTask, port: int | None) -> tuple[ecs.TaskDefinition, str, int]:
        """The task definition, and the name and the port of the container that takes the requests."""
        if isinstance(task, FargateTask):
            # Nothing that has to be asked of CDK, which costs ten messages to its Node process.
            if task.port is not None and port in (None, task.port):
                return task.definition, CONTAINER, task.port
            task = task.definition
        container = self._container(task, port)
        return task, container.container_name, port or int(container.container_port)

    def _container(self, task_definition: ecs.TaskDefinition, port: int | None) -> ecs.ContainerDefinition:
        container = task_definition.default_container
        if container is None:
            raise ValueError(f"{self.node.path}: the task definition has no container: add one before this construct")
        ports = [int(mapping.container_port) for mapping in container.port_mappings]
        if not ports or (port is not None and port not in ports):
            missing = f"port {port}" if port is not None else "any port"
            raise ValueError(
                f"{self.node.path}: container {container.container_name} does not map {missing}: add "
                "ecs.PortMapping(container_port=…) to its port_mappings, or make another one the default_container"
            )
        return container

    def _rule(
        self,
        construct_id: str,
        listener: elbv2.IApplicationListener,
        priority: int,
        matching: Sequence[elbv2.ListenerCondition],
    ) -> elbv2.ApplicationListenerRule:
        return elbv2.ApplicationListenerRule(
            self,
            construct_id,
            listener=listener,
            priority=priority,
            conditions=[*matching],
            action=elbv2.ListenerAction.weighted_forward(
                [
                    elbv2.WeightedTargetGroup(target_group=self.target_groups["blue"], weight=100),
                    elbv2.WeightedTargetGroup(target_group=self.target_groups["green"], weight=0),
                ]
            ),
        )

    def _attached(self, port: int, load_balancer: elbv2.IApplicationLoadBalancer) -> ec2.ISecurityGroup:
        """The tasks' group, let in to by the load balancer, as the service is given it."""
        for number, source in enumerate(load_balancer.connections.security_groups):
            ec2.CfnSecurityGroupIngress(
                self,
                f"FromLoadBalancer{number or ''}",
                group_id=group_id(self.security_group),
                source_security_group_id=group_id(source),
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                description="Load balancer to tasks",
            )
        # CDK would add the same rule again, under an id that holds the construct path. That differs between a direct
        # deployment and one through the pipeline, so a change of way would remove the rule for a moment.
        return ec2.SecurityGroup.from_security_group_id(
            self, "FixedGroup", group_id(self.security_group), mutable=False
        )


def _check_port(service: Construct, port: object) -> None:
    if port is not None and not (
        isinstance(port, int | float) and (cdk.Token.is_unresolved(port) or 1 <= port <= 65535)
    ):
        raise ValueError(f"{service.node.path}: {port!r} is not a port: pass one from 1 to 65535")


def _check_image(scope: Construct, image: object) -> None:
    if isinstance(image, ecs.TaskDefinition) and not image.is_fargate_compatible:
        raise ValueError(
            f"{scope.node.path}: the task definition is not for Fargate: pass ecs.FargateTaskDefinition(…)"
        )
    if not isinstance(image, ecs.ContainerImage | ecs.TaskDefinition | FargateTask):
        raise TypeError(
            f"{scope.node.path}: image is of type {type(image).__name__}: pass ecs.ContainerImage.from_registry(…), "
            "or a task definition that this app creates: an imported one does not say what its containers are"
        )


def _check_network(scope: Construct, vpc: ec2.IVpc, load_balancer: elbv2.IApplicationLoadBalancer) -> None:
    """Refuse a load balancer that is surely in another VPC: its listeners forward only within its own."""
    other = _vpc_of(load_balancer)
    if other is None or other == vpc or isinstance(vpc, ec2.Vpc) != isinstance(other, ec2.Vpc):
        return  # One that is imported may be the one that this app creates.
    ids = (vpc.vpc_id, other.vpc_id)
    if ids[0] != ids[1] and (isinstance(vpc, ec2.Vpc) or not any(map(cdk.Token.is_unresolved, ids))):
        raise ValueError(
            f"{scope.node.path}: the cluster is in {vpc.node.path} and the load balancer in {other.node.path}: pass a "
            "cluster and a listener of one VPC"
        )


@cached
def _vpc_of(load_balancer: elbv2.IApplicationLoadBalancer) -> ec2.IVpc | None:
    """The VPC of a load balancer. One that is imported may not know it."""
    return getattr(load_balancer, "vpc", None)


def _load_balancer(listener: elbv2.IApplicationListener) -> elbv2.IApplicationLoadBalancer:
    if isinstance(listener, elbv2.ApplicationListener):
        return listener.load_balancer
    if isinstance(listener, elbv2.NetworkListener):
        raise ValueError(f"{listener.node.path}: is a network load balancer's: pass an application load balancer's")
    raise ValueError(f"{listener.node.path}: an imported listener does not know its load balancer: pass load_balancer=")


@cached
def _full_name(load_balancer: elbv2.IApplicationLoadBalancer) -> str:
    """The name of a load balancer in CloudWatch. One imported by its attributes has only its ARN."""
    if (known := getattr(load_balancer, "load_balancer_full_name", None)) is not None:
        return str(known)
    return cdk.Fn.select(1, cdk.Fn.split(":loadbalancer/", load_balancer.load_balancer_arn))


def _default_service(scope: Construct) -> Service:
    """A service named after a construct's id: that of ``WebShop`` is ``web-shop``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "-", scope.node.id)
    try:
        return Service(name=words.strip("-").lower())
    except ValidationError:
        raise ValueError(
            f"{scope.node.path}: no service's name can be made of the id {scope.node.id!r}: choose an id of at most "
            "40 letters and digits that starts with a letter, or pass settings=ServiceSettings(service=Service(name=…))"
        ) from None


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
    shift = ecs.TrafficShiftConfig(step_percent=rollout.percent, step_bake_time=minutes(rollout.step_bake_minutes))
    if rollout.strategy == "canary":
        props["canary_configuration"] = shift
    elif rollout.strategy == "linear":
        props["linear_configuration"] = shift
    return props

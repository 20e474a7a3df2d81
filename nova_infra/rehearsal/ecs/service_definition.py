"""Reads an ECS service from a template: desired count, target groups, hooks, which services come first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nova_infra.operations.planner.model import named
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.ecs.rollout import DeploymentConfiguration, read_rollout


@dataclass(frozen=True)
class ServiceDefinition:
    """An ECS service as its template defines it.

    Attributes:
        task_definition: What its tasks run, as ``Ref`` gives it.
        groups: ARNs of its target groups, the one for production first; empty without a load balancer.
        further: ARNs of others that its tasks are in with the same port: they have to be healthy in each.
        rule: ARN of the listener rule that leads to it, None where only its target group says so.
        test_rule: ARN of the listener rule that leads tests to a new revision, None where there is none.
        desired: Number of tasks: the autoscaler's minimum where there is one.
        maximum: Number of tasks at most: the autoscaler's maximum where there is one.
        grace: Seconds after a task's start in which failing health checks are ignored.
        properties: All of it: a service whose properties have not changed is left alone.
    """

    name: str
    cluster: str
    task_definition: str
    groups: tuple[str, ...]
    rule: str | None
    rollout: DeploymentConfiguration
    desired: int
    maximum: int
    grace: float
    properties: Mapping[str, Any]
    test_rule: str | None = None
    further: tuple[str, ...] = ()

    @property
    def most_tasks(self) -> int:
        """Tasks of both revisions that a rollout can have at once, when it is scaled out to its maximum."""
        if self.rollout.shifts_traffic:
            return 2 * self.maximum
        return max(self.maximum, self.maximum * self.rollout.maximum_percent // 100)


def read_service(stack: PlayedStack, logical_id: str) -> ServiceDefinition:
    """The service that a resource of a stack defines."""
    where = f"{stack.name}.{logical_id}"
    properties = stack.required(logical_id, "TaskDefinition")
    balancers = properties.get("LoadBalancers") or [{}]
    balancer = balancers[0]  # Synthetic users come by the first one.
    if balancer and "TargetGroupArn" not in balancer:
        raise UnresolvableError(f"{where}.LoadBalancers: has an entry without a TargetGroupArn: add it")
    advanced = balancer.get("AdvancedConfiguration", {})
    alternate = advanced.get("AlternateTargetGroupArn")
    groups = [str(arn) for arn in (balancer.get("TargetGroupArn"), alternate) if arn is not None]
    rollout = read_rollout(properties.get("DeploymentConfiguration", {}), where)
    if rollout.shifts_traffic and alternate is None:
        raise UnresolvableError(
            f"{where}.LoadBalancers[0].AdvancedConfiguration.AlternateTargetGroupArn: is missing, and "
            f"{rollout.strategy} moves traffic between two target groups"
        )
    name = str(properties["ServiceName"])
    desired, maximum = _task_counts(stack, name, properties)
    return ServiceDefinition(
        name=name,
        cluster=str(properties.get("Cluster", "default")),
        task_definition=str(properties["TaskDefinition"]),
        groups=tuple(groups),
        rule=advanced.get("ProductionListenerRule"),
        rollout=rollout,
        desired=desired,
        maximum=maximum,
        grace=float(properties.get("HealthCheckGracePeriodSeconds", 0)),
        properties=properties,
        test_rule=advanced.get("TestListenerRule"),
        further=() if rollout.shifts_traffic else _further_groups(balancers),
    )


def _further_groups(balancers: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """ARNs of the target groups of a service, but for the first, that lead to the same port of its tasks."""
    first, *others = ((each.get("ContainerName"), str(each.get("ContainerPort"))) for each in balancers)
    groups = (each.get("TargetGroupArn") for each in balancers[1:])
    return tuple(str(arn) for arn, place in zip(groups, others, strict=True) if arn is not None and place == first)


def in_order(stack: PlayedStack) -> Iterator[list[ServiceDefinition]]:
    """A stack's services, each after those that it depends on; what no dependency keeps apart goes side by side."""
    left = stack.resources("AWS::ECS::Service")
    while left:
        wave = [each for each in left if not set(named(stack.template["Resources"][each])) & set(left)] or left
        left = [each for each in left if each not in wave]
        yield [read_service(stack, each) for each in wave]


def _task_counts(stack: PlayedStack, service: str, properties: Mapping[str, Any]) -> tuple[int, int]:
    """The autoscaler's minimum and maximum where there is one, else the service's desired count, else one."""
    for logical_id in stack.resources("AWS::ApplicationAutoScaling::ScalableTarget"):
        target = stack.required(logical_id, "ResourceId", "MinCapacity", "MaxCapacity")
        if str(target["ResourceId"]).endswith(f"/{service}"):
            return int(target["MinCapacity"]), int(target["MaxCapacity"])
    return (int(properties.get("DesiredCount", 1)),) * 2

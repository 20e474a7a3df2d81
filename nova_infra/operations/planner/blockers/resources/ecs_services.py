"""ECS services that ECS and Application Auto Scaling refuse, by their API's references; stuck deployments."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import as_list, referenced
from nova_infra.documents.text import counted
from nova_infra.operations.changes.stated_values import (
    is_given,
    is_known,
    is_on,
    is_whole,
    may_be_given,
    may_be_left_out,
    number,
    table,
    tables,
    values_at,
    whole,
)
from nova_infra.operations.planner.blockers.resources.tasks import TASK, entry_names
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Fault, Judges, Step

_SERVICE = "AWS::ECS::Service"
_DAY_MINUTES = 1440
_NOTHING: Mapping[str, str] = {"Ref": "AWS::NoValue"}


def refused_services(step: Step) -> Iterator[Refusal]:
    """Refuse a service that does not fit its task definition, and one whose deployment could not replace a task."""
    yield from step.judged_by(_JUDGES)
    for logical_id, properties in step.given_of_type(_SERVICE):  # nothing asks ECS of one that stays
        task = step.after.resources.get(referenced(properties.get("TaskDefinition")) or "", {})
        found = [*_of_service(properties, task.get("Properties", {}) if task.get("Type") == TASK else None)]
        for balancer in tables(properties.get("LoadBalancers")):
            found += [*_of_balancer(balancer, task.get("Properties", {})), *_of_shifting(properties, balancer)]
            named = referenced(table(balancer.get("AdvancedConfiguration")).get("ProductionListenerRule"))
            found += _of_rule(step.after.resources.get(named or "", {}))
            # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/alb.html
            group = step.after.resources.get(referenced(balancer.get("TargetGroupArn")) or "", {}).get("Properties", {})
            if (task.get("Properties", {}).get("NetworkMode"), group.get("TargetType")) == ("awsvpc", "instance"):
                found.append(("LoadBalancers.TargetGroupArn", "has instances, but awsvpc needs ip", "make its type ip"))
        yield from step.refuse_each(logical_id, found)
        configuration = table(properties.get("DeploymentConfiguration"))
        if (stuck := _stuck(configuration, _desired(step, logical_id, properties))) is not None:
            yield step.refuse(
                f"{logical_id}.DeploymentConfiguration",
                stuck,
                "raise MaximumPercent, or lower MinimumHealthyPercent",
                "this deployment would never end: ECS could neither stop nor start a task",
            )


def _of_service(properties: Mapping[str, Any], task: Mapping[str, Any] | None) -> Iterator[Fault]:
    """What API_CreateService says of a service and its task definition, None where another stack has that one."""
    given = {name for name, value in properties.items() if not may_be_left_out(value)}
    if {"LaunchType", "CapacityProviderStrategy"} <= given:
        yield "CapacityProviderStrategy", "cannot be combined with LaunchType", "keep one of them"
    if task is None:
        return
    if is_on(properties.get("EnableExecuteCommand")) and task.get("TaskRoleArn", _NOTHING) == _NOTHING:
        yield "EnableExecuteCommand", "needs a task role, and its task definition has none", "add TaskRoleArn there"
    kinds = task.get("RequiresCompatibilities")
    providers = {str(each.get("CapacityProvider")) for each in tables(properties.get("CapacityProviderStrategy"))}
    fargate = {str(properties.get("LaunchType")), *providers} & {"FARGATE", "FARGATE_SPOT"}
    if fargate and kinds and is_known(kinds) and "FARGATE" not in as_list(kinds):
        fault = f"runs on Fargate, and its task definition is for {' and '.join(map(str, as_list(kinds)))}"
        yield "TaskDefinition", fault, "add FARGATE to RequiresCompatibilities there"
    if task.get("NetworkMode") == "awsvpc" and properties.get("NetworkConfiguration", _NOTHING) == _NOTHING:
        yield "NetworkConfiguration", "is missing, and tasks with awsvpc need subnets", "add it"


def _of_shifting(properties: Mapping[str, Any], balancer: Mapping[str, Any]) -> Iterator[Fault]:
    """What a deployment needs to move traffic between two target groups (ECS: deployment-type-blue-green)."""
    advanced = table(balancer.get("AdvancedConfiguration"))
    strategy = table(properties.get("DeploymentConfiguration")).get("Strategy")
    if strategy not in ("BLUE_GREEN", "CANARY", "LINEAR") or not advanced:
        return
    where = "LoadBalancers.AdvancedConfiguration"
    if advanced.get("RoleArn", _NOTHING) == _NOTHING:
        yield f"{where}.RoleArn", "is missing: ECS may not move traffic without it", "name an infrastructure role"
    first, second = balancer.get("TargetGroupArn"), advanced.get("AlternateTargetGroupArn")
    if first is not None and first == second:
        yield f"{where}.AlternateTargetGroupArn", "is the same as TargetGroupArn", "name a second target group"


def _of_balancer(balancer: Mapping[str, Any], task: Mapping[str, Any]) -> Iterator[Fault]:
    if not entry_names(task, "ContainerDefinitions"):
        return
    containers = {str(each["Name"]): each for each in tables(task["ContainerDefinitions"]) if each["Name"]}
    name, port = (balancer.get(key) for key in ("ContainerName", "ContainerPort"))
    if not isinstance(name, str):
        return
    if name not in containers:
        fault = f"sends requests to the container {name}, and its task definition has {' and '.join(containers)}"
        yield "LoadBalancers", fault, "correct ContainerName"
        return
    mappings = containers[name].get("PortMappings")
    ports = [number(each.get("ContainerPort")) for each in tables(mappings)]
    unknown = None in ports or not is_whole(mappings)
    if (wanted := number(port)) is not None and not unknown and wanted not in ports:
        has = f"has {' and '.join(f'{each:g}' for each in ports)}" if ports else "has none"
        yield "LoadBalancers", f"sends requests to port {wanted:g} of {name}, which {has}", "correct ContainerPort"


def _of_rule(rule: Mapping[str, Any]) -> Iterator[Fault]:
    """A production rule that forwards nowhere: ECS moves traffic by the weights of its target groups."""
    actions = rule.get("Properties", {}).get("Actions")
    if actions and is_whole(actions) and not any(each.get("Type") == "forward" for each in tables(actions)):
        where = "LoadBalancers.AdvancedConfiguration.ProductionListenerRule"
        yield where, "forwards to no target group, so ECS cannot move its traffic", "make it forward to both"


def _stuck(configuration: Mapping[str, Any], desired: int) -> str | None:
    """Why a rolling deployment could neither stop nor start a task, a clause (API_DeploymentConfiguration)."""
    least, most = (
        number(configuration.get(key, default))
        for key, default in (("MinimumHealthyPercent", 100), ("MaximumPercent", 200))
    )
    if configuration.get("Strategy", "ROLLING") != "ROLLING" or least is None or most is None or desired < 1:
        return None
    if math.floor(desired * most / 100) > desired or math.ceil(desired * least / 100) < desired:
        return None
    of = counted(desired, "task")
    return f"keeps at least {least:g} % and at most {most:g} % of {of}, which leaves no room to replace one"


def _desired(step: Step, logical_id: str, properties: Mapping[str, Any]) -> int:
    """The fewest tasks of a service, as far as its template says."""
    if (count := number(properties.get("DesiredCount"))) is not None:
        return int(count)
    for _, target in step.after.of_type("AWS::ApplicationAutoScaling::ScalableTarget"):
        if logical_id in str(target.get("ResourceId")) and (least := number(target.get("MinCapacity"))) is not None:
            return int(least)
    return 1


def _deployment(properties: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _placing(properties)
    yield from _shares(properties)
    yield from _task_network(properties)


def _placing(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if properties.get("LaunchType") == "FARGATE":
        for key in ("PlacementStrategies", "PlacementConstraints"):
            if properties.get(key, []) != [] and is_given(properties, key):
                yield key, "is set, and Fargate places tasks itself", "leave it out"
    bases = [
        each for each in tables(properties.get("CapacityProviderStrategy")) if each.get("Base") not in (None, 0, "0")
    ]
    if len(bases) > 1:
        yield "CapacityProviderStrategy.Base", f"is set for {len(bases)} providers", "keep one of them"
    controller = table(properties.get("DeploymentController")).get("Type")
    breaker = table(table(properties.get("DeploymentConfiguration")).get("DeploymentCircuitBreaker"))
    if controller in ("CODE_DEPLOY", "EXTERNAL") and is_on(breaker.get("Enable")):
        where = "DeploymentConfiguration.DeploymentCircuitBreaker"
        yield where, f"is on, and {controller} has none", "make the controller ECS, or leave it out"


def _shares(properties: Mapping[str, Any]) -> Iterator[Fault]:
    configuration = table(properties.get("DeploymentConfiguration"))
    shares = (("CanaryConfiguration", "CanaryPercent", 0.1), ("LinearConfiguration", "StepPercent", 3))
    for part, key, least in shares:
        given = table(configuration.get(part)).get(key)
        if isinstance(given, int | float) and not least <= given <= 100:
            yield f"DeploymentConfiguration.{part}.{key}", f"is {given:g} %", f"choose {least:g} to 100"
    for part, key in (
        ("CanaryConfiguration", "CanaryBakeTimeInMinutes"),
        ("LinearConfiguration", "StepBakeTimeInMinutes"),
        ("", "BakeTimeInMinutes"),
    ):
        minutes = whole((table(configuration.get(part)) if part else configuration).get(key))
        if minutes is not None and not 0 <= minutes <= _DAY_MINUTES:
            where = ".".join(filter(None, ["DeploymentConfiguration", part, key]))
            yield where, f"is {counted(minutes, 'minute')}", f"choose 0 to {_DAY_MINUTES}"


def _policy(properties: Mapping[str, Any]) -> Iterator[Fault]:
    where = "TargetTrackingScalingPolicyConfiguration"
    for kind in ("StepScaling", "TargetTrackingScaling"):
        if properties.get("PolicyType") == kind and not may_be_given(properties, f"{kind}PolicyConfiguration"):
            yield f"{kind}PolicyConfiguration", f"is missing, and PolicyType is {kind}", "add it, or correct the type"
    if [] in values_at(properties, "StepScalingPolicyConfiguration.StepAdjustments"):
        yield "StepScalingPolicyConfiguration.StepAdjustments", "is empty", "say how far to scale"
    metric = table(table(properties.get(where)).get("PredefinedMetricSpecification"))
    if metric.get("PredefinedMetricType") == "ALBRequestCountPerTarget" and not may_be_given(metric, "ResourceLabel"):
        yield f"{where}.PredefinedMetricSpecification.ResourceLabel", "is missing", "name the target group"


def _scaling(properties: Mapping[str, Any]) -> Iterator[Fault]:
    least, most = (whole(properties.get(key)) for key in ("MinCapacity", "MaxCapacity"))
    if least is not None and most is not None and most < least:
        yield "MaxCapacity", f"is {most}, and MinCapacity is {least}", "make it no less"


def _task_network(properties: Mapping[str, Any]) -> Iterator[Fault]:
    where = "NetworkConfiguration.AwsvpcConfiguration"
    for config in values_at(properties, where):
        if table(config).get("Subnets") == []:
            yield f"{where}.Subnets", "is empty", "name the subnets that its tasks run in"


_JUDGES: Judges = {
    _SERVICE: _deployment,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _policy,
    "AWS::ApplicationAutoScaling::ScalableTarget": _scaling,
}

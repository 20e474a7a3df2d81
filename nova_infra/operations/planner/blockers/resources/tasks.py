"""Task definitions and ECS services that ECS refuses (CPU and memory), and deployments that cannot move.

Limits: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from nova_infra.checks.rule import as_list, referenced
from nova_infra.documents.text import counted
from nova_infra.operations.changes.certain import (
    is_function,
    is_known,
    is_off,
    is_on,
    is_whole,
    may_be_left_out,
    number,
    table,
    tables,
)
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Fault, Step

_TASK, _SERVICE = "AWS::ECS::TaskDefinition", "AWS::ECS::Service"
# Property of a health check to the least and the most that it may be.
_CHECK = {"Interval": (5, 300), "Timeout": (2, 60), "Retries": (1, 10), "StartPeriod": (0, 300)}
_MOST_STOP_SECONDS = 120
_STORAGE = (21, 200)
_GIB = 1024
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-logging
_LOG_DRIVERS = ("awslogs", "splunk", "awsfirelens")
# CPU units to the memory in MiB that goes with them: ECS registers no task definition of another size.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
_MEMORY: dict[int, tuple[int, ...]] = {
    256: (512, _GIB, 2 * _GIB),
    512: tuple(range(_GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}
_NOTHING: Mapping[str, str] = {"Ref": "AWS::NoValue"}


def refused_task_definitions(step: Step) -> Iterator[Refusal]:
    """Refuse a task definition that ECS would not register."""
    for logical_id, properties in step.given_of_type(_TASK):
        yield from step.refuse_each(logical_id, (*_of_task(properties), *_of_containers(properties)))


def impossible_sizes(step: Step) -> Iterator[Refusal]:
    """Refuse a task definition for Fargate whose CPU and memory do not go together."""
    for logical_id, properties in step.given_of_type(_TASK):
        size = [properties.get(name) for name in ("Cpu", "Memory")]
        runs_on = as_list(properties.get("RequiresCompatibilities"))
        if "FARGATE" not in runs_on or not all(str(value).isdecimal() for value in size):
            continue
        cpu, memory = (int(str(value)) for value in size)
        if memory in _MEMORY.get(cpu, ()):
            continue
        near = sorted(_MEMORY.get(cpu, ()), key=lambda known: (abs(known - memory), known))
        remedy = f"give it {near[0]} MiB" if near else f"choose one of {', '.join(map(str, _MEMORY))} CPU units"
        yield step.refuse(
            f"{logical_id}.{'Memory' if near else 'Cpu'}",
            f"Fargate has no task size of {cpu} CPU units and {memory} MiB",
            remedy,
        )


def refused_services(step: Step) -> Iterator[Refusal]:
    """Refuse a service that does not fit its task definition, and one whose deployment could not replace a task."""
    changing = {action.logical_id for action in step.actions if action.changes}
    for logical_id, properties in step.after.of_type(_SERVICE):
        if logical_id not in changing:
            continue  # Nothing asks ECS then, whatever becomes of the rule that leads to it.
        task = step.after.resources.get(referenced(properties.get("TaskDefinition")) or "", {})
        found = [*_of_service(properties, task.get("Properties", {}) if task.get("Type") == _TASK else None)]
        for balancer in tables(properties.get("LoadBalancers")):
            found += [*_of_balancer(balancer, task.get("Properties", {})), *_of_shifting(properties, balancer)]
            named = referenced(table(balancer.get("AdvancedConfiguration")).get("ProductionListenerRule"))
            found += _of_rule(step.after.resources.get(named or "", {}))
            # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/alb.html
            group = step.after.resources.get(referenced(balancer.get("TargetGroupArn")) or "", {}).get("Properties", {})
            if (task.get("Properties", {}).get("NetworkMode"), group.get("TargetType")) == ("awsvpc", "instance"):
                found.append(("LoadBalancers.TargetGroupArn", "has instances, but awsvpc needs ip", "make its type ip"))
        yield from step.refuse_each(logical_id, found)
        desired, configuration = (
            _desired(step, logical_id, properties),
            table(properties.get("DeploymentConfiguration")),
        )
        if (stuck := _stuck(configuration, desired)) is not None:
            yield step.refuse(
                f"{logical_id}.DeploymentConfiguration",
                stuck,
                "raise MaximumPercent, or lower MinimumHealthyPercent",
                "this deployment would never end: ECS could neither stop nor start a task",
            )


def _of_task(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if "FARGATE" in as_list(properties.get("RequiresCompatibilities")):
        for key in ("Cpu", "Memory"):
            if properties.get(key, _NOTHING) == _NOTHING:
                yield key, "is missing, and Fargate needs it for the whole task", "add it"
        if properties.get("ExecutionRoleArn", _NOTHING) == _NOTHING and (why := _needs_execution_role(properties)):
            yield "ExecutionRoleArn", f"is missing, and without it ECS cannot {why}", "add it"
        mode = properties.get("NetworkMode", "bridge")
        if isinstance(mode, str) and mode != "awsvpc":
            yield "NetworkMode", f"is {mode}, but Fargate supports only awsvpc", "make it awsvpc"
        for container in tables(properties.get("ContainerDefinitions")):
            if (seconds := number(container.get("StopTimeout"))) is not None and seconds > _MOST_STOP_SECONDS:
                said = f"{_name(container)} may take {seconds:g} s to stop, but Fargate allows {_MOST_STOP_SECONDS}"
                yield "StopTimeout", said, f"make it {_MOST_STOP_SECONDS} or less"
            if is_on(container.get("Privileged")):
                yield "Privileged", f"is on for {_name(container)}, and Fargate has no such containers", "leave it out"
            yield from _of_log(container)
    size = number(table(properties.get("EphemeralStorage")).get("SizeInGiB"))
    if size is not None and not _STORAGE[0] <= size <= _STORAGE[1]:
        yield "EphemeralStorage", f"is {size:g} GiB", f"choose {_STORAGE[0]} to {_STORAGE[1]}"


def _of_log(container: Mapping[str, Any]) -> Iterator[Fault]:
    """How a container on Fargate logs."""
    log = table(container.get("LogConfiguration"))
    driver, options = log.get("LogDriver"), log.get("Options", {})
    if driver == "awslogs" and isinstance(options, Mapping) and not is_function(options):
        for option in ("awslogs-region", "awslogs-stream-prefix"):
            if option not in options:
                fault = f"{_name(container) or 'the container'} lacks {option}, which Fargate needs"
                yield "LogConfiguration.Options", fault, "add it"
    if isinstance(driver, str) and driver not in _LOG_DRIVERS:
        said = f"{_name(container) or 'the container'} logs with {driver}, which Fargate does not support"
        yield "LogConfiguration.LogDriver", said, f"use {', '.join(_LOG_DRIVERS[:-1])} or {_LOG_DRIVERS[-1]}"


def _of_containers(properties: Mapping[str, Any]) -> Iterator[Fault]:
    containers, names = tables(properties.get("ContainerDefinitions")), _names(properties, "ContainerDefinitions")
    volumes = _names(properties, "Volumes")
    if repeated := [name for name, count in Counter(map(_name, containers)).items() if name and count > 1]:
        yield "ContainerDefinitions", f"has several containers named {repeated[0]}", "rename one"
    if (
        containers
        and is_whole(properties.get("ContainerDefinitions"))
        and all(is_off(each.get("Essential")) for each in containers)
    ):
        yield "ContainerDefinitions", "has no essential container", "make one essential"
    for key, unit in (("Memory", "MiB"), ("Cpu", "CPU units")):
        whole, parts = number(properties.get(key)), [number(each.get(key)) or 0 for each in containers]
        if whole is not None and sum(parts) > whole:
            fault = f"its containers ask for {sum(parts):g} {unit}, and the task has {whole:g}"
            yield f"ContainerDefinitions.{key}", fault, f"ask for less, or raise the task's {key}"
    yield from _of_order(containers)
    if any(table(each.get("LogConfiguration")).get("LogDriver") == "awsfirelens" for each in containers):
        routers = [each for each in containers if each.get("FirelensConfiguration", _NOTHING) != _NOTHING]
        if is_whole(properties.get("ContainerDefinitions")) and not routers:
            fault = "logs by awsfirelens, and no container is its router"
            yield "LogConfiguration.LogDriver", fault, "add a container with FirelensConfiguration"
    for each in containers:
        yield from _of_container(each, names, volumes)
        if properties.get("NetworkMode") == "awsvpc":
            yield from _of_ports(each)


def _of_ports(container: Mapping[str, Any]) -> Iterator[Fault]:
    """With awsvpc a port of the host is the same or none: API_PortMapping in the API reference."""
    for mapping in tables(container.get("PortMappings")):
        inside, host = (number(mapping.get(key)) for key in ("ContainerPort", "HostPort"))
        if host and inside is not None and host != inside:
            name = _name(container) or "the container"
            fault = f"{name} maps port {inside:g} to {host:g} of the host, but awsvpc maps a port only to itself"
            yield "PortMappings.HostPort", fault, "leave it out"


def _of_container(
    container: Mapping[str, Any], names: Collection[str] | None, volumes: Collection[str] | None
) -> Iterator[Fault]:
    name = _name(container) or "the container"
    for key, (least, most) in _CHECK.items():
        value = number(table(container.get("HealthCheck")).get(key))
        if value is not None and not least <= value <= most:
            yield f"HealthCheck.{key}", f"{name} has {value:g}", f"choose {least} to {most}"
    variables = {_name(each) for each in tables(container.get("Environment"))}
    for secret in map(_name, tables(container.get("Secrets"))):
        if secret and secret in variables:
            yield "Secrets", f"{name} has {secret} among its variables and its secrets", "keep one of them"
    for mount in tables(container.get("MountPoints")):
        source = mount.get("SourceVolume")
        if isinstance(source, str) and volumes is not None and source not in volumes:
            yield "MountPoints", f"{name} mounts {source}, which is not a volume of the task", "add it to Volumes"
    for other in (each.get("ContainerName") for each in tables(container.get("DependsOn"))):
        if isinstance(other, str) and names is not None and other not in names:
            yield "DependsOn", f"{name} waits for {other}, not a container here", "correct the name"


def _needs_execution_role(properties: Mapping[str, Any]) -> str:
    """What ECS does for a task on Fargate by its execution role, a clause; empty where nothing is sure to need it.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
    """
    for container in tables(properties.get("ContainerDefinitions")):
        if table(container.get("LogConfiguration")).get("LogDriver") == "awslogs":
            return "write its log"
        if tables(container.get("Secrets")):
            return "read its secrets"
        if ".dkr.ecr." in str(container.get("Image")):
            return "pull its image"
    return ""


def _of_order(containers: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    """Which conditions containers wait for: API_ContainerDependency in the API reference."""
    by_name = {_name(each): each for each in containers if _name(each)}
    waits: dict[str, set[str]] = {}
    for name, container in by_name.items():
        for entry in tables(container.get("DependsOn")):
            other, condition = by_name.get(str(entry.get("ContainerName"))), entry.get("Condition")
            if other is None:
                continue
            waits.setdefault(name, set()).add(_name(other))
            if condition == "HEALTHY" and other.get("HealthCheck", _NOTHING) == _NOTHING:
                fault = f"{name} waits until {_name(other)} is healthy, which has no health check"
                yield "DependsOn", fault, "give it one, or wait for START"
            if condition in ("COMPLETE", "SUCCESS") and is_on(other.get("Essential", True)):
                fault = f"{name} waits until {_name(other)} has ended, which is essential: the task ends with it"
                yield "DependsOn", fault, f"make {_name(other)} not essential"
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        yield "DependsOn", f"{' waits for '.join(error.args[1])}", "take one of these out"


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
    """What a deployment needs to move traffic between two target groups.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-blue-green.html
    """
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
    if not _names(task, "ContainerDefinitions"):
        return
    containers = {_name(each): each for each in tables(task["ContainerDefinitions"]) if _name(each)}
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
    """Why a rolling deployment could neither stop nor start a task, in a clause; None if it could.

    Both shares are of the desired count, the least rounded up and the most rounded down:
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
    """
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


def _names(properties: Mapping[str, Any], key: str) -> list[str] | None:
    """The names of all entries of a list; None where only CloudFormation knows one of them."""
    entries = properties.get(key)
    names = [each.get("Name") for each in tables(entries)]
    return [*map(str, names)] if is_whole(entries) and all(isinstance(each, str) for each in names) else None


def _name(container: Mapping[str, Any]) -> str:
    name = container.get("Name")
    return name if isinstance(name, str) else ""

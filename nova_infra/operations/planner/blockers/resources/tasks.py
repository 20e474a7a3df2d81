"""Task definitions that ECS refuses: CPU and memory sizes, containers, ports, volumes, health checks, logs.

Limits: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.operations.changes.stated_values import is_function, is_off, is_on, is_whole, number, table, tables
from nova_infra.operations.planner.blockers.resources.quotas import known_characters
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Fault, Step

TASK = "AWS::ECS::TaskDefinition"
# Property of a health check to the least and the most that it may be.
_CHECK = {"Interval": (5, 300), "Timeout": (2, 60), "Retries": (1, 10), "StartPeriod": (0, 300)}
_MOST_STOP_SECONDS = 120
_STORAGE = (21, 200)
_MOST_BYTES = 64 * 1024  # https://docs.aws.amazon.com/general/latest/gr/ecs-service.html, "Task definition size"
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
    for logical_id, properties in step.given_of_type(TASK):
        yield from step.refuse_each(logical_id, (*_of_task(properties), *_of_containers(properties)))


def impossible_sizes(step: Step) -> Iterator[Refusal]:
    """Refuse a task definition for Fargate whose CPU and memory do not go together."""
    for logical_id, properties in step.given_of_type(TASK):
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
    if (most := known_characters(properties.get("ContainerDefinitions", []))) > _MOST_BYTES:
        said = f"has at least {most:,} characters, and ECS takes {_MOST_BYTES:,} bytes of a task definition"
        yield "ContainerDefinitions", said, "put large values into files of the image, or into parameters"
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
    containers, names = tables(properties.get("ContainerDefinitions")), entry_names(properties, "ContainerDefinitions")
    volumes = entry_names(properties, "Volumes")
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
    for options in (table(each.get("LogConfiguration")) for each in containers):
        given = options.get("Options", {}) if options.get("LogDriver") == "awslogs" else None
        if isinstance(given, Mapping) and not is_function(given) and "awslogs-group" not in given:
            yield "LogConfiguration.Options", "lacks awslogs-group, which awslogs needs", "add it"
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
    """What ECS does by a Fargate task's execution role, in a clause; empty if unsure (task_execution_IAM_role)."""
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


def entry_names(properties: Mapping[str, Any], key: str) -> list[str] | None:
    """The names of all entries of a list; None where only CloudFormation knows one of them."""
    entries = properties.get(key)
    names = [each.get("Name") for each in tables(entries)]
    return [*map(str, names)] if is_whole(entries) and all(isinstance(each, str) for each in names) else None


def _name(container: Mapping[str, Any]) -> str:
    name = container.get("Name")
    return name if isinstance(name, str) else ""

"""Reads all that a pipeline would deploy before anything starts: unknowns, what is taken for granted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from nova_infra.assembly import Template, resources_of_type
from nova_infra.documents.text import said_once
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.left_out import KIND, check_readable
from nova_infra.rehearsal.cloudformation.physical import PARAMETER, SECRET
from nova_infra.rehearsal.cloudformation.shapes import areas_of
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudformation.vocabulary import PLAYED, area_not_rehearsed, may_not_exist
from nova_infra.rehearsal.cloudwatch.alarm_names import STRANGE, KnownAlarms
from nova_infra.rehearsal.delivery.definition import BuildAction, DeployAction, Stage
from nova_infra.rehearsal.ecs.lifecycle.functions import is_playable
from nova_infra.rehearsal.ecs.service_definition import read_service
from nova_infra.rehearsal.environment.background.resources import fields_of
from nova_infra.rehearsal.load_balancer.routing import existing_balancer, read_default_rule, read_rule
from nova_infra.rehearsal.load_balancer.targets import TargetGroup, read_target_group
from nova_infra.rehearsal.pipeline.builds import environment_prefix
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.tasks.definition import TaskDefinition, ports_of, read_task_definition

_UNCALLED = "Lambda functions that no deployment calls"
_SPOT = "Spot and its interruptions"
_UNSTARTED = "tasks that events start"
_STICKY = "sticky sessions (the rehearsal's users keep no cookies)"
_SHARED = "what file systems of EFS hold, and who owns it (they begin empty here)"
_LOOKED_UP = "the values of variables that CloudFormation looks up (they are made up here)"
_FURTHER_GROUPS = "requests through further target groups of a service to another port, or where its traffic shifts"
_HEALTH_PORT = "the answers to health checks on a port of their own (a task counts as healthy here if it listens there)"
_ELB = "AWS::ElasticLoadBalancingV2"
_DEFAULT = "DefaultCapacityProviderStrategy"
_ROUTING = ("TargetGroup", "Listener", "ListenerRule")


Runs = Callable[[TaskDefinition], bool]
"""Whether a further container of a task runs here."""


def _none_runs(_: TaskDefinition) -> bool:
    return False


def precheck(release: Release, provided: Collection[str] = (), runs: Runs = _none_runs) -> list[str]:
    """Read everything that the release's pipeline deploys.

    Args:
        provided: Variables that dependencies provide.

    Returns:
        What of it is not rehearsed, in sentences.
    """
    pipeline, readings = release.pipeline(), _readings(release, runs).values()
    areas = {each for reading in readings for each in reading.areas}
    secrets = {name for reading in readings for names in reading.secrets.values() for name in names}
    sidecars = {each for reading in readings for each in reading.sidecars}
    existing = {each for reading in readings for each in reading.existing}
    alarms = {name: why for reading in readings for name, why in reading.alarms.unevaluated.items()}
    notes = sorted(each for each in areas if ": " in each)
    notes += [", ".join(sorted(areas - set(notes)))] if areas - set(notes) else []
    secrets -= set(provided)
    secrets |= {name for s in pipeline.stages for a in s.actions if isinstance(a, BuildAction) for name in a.secrets}
    if secrets:
        notes.append(f"secrets: {', '.join(sorted(secrets))} has a placeholder value")
    if existing:
        notes.append(f"load balancers: the other rules on {', '.join(sorted(existing))}, whose listener has a stand-in")
    notes += [f"an alarm that only CloudWatch evaluates: {why}" for _, why in sorted(alarms.items())]
    if sidecars:
        notes.append(f"sidecars: {', '.join(sorted(sidecars))} did not run, and nothing answered in their place")
    return notes + [_window(stage) for stage in pipeline.stages if stage.window]


def taken_for_granted(candidate: Release, baseline: Release, runs: Runs = _none_runs) -> list[str]:
    """Secrets and parameters that the release's tasks need to start and that only AWS can check, a clause each.

    No template makes them, and what runs before does not use them, or may never have run. What stands in for a
    database here provides a value, which says nothing of the secret.
    """
    before = {} if baseline.stands_in else _readings(baseline, runs)
    found = []
    for name, reading in _readings(candidate, runs).items():
        known = before[name].secrets if name in before else {}
        for service in sorted(reading.left.keys() & before[name].services) if name in before else ():
            raise UnresolvableError(
                f"{service}: becomes one of {reading.left[service]}, which the rehearsal does not play: change it in a "
                "release of its own, which can be judged only in AWS"
            )
        things = {*map(_in_words, known), *(f"the secret {each}" for each in reading.made)}
        for origin, variables in reading.secrets.items():
            thing, part = _in_words(origin), _part_of(origin)
            has = [*(["exists"] if thing not in things else []), *([f"has {part}"] if part else [])]
            if origin not in known and has:
                comes = f"which {', '.join(sorted(variables))} comes from"
                found.append((name, f"only AWS knows whether {thing} {' and '.join(has)}, {comes}"))
        found += [(name, f"only AWS knows whether {each} stays OK") for each in sorted(reading.unknown)]
        unmapped = reading.unmapped - (before[name].unmapped if name in before else set())
        found += [(name, f"only AWS knows whether {each}") for each in sorted(unmapped)]
        found += [(name, f"only AWS knows whether there is a type {each}") for each in sorted(reading.types)]
        changed = sorted(reading.essential.items() - (before[name].essential.items() if name in before else set()))
        found += [(name, f"only AWS knows whether {each}") for each, _ in changed]
    return said_once(found)


def _readings(release: Release, runs: Runs) -> dict[str, StageReading]:
    """Stage to what its stacks hold."""
    found = {}
    for stage in release.pipeline().stages:
        reading = found[stage.name] = StageReading(runs)
        for wave in stage.waves():
            for action in wave:
                if isinstance(action, DeployAction):
                    reading.read(action.stack_name, release.template(action))
        if not release.app:  # its stacks may have any names
            prefixes = filter(None, map(environment_prefix, release.pipeline().stages))
            reading.alarms.check(environment_prefix(stage), prefixes)
    return found


def _in_words(origin: str) -> str:
    """A secret or a parameter, from what a task definition says of where a value comes from."""
    if ":secretsmanager:" in origin:
        return f"the secret {origin.partition(':secret:')[2].partition(':')[0]}"
    name = origin.partition(":parameter")[2] if ":parameter/" in origin else origin
    return f"the parameter {name}"


def _part_of(origin: str) -> str:
    """The part of a secret that a value comes from, if not all of it: ``…:secret:name:field:stage:version``."""
    field, stage, version = (*origin.partition(":secret:")[2].split(":")[1:], "", "", "")[:3]
    parts = {"the field": field, "the stage": stage, "the version": version}
    return " in ".join(f"{kind} {name}" for kind, name in parts.items() if name)


class StageReading:
    """Reads the stacks of one stage in their order, each with what those before it export.

    Attributes:
        secrets: What no template makes and values of variables come from, with the names of these variables.
        sidecars: Names of the containers that are not run.
        existing: Load balancers that no stack makes, as CloudWatch knows them.
        made: Names of the secrets and parameters that its stacks make, with the secrets' fields where templates say.
        alarms: The alarms that its stacks make.
        essential: Containers that are not run and end or hold up their tasks, in words, with what they run.
        unmapped: Health checks of a port that no container maps, where some do not run here, a clause each.
        unknown: Those of them that can roll a service back, a clause each.
        left: What is left out, by stack and logical id, and what it is.
    """

    def __init__(self, runs: Runs = _none_runs) -> None:
        self._runs = runs
        self.secrets: dict[str, set[str]] = {}
        self.areas: set[str] = set()
        self.sidecars: set[str] = set()
        self.existing: set[str] = set()
        self.alarms = KnownAlarms()
        self.unknown: set[str] = set()
        self.types: set[str] = set()
        self.services: set[str] = set()
        self.left: dict[str, str] = {}
        self.unmapped: set[str] = set()
        self.essential: dict[str, str] = {}
        self._ports: dict[str, set[int]] = {}
        self._listeners: set[str] = set()
        self.made: dict[str, frozenset[str] | None] = {}
        self._exports: dict[str, Any] = {}
        self._groups: dict[str, TargetGroup] = {}
        self._rules: set[str] = set()
        self._defaults: dict[str, list[str]] = {}

    def read(self, stack_name: str, template: Template) -> None:
        """Read one stack."""
        check_readable(template, stack_name)
        definitions = resources_of_type(template, "AWS::ECS::TaskDefinition")
        revisions = {logical_id: f"{stack_name}/{logical_id}:1" for logical_id in definitions}
        stack = PlayedStack(stack_name, template, exports=self._exports, revisions=revisions)
        for resource_type in PLAYED:
            for logical_id in stack.resources(resource_type):
                stack.properties(logical_id)
        self.made |= dict.fromkeys(map(stack.physical_name, stack.resources(PARAMETER)))
        self.made |= {stack.physical_name(each): fields_of(stack, each) for each in stack.resources(SECRET)}
        for logical_id in stack.resources("AWS::ECS::TaskDefinition"):
            properties = stack.required(logical_id, "ContainerDefinitions", "Memory")
            definition = read_task_definition(properties, f"{stack_name}.{logical_id}", stack.serving(logical_id))
            for each in (definition, *definition.further):
                for variable, origin in each.secrets.items():
                    if not self._declares(origin):
                        self.secrets.setdefault(origin, set()).add(variable)
            left_out = [each.name for each in definition.further if not self._runs(each)]
            self._read_sidecars(stack, logical_id, properties, left_out)
        for logical_id, each in template["Resources"].items():
            if may_not_exist(kind := str(each["Type"])):
                self.types.add(kind)
            if kind.startswith(KIND):
                self.left[f"{stack_name}.{logical_id}"] = kind.removeprefix(KIND)
        self._read_load_balancers(stack)
        self._read_capacity(stack)
        self.alarms.read(stack)
        for logical_id in stack.resources("AWS::ECS::Service"):
            service, where = read_service(stack, logical_id), f"{stack_name}.{logical_id}"
            self.services.add(where)
            self._read_health_ports(stack.properties(logical_id), service.name)
            unread = [each for each in service.rollout.alarms if each in self.alarms.unevaluated]
            self.unknown |= {f"{each}, which can roll back {service.name}," for each in unread}
            named = f"{where}.DeploymentConfiguration.Alarms.AlarmNames"
            strange = self.alarms.strange(service.rollout.alarms, named)
            self.unknown |= {f"{each}, {STRANGE}, exists, can roll back {service.name} and" for each in strange}
            if service.rule is not None and service.rule not in self._rules:
                raise UnresolvableError(
                    f"{where}.LoadBalancers[0].AdvancedConfiguration.ProductionListenerRule: {service.rule!r} is not a "
                    "rule of this environment, so the rehearsal cannot tell where its traffic comes from"
                )
        self._exports |= stack.exports()
        self.areas |= _areas(stack)

    def _read_sidecars(self, stack: PlayedStack, task: str, given: Mapping[str, Any], names: Collection[str]) -> None:
        self.sidecars |= set(names)
        waits = [one for each in given["ContainerDefinitions"] for one in each.get("DependsOn", ())]
        awaited = {str(one["ContainerName"]) for one in waits if one["Condition"] != "START"}
        for each in given["ContainerDefinitions"]:
            runs = repr(sorted((key, value) for key, value in each.items() if value and key != "Image"))
            if each.get("Name") in names and each.get("Essential", True) in (True, "true"):
                self.essential[f"the sidecar {each['Name']}, with which {stack.name} ends, stays up"] = runs
            elif each.get("Name") in awaited.intersection(names):
                self.essential[f"{each['Name']}, which {stack.name} waits for, does what it is waited for"] = repr(each)
        if names:
            self._ports[stack.ref(task)] = {port for each in given["ContainerDefinitions"] for port in ports_of(each)}

    def _declares(self, origin: str) -> bool:
        """Whether a template makes the secret, with the field of it, or the parameter that a value comes from."""
        name, _, part = origin.partition(":secret:")[2].partition(":")
        if name in self.made:
            fields, field = self.made[name], part.partition(":")[0]
            return not field or fields is None or field in fields
        parameter = origin.rpartition(":parameter")[2] or origin
        return not name and bool({parameter, parameter.removeprefix("/")} & self.made.keys())

    def _read_load_balancers(self, stack: PlayedStack) -> None:
        for logical_id in stack.resources(f"{_ELB}::TargetGroup"):
            arn = stack.ref(logical_id)
            self._groups[arn] = TargetGroup(arn, read_target_group(stack.properties(logical_id)))
        for logical_id in stack.resources(f"{_ELB}::Listener"):
            properties = stack.required(logical_id, "LoadBalancerArn", "Protocol", "Port", "DefaultActions")
            self._listeners.add(stack.ref(logical_id))
            read_default_rule(properties["DefaultActions"], f"{stack.name}.{logical_id}", self._groups)
        for logical_id in stack.resources(f"{_ELB}::ListenerRule"):
            properties = stack.required(logical_id, "ListenerArn", "Priority", "Actions")
            read_rule(properties, f"{stack.name}.{logical_id}", self._groups)
            if (listener := str(properties["ListenerArn"])) not in self._listeners:
                self.existing.add(existing_balancer(listener))
            self._rules.add(stack.ref(logical_id))

    def _read_capacity(self, stack: PlayedStack) -> None:
        """Find out what services run on; by default, what their cluster says (API_CreateService)."""
        for logical_id in stack.resources("AWS::ECS::Cluster"):
            self._defaults[stack.ref(logical_id)] = _providers(stack.properties(logical_id), _DEFAULT)
        for logical_id in stack.resources("AWS::ECS::ClusterCapacityProviderAssociations"):
            properties = stack.properties(logical_id)
            self._defaults[_cluster(properties)] = _providers(properties, _DEFAULT)
        for logical_id in stack.resources("AWS::ECS::Service"):
            properties = stack.properties(logical_id)
            providers = _providers(properties, "CapacityProviderStrategy")
            if not providers and "LaunchType" not in properties:
                providers = self._defaults.get(_cluster(properties), [])
            if others := [each for each in providers if each not in ("FARGATE", "FARGATE_SPOT")]:
                name = properties.get("ServiceName", logical_id)
                self.unknown.add(f"{name}, which runs on {others[0]} by the default of its cluster,")
            if "FARGATE_SPOT" in providers:
                self.areas.add(_SPOT)

    def _read_health_ports(self, service: Mapping[str, Any], name: str) -> None:
        mapped = self._ports.get(str(service.get("TaskDefinition")))
        for balancer in service.get("LoadBalancers", ()):
            group = self._groups.get(str(balancer.get("TargetGroupArn")))
            port = group.settings.check_port if group is not None else 0
            if port and str(port) != str(balancer.get("ContainerPort")):
                self.areas.add(_HEALTH_PORT)
            if port and mapped is not None and port not in mapped:
                self.unmapped.add(f"{name} answers health checks on port {port}, which no container maps")


def _areas(stack: PlayedStack) -> set[str]:
    """What a stack holds that is not rehearsed, or not all of it."""
    found = {area_not_rehearsed(str(each["Type"])) or "" for each in stack.template.get("Resources", {}).values()}

    def properties_of(resource_type: str) -> list[dict[str, Any]]:
        return [stack.properties(logical_id) for logical_id in stack.resources(resource_type)]

    if not all(map(is_playable, properties_of("AWS::Lambda::Function"))):
        found.add(_UNCALLED)
    # Rules are not played, so what of them only CloudFormation knows stays as it is.
    rules = resources_of_type(stack.template, "AWS::Events::Rule").values()
    if any(_has_key(rule, "EcsParameters") and not _has_key(rule, "ScheduleExpression") for rule in rules):
        found.add(_UNSTARTED)
    if any(any(map(_is_sticky, properties_of(f"{_ELB}::{kind}"))) for kind in _ROUTING):
        found.add(_STICKY)
    if any(_has_key(each, "EFSVolumeConfiguration") for each in properties_of("AWS::ECS::TaskDefinition")):
        found.add(_SHARED)
    for resource_type, shape in PLAYED.items():
        found |= {area for given in properties_of(resource_type) for area in areas_of(given, shape)}
    if stack.makes_up:
        found.add(_LOOKED_UP)
    for service in (read_service(stack, each) for each in stack.resources("AWS::ECS::Service")):
        known = {stack.ref(each) for each in stack.resources(f"{_ELB}::TargetGroup")}
        if len(service.properties.get("LoadBalancers", ())) > 1 + len(known & set(service.further)):
            found.add(_FURTHER_GROUPS)
    return found - {""}


def _providers(properties: Mapping[str, Any], key: str) -> list[str]:
    return [str(each.get("CapacityProvider")) for each in properties.get(key, ())]


def _cluster(properties: Mapping[str, Any]) -> str:
    """The cluster's name, which a service may also give by its ARN."""
    return str(properties.get("Cluster", "default")).rpartition("cluster/")[2].removesuffix(".Arn")


def _has_key(value: Any, key: str) -> bool:
    """Whether a part of a value has a property, under whatever condition."""
    if isinstance(value, Mapping):
        return key in value or any(_has_key(each, key) for each in value.values())
    return isinstance(value, list) and any(_has_key(each, key) for each in value)


def _is_sticky(properties: Mapping[str, Any]) -> bool:
    """Whether a target group, a listener or a rule, resolved, has users return to where they were."""
    enabled = [
        each["Value"] for each in properties.get("TargetGroupAttributes", ()) if each["Key"] == "stickiness.enabled"
    ]
    for action in (*properties.get("Actions", ()), *properties.get("DefaultActions", ())):
        enabled.append(action.get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {}).get("Enabled"))
    return any(str(each).lower() == "true" for each in enabled)


def _window(stage: Stage) -> str:
    return f"the deployment window of {stage.name} ({stage.window}): the rehearsal did not wait for it"

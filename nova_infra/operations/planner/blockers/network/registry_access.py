"""Refuses tasks on Fargate that surely reach neither registry nor EFS, in networks that the release holds."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nova_infra.checks.rule import as_list, referenced
from nova_infra.operations.changes.stated_values import is_known, table, tables
from nova_infra.operations.planner.blockers.network.security_groups import GROUP, opens, rules_of
from nova_infra.operations.planner.model import Refusal, StackTemplate
from nova_infra.operations.planner.step import Step

_FAILS = "this would fail"
_NFS = 2049
_GATEWAY = "AWS::EC2::InternetGateway"
_ASSOCIATION, _ROUTE = "AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::Route"
_OTHER_WAYS = ("AWS::EC2::VPCEndpoint", "AWS::EC2::VPNGatewayRoutePropagation")
_Owner = tuple[StackTemplate, str]


def impassable(step: Step) -> Iterator[Refusal]:
    """Refuse what tasks do not reach, unless it was so before: then something outside of the templates opens a way."""
    for judge in (_no_way_out, _unmountable):
        if (found := [*judge(step)]) and step.before is not None:
            known = {*judge(replace(step, before=None, after=step.before))}
            found = [each for each in found if each not in known]
        yield from found


def _no_way_out(step: Step) -> Iterator[Refusal]:
    """Refuse a service whose tasks have no way to what is outside of their network, from where their image comes.

    In a public subnet a task needs an address of its own, in a private one a NAT gateway or endpoints:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html
    """
    for logical_id, network in _networks(step):
        if network.get("AssignPublicIp", "DISABLED") != "DISABLED" or not (named := as_list(network.get("Subnets"))):
            continue
        subnets = [step.world.named(step.after, each) for each in named]
        exits = [_exits(step, each) if each is not None else {"another"} for each in subnets]
        if any(each - {"public"} for each in exits):
            continue
        public = any(exits)
        where = "is DISABLED in public subnets" if public else "does not help in subnets without any way out"
        yield step.refuse(
            f"{logical_id}.NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp",
            f"{where}, and there is neither a NAT gateway nor an endpoint, so its tasks cannot pull their image",
            "enable it, or add a NAT gateway" if public else "add a NAT gateway, or endpoints for ECR, S3 and logs",
            _FAILS,
        )


def _unmountable(step: Step) -> Iterator[Refusal]:
    """Refuse tasks that cannot mount a file system of their stack (enforce-root-directory-access-point)."""
    made = {each.logical_id for each in step.actions if each.makes_new}
    for logical_id, network in _networks(step):
        task = referenced(step.after.resources[logical_id]["Properties"].get("TaskDefinition"))
        for volume in _mounted(step.after.resources.get(task or "", {}).get("Properties", {})):
            system = referenced(volume.get("FilesystemId")) or ""
            if step.after.resources.get(system, {}).get("Type") != "AWS::EFS::FileSystem":
                continue
            where, directory = _root(step, task or "", volume)
            if directory != "/" and system in made:
                fault = f"is {directory} of {system}, which is new and has no such directory, so no task can mount it"
                yield step.refuse(where, fault, "give an access point CreationInfo, or mount /", _FAILS)
            targets = [
                each
                for _, each in step.after.of_type("AWS::EFS::MountTarget")
                if referenced(each.get("FileSystemId")) == system
            ]
            if system in made and not targets:
                yield step.refuse(system, f"has no mount target, so {logical_id} cannot mount it", "add one", _FAILS)
            if targets and not any(_lets_in(step, each, network) for each in targets):
                fault = f"lets tasks of {logical_id} in to port {_NFS} nowhere, so they cannot mount it"
                yield step.refuse(system, fault, f"let their security group in to port {_NFS}", _FAILS)


def _networks(step: Step) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each service on Fargate, and its network."""
    for logical_id, properties in step.after.of_type("AWS::ECS::Service") if step.actions else ():
        providers = [each.get("CapacityProvider") for each in tables(properties.get("CapacityProviderStrategy"))]
        if properties.get("LaunchType") == "FARGATE" or (providers and all("FARGATE" in str(e) for e in providers)):
            yield logical_id, table(table(properties.get("NetworkConfiguration")).get("AwsvpcConfiguration"))


def _exits(step: Step, subnet: _Owner) -> set[str]:
    """The ways out of a subnet: ``public`` for an internet gateway, anything else for what may be one."""
    stack, logical_id = subnet
    properties = stack.resources[logical_id].get("Properties", {})
    if stack.resources[logical_id]["Type"] != "AWS::EC2::Subnet" or "Ipv6CidrBlock" in properties:
        return {"another"}
    vpc, found = step.world.named(stack, properties.get("VpcId")), set[str]()
    held = step.world.holding((_ASSOCIATION, _ROUTE, *_OTHER_WAYS))
    stacks = [*(each for each in held if each.key != step.after.key), step.after]
    tables_of = [
        step.world.named(each, association.get("RouteTableId"))
        for each in stacks
        for _, association in each.of_type(_ASSOCIATION)
        if _is(step.world.named(each, association.get("SubnetId")), subnet)
    ]
    if vpc is None or None in tables_of or not tables_of:
        return {"another"}
    for each in stacks:
        for kind in _OTHER_WAYS:
            found |= {kind for _ in each.of_type(kind)}
        for _, route in each.of_type(_ROUTE):
            if any(_is(step.world.named(each, route.get("RouteTableId")), one) for one in tables_of if one):
                gateway = step.world.named(each, route.get("GatewayId"))
                is_public = gateway is not None and gateway[0].resources[gateway[1]]["Type"] == _GATEWAY
                found.add("public" if is_public else "another")
    return found


def _is(owner: _Owner | None, other: _Owner) -> bool:
    return owner is not None and (owner[0].key, owner[1]) == (other[0].key, other[1])


def _mounted(task: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The file systems of a task definition that one of its containers mounts."""
    points = [point for each in tables(task.get("ContainerDefinitions")) for point in tables(each.get("MountPoints"))]
    used = {str(each.get("SourceVolume")) for each in points}
    for volume in tables(task.get("Volumes")):
        if volume.get("Name") in used and (found := table(volume.get("EFSVolumeConfiguration"))):
            yield found


def _root(step: Step, task: str, volume: Mapping[str, Any]) -> tuple[str, str]:
    """Where the directory that is mounted is stated, and it; ``/`` where EFS makes it or nobody knows."""
    point = referenced(table(volume.get("AuthorizationConfig")).get("AccessPointId"))
    if point is None:
        directory = volume.get("RootDirectory", "/")
        return f"{task}.Volumes.EFSVolumeConfiguration.RootDirectory", directory if is_known(directory) else "/"
    root = table(step.after.resources.get(point, {}).get("Properties", {}).get("RootDirectory"))
    is_made = "CreationInfo" in root or not is_known(root.get("Path", "/"))
    return f"{point}.RootDirectory.Path", "/" if is_made else str(root.get("Path", "/"))


def _lets_in(step: Step, target: Mapping[str, Any], network: Mapping[str, Any]) -> bool:
    """Whether a mount target may let a service's tasks in; in doubt, yes."""
    own = [referenced(each) or "" for each in as_list(target.get("SecurityGroups"))]
    groups = [referenced(each) or "" for each in as_list(network.get("SecurityGroups"))]
    if not own or any(step.after.resources.get(each, {}).get("Type") != GROUP for each in (*own, *groups)):
        return True
    for rule in (each for group in own for each in rules_of(step, group, "Ingress")):
        source = referenced(rule.get("SourceSecurityGroupId")) if isinstance(rule, Mapping) else None
        if opens(rule, _NFS) and (source is None or source in groups or source not in step.after.resources):
            return True
    return False

"""Refuses ports that tasks surely cannot reach: security groups and network ACLs, for databases and siblings.

Both drop what they do not allow, so a connection ends in its client's timeout. Only what templates state is judged:
https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html and
https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from nova_infra.checks.rule import as_list, referenced
from nova_infra.config.rules.addresses import OPEN_PORTS, Address, addresses
from nova_infra.names import BEFORE_DEPLOY
from nova_infra.operations.changes.stated_values import is_on, table, tables, whole
from nova_infra.operations.changes.template_values import references, shown
from nova_infra.operations.planner.blockers.network.security_groups import GROUP, opens
from nova_infra.operations.planner.model import Consequence, StackTemplate
from nova_infra.operations.planner.step import Step
from nova_infra.operations.planner.world import World

_SUBNET = "AWS::EC2::Subnet"
_TASK = "AWS::ECS::TaskDefinition"
_TARGETS = frozenset({"CidrIp", "CidrIpv6", "DestinationPrefixListId", "DestinationSecurityGroupId"})
_NOWHERE = ("127.", "255.255.255.255/")  # CDK's own way to say that a group lets nothing out
STORE_PORTS = frozenset({1433, 1521, 3306, 5432, 5439, 6379, 11211, 27017})
_PROXY = "AWS::RDS::DBProxy"
_ATTACHMENT = "AWS::SecretsManager::SecretTargetAttachment"
_LEADS = re.compile(
    r"(?:DB|DATABASE|PG|SQL|POSTGRES|MYSQL|MONGO|DOCDB|REDSHIFT)\w*(?:HOST|ADDR|ENDPOINT|SERVER|URL|DSN)", re.I
)
_Owner = tuple[StackTemplate, str]
_Place = tuple[list[_Owner], list[_Owner]]

_ENGINES = {"postgres": 5432, "mysql": 3306, "mariadb": 3306, "oracle": 1521, "sqlserver": 1433, "memcached": 11211}
# Where a type of store names its security groups, and the port that it has if its engine has none of its own.
_STORES = {
    "AWS::DocDB::DBCluster": ("VpcSecurityGroupIds", 27017),
    "AWS::ElastiCache::CacheCluster": ("VpcSecurityGroupIds", 6379),
    "AWS::ElastiCache::ReplicationGroup": ("SecurityGroupIds", 6379),
    "AWS::ElastiCache::ServerlessCache": ("SecurityGroupIds", 6379),
    "AWS::MemoryDB::Cluster": ("SecurityGroupIds", 6379),
    "AWS::RDS::DBCluster": ("VpcSecurityGroupIds", 0),
    "AWS::RDS::DBInstance": ("VPCSecurityGroups", 0),
    _PROXY: ("VpcSecurityGroupIds", 0),
    "AWS::Redshift::Cluster": ("VpcSecurityGroupIds", 5439),
}


class Ways:
    """Who reaches what from a stack's tasks. Answers are reasons, in a clause; empty where a way is or may be open."""

    def __init__(self, world: World, stack: StackTemplate) -> None:
        """Look at a stack, and at those that are deployed with it for what it uses of them."""
        self._world, self._stack = world, stack
        self._stacks = [*(each for key, each in world.stacks.items() if key != stack.key), stack]

    def closed(self, task_definition: str, port: int | None, network: str = "") -> str:
        """Why no task of a definition gets out to a port.

        Args:
            port: Its number; None for any but those of HTTP and HTTPS.
            network: The only address, or range of addresses, that it is for; empty if nobody knows.
        """
        return _of_all(
            self._no_rule_out(groups, port, network) or self._no_entry(subnets, port)
            for groups, subnets in self._places(task_definition)
        )

    def unreached(self, task_definition: str) -> Iterator[tuple[str, int, str]]:
        """What a task definition leads to and its tasks do not reach: a clause about it, its port and why."""
        properties = self._stack.resources[task_definition].get("Properties", {})
        for each in _addresses(properties):
            if each.port in STORE_PORTS and (why := self.closed(task_definition, each.port, each.host)):
                yield f"{each.variable} leads to {each.host}", each.port, why
        for owner in self._stores(properties):
            port, why = self._barred(task_definition, owner)
            if why:
                yield f"its tasks use {owner[1]}", port, why

    def stores(self, task_definition: str) -> dict[str, str]:
        """Variable that leads to a store of the templates, to why tasks do not reach it; empty where they may."""
        properties, found = self._stack.resources[task_definition].get("Properties", {}), dict[str, str]()
        known = self._stores(properties)
        for container in tables(properties.get("ContainerDefinitions")):
            for each in (*tables(container.get("Environment")), *tables(container.get("Secrets"))):
                for leaf in _leaves([each.get("Value"), each.get("ValueFrom")]):
                    owner = self._store(self._stack, leaf)
                    leads = "ValueFrom" in each or "endpoint" in self._attribute(leaf).lower()
                    if leads and owner is not None and _same(owner, known):
                        found[str(each.get("Name"))] = self._barred(task_definition, owner)[1]
        return found

    def _barred(self, task_definition: str, owner: _Owner) -> tuple[int, str]:
        """The port of a store, and why tasks do not reach it."""
        stack, store = owner
        kind, found = stack.resources[store]["Type"], stack.resources[store].get("Properties", {})
        if not (port := _port_of(found, _STORES[kind][1])):
            return 0, ""
        own = self._owners(stack, found.get(_STORES[kind][0]), GROUP)
        shut = _of_all(self._no_rule_in(own, place, port) for place in self._places(task_definition))
        return port, self.closed(task_definition, port) or shut

    def _stores(self, definition: Mapping[str, Any]) -> list[_Owner]:
        """What tasks connect to: by an address, or else by a secret of it. Who only names one may use its API."""
        found = []
        for each in _leaves(definition):
            if (owner := self._store(self._stack, each)) is not None and "endpoint" in self._attribute(each).lower():
                found.append(owner)
        kinds = {_service_of(owner) for owner in found}
        kinds |= {_service_of((stack, proxy)) for stack in self._stacks for proxy, _ in stack.of_type(_PROXY)}
        containers = tables(definition.get("ContainerDefinitions"))
        if any(_LEADS.search(str(v.get("Name"))) for each in containers for v in tables(each.get("Environment"))):
            return found
        for each in _leaves([container.get("Secrets") for container in containers]):
            owner = self._store(self._stack, each)
            if owner is not None and _service_of(owner) not in kinds and owner not in found:
                found.append(owner)
        return found

    def _store(self, stack: StackTemplate, value: Any) -> _Owner | None:
        """The store that a value is of, or that the secret of a value is attached to."""
        owner = self._world.named(stack, value)
        if owner is None:
            return None
        attached = owner[0].resources[owner[1]]
        if attached["Type"] == _ATTACHMENT:
            owner = self._world.named(owner[0], attached.get("Properties", {}).get("TargetId"))
        return owner if owner is not None and owner[0].resources[owner[1]]["Type"] in _STORES else None

    def _attribute(self, value: Any) -> str:
        """The attribute of a resource that a value is; empty for the resource itself."""
        match value:
            case {"Fn::ImportValue": exported}:
                exporter = self._world.exporter(self._stack, name := shown(exported))
                return self._attribute(exporter.exports[name]) if exporter is not None else ""
            case {"Fn::GetAtt": [_, *attributes]}:
                return ".".join(map(str, attributes))
        return ""

    def _places(self, task_definition: str) -> Iterator[_Place]:
        """Security groups and subnets of each resource that runs tasks of a definition; empty if unknown."""
        family = self._stack.resources[task_definition].get("Properties", {}).get("Family")
        for resource in self._stack.resources.values():
            properties = resource.get("Properties", {})
            network = table(table(properties.get("NetworkConfiguration")).get("AwsvpcConfiguration"))
            if resource["Type"] == "AWS::StepFunctions::StateMachine":
                leaves = list(_leaves(properties.get("DefinitionString")))
                if task_definition in references(leaves):
                    yield self._among(leaves, GROUP), self._among(leaves, _SUBNET)
                continue
            if resource["Type"] == BEFORE_DEPLOY and properties.get("Family") == family:
                network = properties
            elif resource["Type"] != "AWS::ECS::Service" or referenced(properties.get("TaskDefinition")) != (
                task_definition
            ):
                continue
            groups, subnets = network.get("SecurityGroups"), network.get("Subnets")
            yield self._owners(self._stack, groups, GROUP), self._owners(self._stack, subnets, _SUBNET)

    def _no_rule_out(self, groups: list[_Owner], port: int | None, network: str) -> str:
        """Why security groups let nothing out to a port. One without rules in its properties lets everything out."""
        for stack, group in groups:
            if not stack.resources[group].get("Properties", {}).get("SecurityGroupEgress"):
                return ""
            rules = [each for _, each in self._rules((stack, group), "Egress") if _leads_to(each, network)]
            if any(opens(each, port) if port is not None else _opens_another(each) for each in rules):
                return ""
        which = f"port {port}" if port is not None else "any port but 80 and 443"
        return f"no rule of {groups[0][1]} lets {which} out" if groups else ""

    def _no_rule_in(self, groups: list[_Owner], place: _Place, port: int) -> str:
        """Why security groups let no tasks of a place in to a port."""
        tasks, subnets = place
        for group in groups if tasks else ():
            for stack, rule in self._rules(group, "Ingress"):
                source = rule.get("SourceSecurityGroupId") if isinstance(rule, Mapping) else None
                owner = self._world.named(stack, source) if source is not None else None
                if opens(rule, port) and (_may_be_from(rule, subnets) if owner is None else _same(owner, tasks)):
                    return ""
        return f"no rule of {groups[0][1]} lets them in to port {port}" if groups and tasks else ""

    def _no_entry(self, subnets: list[_Owner], port: int | None) -> str:
        """Why network ACLs of all subnets let nothing out to a port, by their entries in order; the last denies."""
        acls = [self._acl(each) for each in subnets] if port is not None else []
        return _of_all(self._denies(acl, port) if acl and port is not None else "" for acl in acls)

    def _acl(self, subnet: _Owner) -> _Owner | None:
        for stack in self._stacks:
            for _, properties in stack.of_type("AWS::EC2::SubnetNetworkAclAssociation"):
                owner = self._world.named(stack, properties.get("SubnetId"))
                if owner is not None and _same(owner, [subnet]):
                    return self._world.named(stack, properties.get("NetworkAclId"))
        return None

    def _denies(self, acl: _Owner, port: int) -> str:
        entries = [
            entry
            for stack in self._stacks
            for _, entry in stack.of_type("AWS::EC2::NetworkAclEntry")
            if (owner := self._world.named(stack, entry.get("NetworkAclId"))) is not None and _same(owner, [acl])
        ]
        out = [each for each in entries if is_on(each.get("Egress", False))]
        for each in sorted(out, key=lambda entry: whole(entry.get("RuleNumber")) or 0):
            span = table(each.get("PortRange"))
            rule = {"IpProtocol": each.get("Protocol"), "FromPort": span.get("From"), "ToPort": span.get("To")}
            if not opens(rule, port):
                continue
            if each.get("RuleAction") != "deny":
                return ""
            if each.get("CidrBlock") == "0.0.0.0/0":
                break
        return f"no entry of {acl[1]} lets port {port} out"

    def _rules(self, group: _Owner, way: str) -> Iterator[tuple[StackTemplate, Any]]:
        stack, logical_id = group
        for each in as_list(stack.resources[logical_id].get("Properties", {}).get(f"SecurityGroup{way}")):
            yield stack, each
        for other in self._stacks:
            for _, properties in other.of_type(f"AWS::EC2::SecurityGroup{way}"):
                owner = self._world.named(other, properties.get("GroupId"))
                if owner is None or _same(owner, [group]):
                    yield other, properties

    def _owners(self, stack: StackTemplate, values: Any, kind: str = "") -> list[_Owner]:
        """The resources that values name. Of a type, if one is asked for: none if a value is of something else."""
        found = [self._world.named(stack, each) for each in as_list(values)]
        known = [each for each in found if each is not None]
        is_whole = len(known) == len(found) and all(owner.resources[each]["Type"] == kind for owner, each in known)
        return known if is_whole or not kind else []

    def _among(self, leaves: list[Any], kind: str) -> list[_Owner]:
        """The resources of a type among all that a text names; none if it may name others."""
        found = [self._world.named(self._stack, each) for each in leaves if not _is_pseudo(each)]
        known = [each for each in found if each is not None and each[0].resources[each[1]]["Type"] == kind]
        return known if None not in found else []


def closed_stores(step: Step) -> Iterator[Consequence]:
    """Warn where tasks no longer reach a database or cache that they use, or a new service does not."""
    ways = Ways(step.world, step.after)
    for task, _ in step.after.of_type(_TASK) if step.actions else ():
        found = [*ways.unreached(task)]
        if found and step.before is not None and task in step.before.resources:
            old = {*Ways(step.world, step.before).unreached(task)}
            found = [each for each in found if each not in old]
        for what, _, why in found:
            said = f"{what}, but {why}, so connections to it time out: open it (connects_to in nova.toml)"
            yield step.note(task, said, hurts=True)


def _of_all(reasons: Iterable[str]) -> str:
    found = list(reasons)
    return found[0] if found and all(found) else ""


def _same(owner: _Owner, others: Iterable[_Owner]) -> bool:
    return any(owner[0].key == stack.key and owner[1] == logical_id for stack, logical_id in others)


def _opens_another(rule: Any) -> bool:
    """Whether a rule may let out another port than those of HTTP and HTTPS."""
    span = [whole(rule.get(key)) for key in ("FromPort", "ToPort")] if isinstance(rule, Mapping) else [None, None]
    return opens(rule, span[0] or 0) and (span[0] != span[1] or span[0] not in OPEN_PORTS)


def _leads_to(rule: Any, network: str) -> bool:
    """Whether a rule may lead to an address, or to one that nobody knows."""
    cidr = rule.get("CidrIp") if isinstance(rule, Mapping) else None
    if not isinstance(cidr, str) or not isinstance(rule, Mapping) or len(_TARGETS & rule.keys()) > 1:
        return True
    if cidr.startswith(_NOWHERE):
        return False
    try:
        return ip_network(cidr, strict=False).overlaps(ip_network(network, strict=False))
    except (TypeError, ValueError):  # A name, or addresses of different versions.
        return True


def _may_be_from(rule: Any, subnets: list[_Owner]) -> bool:
    """Whether a rule may let in who is in subnets. A public range may be that of a NAT gateway."""
    cidr = rule.get("CidrIp") if isinstance(rule, Mapping) else None
    try:
        blocks = [stack.resources[each].get("Properties", {})["CidrBlock"] for stack, each in subnets]
        inner = ip_network(cidr, strict=False)  # type: ignore[arg-type]  # None is a TypeError, too
        return not (blocks and inner.is_private) or any(inner.overlaps(ip_network(each)) for each in blocks)
    except (KeyError, TypeError, ValueError):  # What only AWS knows, or addresses of different versions.
        return True


def _service_of(owner: _Owner) -> str:
    return str(owner[0].resources[owner[1]]["Type"]).rpartition("::")[0]


def _addresses(definition: Mapping[str, Any]) -> Iterator[Address]:
    for container in tables(definition.get("ContainerDefinitions")):
        known = {str(each.get("Name")): each.get("Value") for each in tables(container.get("Environment"))}
        yield from addresses({name: value for name, value in known.items() if isinstance(value, str)})


def _port_of(store: Mapping[str, Any], default: int) -> int:
    """The port of a store; 0 if nobody knows."""
    if (port := store.get("Port")) is not None:
        return whole(port) or 0
    engine = str(store.get("Engine", store.get("EngineFamily", ""))).lower()
    return next((known for word, known in _ENGINES.items() if word in engine), default)


def _leaves(value: Any) -> Iterator[Any]:
    """The functions in a value that name a resource."""
    if isinstance(value, Mapping):
        if referenced(value) is not None or "Fn::ImportValue" in value:
            yield value
        else:
            for each in value.values():
                yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)


def _is_pseudo(value: Any) -> bool:
    return (referenced(value) or "").startswith("AWS::")

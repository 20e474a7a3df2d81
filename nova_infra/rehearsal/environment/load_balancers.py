"""The load balancers of an environment's stacks, with their names and addresses: starts, finds, stops them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from nova_infra.documents.text import counted
from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.clock import Pace
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.physical import full_name_of, host_of
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.ecs.service import PlayedService
from nova_infra.rehearsal.ecs.service_definition import ServiceDefinition
from nova_infra.rehearsal.load_balancer.firewall import read_firewall
from nova_infra.rehearsal.load_balancer.network import TRANSPORT, NetworkLoadBalancer
from nova_infra.rehearsal.load_balancer.proxy import IDLE_TIMEOUT_SECONDS, LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import (
    INTERNET,
    PRIVATE,
    FixedResponse,
    RoutingRule,
    Users,
    existing_balancer,
    read_default_rule,
    read_rule,
)
from nova_infra.rehearsal.load_balancer.targets import TargetGroup, read_target_group

_ELB = "AWS::ElasticLoadBalancingV2"


class LoadBalancers:
    """The load balancers between users and services, and the addresses that lead to them."""

    def __init__(
        self, services: Mapping[str, PlayedService], *, store: MetricStore, pace: Pace, gateway: str | None
    ) -> None:
        """Begin without any.

        Args:
            services: The environment's services by name: a rule that is replaced is theirs, too.
            gateway: A further address of this machine to listen on: where containers find it.
        """
        self._services = services
        self._store = store
        self._pace = pace
        self._gateway = gateway
        self._listeners: dict[str, LoadBalancer] = {}
        self._siblings: dict[str, dict[str, str]] = {}
        self._groups: dict[str, TargetGroup] = {}
        self._applied: dict[str, Any] = {}
        self._urls: dict[str, str] = {}
        self._idle: dict[str, float] = {}
        self._networks: Users = ()
        self._internal: set[str] = set()
        self._with_tls: set[str] = set()
        self._filters: dict[str, dict[str, Collection[str]]] = {}
        self._standing_in = asyncio.Lock()

    async def apply(self, stack: PlayedStack) -> None:
        """Update them to what the stack says, except for what has not changed."""
        self._networks = tuple({*self._networks, *_networks(stack)})
        for logical_id in stack.resources(f"{_ELB}::LoadBalancer"):
            self._load_balancer(stack, logical_id)
        for logical_id in stack.resources(f"{_ELB}::TargetGroup"):
            self._target_group(stack, logical_id)
        for logical_id in stack.resources(f"{_ELB}::Listener"):
            await self._listener(stack, logical_id)
        for logical_id in stack.resources(f"{_ELB}::ListenerCertificate"):
            self._with_tls.add(str(stack.properties(logical_id)["ListenerArn"]))
        for logical_id in stack.resources(f"{_ELB}::ListenerRule"):
            await self._stand_in(str(stack.properties(logical_id)["ListenerArn"]))
            self._rule(stack, logical_id)
            await self._names_of_stand_ins(stack.ref(logical_id))
        self._firewalls(stack)
        for logical_id in stack.resources("AWS::Route53::RecordSet"):
            await self._record_set(stack.properties(logical_id))

    def _firewalls(self, stack: PlayedStack) -> None:
        """Put the stack's web ACLs before the load balancers that they are for."""
        self._filters[stack.name] = {}
        acls = {f"{stack.ref(each)}.Arn": each for each in stack.resources("AWS::WAFv2::WebACL")}
        for logical_id in stack.resources("AWS::WAFv2::WebACLAssociation"):
            # The firewall is not played as a whole, so what only AWS knows of it is no reason to refuse it.
            with contextlib.suppress(UnresolvableError, KeyError, TypeError, AttributeError):
                said = stack.properties(logical_id)
                rules = read_firewall(stack.properties(acls[said["WebACLArn"]]))
                self._filters[stack.name][full_name_of(said["ResourceArn"])] = rules
        known = {name: rules for each in self._filters.values() for name, rules in each.items()}
        for listener in self._listeners.values():
            listener.firewall.rules = known.get(listener.full_name, ())

    def remove(self, before: PlayedStack, after: PlayedStack) -> bool:
        """Remove the rules that a stack no longer has; return whether there were any."""
        kind = f"{_ELB}::ListenerRule"
        gone = {before.ref(each) for each in before.resources(kind)} - {after.ref(e) for e in after.resources(kind)}
        for arn in gone:
            self._applied.pop(arn, None)
        for listener in self._listeners.values():
            listener.rules = [rule for rule in listener.rules if rule.name not in gone]
        return bool(gone)

    async def stop(self) -> None:
        """Close every port."""
        await gather(*(listener.stop() for listener in self._listeners.values()))

    def localize(self, text: str) -> str:
        """The text with public addresses replaced by those on this machine."""
        for url in sorted(self._urls, key=len, reverse=True):
            text = text.replace(url, self._urls[url])
        return text

    def rule_named(self, arn: str | None) -> RoutingRule | None:
        """The rule with an ARN; None where there is no ARN."""
        found = next((rule for each in self._listeners.values() for rule in each.rules if rule.name == arn), None)
        if arn is not None and found is None:
            raise UnresolvableError(f"TestListenerRule: {arn} is not a rule of this environment: add or remove it")
        return found

    def place_of(self, wanted: ServiceDefinition) -> tuple[LoadBalancer, RoutingRule, list[TargetGroup]]:
        """The listener, rule and target groups of a service: the rule that it names, or its first group's."""
        groups = [self._groups[arn] for arn in wanted.groups]
        for listener in self._listeners.values():
            for rule in listener.rules:
                if rule.name == wanted.rule or (
                    wanted.rule is None and any(entry.group is groups[0] for entry in rule.forward)
                ):
                    return listener, rule, groups
        raise UnresolvableError(
            f"{wanted.name}: no listener rule of this environment leads to it, so it would get no traffic: add one"
        )

    def refused(self) -> list[str]:
        """What the firewall has refused, a clause for each of its rules."""
        counts = sum((listener.firewall.refused for listener in self._listeners.values()), Counter[str]())
        return [f"{counted(count, 'request')} ({name})" for name, count in counts.most_common()]

    def groups_named(self, arns: Sequence[str]) -> list[tuple[LoadBalancer, TargetGroup]]:
        """The target groups with some ARNs, each behind its load balancer, as far as this environment has them."""
        found: dict[str, tuple[LoadBalancer, TargetGroup]] = {}
        for group in (self._groups[arn] for arn in arns if arn in self._groups):
            for listener in self._listeners.values():
                if any(entry.group is group for rule in listener.rules for entry in rule.forward):
                    found.setdefault(group.name, (listener, group))
        return list(found.values())

    def _changed(self, key: str, properties: Any) -> bool:
        if self._applied.get(key) == properties:
            return False
        self._applied[key] = properties
        return True

    def _load_balancer(self, stack: PlayedStack, logical_id: str) -> None:
        """Set its idle timeout; open listeners use it from now on."""
        arn, properties = stack.ref(logical_id), stack.properties(logical_id)
        if properties.get("Scheme") == "internal":
            self._internal.add(full_name_of(arn))
        given = {entry["Key"]: entry["Value"] for entry in properties.get("LoadBalancerAttributes", ())}
        self._idle[arn] = float(given.get("idle_timeout.timeout_seconds", IDLE_TIMEOUT_SECONDS))
        for listener in self._listeners.values():
            if listener.full_name == full_name_of(arn):
                listener.idle_timeout = self._idle[arn]

    def _target_group(self, stack: PlayedStack, logical_id: str) -> None:
        arn, properties = stack.ref(logical_id), stack.properties(logical_id)
        if not self._changed(arn, properties):
            return
        settings = read_target_group(properties)
        if arn in self._groups:
            self._groups[arn].settings = settings
        else:
            self._groups[arn] = TargetGroup(f"{arn}.TargetGroupFullName", settings)

    async def _listener(self, stack: PlayedStack, logical_id: str) -> None:
        arn, properties = stack.ref(logical_id), stack.properties(logical_id)
        if not self._changed(arn, properties):
            return
        load_balancer, protocol = str(properties["LoadBalancerArn"]), str(properties["Protocol"])
        port, name = int(properties["Port"]), host_of(load_balancer, stack.home)
        if arn not in self._listeners:
            kind = NetworkLoadBalancer if protocol in TRANSPORT else LoadBalancer
            listener = kind(
                full_name=full_name_of(load_balancer),
                protocol=protocol,
                public_port=port,
                siblings=self._siblings.setdefault(load_balancer, {}),
                store=self._store,
                pace=self._pace,
                idle_timeout=self._idle.get(load_balancer, IDLE_TIMEOUT_SECONDS),
            )
            self._listeners[arn] = listener
            await listener.start(self._gateway)
            listener.public_name = name
            self._urls |= dict.fromkeys(_public_urls(listener), listener.url)
        listener = self._listeners[arn]
        if (protocol, port) != (listener.protocol, listener.public_port):
            # Such as where a domain is new: it is the same listener, with its rules.
            siblings, here = self._siblings[load_balancer], listener.url
            for known in (siblings, self._urls):
                for place in [place for place, local in known.items() if local == here]:
                    del known[place]
            listener.protocol, listener.public_port = protocol, port
            siblings[f"{protocol.lower()}:{port}"] = here
            self._urls |= dict.fromkeys(_public_urls(listener), here)
        listener.rules = [rule for rule in listener.rules if rule.priority != float("inf")]
        default = read_default_rule(properties["DefaultActions"], arn, self._groups)
        listener.rules.append(default)
        for service in self._services.values():
            if service.rule.name == arn:
                service.rule = default

    async def _stand_in(self, arn: str) -> None:
        """Stand in for a listener that no stack creates: of its rules, only the release's are known."""
        # Services' stacks are deployed side by side: only a listener that has started may be met by another one.
        async with self._standing_in:
            if arn not in self._listeners:
                self._listeners[arn] = await self._started_stand_in(arn)

    async def _started_stand_in(self, arn: str) -> LoadBalancer:
        protocol, port = ("HTTPS", 443) if arn in self._with_tls else ("HTTP", 80)
        balancer = existing_balancer(arn)
        listener = LoadBalancer(
            full_name=balancer,
            protocol=protocol,
            public_port=port,
            siblings=self._siblings.setdefault(balancer, {}),
            store=self._store,
            pace=self._pace,
        )
        await listener.start(self._gateway)
        answer = FixedResponse(404, "text/plain", "the rehearsal knows no other rule of this load balancer")
        listener.rules = [RoutingRule(arn, float("inf"), answer=answer)]
        return listener

    async def _names_of_stand_ins(self, rule: str) -> None:
        """Lead the host names of a rule to the stand-in listener, whoever created their DNS records."""
        for arn, listener in list(self._listeners.items()):
            if not arn.startswith("arn:"):
                continue
            for host in (host for each in listener.rules if each.name == rule for host in each.hosts):
                if not set("*?") & set(host):
                    local = await listener.address_of(host, self._gateway)
                    # Its certificate may be its owner's: nothing here says whether it takes HTTPS, and the real host
                    # must not be asked.
                    self._urls |= {f"{scheme}://{host}".lower(): local for scheme in ("http", "https")}

    def _rule(self, stack: PlayedStack, logical_id: str) -> None:
        """Add or replace a rule. A rule that has changed loses the weights that ECS gave it (aws/aws-cdk#36649)."""
        arn, properties = stack.ref(logical_id), stack.properties(logical_id)
        if not self._changed(arn, properties):
            return
        listener = self._listeners[properties["ListenerArn"]]
        # Peered networks, and offices behind a VPN, reach an internal one as well as its own network does.
        users = (*PRIVATE, *self._networks) if listener.full_name in self._internal else INTERNET
        rule = read_rule(properties, arn, self._groups, users)
        listener.rules = [known for known in listener.rules if known.name != arn] + [rule]
        for service in self._services.values():
            if service.rule.name == arn:
                service.rule = rule
            elif service.test_rule is not None and service.test_rule.name == arn:
                service.test_rule = rule

    async def _record_set(self, properties: dict[str, Any]) -> None:
        """A domain name that leads to a load balancer is another public address of its listeners."""
        name = properties["Name"].rstrip(".")
        alias = properties.get("AliasTarget", {}).get("DNSName", "").removeprefix("dualstack.")
        for url, local in list(self._urls.items()):
            scheme, _, host = url.partition("://")
            if host == alias:
                listener = next((each for each in self._listeners.values() if each.url == local), None)
                self._urls[f"{scheme}://{name}"] = await listener.address_of(name, self._gateway) if listener else local
                if listener and listener.public_name == alias and "*" not in name:
                    listener.public_name = name


def _public_urls(listener: LoadBalancer) -> list[str]:
    """What users of a listener call it. Of TCP nothing says what is spoken over it."""
    schemes = {"TCP": ("http", "https"), "TLS": ("https",)}.get(listener.protocol, (listener.protocol.lower(),))
    host = listener.public_host if listener.protocol in TRANSPORT else listener.public_name
    return [f"{scheme}://{host}" for scheme in schemes]


def _networks(stack: PlayedStack) -> Users:
    """The ranges of addresses of a stack's VPCs, as far as they are known."""
    found = []
    for logical_id in stack.resources("AWS::EC2::VPC"):
        # Networks are not played, so a range that only CloudFormation knows, as from IPAM, is no reason to refuse it.
        with contextlib.suppress(UnresolvableError, ValueError):
            found.append(ip_network(str(stack.properties(logical_id).get("CidrBlock"))))
    return tuple(found)

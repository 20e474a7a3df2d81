"""Finds addresses that lead nowhere: names that move to another hosted zone, no NAT gateway, lost routes.

See https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html: an internet-facing load balancer has public
addresses, and a subnet without a route to the internet reaches none of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.stated_values import is_function, may_be_left_out, table, tables
from nova_infra.operations.changes.template_values import references, shown
from nova_infra.operations.planner.model import Action, Consequence, StackTemplate
from nova_infra.operations.planner.step import Step

_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
_WAYS_OUT = ("AWS::EC2::NatGateway", "AWS::EC2::TransitGatewayAttachment", "AWS::EC2::VPNGateway")


def unreachable_siblings(stacks: Iterable[StackTemplate]) -> Iterator[Consequence]:
    """Warn where services that call each other over the public load balancer would get no answer."""
    for stack in stacks:
        if not any(stack.of_type("AWS::EC2::VPC")) or any(any(stack.of_type(way)) for way in _WAYS_OUT):
            continue
        for logical_id, properties in stack.of_type(_BALANCER):
            if properties.get("Scheme") == "internet-facing":
                yield Consequence(
                    stack.key.name,
                    logical_id,
                    "has public addresses only, and the network has no NAT gateway: services that call each other "
                    "through it get no answer; make those that are called internal, or add a NAT gateway",
                )


def closed_addresses(step: Step) -> Iterator[Consequence]:
    """Warn about addresses that lead nowhere afterwards: names of load balancers and domains, listeners' ports."""
    if step.before is None:
        return
    words = {Action.REPLACE: "changes", Action.DELETE: "goes"}
    gone = {each.logical_id: words[each.action] for each in step.actions if each.action in words}
    followed = {name for _, record in step.after.of_type("AWS::Route53::RecordSet") for name in references(record)}
    for logical_id, _ in step.before.of_type(_BALANCER):
        if logical_id in gone.keys() - followed:
            said = f"its DNS name {gone[logical_id]} with it: clients of the old one get no answer"
            yield step.note(logical_id, said, hurts=True)
    zones: dict[str, set[tuple[str, str]]] = {}
    for _, name, zone in _domains(step.after):
        zones.setdefault(name, set()).add(zone)
    had = {name for _, name, _ in _domains(step.before)}
    held = {zone: name for _, name, zone in _domains(step.before) if zone[0] == "HostedZoneId"}
    # A zone takes names at or below its own, which the template does not say: what it had tells of it.
    for logical_id, name, zone in _domains(step.after):
        if name not in had and name.split(".")[-2:] != held.get(zone, name).split(".")[-2:]:
            said = f"Route 53 refuses {name} in zone {zone[1]} if that is the zone of {held[zone]}"
            yield step.note(logical_id, said)
            break
    for logical_id, name, zone in _domains(step.before):
        if name not in zones:
            said = f"the name {name} goes: clients that use it find no address; keep it until nobody does"
            yield step.note(logical_id, said, hurts=True)
        elif all(way == zone[0] and other != zone[1] for way, other in zones[name]):
            said = (
                f"the name {name} moves to another hosted zone: until its parent zone names that one's servers, "
                "clients find no address, and its certificate is never issued"
            )
            yield step.note(logical_id, said, hurts=True)
    ports = {port for _, port in _ports(step.after)}
    for logical_id, port in _ports(step.before):
        if port not in ports:
            said = f"port {port[1]} of its load balancer closes: clients that use it get no answer"
            yield step.note(logical_id, said, hurts=True)


def _domains(stack: StackTemplate) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """Each record for an address: the name, where the template says it, and its zone by id and by name."""
    for logical_id, record in stack.of_type("AWS::Route53::RecordSet"):
        name = record.get("Name")
        if isinstance(name, str) and record.get("Type") in ("A", "AAAA", "CNAME"):
            yield logical_id, name.rstrip(".").lower(), _zone(stack, record)


def _zone(stack: StackTemplate, record: Mapping[str, Any]) -> tuple[str, str]:
    way = "HostedZoneId" if record.get("HostedZoneId") else "HostedZoneName"
    given = record.get(way)
    if is_function(given):
        return f"{way} by reference", shown(sorted(stack.resources.keys() & references(given)))
    return way, shown(given).rstrip(".").lower() if way == "HostedZoneName" else shown(given)


def replaced_services(step: Step) -> Iterator[Consequence]:
    """Warn about services that are created again, without a canary (ECS: canary-deployment)."""
    for each in step.actions:
        if each.type == "AWS::ECS::Service" and each.action is Action.REPLACE:
            said = f"is replaced ({each.because}): the new service gets all traffic at once, without a canary, and ECS "
            yield step.note(each.logical_id, f"{said}has nothing to roll back to", hurts=True)


def emptied_groups(step: Step) -> Iterator[Consequence]:
    """Warn about target groups that are created again while rules lead to them: they are empty until ECS fills them.

    Groups that ECS does not fill, such as those of functions, have what their template says at once. ECS takes a target
    group only once a rule forwards to it, so the rule changes before the service does:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
    """
    led_to = _of_users(step.after)
    for each in step.actions:
        if each.type == _GROUP and each.action is Action.REPLACE and each.logical_id in led_to:
            said = (
                f"is replaced ({each.because}): its rule leads to the new one before any task is in it, and users get "
            )
            yield step.note(each.logical_id, f"{said}503 until the service is deployed", hurts=True)


def lone_subnets(step: Step) -> Iterator[Consequence]:
    """Warn about load balancers in one subnet: only for Outposts and Local Zones (API_CreateLoadBalancer)."""
    changed = {each.logical_id for each in step.actions if each.changes}
    for logical_id, properties in step.after.of_type(_BALANCER):
        for key in ("Subnets", "SubnetMappings"):
            places = properties.get(key)
            one = isinstance(places, list) and len(places) == 1 and not may_be_left_out(places[0])
            if one and logical_id in changed and properties.get("Type", "application") == "application":
                said = "names one subnet, and an Application Load Balancer needs two in different zones"
                remedy = "add one, unless this one is on an Outpost or in a Local Zone"
                yield step.note(logical_id, f"{said}: {remedy}")


def lost_ways_out(step: Step) -> Iterator[Consequence]:
    """Warn that tasks, even running ones, lose their way to the internet (VPC_Route_Tables)."""
    if step.before is None:
        return
    tables = {logical_id for logical_id, _ in step.after.of_type("AWS::EC2::RouteTable")}
    if lost := (_outward(step.before) - _outward(step.after)) & tables:
        said = "subnet loses its way" if len(lost) == 1 else "subnets lose their way"
        said = (
            f"{len(lost)} private {said} to the internet: what tasks call outside of this network gets no answer, and "
            "those that run now lose it before the new ones start; an interface endpoint stands in for its own AWS "
            "service alone"
        )
        yield step.note(min(lost), said)


def _outward(stack: StackTemplate) -> set[str]:
    """The route tables of private subnets with a route to the internet; a public one's is an internet gateway."""
    return {
        table_id
        for _, route in stack.of_type("AWS::EC2::Route")
        if route.get("DestinationCidrBlock") == "0.0.0.0/0" and "GatewayId" not in route
        for table_id in references(route.get("RouteTableId"))
    }


def _of_users(stack: StackTemplate) -> set[str]:
    """Target groups that a service of ECS fills and to which a rule sends requests of users."""
    filled, tests = set[str](), set[str]()
    for _, service in stack.of_type("AWS::ECS::Service"):
        for balancer in tables(service.get("LoadBalancers")):
            advanced = table(balancer.get("AdvancedConfiguration"))
            filled |= {*references([balancer.get("TargetGroupArn"), advanced.get("AlternateTargetGroupArn")])}
            tests |= {*references(advanced.get("TestListenerRule"))}
    found = set[str]()
    for kind in ("Listener", "ListenerRule"):
        for logical_id, rule in stack.of_type(f"AWS::ElasticLoadBalancingV2::{kind}"):
            if logical_id not in tests:
                for action in tables(rule.get("Actions", rule.get("DefaultActions"))):
                    found |= {*references(_weighed(action))}
    return {
        name for name in found & filled if not table(stack.resources.get(name, {}).get("Properties")).get("Targets")
    }


def _weighed(action: Mapping[str, Any]) -> list[Any]:
    """The target groups that a forward action sends requests to."""
    groups = tables(table(action.get("ForwardConfig")).get("TargetGroups"))
    weighed = [each.get("TargetGroupArn") for each in groups if str(each.get("Weight")) != "0"]
    return weighed if groups else [action.get("TargetGroupArn")]


def _ports(stack: StackTemplate) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each listener with its load balancer and its port."""
    for logical_id, listener in stack.of_type("AWS::ElasticLoadBalancingV2::Listener"):
        yield logical_id, (shown(listener.get("LoadBalancerArn")), shown(listener.get("Port")))

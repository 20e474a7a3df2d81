"""Finds addresses that lead nowhere: load balancers in networks without a way out, and routes that a release closes.

See https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html: an internet-facing load balancer has public
addresses, and a subnet without a route to the internet reaches none of them.
"""

from collections.abc import Iterable, Iterator

from nova_infra.operations.changes.template_values import references, shown
from nova_infra.operations.planner.model import Action, Consequence, StackTemplate
from nova_infra.operations.planner.step import Step

_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
_WAYS_OUT = ("AWS::EC2::NatGateway", "AWS::EC2::TransitGatewayAttachment", "AWS::EC2::VPNGateway")


def unreachable_siblings(stacks: Iterable[StackTemplate]) -> Iterator[Consequence]:
    """Say where services that call each other over the public load balancer would wait in vain.

    Args:
        stacks: The stacks of the release.
    """
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
    """Say which addresses users have that lead nowhere afterwards: a load balancer's name, a listener's port.

    A load balancer that is replaced has another DNS name; where a record of the same stack follows it, nobody notices.
    """
    if step.before is None:
        return
    words = {Action.REPLACE: "changes", Action.DELETE: "goes"}
    gone = {each.logical_id: words[each.action] for each in step.actions if each.action in words}
    followed = {name for _, record in step.after.of_type("AWS::Route53::RecordSet") for name in references(record)}
    for logical_id, _ in step.before.of_type(_BALANCER):
        if logical_id in gone.keys() - followed:
            said = f"its DNS name {gone[logical_id]} with it: clients of the old one get no answer"
            yield Consequence(step.after.key.name, logical_id, said, hurts=True)
    ports = {port for _, port in _ports(step.after)}
    for logical_id, port in _ports(step.before):
        if port not in ports:
            said = f"port {port[1]} of its load balancer closes: clients that use it get no answer"
            yield Consequence(step.after.key.name, logical_id, said, hurts=True)


def replaced_services(step: Step) -> Iterator[Consequence]:
    """Say which services are made again: a first deployment has no canary and nothing to go back to.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/canary-deployment.html
    """
    for each in step.actions:
        if each.type == "AWS::ECS::Service" and each.action is Action.REPLACE:
            said = f"is replaced ({each.because}): the new service gets all traffic at once, without a canary, and ECS "
            yield Consequence(step.after.key.name, each.logical_id, f"{said}has nothing to roll back to", hurts=True)


def emptied_groups(step: Step) -> Iterator[Consequence]:
    """Say which target groups are made again while rules lead to them: the new ones are empty until ECS fills them.

    ECS takes a target group only once a rule forwards to it, so the rule changes before the service does:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
    """
    rules = [
        resource
        for resource in step.after.resources.values()
        if resource.get("Type")
        in ("AWS::ElasticLoadBalancingV2::ListenerRule", "AWS::ElasticLoadBalancingV2::Listener")
    ]
    led_to = {name for rule in rules for name in references(rule)}
    for each in step.actions:
        if each.type == _GROUP and each.action is Action.REPLACE and each.logical_id in led_to:
            said = (
                f"is replaced ({each.because}): its rule leads to the new one before any task is in it, and users get "
            )
            yield Consequence(
                step.after.key.name, each.logical_id, f"{said}503 until the service is deployed", hurts=True
            )


def _ports(stack: StackTemplate) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each listener with its load balancer and its port."""
    for logical_id, listener in stack.of_type("AWS::ElasticLoadBalancingV2::Listener"):
        yield logical_id, (shown(listener.get("LoadBalancerArn")), shown(listener.get("Port")))

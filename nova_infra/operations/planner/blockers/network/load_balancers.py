"""Quotas of a load balancer: its rules and target groups, over all of its listeners and stacks.

Rules are a quota that AWS raises on request, so more of them are only reported; target groups are a limit:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.stated_values import table, tables
from nova_infra.operations.planner.model import Consequence, Refusal, StackTemplate
from nova_infra.operations.planner.step import Step
from nova_infra.operations.planner.world import World

_ELB = "AWS::ElasticLoadBalancingV2"
_RULES, _GROUPS = 100, 100


def rule_quotas(before: Iterable[StackTemplate], world: World) -> Iterator[Consequence]:
    """Warn about load balancers that get more rules than the default quota and than before, default rules aside."""
    many = {balancer: count for balancer, count in _rules(world).items() if count > _RULES}
    had = _rules(World(before)) if many else {}
    for balancer, count in sorted(many.items()):
        if count > had.get(balancer, 0):
            yield Consequence(
                _name(balancer),
                "",
                f"this load balancer would have {count} rules, but the default quota is {_RULES}: "
                "request a higher one first",
            )


def too_many_groups(step: Step) -> Iterator[Refusal]:
    """Refuse more target groups on a load balancer than it takes, in the last stack that uses it."""
    if not any(action.type.startswith(f"{_ELB}::") and action.changes for action in step.actions):
        return
    stacks = {**step.world.stacks, **{each.key: each for each in step.wave}, step.after.key: step.after}
    balancers = _balancers(step.world, stacks.values())
    mine = {balancer for balancer, _, _ in _forwarding(step.world, [step.after], balancers)}
    later = [each for each in step.wave if each.key > step.after.key]
    mine -= {balancer for balancer, _, _ in _forwarding(step.world, later, balancers)}
    groups: dict[str, set[str]] = {}
    for balancer, stack, properties in _forwarding(step.world, stacks.values() if mine else (), balancers):
        if balancer in mine:
            found = groups.setdefault(balancer, set())
            found.update(step.world.meaning(stack, group) for group in _groups(properties))
    for balancer, found in groups.items():
        if len(found) > _GROUPS:
            yield step.refuse(
                "",
                f"the load balancer {_name(balancer)} would have {len(found)} target groups, but AWS allows {_GROUPS}",
                "remove services, or move some to another load balancer",
            )


def _rules(world: World) -> Mapping[str, int]:
    """Rules by load balancer."""
    stacks = world.stacks.values()
    found = _forwarding(world, stacks, _balancers(world, stacks))
    return Counter(balancer for balancer, _, properties in found if "ListenerArn" in properties)


def _forwarding(
    world: World, stacks: Iterable[StackTemplate], balancers: Mapping[str, str]
) -> Iterator[tuple[str, StackTemplate, Mapping[str, Any]]]:
    """Each rule and each listener of the stacks, with its load balancer, stack and properties."""
    for stack in stacks:
        for _, properties in stack.of_type(f"{_ELB}::Listener"):
            yield world.meaning(stack, properties.get("LoadBalancerArn")), stack, properties
        for _, properties in stack.of_type(f"{_ELB}::ListenerRule"):
            listener = world.meaning(stack, properties.get("ListenerArn"))
            yield balancers.get(listener, _of_arn(listener)), stack, properties


def _balancers(world: World, stacks: Iterable[StackTemplate]) -> Mapping[str, str]:
    """Listener to load balancer, for those that the stacks create."""
    return {
        world.meaning(stack, {"Ref": logical_id}): world.meaning(stack, properties.get("LoadBalancerArn"))
        for stack in stacks
        for logical_id, properties in stack.of_type(f"{_ELB}::Listener")
    }


def _of_arn(listener: str) -> str:
    """The load balancer of a listener's ARN, ``…:listener/app/NAME/ID/ID``; anything else is its own."""
    before, found, rest = listener.partition(":listener/")
    return f"{before}:loadbalancer/{rest.rpartition('/')[0]}" if found else listener


def _groups(properties: Mapping[str, Any]) -> Iterator[Any]:
    """The target groups that the actions of a rule or listener forward to."""
    for action in (*tables(properties.get("Actions")), *tables(properties.get("DefaultActions"))):
        for each in (action, *tables(table(action.get("ForwardConfig")).get("TargetGroups"))):
            if (group := each.get("TargetGroupArn")) is not None:
                yield group


def _name(balancer: str) -> str:
    """Its name for people: the name in an ARN, else stack and logical id."""
    parts = balancer.split("/")
    if ":loadbalancer/" in balancer and len(parts) > 2:
        return parts[-2]
    return ".".join(part.strip("${}") for part in parts[-2:])

"""Refuses stacks in a state such as ROLLBACK_FAILED, and moved ones; names those that are left behind."""

from collections.abc import Collection, Iterator

from nova_infra.operations.changes.template_values import shown
from nova_infra.operations.gates.orphans import rules_of, taken
from nova_infra.operations.planner.model import Consequence, Refusal, StackTemplate
from nova_infra.operations.planner.step import Step

_STUCK = {
    "ROLLBACK_COMPLETE": (
        "its first deployment failed, so it can only be deleted",
        "delete the stack and deploy again",
    ),
    "ROLLBACK_FAILED": ("its first deployment failed and could not be undone", "delete the stack and deploy again"),
    "CREATE_FAILED": ("its first deployment failed", "delete the stack and deploy again"),
    "DELETE_FAILED": ("it was only partly deleted", "delete the stack and, by hand, what it kept"),
    "UPDATE_ROLLBACK_FAILED": (
        "its last rollback failed, and CloudFormation accepts no update until somebody repairs it",
        "repair what the stack's events name, then `aws cloudformation continue-update-rollback`",
    ),
    "UPDATE_FAILED": (
        "its last update failed and was not rolled back",
        "roll it back, or update it with its current template",
    ),
}


def stuck_stack(step: Step) -> Iterator[Refusal]:
    """Refuse to update a stack in a state in which CloudFormation accepts no update."""
    status = step.before.status if step.before is not None else ""
    if status in _STUCK:
        fault, remedy = _STUCK[status]
        yield step.refuse("", f"is in {status}: {fault}", remedy)
    elif status.endswith("_IN_PROGRESS") and status not in ("REVIEW_IN_PROGRESS",) and "CLEANUP" not in status:
        yield step.refuse("", f"is in {status}", "wait until it has ended")


def moved_stack(step: Step) -> Iterator[Refusal]:
    """Refuse a stack that exists under its name only in an account or region other than its own."""
    if step.before is not None:
        return
    key = step.after.key
    elsewhere = [other for other in step.world.stacks if other.name == key.name]
    if elsewhere:
        yield step.refuse(
            "",
            f"is deployed in {elsewhere[0].account} {elsewhere[0].region} and would be created again in {key.account} "
            f"{key.region}: nothing moves, what runs there keeps running, and the new place lacks what people and "
            "pipeline steps need first",
            "add it as a new environment under another name, move the traffic, then remove the old one",
        )


def left_behind(
    deployed: Collection[StackTemplate], wanted: Collection[StackTemplate], never_deployed: Collection[StackTemplate]
) -> Iterator[Consequence]:
    """Name the stacks that the release no longer has: nothing updates or deletes them."""
    known = {stack.key for stack in (*wanted, *never_deployed)}
    for stack in deployed:
        if stack.key in known:
            continue
        runs = any(True for _ in stack.of_type("AWS::ECS::Service"))
        rules = [rule.priority for rule in rules_of(stack.template)]
        keeps = [f"its rule keeps priority {max(rules)}"] if any(rules) else []
        holds = [*(["its tasks run on"] if runs else []), *keeps]
        what = f" ({', '.join(holds)})" if holds else ""
        yield Consequence(stack.key.name, "", f"is no longer part of the release and stays as it is{what}: delete it")
        left, beside = list(rules_of(stack.template)), [each for each in wanted if _same_listener(each, stack)]
        mine = {each.key.name: rule for each in beside for rule in rules_of(each.template) if not rule.for_tests}
        for fault in taken({stack.key.name: left}, mine):
            yield Consequence(stack.key.name, "", fault)


def _same_listener(first: StackTemplate, second: StackTemplate) -> bool:
    """Whether two stacks have rules on the same imported listener."""
    rule = "AWS::ElasticLoadBalancingV2::ListenerRule"
    listeners = ([shown(p.get("ListenerArn")) for _, p in each.of_type(rule)] for each in (first, second))
    return first.key[:2] == second.key[:2] and bool(set.intersection(*map(set, listeners)))

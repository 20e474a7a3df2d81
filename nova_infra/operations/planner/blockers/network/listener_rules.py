"""Refuses changes of listener rules that AWS refuses, or that reset ECS's weights (aws/aws-cdk#36649)."""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.documents.text import listed
from nova_infra.operations.changes.stated_values import is_function, is_known, number, table, tables
from nova_infra.operations.changes.template_values import references, shown
from nova_infra.operations.planner.model import Action, Consequence, Refusal, StackTemplate
from nova_infra.operations.planner.step import Step

_RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"
_MATCHES = "what matches "
"""What the value of a condition begins with that is a regular expression, and no pattern."""


def rules_with_weights_that_change(step: Step) -> list[str]:
    """Logical ids of changed rules by which ECS shifts a service's traffic."""
    steered = set(_steered(step.before)) if step.before is not None else set()
    return [
        action.logical_id
        for action in step.actions
        if action.logical_id in steered and action.action in (Action.UPDATE, Action.REPLACE, Action.MAY_REPLACE)
    ]


def reset_weights(step: Step) -> Iterator[Consequence]:
    """Warn that a rule's change sends all traffic to the template's colour."""
    for logical_id in rules_with_weights_that_change(step):
        yield step.note(
            logical_id,
            "the rule changes, which resets the weights that ECS set: an outage while the other colour serves; the "
            "preflight reads which one does",
        )


def narrowed_rules(step: Step) -> Iterator[Consequence]:
    """Warn about requests that no rule takes any more, from the rule's change on, whatever the canary says."""
    changed = [
        (name, rule)
        for name, rule in (step.before.of_type(_RULE) if step.before is not None else ())
        if step.after.resources.get(name, {}).get("Properties", {}).get("Conditions") != rule.get("Conditions")
    ]
    if step.before is None or not changed:
        return
    rules = {
        (stack.key, name): properties
        for stack in {**step.world.stacks, **step.release, step.after.key: step.after}.values()
        if stack.key[:2] == step.after.key[:2]
        for name, properties in stack.of_type(_RULE)
    }
    for_tests = _of_tests(step.before)
    for logical_id, before in changed:
        if logical_id in for_tests:
            continue
        own = (step.after.key, logical_id)
        after = rules.get(own, {})
        if not (is_known(before.get("Conditions")) and is_known(after.get("Conditions"))):
            continue
        had, has = _conditions(before), _conditions(after)
        others = [p for key, each in rules.items() if key != own for p in _conditions(each).get("path-pattern", ())]
        given_up = [path for path in had.get("path-pattern", ()) if not _takes(has.get("path-pattern", ()), path)]
        if moved := [path for path in given_up if _takes(others, path)]:
            yield step.note(logical_id, f"another rule takes {listed(moved, 3)} from now on")
        lost = [path for path in given_up if path not in moved]
        compared = not any(each.startswith(_MATCHES) for each in (*lost, *has.get("path-pattern", ()), *others))
        if lost and not compared:
            said = (
                f"whether a rule takes {listed(lost, 3)} from now on is unknown: regular expressions are not compared"
            )
            yield step.note(logical_id, said, hurts=True)
        elif lost:
            said = f"no rule takes {listed(lost, 3)} any more: their users get the listener's default answer"
            yield step.note(logical_id, said, hurts=True)
        for field in sorted(has.keys() - had.keys()) if had else ():
            said = f"takes only requests with {field} {listed(has[field], 3)} from now on: others find no rule"
            yield step.note(logical_id, said, hurts=True)


def hidden_rules(step: Step) -> Iterator[Consequence]:
    """Say which rule gets no request any more, as an earlier one takes all (ELB: listener-rules)."""
    changed = {action.logical_id for action in step.actions}
    own = dict(step.after.of_type(_RULE)) if changed else {}
    before = dict(step.before.of_type(_RULE)) if step.before is not None else {}
    for name, rule in own.items():
        for other, first in own.items():
            if not {name, other} & changed or not _hides(first, rule):
                continue
            if not (name in before and other in before and _hides(before[other], before[name])):
                since = " any more" if name in before else ""
                said = (
                    f"gets no request{since}: {other}, of priority {first['Priority']}, comes before it and takes all"
                )
                yield step.note(name, said, hurts=True)
                break


def _hides(first: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    """Whether a rule surely takes every request that another one of its listener waits for, and leads elsewhere."""
    sooner, later = (number(each.get("Priority")) for each in (first, rule))
    if sooner is None or later is None or sooner >= later or first.get("ListenerArn") != rule.get("ListenerArn"):
        return False
    if not is_known(first.get("Conditions")) or not is_known(rule.get("Conditions")):
        return False
    wants, meets = _conditions(first), _conditions(rule)
    return (
        wants.keys() <= {"path-pattern", "host-header", "http-request-method"}
        and _leads(first) != _leads(rule)
        and all(
            {"*", "/*"} & set(values)
            or (meets.get(field) and all(_surely_takes(values, each) for each in meets[field]))
            for field, values in wants.items()
        )
    )


def _leads(rule: Mapping[str, Any]) -> set[str]:
    """Where a rule's requests go, whatever the weights: target groups and what it refers to, or else its answer."""
    actions = tables(rule.get("Actions"))
    shares = [each for action in actions for each in tables(table(action.get("ForwardConfig")).get("TargetGroups"))]
    groups = {shown(each["TargetGroupArn"]) for each in (*actions, *shares) if "TargetGroupArn" in each}
    return groups | set(references(actions)) or {shown(rule.get("Actions"))}


def _surely_takes(patterns: Iterable[str], value: str) -> bool:
    """Whether a pattern is one of some others, or within one that has no other wildcard than ``*``."""
    return any(
        value == each or (not {"?", "["} & set(each) and not value.startswith(_MATCHES) and fnmatchcase(value, each))
        for each in patterns
    )


def _of_tests(stack: StackTemplate) -> set[str]:
    """The rules by which only tests reach a service."""
    return {
        name
        for _, service in stack.of_type("AWS::ECS::Service")
        for each in tables(service.get("LoadBalancers"))
        for name in references(table(each.get("AdvancedConfiguration")).get("TestListenerRule"))
    }


def _takes(patterns: Iterable[str], path: str) -> bool:
    """Whether all that a path pattern takes is taken by one of others."""
    if path.startswith(_MATCHES):
        return not {path, "*", "/*"}.isdisjoint(patterns)
    return any(fnmatchcase(path, each) for each in patterns)


def _conditions(rule: Mapping[str, Any]) -> dict[str, list[str]]:
    """Each field of a rule with its values; hosts in any case (ELB: rule-condition-types)."""
    found: dict[str, list[str]] = {}
    for each in tables(rule.get("Conditions")):
        parts = (each, *map(table, each.values()))
        values = [str(value) for part in parts for value in as_list(part.get("Values", []))]
        if each.get("Field") == "host-header":
            values = [value.lower() for value in values]
        regular = [f"{_MATCHES}{value}" for part in parts for value in as_list(part.get("RegexValues", []))]
        found[str(each.get("Field"))] = values + regular
    return found


def back_to_rolling(step: Step) -> Iterator[Consequence]:
    """Warn that ECS no longer moves the traffic of a service, whichever colour serves: open in docs/assumptions.md."""
    if step.before is None:
        return
    before = dict(step.before.of_type("AWS::ECS::Service"))
    for logical_id, properties in step.after.of_type("AWS::ECS::Service"):
        if _strategy(properties) == "ROLLING" and _strategy(before.get(logical_id, {})) != "ROLLING":
            yield step.note(
                logical_id,
                "goes back to rolling: ECS then registers tasks only with the first target group, which is an outage "
                "if the second one serves: read the rule's weights first; if it does, deliver another release before",
            )


def rules_that_nobody_moves(step: Step) -> Iterator[Consequence]:
    """Say which rules lead to a service whose traffic ECS moves by another rule (API_AdvancedConfiguration)."""
    for logical_id, properties in step.after.of_type("AWS::ECS::Service") if step.actions else ():
        for balancer in tables(properties.get("LoadBalancers")) if _strategy(properties) != "ROLLING" else ():
            advanced = table(balancer.get("AdvancedConfiguration"))
            moved, of_tests = (
                set(references(advanced.get(key))) for key in ("ProductionListenerRule", "TestListenerRule")
            )
            named = (balancer.get("TargetGroupArn"), advanced.get("AlternateTargetGroupArn"))
            groups = {group for each in named for group in references(each)}
            for rule, each in step.after.of_type(_RULE) if moved else ():
                if rule not in moved | of_tests and groups & set(references(each.get("Actions"))):
                    yield step.note(
                        rule,
                        f"leads to {logical_id}, but ECS moves only the weights of {listed(sorted(moved))}: when a "
                        "deployment has ended, this rule leads to a target group without tasks, and its users get 503; "
                        f"put its conditions into {listed(sorted(moved))}",
                        hurts=True,
                    )


def groups_of_another_load_balancer(step: Step) -> Iterator[Refusal]:
    """Refuse a rule that moves to another listener with its groups: TargetGroupAssociationLimit (CreateRule)."""
    replaced = {action.logical_id for action in step.actions if action.action is Action.REPLACE}
    for logical_id, rule in step.after.of_type(_RULE):
        before = step.before.resources.get(logical_id, {}).get("Properties", {}) if step.before is not None else {}
        if logical_id not in replaced or before.get("ListenerArn") == rule.get("ListenerArn"):
            continue
        if kept := sorted(set(references(rule.get("Actions"))) & set(references(before.get("Actions"))) - replaced):
            yield step.refuse(
                logical_id,
                f"moves to another load balancer while {listed(kept, 3)} still serves the old one, and a target group "
                "serves only one",
                "add it as a service of another name, move its callers, then remove this one",
            )


def _strategy(service: Mapping[str, Any]) -> str:
    configuration = service.get("DeploymentConfiguration")
    return shown(table(configuration).get("Strategy", "ROLLING") if not is_function(configuration) else configuration)


def _steered(stack: StackTemplate) -> Iterator[str]:
    """The rules whose weights ECS changes: those named by a service that is not deployed by rolling."""
    for _, properties in stack.of_type("AWS::ECS::Service"):
        if _strategy(properties) != "ROLLING":
            for load_balancer in tables(properties.get("LoadBalancers")):
                yield from references(table(load_balancer.get("AdvancedConfiguration")).get("ProductionListenerRule"))

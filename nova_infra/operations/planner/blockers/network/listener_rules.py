"""Listener rules whose change AWS refuses, or that resets the weights that ECS gave them.

See https://github.com/aws/aws-cdk/issues/36649: CloudFormation writes the template's weights, whichever colour serves.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.documents.text import listed
from nova_infra.operations.changes.certain import is_function, table, tables
from nova_infra.operations.changes.template_values import references, shown
from nova_infra.operations.planner.model import Action, Consequence, Refusal, StackTemplate
from nova_infra.operations.planner.step import Step


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
    """Say which rules lead to a service whose traffic ECS moves by another rule: their weights stay as they are.

    ECS changes the weights of the production rule, and of the tests' one, that the service names:
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AdvancedConfiguration.html
    """
    for logical_id, properties in step.after.of_type("AWS::ECS::Service") if step.actions else ():
        for balancer in tables(properties.get("LoadBalancers")) if _strategy(properties) != "ROLLING" else ():
            advanced = table(balancer.get("AdvancedConfiguration"))
            moved, of_tests = (
                set(references(advanced.get(key))) for key in ("ProductionListenerRule", "TestListenerRule")
            )
            named = (balancer.get("TargetGroupArn"), advanced.get("AlternateTargetGroupArn"))
            groups = {group for each in named for group in references(each)}
            for rule, each in step.after.of_type("AWS::ElasticLoadBalancingV2::ListenerRule") if moved else ():
                if rule not in moved | of_tests and groups & set(references(each.get("Actions"))):
                    yield step.note(
                        rule,
                        f"leads to {logical_id}, but ECS moves only the weights of {listed(sorted(moved))}: when a "
                        "deployment has ended, this rule leads to a target group without tasks, and its users get 503; "
                        f"put its conditions into {listed(sorted(moved))}",
                        hurts=True,
                    )


def groups_of_another_load_balancer(step: Step) -> Iterator[Refusal]:
    """Refuse a rule that moves to another listener with its target groups: a group serves one load balancer.

    The new rule is made before the old one is deleted, which ends in TargetGroupAssociationLimit. See
    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html
    """
    replaced = {action.logical_id for action in step.actions if action.action is Action.REPLACE}
    for logical_id, rule in step.after.of_type("AWS::ElasticLoadBalancingV2::ListenerRule"):
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

"""Listener rules whose change resets the weights that ECS gave them.

See https://github.com/aws/aws-cdk/issues/36649: CloudFormation writes the template's weights, whichever colour serves.
"""

from __future__ import annotations

from collections.abc import Iterator

from nova_infra.operations.changes.template_values import references
from nova_infra.operations.planner.model import Action, Finding, Stack
from nova_infra.operations.planner.step import Step


def rules_with_weights_that_change(step: Step) -> list[str]:
    """Logical ids of the rules that the deployment changes although ECS shifts a service's traffic by them."""
    steered = set(_steered(step.before)) if step.before is not None else set()
    return [
        action.logical_id
        for action in step.actions
        if action.logical_id in steered and action.action in (Action.UPDATE, Action.REPLACE, Action.MAY_REPLACE)
    ]


def reset_weights(step: Step) -> Iterator[Finding]:
    """Say that a rule's change sends all traffic to the colour of the template."""
    for logical_id in rules_with_weights_that_change(step):
        yield Finding(
            step.after.key.name,
            logical_id,
            "the rule changes, which resets the weights that ECS set: an outage while the other colour serves; the "
            "preflight reads which one does",
        )


def _steered(stack: Stack) -> Iterator[str]:
    """The rules whose weights ECS changes: those that a service with another strategy than rolling names."""
    for _, properties in stack.of_type("AWS::ECS::Service"):
        if properties.get("DeploymentConfiguration", {}).get("Strategy", "ROLLING") != "ROLLING":
            for load_balancer in properties.get("LoadBalancers", ()):
                yield from references(load_balancer.get("AdvancedConfiguration", {}).get("ProductionListenerRule"))

"""Decides which of its two target groups a service uses before the candidate arrives.

ECS alternates between them, so either may serve when a release begins, and what works from one may fail from the other:
CloudFormation, which knows the template's weights only, sends all traffic to the first one where it updates the rule
(https://github.com/aws/aws-cdk/issues/36649).
"""

from typing import Any

from nova_infra.assembly import Template, resources_of_type

_RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"


def starts_from_alternate(stack_name: str, stage: str, place: int, before: Template, after: Template | None) -> bool:
    """Whether the alternate target group serves in a rehearsal before a stack is updated.

    Both colours are played in every rehearsal of two environments: a service begins in one of them from the first
    group and in the next one from the second. Where the rule changes the harder one is played everywhere.

    Args:
        before: The stack's template as it is deployed.
        after: The template of the candidate, None where it has no such stack.
    """
    if after is not None and _rules(before) != _rules(after):
        return True
    service = stack_name.lower().replace(stage.lower(), "")
    return (sum(service.encode()) + place) % 2 == 1


def _rules(template: Template) -> dict[str, Any]:
    return {key: rule.get("Properties") for key, rule in resources_of_type(template, _RULE).items()}

"""Preflight: refuses a release whose listener rule would send traffic to an empty target group.

CloudFormation writes the weights of the template into a listener rule whenever it updates the rule, and the template's
are those before the first deployment: https://github.com/aws/aws-cdk/issues/36649. ECS does not shift them back.
"""

from collections.abc import Collection, Mapping
from typing import Any

from nova_infra.deployed.stack import Template
from nova_infra.operations.gates.orphans import is_for_tests

_RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"


def misdirected(
    on_alternate: Collection[str], deployed: Mapping[str, Template], released: Mapping[str, Template]
) -> list[str]:
    """What blocks a release that changes the listener rule of a service on its alternate target group.

    Args:
        on_alternate: Services whose alternate target group gets the traffic now.

    Returns:
        A sentence for each such service, with the remedy.
    """
    return [
        f"{service}: its listener rule changes ({', '.join(changed)}) while its second target group serves: "
        "CloudFormation would send all traffic to the first one, where nothing runs: release another change of "
        f"{service} first, so that the first group serves again, then this one"
        for service in sorted(on_alternate)
        if service in deployed
        and service in released
        and (changed := _changed(_rules(deployed[service]), _rules(released[service])))
    ]


def _rules(template: Template) -> dict[str, Any]:
    resources = template.get("Resources", {})
    rules = {key: r.get("Properties", {}) for key, r in resources.items() if r.get("Type") == _RULE}
    # ECS sets the weights of the tests' rule at the next deployment, and no user reaches them before.
    return {key: properties for key, properties in rules.items() if not is_for_tests(properties)}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Names of the properties that differ in the rules that both releases have."""
    return sorted(
        {
            name
            for rule in before.keys() & after.keys()
            for name in before[rule].keys() | after[rule].keys()
            if before[rule].get(name) != after[rule].get(name)
        }
    )

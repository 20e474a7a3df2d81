"""Preflight: listener rules that send traffic to an empty target group, or collide with other owners' rules.

CloudFormation writes the weights of the template into a listener rule whenever it updates the rule, and the template's
are those before the first deployment: https://github.com/aws/aws-cdk/issues/36649. ECS does not shift them back.

CreateRule refuses a priority that is in use, and an earlier rule that fits takes the requests:
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from nova_infra.deployed.stack import Template
from nova_infra.operations.gates.orphans import ListenerRule, held, is_for_tests, rule_of

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


def of_others(rules: Iterable[Mapping[str, Any]], own: Iterable[str]) -> list[ListenerRule]:
    """The rules on a listener that belong to others.

    Args:
        rules: The rules, as DescribeRules has them.
    """
    mine = set(own)
    return [rule_of(each) for each in rules if not each.get("IsDefault") and each.get("RuleArn") not in mine]


def collisions(rules: Iterable[ListenerRule], wanted: Mapping[str, ListenerRule], environment: str) -> Iterator[str]:
    """What conflicts with the release's rules, a sentence each, with the remedy."""
    for rule in rules:
        for service, mine in wanted.items():
            if not mine.internal and (fault := held(rule, mine)):
                below = f" below {rule.priority}" if rule.priority < mine.priority and not rule.for_tests else ""
                yield (
                    f"{service}: {fault} somebody else on the listener: write priority = … with a free number{below} "
                    f"under [services.environments.{environment}]"
                )


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

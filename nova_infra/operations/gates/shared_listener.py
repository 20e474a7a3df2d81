"""Preflight: a release's listener rules that collide with other owners' on a shared listener (priority, path).

CreateRule refuses a priority that is in use, and an earlier rule that fits takes the requests:
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nova_infra.operations.gates.orphans import ListenerRule, held, rule_of


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

"""All rules, and the findings of a template."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.permissions.policies import POLICY_RULES
from nova_infra.checks.permissions.trust import TRUST_RULES
from nova_infra.checks.permissions.ways.jobs import JOB_RULES
from nova_infra.checks.pipeline import PIPELINE_RULES
from nova_infra.checks.rollback.alarms import ALARM_RULES
from nova_infra.checks.rollback.background import BACKGROUND_RULES
from nova_infra.checks.rollback.hooks import HOOK_RULES
from nova_infra.checks.rollback.services import SERVICE_RULES
from nova_infra.checks.rollback.unread import UNREAD_RULES
from nova_infra.checks.rule import Finding, Rule, Template
from nova_infra.checks.shapes import SHAPES, conditions, decided

_MOST_CONDITIONS = 5
"""How many conditions are tried both ways, in all combinations. What further ones choose counts as unknown."""

RULES: tuple[Rule, ...] = (
    *sorted((*SERVICE_RULES, *ALARM_RULES, *BACKGROUND_RULES, *HOOK_RULES, *UNREAD_RULES), key=lambda rule: rule.id),
    *PIPELINE_RULES,
    *TRUST_RULES,
    *JOB_RULES,
    *POLICY_RULES,
)


def findings(
    template: Mapping[str, Any],
    *,
    account: str | None = None,
    beyond: frozenset[str] = frozenset(),
    before: frozenset[str] = frozenset(),
) -> list[tuple[Rule, Finding]]:
    """Each rule that a template breaks, and where.

    Args:
        account: The account that it is deployed to, if that is known.
        beyond: Accounts that an approval protects from it, because it is deployed before.
        before: Accounts of what is deployed before the approval of this one.
    """
    found: dict[tuple[Rule, Finding], None] = {}
    for resources in _possible(template.get("Resources", {})):
        loaded = Template(resources, account, beyond, before)
        found |= {(rule, finding): None for rule in RULES for finding in rule.check(loaded)}
    return list(found)


def _possible(resources: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The resources for each way in which the conditions that decide on something judged may turn out."""
    judged = [each for each in resources.values() if isinstance(each, Mapping) and each.get("Type") in SHAPES]
    names = [each["Condition"] for each in judged if isinstance(each.get("Condition"), str)]
    names = sorted({*names, *conditions([each.get("Properties") for each in judged])})[:_MOST_CONDITIONS]
    if not names:
        yield resources
        return
    for choice in itertools.product((True, False), repeat=len(names)):
        chosen = dict(zip(names, choice, strict=True))
        yield {
            logical_id: decided(each, chosen)
            for logical_id, each in resources.items()
            if not isinstance(each, Mapping) or chosen.get(str(each.get("Condition")), True)
        }

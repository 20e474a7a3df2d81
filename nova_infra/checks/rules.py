"""All rules, and the findings of a template."""

from collections.abc import Mapping
from typing import Any

from nova_infra.checks.permissions.policies import POLICY_RULES
from nova_infra.checks.permissions.trust import TRUST_RULES
from nova_infra.checks.permissions.ways.jobs import JOB_RULES
from nova_infra.checks.pipeline import PIPELINE_RULES
from nova_infra.checks.rollback.alarms import ALARM_RULES
from nova_infra.checks.rollback.background import BACKGROUND_RULES
from nova_infra.checks.rollback.hooks import HOOK_RULES
from nova_infra.checks.rollback.services import SERVICE_RULES
from nova_infra.checks.rule import Finding, Rule, Template

RULES: tuple[Rule, ...] = (
    *sorted((*SERVICE_RULES, *ALARM_RULES, *BACKGROUND_RULES, *HOOK_RULES), key=lambda rule: rule.id),
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
    loaded = Template(template.get("Resources", {}), account, beyond, before)
    return [(rule, finding) for rule in RULES for finding in rule.check(loaded)]

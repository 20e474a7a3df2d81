"""All rules, from the tuples that their modules list them in; runs them, and gives a template's findings."""

import re
from collections.abc import Mapping
from typing import Any

from nova_infra.checks.conditions import MOST, branches_of, outcomes
from nova_infra.checks.permissions.edges.jobs import JOB_RULES
from nova_infra.checks.permissions.policies import POLICY_RULES
from nova_infra.checks.permissions.trust import TRUST_RULES
from nova_infra.checks.pipeline import PIPELINE_RULES
from nova_infra.checks.rollback.alarms import ALARM_RULES
from nova_infra.checks.rollback.background import BACKGROUND_RULES
from nova_infra.checks.rollback.hooks import HOOK_RULES
from nova_infra.checks.rollback.services import SERVICE_RULES
from nova_infra.checks.rollback.unreadable import UNREAD_RULES
from nova_infra.checks.rule import Finding, Rule, Template, as_list, filled_in

RULES: tuple[Rule, ...] = (
    *sorted((*SERVICE_RULES, *ALARM_RULES, *BACKGROUND_RULES, *HOOK_RULES, *UNREAD_RULES), key=lambda rule: rule.id),
    *PIPELINE_RULES,
    *TRUST_RULES,
    *JOB_RULES,
    *POLICY_RULES,
)
_PERMISSIONS = frozenset({*(rule.id for rule in (*TRUST_RULES, *JOB_RULES, *POLICY_RULES)), "NOVA-P06"})
"""The rules that read both branches of a policy by themselves, so that they judge each template once."""
_UNTRIED = f"more than {MOST} combinations of conditions decide what it is"
_HARMLESS_MACROS = ("AWS::LanguageExtensions", "AWS::CodeDeployBlueGreen", "AWS::SecretsManager-2020-07-23")
"""Macros that make no role but one of AWS's for a secret. A loop of the first is no resource, which is a finding."""
_RUN_BY_ROLES = ("AWS::CodeBuild::Project", "AWS::CodePipeline::Pipeline", "AWS::ECS::TaskDefinition")
"""What else those read."""


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
    template = _with_accounts(template)
    macros, read, judged = _macros(template), None, Template({})
    for outcome in outcomes(template):
        unread = tuple(Finding(each, "Condition", _UNTRIED) for each in outcome.untried)
        read = outcome.resources
        judged = Template(read, account, beyond, before, macros, unread)
        found |= {(rule, each): None for rule in RULES if rule.id not in _PERMISSIONS for each in rule.check(judged)}
    for resources in branches_of(template, _RUN_BY_ROLES):
        # Reading takes long, and without conditions all has been read.
        loaded = judged if resources == read else Template(resources, account, beyond, before, macros)
        found |= {(rule, each): None for rule in RULES if rule.id in _PERMISSIONS for each in rule.check(loaded)}
    return list(found)


def _with_accounts(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """A template with what its mappings say, and with the accounts that are its parameters' defaults."""
    parameters, tables = template.get("Parameters"), template.get("Mappings")
    given = parameters.items() if isinstance(parameters, Mapping) else ()
    defaults = {name: str(each.get("Default")) for name, each in given if isinstance(each, Mapping)}
    accounts = {name: each for name, each in defaults.items() if re.fullmatch(r"\d{12}", each)}
    if not accounts and not isinstance(tables, Mapping):
        return template
    return {**template, "Resources": filled_in(template.get("Resources", {}), accounts, tables)}


def _macros(template: Mapping[str, Any]) -> tuple[str, ...]:
    named = (each.get("Name") if isinstance(each, Mapping) else each for each in as_list(template.get("Transform")))
    return tuple(str(each) for each in named if each not in _HARMLESS_MACROS)

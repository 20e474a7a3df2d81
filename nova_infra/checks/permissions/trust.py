"""``NOVA-P09``, ``NOVA-P10``: who may assume roles on both sides of the approval; observers only read."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.permissions.attached import ROLE, Attached, branches, conditions_of
from nova_infra.checks.permissions.protected import CONTENTS, CREDENTIALS, READING
from nova_infra.checks.permissions.statements import pattern_here, pattern_of
from nova_infra.checks.rule import Finding, Rule, Template, as_list

_TRUST = "Properties.AssumeRolePolicyDocument"
_OURS = ("-observer", "-release", "-operator", "-gate", "-deploy")
_EXACT = ("StringEquals", "ArnEquals", "ForAnyValue:StringEquals")
_CERTIFIED = "aws:PrincipalTag/x509"
_AUDIENCE = "sts.amazonaws.com"
ISSUER = "token.actions.githubusercontent.com"
"""The issuer of GitHub jobs' tokens."""


def _observers_read(template: Template) -> Iterator[Finding]:
    """Each permission of an observer that does more than read: a step before the approval may assume the observer."""
    attached = Attached(template)
    for logical_id, role in template.of_type(ROLE):
        if not _name(role).endswith("-observer"):
            continue
        for statement in attached.statements(logical_id):
            changing = list(statement.actions_within(("*",), but=READING))
            for action in changing or dict.fromkeys(statement.actions_within((*CONTENTS, *CREDENTIALS))):
                yield Finding(statement.policy, "Properties.PolicyDocument", f"{_name(role)} may {action}")


def _trust_is_named(template: Template) -> Iterator[Finding]:
    """Each way to assume a role that names nobody in particular."""
    for logical_id, role in template.of_type(ROLE):
        ours = _name(role).endswith(_OURS)
        # A service's own role may have such a name, and be trusted by nothing but AWS's services.
        people = any(set(_principals(each)) - {"Service"} for each in _trust(role))
        for statement in _trust(role):
            if statement.get("Effect") == "Deny":
                continue
            found = list(_faults(statement, ours=ours))
            if ours and people and not found:
                found = list(_strangers(_name(role), statement))
            for fault in found:
                yield Finding(logical_id, _TRUST, f"{_name(role)}: {fault}")


def _trust(role: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for document in branches(role.get("AssumeRolePolicyDocument")):
        yield from branches(document.get("Statement"))


def _faults(statement: Mapping[str, Any], *, ours: bool) -> Iterator[str]:
    principal = _principals(statement)
    conditions = conditions_of(statement)
    callers = _exact(conditions, "aws:PrincipalArn")
    for each in map(pattern_here, branches(principal.get("AWS"), mappings=False)):
        role = each.rpartition(":")[2]
        if "*" in each and not callers:
            yield "anybody may assume it"
        elif ours and (role == "root" or each.isdigit()) and not callers:
            yield f"every role of {each} may assume it"
    services = [pattern_of(each) for each in branches(principal.get("Service"), mappings=False)]
    named = any(_exact(conditions, f"{_CERTIFIED}{part}") for part in ("Subject/CN", "SAN/DNS", "SAN/URI"))
    if any(each.startswith("rolesanywhere.") for each in services) and not named:
        yield "whoever has a certificate may assume it: no subject is named word for word"
    for provider in map(pattern_of, branches(principal.get("Federated"), mappings=False)):
        keys = {key for operator in conditions.values() for key in operator}
        issuers = {key.rpartition(":")[0] for key in keys if key.endswith((":sub", ":aud"))} or {""}
        for issuer in issuers:
            if not _exact(conditions, f"{issuer}:sub"):
                yield f"whatever {provider} signs may assume it: no subject is named word for word"
            elif any(
                ":environment:" not in each and ":ref:" not in each for each in _exact(conditions, f"{issuer}:sub")
            ):
                yield "a subject names neither an environment nor a branch"
            if issuer == ISSUER:
                yield from _unclaimed(conditions)
            if _exact(conditions, f"{issuer}:aud") != [_AUDIENCE]:
                yield f"a token for another audience than {_AUDIENCE} may assume it"


def _principals(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    principal = statement.get("Principal", "*")
    return principal if isinstance(principal, Mapping) else {"AWS": principal}


def _strangers(name: str, statement: Mapping[str, Any]) -> Iterator[str]:
    """Principals that a statement names exactly, but that have no use for this role.

    Args:
        name: The role's name: only GitHub's jobs in an environment may assume the role that deploys it.
    """
    principal, conditions = _principals(statement), conditions_of(statement)
    others = {key: list(branches(value, mappings=False)) for key, value in principal.items() if key != "Federated"}
    for service in map(pattern_of, others.get("Service", ())):
        yield f"{service} may assume it, for whoever may have that service run something"
    subjects = _exact(conditions, f"{ISSUER}:sub")
    if "Federated" in principal and not subjects:
        yield "another provider than GitHub's may say who may assume it"
    if not name.endswith("-deploy"):
        return
    if others.get("AWS"):
        yield f"{pattern_of(others['AWS'][0])} may assume it, which is not a GitHub job"
    workflows = [each.partition("/.github/")[0] for each in _exact(conditions, f"{ISSUER}:job_workflow_ref")]
    owners = {re.sub(r"@\d+", "", each.split(":")[1]) for each in subjects} | set(workflows)
    if len(owners) > 1:
        yield f"jobs of more than one repository may assume it: {', '.join(sorted(owners))}"
    for subject in subjects:
        environment = subject.partition(":environment:")[2]
        if not environment:
            yield "jobs of no environment may assume it, which wait for nobody"
        elif not name.endswith(f"-{environment}-deploy"):
            yield f"jobs of the environment {environment} may assume it"


def _unclaimed(conditions: Mapping[str, Any]) -> Iterator[str]:
    """The claims of GitHub's tokens that a condition leaves open, though no subject says them all."""
    if not all(each.startswith("refs/heads/") for each in _exact(conditions, f"{ISSUER}:ref") or [""]):
        yield "no branch is named word for word: a subject with an environment says none"
    workflows = _exact(conditions, f"{ISSUER}:job_workflow_ref")
    if not all(re.fullmatch(r"[^/]+/[^/]+/\.github/workflows/[^@]+@refs/heads/.+", each) for each in workflows or [""]):
        yield "no workflow is named word for word: any other one of the branch could assume it"


def _exact(conditions: Mapping[str, Any], key: str) -> list[str]:
    """The values that a condition compares word for word; nothing where a wildcard is among them."""
    found = [
        pattern_of(value)
        for operator in _EXACT
        for name, values in conditions.get(operator, {}).items()
        if name.lower() == key.lower()
        for value in as_list(values)
    ]
    return [] if any("*" in each or "?" in each for each in found) else found


def _name(role: Mapping[str, Any]) -> str:
    return pattern_of(role.get("RoleName", "")) or "a role without a name"


TRUST_RULES = (
    Rule(
        "NOVA-P09",
        "An environment's observer only looks: it changes nothing, and reads no logs, no data and no credentials",
        "give the permission to the release role, which steps after the approval assume",
        "Steps before the approval assume the observer of production",
        _observers_read,
    ),
    Rule(
        "NOVA-P10",
        "Every role names who may assume it: roles by their ARN, GitHub jobs by their whole subject and audience",
        "name them in the trust's condition, without wildcards: aws:PrincipalArn, or the provider's sub and aud",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html",
        _trust_is_named,
    ),
)

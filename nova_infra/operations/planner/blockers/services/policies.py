"""Refuses policies that IAM or KMS would reject: grammar, size, trust, a key that nobody could change.

How large they may be is in ``checks/permissions/policies.py``, which judges the project's own templates more strictly.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html,
https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from nova_infra.checks.permissions.policies import too_large
from nova_infra.checks.rule import Finding, as_list
from nova_infra.operations.changes.stated_values import (
    certain_entries,
    is_whole,
    may_be_left_out,
    table,
    tables,
    values_at,
)
from nova_infra.operations.planner.blockers.resources.quotas import known_characters
from nova_infra.operations.planner.model import Refusal, StackTemplate
from nova_infra.operations.planner.step import Fault, Step

_IDENTITIES = ("AWS::IAM::User", "AWS::IAM::Role", "AWS::IAM::Group")
_POLICIES = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", *(f"{each}Policy" for each in _IDENTITIES))
_OPERATOR = re.compile(
    r"(ForAllValues:|ForAnyValue:)?"
    r"(String(Not)?(Equals|Like)|String(Not)?EqualsIgnoreCase|(Numeric|Date)(Not)?Equals"
    r"|(Numeric|Date)(Less|Greater)Than(Equals)?|Bool|BinaryEquals|(Not)?IpAddress|Arn(Not)?(Equals|Like))(IfExists)?"
    r"|Null",
    re.IGNORECASE,
)
_ACTION = re.compile(r"\*|[\w*-]+:[\w*?]+")


def refused_policies(step: Step) -> Iterator[Refusal]:
    """Refuse policies that IAM or KMS does not take."""
    for logical_id, resource in step.given.items():
        kind, properties = resource["Type"], table(resource.get("Properties"))
        yield from step.refuse_each(logical_id, _faults(kind, properties))
    found = list(_too_large(step.after))
    known = list(_too_large(step.before)) if found and step.before is not None else []
    for each in found:
        if each not in known:
            where = f"{each.logical_id}.{each.location.removeprefix('Properties.')}"
            yield step.refuse(where, each.detail, "name resources or principals by a pattern, or divide it")


def _faults(kind: str, properties: Mapping[str, Any]) -> Iterator[Fault]:
    if kind in _POLICIES:
        yield from _of_identity("PolicyDocument", properties.get("PolicyDocument"))
    if kind in _IDENTITIES:
        for document in values_at(properties, "Policies[].PolicyDocument"):
            yield from _of_identity("Policies.PolicyDocument", document)
    if kind == "AWS::IAM::Role":
        yield from _grammar("AssumeRolePolicyDocument", properties.get("AssumeRolePolicyDocument"))
        yield from _sids("AssumeRolePolicyDocument", properties.get("AssumeRolePolicyDocument"))
        yield from _trust(properties)
    if kind == "AWS::KMS::Key":
        yield from _key(properties)


def _of_identity(where: str, document: Any) -> Iterator[Fault]:
    """A policy of an identity, whose statements name resources and no principals."""
    yield from _grammar(where, document)
    yield from _sids(where, document)
    place = f"{where}.Statement"
    for statement in tables(table(document).get("Statement")):
        if not {"Resource", "NotResource"} & statement.keys():
            yield f"{place}.Resource", "is missing", "say which resources it is about"
        for each in certain_entries(as_list(statement.get("Resource", []))):
            if isinstance(each, str) and each != "*" and not each.startswith("arn:"):
                yield f"{place}.Resource", f"is {each}", "write an ARN, or *"
        if key := next((key for key in ("Principal", "NotPrincipal") if key in statement), ""):
            yield f"{place}.{key}", "is set, and a policy of an identity has none", "leave it out"


def _trust(properties: Mapping[str, Any]) -> Iterator[Fault]:
    place = "AssumeRolePolicyDocument.Statement"
    for statement in tables(table(properties.get("AssumeRolePolicyDocument")).get("Statement")):
        if key := next((key for key in ("Resource", "NotResource") if key in statement), ""):
            yield f"{place}.{key}", "is set, and a trust has none: the role is its resource", "leave it out"
        for action in as_list(statement.get("Action", [])):
            if isinstance(action, str) and not re.match(r"(?i)sts:|\*", action):
                yield f"{place}.Action", f"is {action}, and a trust is about sts: actions", "make it sts:AssumeRole"
        if "*" in as_list(table(statement.get("Principal")).get("Service")):
            yield f"{place}.Principal.Service", "is *", "name the service, such as ecs-tasks.amazonaws.com"


def _grammar(where: str, document: Any) -> Iterator[Fault]:
    """What every policy has to be."""
    policy = table(document)
    statements = tables(policy.get("Statement"))
    if str(version := policy.get("Version", "2012-10-17")) not in ("2012-10-17", "2008-10-17"):
        yield f"{where}.Version", f"is {version}", "make it 2012-10-17: it is the language's version, not the policy's"
    for statement in statements:
        yield from _statement(f"{where}.Statement", statement)


def _sids(where: str, document: Any) -> Iterator[Fault]:
    """Only IAM limits statements' ids: KMS and others take spaces and hyphens (reference_policies_elements_sid)."""
    statements = tables(table(document).get("Statement"))
    names = Counter(each["Sid"] for each in statements if isinstance(each.get("Sid"), str) and each["Sid"])
    if twice := [name for name, count in names.items() if count > 1]:
        yield f"{where}.Statement.Sid", f"is {twice[0]} twice", "give each statement another one, or none"
    if odd := [name for name in names if not re.fullmatch("[A-Za-z0-9]+", name)]:
        yield f"{where}.Statement.Sid", f"is {odd[0]}", "use letters and digits alone"


def _statement(place: str, statement: Mapping[str, Any]) -> Iterator[Fault]:
    effect = statement.get("Effect")
    if effect is None or (isinstance(effect, str) and effect not in ("Allow", "Deny")):
        yield f"{place}.Effect", "is missing" if effect is None else f"is {effect}", "make it Allow or Deny"
    if not {"Action", "NotAction"} & statement.keys():
        yield f"{place}.Action", "is missing", "say which actions it is about"
    for key in ("Action", "NotAction"):
        for action in certain_entries(as_list(statement.get(key, []))):
            if isinstance(action, str) and not _ACTION.fullmatch(action):
                yield f"{place}.{key}", f"is {action}", "write a service and an action, such as s3:GetObject"
    for operator, compared in table(statement.get("Condition")).items():
        if not _OPERATOR.fullmatch(str(operator)) and not may_be_left_out(compared):
            yield f"{place}.Condition", f"has the operator {operator}, which IAM does not know", "correct it"


def _too_large(stack: StackTemplate) -> Iterator[Finding]:
    """The policies that are sure to be: what only CloudFormation knows counts as nothing."""
    return too_large(stack.judged, lambda each: known_characters(each) if isinstance(each, Mapping) else 0)


def _key(properties: Mapping[str, Any]) -> Iterator[Fault]:
    """KMS asks whether whoever makes a key could change its policy afterwards."""
    policy = table(properties.get("KeyPolicy"))
    yield from _grammar("KeyPolicy", policy)
    statements = policy.get("Statement")
    if not policy or not is_whole(statements) or "BypassPolicyLockoutSafetyCheck" in properties:
        return
    allowing = [each for each in tables(statements) if each.get("Effect") == "Allow"]
    actions = [action for each in allowing for action in as_list(each.get("Action", "*"))]
    if not any(not isinstance(each, str) or fnmatchcase("kms:putkeypolicy", each.lower()) for each in actions):
        fault = "lets nobody change it: KMS refuses a key whose policy is its last"
        yield "KeyPolicy", fault, "allow kms:* to the account's root, as in the default policy"

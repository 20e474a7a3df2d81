"""Collects every policy statement that applies to a role, from its own policies and those of resources.

What only CloudFormation knows counts as anything: a holder, a principal or a resource by a parameter, and a condition's
two branches both. So does a policy that is named and not shown.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from nova_infra.checks.permissions.edges.intersection import limited
from nova_infra.checks.permissions.statements import (
    COMPARES,
    OF_SERVICES,
    OWN_ACCOUNT,
    Statement,
    overlap,
    pattern_here,
    pattern_of,
)
from nova_infra.checks.rule import Template, as_list

ROLE = "AWS::IAM::Role"

_OF_AWS = re.compile(r"arn:[^:]*:iam::aws:policy/(?:[\w-]+/)*([\w-]+)")
"""Anybody may give a policy of his own the name of one of these."""
READS_BY_NAME = re.compile(r"\w*(ReadOnlyAccess|ReadOnly|ViewOnlyAccess)|SecurityAudit")
_GROUPS = "a user's groups"
_LIST = Path(__file__).with_name("managed_policies.txt")
_OF_CALLERS = ("aws:principalaccount", "aws:principalarn")
# Their policies limit what passes through them, and grant nothing.
_GRANT_NOTHING = ("AWS::EC2::VPCEndpoint",)
_ACCOUNT = re.compile(r"\d{12}|arn:[^:]*:iam::\d{12}:root")
_OF_ACCOUNT = re.compile(r"(?:arn:[^:]*:(?:iam|sts)::)?(\d{12})(?::.*)?")
_STAR = r"\ue000"
"""What is written as a star, as JSON, while the stars of a pattern are what nobody knows."""
_NO_VALUE = {"Ref": "AWS::NoValue"}
_MADE_UP = "*-*-??????????*"
"""See https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-name.html."""


class Attached:
    """The policies of a template, indexed to find those of a role."""

    def __init__(self, template: Template) -> None:
        self._template = template

    @cached_property
    def _beside(self) -> list[tuple[str, list[str], Mapping[str, Any]]]:
        return list(self._policies_beside())

    @cached_property
    def _on_resources(self) -> list[tuple[str, list[str], Mapping[str, Any]]]:
        return list(self._resource_policies())

    def pattern(self, value: object) -> str:
        """A value as a pattern, see :func:`pattern_in`."""
        return pattern_in(self._template, value)

    def names(self, role: str) -> tuple[str, ...]:
        """How policies may name a role or user of the template: by its reference, by its ARN."""
        kind = self._template.resources[role].get("Type", "").removeprefix("AWS::IAM::")
        properties = self._template.resources[role].get("Properties", {})
        path, name = pattern_of(properties.get("Path", "/")), properties.get(f"{kind}Name", {"Ref": role})
        return (f"${{{role}}}", f"arn:aws:iam::*:{kind.lower()}{path}{pattern_of(name)}")

    def statements(self, role: str) -> list[Statement]:
        """All statements that hold for a role of the template, as far as its permissions boundary leaves them."""
        boundary = self._template.resources[role].get("Properties", {}).get("PermissionsBoundary")
        shown = None if boundary is None else self._shown(boundary)
        limits = [each for policy_id, document in shown or () for each in self._read(policy_id, document)]
        own = arn_of(self._template, role)
        return [each for each in limited(self._given(role), limits if shown else None) if each.may_hold_for(own)]

    def _given(self, role: str) -> list[Statement]:
        properties = self._template.resources[role].get("Properties", {})
        found = [
            statement
            for policy in branches(properties.get("Policies"))
            for statement in self._read(role, policy.get("PolicyDocument", {}))
        ]
        for policy_id, holders, document in self._beside:
            if any(self._means(holder, role) for holder in holders):
                found += self._read(policy_id, document)
        for managed in branches(properties.get("ManagedPolicyArns"), mappings=False):
            found += self._managed(role, managed)
        if "Groups" in properties:
            found += self._managed(role, _GROUPS)
        for policy_id, principals, statement in self._on_resources:
            if self._is_open(statement) and any(self._means(principal, role) for principal in principals):
                read = self._read(policy_id, {"Statement": [statement]})
                found += [replace(each, by_resource=True) for each in read]
        return found

    def trusts(self, role: str, other: str) -> bool:
        """Whether a role's trust names another one, so that it needs no further permission to assume it."""
        return any(
            self._means(principal, other)
            for statement in self._trust(role, other)
            if self._is_open(statement)
            for principal in self._principals(statement)
        )

    def lets_in(self, role: str, other: str) -> bool:
        """Whether a role's trust names any account, role or user, on conditions that another role may meet."""
        return any(any(self._principals(each)) for each in self._trust(role, other))

    def _trust(self, role: str, other: str) -> Iterator[Mapping[str, Any]]:
        """What a role's trust allows whom, on conditions that another role may meet."""
        own = arn_of(self._template, other)
        for document in branches(self._template.resources[role].get("Properties", {}).get("AssumeRolePolicyDocument")):
            for statement in branches(document.get("Statement")):
                [read] = self._read(role, {"Statement": statement})
                if read.allows and replace(read, by_resource=True).may_hold_for(own):
                    yield statement

    def on_resources(self) -> Iterator[tuple[str, list[str], Statement]]:
        """Each statement of a resource's policy or a role's trust: where it stands, whom it names, what it says."""
        trusts = (
            (logical_id, list(self._principals(statement)), {"Resource": "*", **statement})
            for logical_id, properties in self._template.of_type(ROLE)
            for document in branches(properties.get("AssumeRolePolicyDocument"))
            for statement in branches(document.get("Statement"))
        )
        for logical_id, principals, statement in (*self._on_resources, *trusts):
            for each in self._read(logical_id, {"Statement": [statement]}):
                yield logical_id, principals, each

    def _means(self, pattern: str, role: str) -> bool:
        if _ACCOUNT.fullmatch(pattern):
            return False  # the account's own policies then say who
        properties = self._template.resources[role].get("Properties", {})
        name = properties.get("RoleName", properties.get("UserName"))
        bare = () if name is None else (pattern_of(name),)
        return any(overlap(pattern, each) for each in (*self.names(role), *bare))

    def _is_open(self, statement: Mapping[str, Any]) -> bool:
        """Whether roles may meet a statement's conditions, and not only services that act for a resource that it names.

        AWS sets the keys of such a resource if a service calls, and otherwise none; a condition is not met without its
        key, unless it compares with what must not be, or has ``IfExists`` or ``ForAllValues``:
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-sourcearn
        """
        return not any(
            COMPARES.fullmatch(operator)
            and values
            and (
                (key in OF_SERVICES and all(map(_is_known_source, values)))
                or (key in _OF_CALLERS and all(map(self._is_elsewhere, values)))
            )
            for operator, key, values in _conditions(statement)
        )

    def _is_elsewhere(self, pattern: str) -> bool:
        """Whether a condition's value names another account than the template's, if that is known."""
        named = _OF_ACCOUNT.fullmatch(pattern)
        own = self._template.account
        return named is not None and own is not None and named[1] not in (own, OWN_ACCOUNT)

    def _managed(self, role: str, managed: object) -> Iterator[Statement]:
        shown = self._shown(managed)
        for policy_id, document in shown:
            yield from self._read(policy_id, document)
        if shown:
            return
        pattern = self.pattern(managed)
        named = _OF_AWS.fullmatch(pattern)
        known, guessed = managed_policies().get(named[1]) if named else None, ""
        if known is None:
            known = () if named and READS_BY_NAME.fullmatch(named[1]) else ((("*",), ("*",)),)
            guessed = (
                "whatever the groups allow" if pattern == _GROUPS else f"what {pattern} allows, which is not known here"
            )
        for actions, resources in known:
            yield Statement(role, True, actions, False, resources, False, conditional=False, guessed=guessed)

    def _shown(self, managed: object) -> list[tuple[str, Mapping[str, Any]]]:
        """The managed policies of the template that a reference or an ARN means, with their documents."""
        pattern = self.pattern(managed)
        return [
            (policy_id, properties.get("PolicyDocument", {}))
            for policy_id, properties in self._template.of_type("AWS::IAM::ManagedPolicy")
            if pattern == f"${{{policy_id}}}"
            or pattern.rpartition("/")[2] == pattern_of(properties.get("ManagedPolicyName", {})) != "*"
        ]

    def _policies_beside(self) -> Iterator[tuple[str, list[str], Mapping[str, Any]]]:
        for policy_id, resource in self._template.resources.items():
            properties = resource.get("Properties", {})
            match resource["Type"]:
                case "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy":
                    holders = [*as_list(properties.get("Roles")), *as_list(properties.get("Users"))]
                case "AWS::IAM::RolePolicy" | "AWS::IAM::UserPolicy":
                    holders = properties.get("RoleName", properties.get("UserName"))
                case _:
                    continue
            patterns = [self.pattern(each) for each in branches(holders, mappings=False)]
            yield policy_id, patterns, properties.get("PolicyDocument", {})

    def _resource_policies(self) -> Iterator[tuple[str, list[str], Mapping[str, Any]]]:
        """Whatever has principals, on a resource of any kind: a key, a bucket, a topic, a repository, a function."""
        for policy_id, resource in self._template.resources.items():
            kind, properties = resource["Type"], resource.get("Properties", {})
            if kind == "AWS::Lambda::Permission":
                action, function = properties.get("Action", "*"), properties.get("FunctionName", "*")
                source = {f"aws:{key}": properties[key] for key in ("SourceArn", "SourceAccount") if key in properties}
                condition = {"ArnLike": source} if source else {}
                statement = {"Effect": "Allow", "Action": action, "Resource": function, "Condition": condition}
                yield policy_id, [self.pattern(properties.get("Principal"))], statement
            named = "Principal" in self._template.written[policy_id]
            if not named or kind.startswith("AWS::IAM::") or kind in _GRANT_NOTHING:
                continue
            # A key's policy is about that key alone, whatever it names.
            own = {"Resource": {"Ref": policy_id}} if kind == "AWS::KMS::Key" else {}
            for each in _with_principals(list(_as_document(kind, properties).values())):
                yield policy_id, list(self._principals(each)), {"Resource": "*", **each, **own}

    def _principals(self, statement: Mapping[str, Any]) -> Iterator[str]:
        """Patterns of the principals of a statement, without services and identity providers."""
        principal = statement.get("Principal", "*")
        named = principal.get("AWS") if isinstance(principal, Mapping) and "Fn::If" not in principal else principal
        yield from (self.pattern(each) for each in branches(named, mappings=False))

    def _read(self, policy: str, document: Mapping[str, Any]) -> Iterator[Statement]:
        for statement in (each for one in branches(document) for each in branches(one.get("Statement"))):
            allows = statement.get("Effect") != "Deny"
            actions, not_actions = self._meant(statement, "Action", allows=allows)
            resources, not_resources = self._meant(statement, "Resource", allows=allows)
            yield Statement(
                policy,
                allows,
                actions,
                not_actions,
                resources,
                not_resources,
                conditional=bool(statement.get("Condition")),
                conditions=tuple(_conditions(statement)),
            )

    def _meant(self, statement: Mapping[str, Any], key: str, *, allows: bool) -> tuple[tuple[str, ...], bool]:
        """Patterns of a statement's actions or resources, and whether all but those are meant.

        What only CloudFormation knows is anything where that gives more, and nothing where it would take away.
        """
        negated = key not in statement and f"Not{key}" in statement
        # Neither of the two: an intrinsic function, which may be any statement.
        values = as_list(statement.get(f"Not{key}" if negated else key, "*"))
        if allows != negated:
            return tuple(map(self.pattern, values)), negated
        marked = (json.loads(json.dumps(each).replace("*", _STAR)) for each in values)
        known = (each for each in map(self.pattern, marked) if "*" not in each)
        return tuple(each.replace(json.loads(f'"{_STAR}"'), "*") for each in known), negated


@cache
def managed_policies() -> dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]]:
    """What each of AWS's policies allows, as far as the rules ask for it: some actions, and on what, several times."""
    lines = map(str.split, _LIST.read_text(encoding="utf-8").splitlines())
    split = {name: [each.partition("@") for each in allowed] for name, *allowed in lines}
    return {
        name: tuple((tuple(actions.split(",")), tuple((on or "*").split(","))) for actions, _, on in allowed)
        for name, allowed in split.items()
    }


def is_listed(pattern: str) -> bool:
    """Whether all that a policy of AWS's own changes is known, by the pattern of its ARN."""
    named = _OF_AWS.fullmatch(pattern)
    return named is not None and named[1] in managed_policies() and not READS_BY_NAME.fullmatch(named[1])


def _with_principals(value: object, depth: int = 4) -> list[Mapping[str, Any]]:
    """The statements within a resource's properties that name principals: some policies stand deep within them."""
    if isinstance(value, dict) and ("Principal" in value or "NotPrincipal" in value):
        return [value]
    if not depth or not isinstance(value, dict | list):
        return []
    parts, left = (value, depth) if isinstance(value, list) else (value.values(), depth - 1)
    return [found for each in parts if isinstance(each, dict | list) for found in _with_principals(each, left)]


def _as_document(kind: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Properties in which each statement is written as in a policy: an event bus takes one in another form, too."""
    if kind != "AWS::Events::EventBusPolicy" or "Principal" not in properties:
        return properties
    asked = properties.get("Condition", {})
    known = {asked["Type"]: {asked["Key"]: asked.get("Value")}} if {"Type", "Key"} <= set(asked) else {}
    return {"Statement": {**properties, "Effect": "Allow", "Condition": known}}


def pattern_in(template: Template, value: object) -> str:
    """A value as a pattern: what refers to no resource of the template may be anything."""
    known = template.resources
    return re.sub(r"\$\{(\w+)\}", lambda match: match[0] if match[1] in known else "*", pattern_of(value))


def arn_of(template: Template, role: str) -> str:
    """Pattern of the ARN by which somebody acts: CloudFormation makes up the names that a template leaves out.

    A principal that is not in the template is anybody of its account; a stack in the stack has roles of any name.
    """
    found, elsewhere = template.resources.get(role, {}), _OF_ACCOUNT.fullmatch(role)
    account = elsewhere[1] if elsewhere else template.account or "*"
    kind, named = found.get("Type", "").removeprefix("AWS::IAM::"), found.get("Properties", {})
    if kind not in ("Role", "User"):
        return f"arn:aws:*::{account}:*"
    path, name = (pattern_in(template, named.get(*each)) for each in (("Path", "/"), (f"{kind}Name", _MADE_UP)))
    return f"arn:aws:iam::{account}:{kind.lower()}{path}{name}"


def conditions_of(statement: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What a statement's conditions compare, by their operators; nothing of what only CloudFormation knows."""
    conditions = statement.get("Condition")
    found = conditions.items() if isinstance(conditions, Mapping) else ()
    return {operator: keys for operator, keys in found if isinstance(keys, Mapping)}


def _conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for operator, keys in conditions_of(statement).items():
        for key, values in keys.items():
            yield operator, key.lower(), tuple(pattern_here(each) for each in branches(values, mappings=False))


def _is_known_source(pattern: str) -> bool:
    """Whether a condition's value names whose resource it is: nobody else could then have a service act for his own."""
    bucket = pattern.startswith("arn:aws:s3:::") and "*" not in pattern.partition("/")[0]
    account = pattern.split(":")[4] if pattern.count(":") > 4 else ""
    return "*" not in pattern or bucket or account.isdigit()


def branches(value: object, *, mappings: bool = True) -> Iterator[Any]:
    """The values of a list or of one alone, with both branches of each condition."""
    for each in as_list(value):
        match each:
            case {"Fn::If": [_, one, other]}:
                for branch in (one, other):
                    if branch != _NO_VALUE:
                        yield from branches(branch, mappings=mappings)
            case _:
                if not mappings or isinstance(each, Mapping):
                    yield each

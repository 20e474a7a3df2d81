"""Finds access that a new template adds: policies of every kind, wherever they are, trust, public access."""

from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.operations.changes.policies import Policy, is_policy, parsed, widened
from nova_infra.operations.changes.template_values import properties, same, shown

_OWNERS = ("Roles", "Users", "Groups")
_LISTS_OF_GRANTS = {"ManagedPolicyArns": "is attached to the managed policy", "Groups": "joins the group"}
# What a VPC endpoint without a policy has:
# https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
_ALLOWS_EVERYTHING = Policy.of([{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}])
_PUBLIC_ACCESS_BLOCK = "PublicAccessBlockConfiguration"


def granted(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Logical id and a sentence for everything that the second set of resources newly allows."""
    renamed = _renamed(old, new)
    for logical_id, resource in new.items():
        before = old.get(renamed.get(logical_id, logical_id))
        same = before is not None and before["Type"] == resource["Type"]
        was, becomes = properties(before) if before is not None and same else {}, properties(resource)
        endpoint = resource["Type"] == "AWS::EC2::VPCEndpoint"
        for name in sorted({*_policies(was), *_policies(becomes)}):
            policy_was, policy_becomes = (Policy.of(_policies(side).get(name, [])) for side in (was, becomes))
            if endpoint and name not in was and same:
                policy_was = _ALLOWS_EVERYTHING
            if endpoint and name not in becomes:
                policy_becomes = _ALLOWS_EVERYTHING
            for grant in widened(policy_was, policy_becomes):
                yield logical_id, str(grant)
        yield from ((logical_id, sentence) for sentence in _by_properties(resource["Type"], was, becomes))
    for logical_id, resource in old.items():
        if logical_id in new or logical_id in renamed.values():
            continue
        for documents in _policies(properties(resource)).values():
            for grant in widened(Policy.of(documents), Policy()):
                yield logical_id, str(grant)


def _renamed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Logical id of each policy of an identity that takes the place of another one, to that of the other."""
    gone = {owners: name for name, each in old.items() if name not in new and (owners := _owners(each)) is not None}
    come = {name: owners for name, each in new.items() if name not in old and (owners := _owners(each)) is not None}
    return {name: gone[owners] for name, owners in come.items() if owners in gone}


def _owners(resource: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The identities that a policy is part of; None for every other resource, and where the template names none."""
    if resource["Type"] != "AWS::IAM::Policy":
        return None
    owners = tuple(shown(as_list(properties(resource).get(kind))) for kind in _OWNERS)
    return owners if any(each != "[]" for each in owners) else None


def _by_properties(kind: str, was: Mapping[str, Any], becomes: Mapping[str, Any]) -> Iterator[str]:
    for name, says in _LISTS_OF_GRANTS.items():
        before = {shown(item) for item in as_list(was.get(name))}
        yield from (f"{says} {shown(i)}" for i in as_list(becomes.get(name)) if shown(i) not in before)
    if kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy") and was:
        for name in _OWNERS:
            before = {shown(item) for item in as_list(was.get(name))}
            added = [shown(i) for i in as_list(becomes.get(name)) if shown(i) not in before]
            yield from (f"is attached to {who}, too" for who in added)
    if "PermissionsBoundary" in was and not same(was["PermissionsBoundary"], becomes.get("PermissionsBoundary")):
        yield "loses or changes its permissions boundary"
    if kind in ("AWS::Lambda::Permission", "AWS::Lambda::LayerVersionPermission") and not same(was, becomes):
        target = becomes.get("FunctionName", becomes.get("LayerVersionArn"))
        yield f"lets {shown(becomes.get('Principal'))} call {shown(target)}"
    if kind == "AWS::S3::Bucket":
        blocks, now = was.get(_PUBLIC_ACCESS_BLOCK, {}), becomes.get(_PUBLIC_ACCESS_BLOCK, {})
        for name, value in blocks.items() if isinstance(blocks, dict) else ():
            if shown(value) == "true" and (not isinstance(now, dict) or shown(now.get(name)) != "true"):
                yield f"no longer blocks public access: {name}"
        if str(becomes.get("AccessControl", "")).startswith("Public") and not same(
            was.get("AccessControl"), becomes["AccessControl"]
        ):
            yield f"is open to everyone: AccessControl {becomes['AccessControl']}"


def _policies(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Top-level property to the policy documents in it; those of one property apply together."""
    found = {name: list(_documents(value)) for name, value in values.items()}
    return {name: documents for name, documents in found.items() if documents}


def _documents(value: Any) -> Iterator[Any]:
    value = parsed(value)
    if is_policy(value):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _documents(item)
    elif isinstance(value, list):
        for item in value:
            yield from _documents(item)

"""``NOVA-L…``: the size of every policy in a synthesized template, of IAM (10,240 characters), KMS, S3, ECR.

The planner refuses a policy that is sure to be too large, and one for its grammar: ``blockers/services/policies``.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: "IAM does not count white space when
calculating the size of a policy". Values that only CloudFormation knows count as long as they commonly are.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nova_infra.checks.permissions.attached import branches
from nova_infra.checks.rule import Finding, Rule, Template, as_list, referenced

_INLINE = {"Roles": ("role", 10_240), "Users": ("user", 2_048), "Groups": ("group", 5_120)}
_OWNERS = {"AWS::IAM::Role": "Roles", "AWS::IAM::User": "Users", "AWS::IAM::Group": "Groups"}

# https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html,
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html,
# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_SetRepositoryPolicy.html
_OF_RESOURCES = {
    "AWS::KMS::Key": ("KeyPolicy", 32_768),
    "AWS::S3::BucketPolicy": ("PolicyDocument", 20_480),
    "AWS::ECR::Repository": ("RepositoryPolicyText", 10_240),
}

_PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "ap-northeast-1",
    "AWS::URLSuffix": "amazonaws.com",
}
Size = Callable[[Any], int]
"""How many characters AWS counts of a policy, as far as that can be known."""
_UNKNOWN_NAME = "x" * 48
_UNKNOWN_ARN = f"arn:aws:service:ap-northeast-1:123456789012:kind/{_UNKNOWN_NAME}"


def policy_size(document: object) -> int:
    """How many characters IAM counts of a policy document of a template."""
    return len(re.sub(r"\s", "", json.dumps(_resolved(document), separators=(",", ":"), ensure_ascii=False)))


def _resolved(value: object) -> object:
    """A value with text in the place of what only CloudFormation knows."""
    match value:
        case {"Ref": str(name)}:
            return _PSEUDO.get(name, _UNKNOWN_NAME)
        case {"Fn::GetAtt": _} | {"Fn::ImportValue": _}:
            return _UNKNOWN_ARN
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(str(_resolved(part)) for part in parts)
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([^}]+)\}", lambda match: _PSEUDO.get(match[1], _UNKNOWN_NAME), text)
        case dict():
            return {key: _resolved(inner) for key, inner in value.items()}
        case list():
            return [_resolved(inner) for inner in value]
    return value


def _inline(template: Template, size_of: Size = policy_size) -> Iterator[Finding]:
    """Inline policies count together, for each role, user and group that has them."""
    sizes: dict[tuple[str, str], int] = {}
    largest: dict[tuple[str, str], tuple[int, str]] = {}
    for owners, logical_id, document in _inline_documents(template):
        size = size_of(document)
        for key in owners:
            sizes[key] = sizes.get(key, 0) + size
            largest[key] = max(largest.get(key, (0, "")), (size, logical_id))
    for (kind, owner), size in sizes.items():
        what, limit = _INLINE[kind]
        if size > limit:
            yield Finding(
                largest[kind, owner][1],
                "Properties.PolicyDocument",
                f"the inline policies of the {what} {owner} have {size:,} characters, but IAM allows {limit:,}",
            )


def _inline_documents(template: Template) -> Iterator[tuple[list[tuple[str, str]], str, object]]:
    """Each inline policy: its identity, its resource, and its document."""
    for resource_type, kind in _OWNERS.items():
        for logical_id, properties in template.of_type(resource_type):
            for policy in branches(properties.get("Policies")):
                yield [(kind, logical_id)], logical_id, policy.get("PolicyDocument")
        single = resource_type + "Policy"
        for logical_id, properties in template.of_type(single):
            name = properties.get(kind.removesuffix("s") + "Name")
            yield [(kind, referenced(name) or str(name))], logical_id, properties.get("PolicyDocument")
    for logical_id, properties in template.of_type("AWS::IAM::Policy"):
        owners = [(kind, referenced(each) or str(each)) for kind in _INLINE for each in as_list(properties.get(kind))]
        yield owners, logical_id, properties.get("PolicyDocument")


def _each(template: Template, size_of: Size, limits: Mapping[str, tuple[str, int]]) -> Iterator[Finding]:
    for resource_type, (name, limit) in limits.items():
        for logical_id, properties in template.of_type(resource_type):
            if name in properties and (size := size_of(properties[name])) > limit:
                yield Finding(logical_id, f"Properties.{name}", f"it has {size:,} characters, but AWS allows {limit:,}")


def _managed(template: Template, size_of: Size = policy_size) -> Iterator[Finding]:
    return _each(template, size_of, {"AWS::IAM::ManagedPolicy": ("PolicyDocument", 6_144)})


def _trust(template: Template, size_of: Size = policy_size) -> Iterator[Finding]:
    return _each(template, size_of, {"AWS::IAM::Role": ("AssumeRolePolicyDocument", 2_048)})


def _resources(template: Template, size_of: Size = policy_size) -> Iterator[Finding]:
    return _each(template, size_of, _OF_RESOURCES)


def too_large(template: Template, size_of: Size) -> Iterator[Finding]:
    """Every policy of a template that is larger than AWS takes."""
    for check in (_inline, _managed, _trust, _resources):
        yield from check(template, size_of)


_QUOTAS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"

POLICY_RULES = (
    Rule(
        "NOVA-L01",
        "The inline policies of a role have at most 10,240 characters together, of a user 2,048, of a group 5,120",
        "name resources by a pattern instead of one by one, or move statements into a managed policy",
        _QUOTAS,
        _inline,
    ),
    Rule(
        "NOVA-L02",
        "A managed policy has at most 6,144 characters",
        "name resources by a pattern instead of one by one, or divide the policy",
        _QUOTAS,
        _managed,
    ),
    Rule(
        "NOVA-L03",
        "A trust policy has at most 2,048 characters",
        "list fewer operators: one role that a group of people may assume, instead of one for each of them",
        _QUOTAS,
        _trust,
    ),
    Rule(
        "NOVA-L04",
        "The policy of a key, a bucket or a repository fits: 32,768, 20,480 or 10,240 characters",
        "name principals and resources by a pattern or an organization instead of one by one",
        "https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html",
        _resources,
    ),
)

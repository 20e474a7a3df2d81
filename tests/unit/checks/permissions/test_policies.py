"""The sizes of policies: each limit, one character below it and one above."""

from typing import Any

import pytest

from nova_infra.checks.permissions.policies import policy_size
from nova_infra.checks.rules import findings

ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}}


def document(size: int) -> dict[str, Any]:
    """A policy document of so many characters."""
    empty = policy_size({"Statement": [{"Resource": ""}]})
    return {"Statement": [{"Resource": "x" * (size - empty)}]}


def broken(resources: dict[str, Any]) -> list[str]:
    found = findings({"Resources": resources})
    return [f"{rule.id} {finding.logical_id}" for rule, finding in found if rule.id.startswith("NOVA-L")]


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


@pytest.mark.parametrize(
    ("kind", "name", "limit", "rule"),
    [
        ("AWS::IAM::ManagedPolicy", "PolicyDocument", 6_144, "NOVA-L02"),
        ("AWS::IAM::Role", "AssumeRolePolicyDocument", 2_048, "NOVA-L03"),
        ("AWS::KMS::Key", "KeyPolicy", 32_768, "NOVA-L04"),
        ("AWS::S3::BucketPolicy", "PolicyDocument", 20_480, "NOVA-L04"),
        ("AWS::ECR::Repository", "RepositoryPolicyText", 10_240, "NOVA-L04"),
    ],
)
def test_a_policy_may_be_as_large_as_aws_takes_and_no_larger(kind: str, name: str, limit: int, rule: str) -> None:
    assert broken({"Own": resource(kind, **{name: document(limit)})}) == []
    assert broken({"Own": resource(kind, **{name: document(limit + 1)})}) == [f"{rule} Own"]


@pytest.mark.parametrize(
    ("kind", "key", "limit"),
    [
        ("AWS::IAM::Role", "Roles", 10_240),
        ("AWS::IAM::User", "Users", 2_048),
        ("AWS::IAM::Group", "Groups", 5_120),
    ],
)
def test_inline_policies_count_together_wherever_they_are_written(kind: str, key: str, limit: int) -> None:
    half = limit // 2

    def resources(more: int) -> dict[str, Any]:
        own = {"Policies": [{"PolicyName": "a", "PolicyDocument": document(half - 200)}]}
        return {
            "Owner": {"Type": kind, "Properties": own},
            "First": resource("AWS::IAM::Policy", PolicyDocument=document(half + more), **{key: [{"Ref": "Owner"}]}),
            "Second": resource(f"{kind}Policy", PolicyDocument=document(200), **{f"{key[:-1]}Name": {"Ref": "Owner"}}),
            "Other": resource("AWS::IAM::Policy", PolicyDocument=document(half), **{key: ["somebody-else"]}),
        }

    assert broken(resources(0)) == []
    assert broken(resources(1)) == ["NOVA-L01 First"]


def test_a_finding_says_whose_policies_they_are_and_how_large() -> None:
    policy = resource("AWS::IAM::Policy", PolicyDocument=document(12_345), Roles=[{"Ref": "Builder"}])
    [(rule, finding)] = findings({"Resources": {"Builder": ROLE, "Policy": policy}})
    assert "role Builder have 12,345 characters, but IAM allows 10,240" in finding.detail
    assert "by a pattern" in rule.remedy


def test_white_space_does_not_count_and_what_only_cloudformation_knows_counts_as_it_commonly_is() -> None:
    assert policy_size({"Sid": "a b"}) == policy_size({"Sid": "ab"})
    partition = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::", {"Ref": "AWS::AccountId"}, ":root"]]}
    assert policy_size(partition) == len('"arn:aws:iam::123456789012:root"')
    assert policy_size({"Fn::Sub": "arn:${AWS::Partition}:s3:::${Bucket}"}) > policy_size("arn:aws:s3:::") + 40
    assert policy_size({"Fn::GetAtt": ["Role", "Arn"]}) > 80

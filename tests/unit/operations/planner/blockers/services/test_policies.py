"""Policies that IAM or KMS would refuse, each with a twin that they take."""

from typing import Any

import pytest

from nova_infra.operations.planner import Refusal, StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::carts/*"}
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
ROOT = {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}
OWNER = {"Effect": "Allow", "Principal": ROOT, "Action": "kms:*", "Resource": "*"}
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [TRUST]}}}
LONG = {
    **READ,
    "Resource": [f"arn:aws:dynamodb:eu-north-1:210987654321:table/carts-{number:04}" for number in range(100)],
}


def refusals(**resources: Any) -> list[Refusal]:
    return plan([], [[StackTemplate(KEY, {"Resources": {"Role": ROLE, **resources}})]]).refusals


def policy(*statements: Any, kind: str = "RolePolicy", **document: Any) -> dict[str, Any]:
    attached = {"RoleName": {"Ref": "Role"}} if kind == "RolePolicy" else {"Roles": [{"Ref": "Role"}]}
    return {
        "Type": f"AWS::IAM::{kind}",
        "Properties": {"PolicyName": "p", **attached, "PolicyDocument": {"Statement": [*statements], **document}},
    }


@pytest.mark.parametrize("kind", ["RolePolicy", "Policy", "ManagedPolicy"])
@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("Resource", {"Resource": None}),
        ("Resource", {"Resource": "carts"}),
        ("Action", {"Action": "dynamodb"}),
        ("Action", {"Action": None}),
        ("Effect", {"Effect": "allow"}),
        ("Effect", {"Effect": None}),
        ("Principal", {"Principal": "*"}),
        ("Sid", {"Sid": "reads-carts"}),
        ("Condition", {"Condition": {"StringEqual": {"aws:SourceAccount": "1"}}}),
    ],
)
def test_a_statement_that_iam_does_not_take_is_refused(kind: str, where: str, change: dict[str, Any]) -> None:
    statement = {key: value for key, value in {**READ, **change}.items() if value is not None}
    [found] = refusals(It=policy(statement, kind=kind))
    assert found.where == f"It.PolicyDocument.Statement.{where}"


@pytest.mark.parametrize(
    "change",
    [
        {"Sid": "ReadsCarts"},
        {"Resource": "*"},
        {"Resource": {"Fn::GetAtt": ["Carts", "Arn"]}},
        {"NotAction": "s3:*", "Action": None},
        {"Effect": "Deny", "Condition": {"ForAnyValue:StringNotLikeIfExists": {"aws:TagKeys": "a"}}},
        {"Condition": {"Null": {"aws:TokenIssueTime": "true"}, "NumericLessThanEquals": {"s3:max-keys": 9}}},
        {"Action": "dynamodb:GetItemz"},  # grants nothing, and IAM takes it
    ],
)
def test_a_statement_that_iam_takes_is_not_refused(change: dict[str, Any]) -> None:
    statement = {key: value for key, value in {**READ, **change}.items() if value is not None}
    carts = {"Type": "AWS::S3::Bucket", "Properties": {}}
    assert refusals(It=policy(statement), Carts=carts) == []


def test_statements_share_no_id_and_a_policy_has_a_version_of_the_language() -> None:
    [twice] = refusals(It=policy({**READ, "Sid": "A"}, {**READ, "Sid": "A"}))
    assert (twice.where, twice.fault) == ("It.PolicyDocument.Statement.Sid", "is A twice")
    assert refusals(It=policy({**READ, "Sid": "A"}, {**READ, "Sid": "B"}, Version="2012-10-17")) == []
    policy_of_key = {"KeyPolicy": {"Statement": [{**OWNER, "Sid": "Enable IAM policies"}] * 2}}
    assert refusals(It={"Type": "AWS::KMS::Key", "Properties": policy_of_key}) == [], "only IAM itself limits ids"
    [version] = refusals(It=policy(READ, Version="2024-01-01"))
    assert version.where == "It.PolicyDocument.Version"


def test_inline_policies_of_a_role_count_together_wherever_they_are_written() -> None:
    assert refusals(One=policy(LONG)) == []
    [found] = refusals(One=policy(LONG), Two=policy(LONG, kind="Policy"))
    assert found.where == "Two.PolicyDocument"
    assert "policies of the role Role have" in found.fault
    assert "but IAM allows 10,240" in found.fault
    both = {"Role": ROLE, "One": policy(LONG), "Two": policy(LONG, kind="Policy")}
    deployed, topic = StackTemplate(KEY, {"Resources": both}), {"Type": "AWS::SNS::Topic"}
    assert plan([deployed], [[StackTemplate(KEY, {"Resources": {**both, "More": topic}})]]).refusals == []
    [managed] = refusals(It=policy(LONG, READ, {**LONG, "Effect": "Deny"}, kind="ManagedPolicy"))
    assert "but AWS allows 6,144" in managed.fault


@pytest.mark.parametrize(
    ("kind", "name", "most"),
    [
        ("AWS::IAM::Role", "AssumeRolePolicyDocument", 2_048),
        ("AWS::KMS::Key", "KeyPolicy", 32_768),
        ("AWS::S3::BucketPolicy", "PolicyDocument", 20_480),
        ("AWS::ECR::Repository", "RepositoryPolicyText", 10_240),
    ],
)
def test_a_policy_that_is_sure_to_be_too_large_is_refused(kind: str, name: str, most: int) -> None:
    def refused(count: int) -> list[str]:
        arns = [{"Fn::Sub": f"arn:aws:iam::210987654321:role/carts-{n:04}-${{AWS::Region}}"} for n in range(count)]
        document = {"Statement": [{**OWNER, "Principal": {"AWS": arns}}]}
        found = refusals(It={"Type": kind, "Properties": {name: document}})
        return [each.fault for each in found if each.where == f"It.{name}" and "characters" in each.fault]

    fit = (most - 150) // 45
    assert refused(fit) == []
    [fault] = refused(fit + 10)
    assert f"but AWS allows {most:,}" in fault


def test_a_trust_is_read_as_well() -> None:
    document = {"Statement": [{**TRUST, "Condition": {"StringEqual": {"sts:ExternalId": "1"}}}]}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}
    [found] = refusals(Other=role)
    assert found.where == "Other.AssumeRolePolicyDocument.Statement.Condition"


@pytest.mark.parametrize(
    ("statements", "refused"),
    [
        ([OWNER], False),
        ([{**OWNER, "Action": ["kms:Put*", "kms:Encrypt"]}], False),
        ([{**OWNER, "Action": ["kms:Encrypt", "kms:Decrypt"]}], True),
        ([{**OWNER, "Effect": "Deny"}], True),
        ([{**OWNER, "Action": "kms:Encrypt"}, {"Fn::If": ["Own", OWNER, {"Ref": "AWS::NoValue"}]}], False),
    ],
)
def test_a_key_whose_policy_nobody_could_change_is_refused(statements: list[Any], refused: bool) -> None:
    properties = {"KeyPolicy": {"Statement": statements}}
    found = [each.where for each in refusals(It={"Type": "AWS::KMS::Key", "Properties": properties})]
    assert found == (["It.KeyPolicy"] if refused else [])
    bypassing = {**properties, "BypassPolicyLockoutSafetyCheck": True}
    assert refusals(It={"Type": "AWS::KMS::Key", "Properties": bypassing}) == []

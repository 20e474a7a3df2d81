"""What a task's role allows: in doubt everything, and nothing where there is no role."""

from typing import Any

import pytest

from nova_infra.operations.planner.roles import TaskRole, encrypting_keys

QUEUE = "arn:aws:sqs:eu-west-1:333333333333:mails"
KEY = "arn:aws:secretsmanager:eu-west-1:333333333333:secret:shop/key"
SCAN = ("dynamodb:Scan", "arn:aws:dynamodb:eu-west-1:333333333333:table/orders")
SEND, READ = ("sqs:SendMessage", QUEUE), ("secretsmanager:GetSecretValue", KEY)


def resources(*statements: dict[str, Any], role: Any = None, **properties: Any) -> dict[str, Any]:
    task = {} if role == "none" else {"TaskRoleArn": role or {"Fn::GetAtt": ["Role", "Arn"]}}
    policy = {"Roles": [{"Ref": "Role"}], "PolicyDocument": {"Statement": list(statements)}}
    return {
        "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task},
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}, **properties}},
        "Policy": {"Type": "AWS::IAM::Policy", "Properties": policy},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {}},
    }


def allow(action: str, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


DENY = {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}


@pytest.mark.parametrize(
    ("found", "need", "allowed"),
    [
        (resources(), SEND, False),
        (resources(allow("sqs:SendMessage", QUEUE)), SEND, True),
        (resources(allow("SQS:send*", "arn:aws:sqs:*:*:ma*")), SEND, True),
        (resources(allow("sqs:SendMessage", f"{QUEUE}-dead")), SEND, False),
        (resources(allow("sqs:ReceiveMessage", QUEUE)), SEND, False),
        (resources(allow("sqs:*", QUEUE), DENY), SEND, False),
        (resources(allow("sqs:*", QUEUE, Condition={"Bool": {"aws:SecureTransport": "true"}})), SEND, True),
        (resources(allow("sns:Publish", {"Ref": "Topic"})), ("sns:Publish", "arn:aws:sns:eu-west-1:1:news"), True),
        (resources(ManagedPolicyArns=["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]), SEND, True),
        (resources(ManagedPolicyArns=["arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"]), SEND, False),
        (
            resources(ManagedPolicyArns=["arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"]),
            ("s3:ListBucket", "*"),
            True,
        ),
        (resources(ManagedPolicyArns=["arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess"]), SCAN, True),
        (resources(ManagedPolicyArns=["arn:aws:iam::333333333333:policy/own"]), SEND, True),
        (resources(role="arn:aws:iam::333333333333:role/elsewhere"), SEND, True),
        (resources(role="none"), SEND, False),
        (resources(allow("secretsmanager:GetSecretValue", f"{KEY}-??????")), READ, True),
        (resources(allow("s3:GetObject", "arn:aws:s3:::a/*")), ("s3:GetObject", "arn:aws:s3:::a/b/c"), True),
        (resources(allow("s3:GetObject", "arn:aws:s3:::a")), ("s3:GetObject", "arn:aws:s3:::a/b/c"), False),
        (resources(allow("ses:SendEmail", "arn:aws:ses:*:*:identity/x")), ("ses:SendEmail", "*"), True),
    ],
)
def test_what_a_task_may_do(found: dict[str, Any], need: tuple[str, str], allowed: bool) -> None:
    assert TaskRole(found, "Task").denied([need]) == (None if allowed else need)


TLS = {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}
ANY = {"Principal": "*", "Action": "sqs:*", "Resource": QUEUE}
NO_TLS = {**ANY, "Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
FROM = {"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}
MANAGED = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"
GRANT = allow("sqs:SendMessage", QUEUE)


def with_queue(found: dict[str, Any], *statements: dict[str, Any]) -> dict[str, Any]:
    policy = {"PolicyDocument": {"Statement": list(statements)}}
    return {**found, "OfQueue": {"Type": "AWS::SQS::QueuePolicy", "Properties": policy}}


@pytest.mark.parametrize(
    ("found", "need", "why"),
    [
        (resources(GRANT), SEND, ""),
        (resources({**GRANT, **TLS}), SEND, ""),
        (with_queue(resources(GRANT), NO_TLS), SEND, ""),
        (with_queue(resources(GRANT), {**ANY, **FROM, "Effect": "Deny"}), SEND, "a Deny has a condition"),
        (with_queue(resources(GRANT), {**ANY, **FROM, "Effect": "Deny", "Resource": f"{QUEUE}-2"}), SEND, ""),
        (resources({**GRANT, **FROM}), SEND, "its role may only under a condition"),
        (resources({**GRANT, **FROM}, GRANT), SEND, ""),
        (resources(ManagedPolicyArns=[MANAGED]), SEND, "only a managed policy of AWS's own may allow it"),
        (resources(GRANT, ManagedPolicyArns=[MANAGED]), SEND, ""),
        (resources(allow("*", "*")), SEND, ""),
        (resources(role="arn:aws:iam::333333333333:role/elsewhere"), SEND, "its role is in no template"),
        (resources(allow("ses:*", "arn:aws:ses:*:*:identity/x")), ("ses:SendEmail", "*"), "it is not known on which"),
    ],
)
def test_what_only_aws_knows_of_a_permission_is_a_doubt(found: dict[str, Any], need: tuple[str, str], why: str) -> None:
    action, said = TaskRole(found, "Task").doubt([need]) or (need[0], "")
    assert action == need[0]
    assert said.startswith(why) if why else not said


def test_a_call_that_needs_several_permissions_needs_each() -> None:
    role = TaskRole(resources(allow("s3:PutObject", "*")), "Task")
    read = ("s3:GetObject", "arn:aws:s3:::a/b")
    assert role.denied([("s3:PutObject", "arn:aws:s3:::c/d"), read]) == read


def test_what_has_no_properties_is_encrypted_by_no_key() -> None:
    key = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Statement": []}}}
    mails = {"Type": "AWS::SQS::Queue", "Properties": {"KmsMasterKeyId": {"Ref": "Key"}}}
    plain = {"Type": "AWS::SQS::Queue", "Properties": None}
    assert encrypting_keys({"Key": key, "Mails": mails, "Plain": plain}) == {"Mails": "Key"}

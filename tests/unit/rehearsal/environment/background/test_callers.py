import pytest

from nova_infra.deployed.aws.client.call_permissions import AwsCall
from nova_infra.rehearsal.cloudformation.physical import Home
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.environment.background.callers import Caller, keys_of

PLACE = Home("210987654321", "eu-north-1")
GOVERNMENT = Home("210987654321", "us-gov-west-1")
GRANTED = [
    {"Action": "dynamodb:GetItem", "Effect": "Allow", "Resource": {"Fn::GetAtt": ["Table", "Arn"]}},
    {
        "Action": "logs:PutLogEvents",
        "Effect": "Allow",
        "Resource": {"Fn::Join": [":", ["arn:aws:logs", {"Ref": "AWS::Region"}, {"Ref": "AWS::AccountId"}, "a"]]},
    },
]


@pytest.mark.parametrize("kind", ["AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"])
@pytest.mark.parametrize(
    ("home", "action", "resource", "allowed"),
    [
        (PLACE, "dynamodb:GetItem", "arn:aws:dynamodb:eu-north-1:210987654321:table/shop-Table", True),
        (PLACE, "dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:210987654321:table/shop-Table", False),
        (GOVERNMENT, "dynamodb:GetItem", "arn:aws-us-gov:dynamodb:us-gov-west-1:210987654321:table/shop-Table", True),
        (GOVERNMENT, "dynamodb:GetItem", "arn:aws-us-gov:dynamodb:us-gov-west-1:210987654321:table/other", False),
        (None, "dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:210987654321:table/shop-Table", True),
        (None, "dynamodb:PutItem", "arn:aws:dynamodb:eu-west-1:210987654321:table/shop-Table", False),
        (None, "dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:210987654321:table/other", False),
        (None, "logs:PutLogEvents", "arn:aws:logs:eu-west-1:210987654321:a", True),
        (PLACE, "logs:PutLogEvents", "arn:aws:logs:eu-west-1:210987654321:a", False),
    ],
)
def test_a_policy_of_a_stack_that_may_be_anywhere_is_for_any_region(
    kind: str, home: Home | None, action: str, resource: str, allowed: bool
) -> None:
    policy = {"PolicyName": "p", "PolicyDocument": {"Statement": GRANTED}}
    template = {
        "Resources": {
            "Table": {"Type": kind, "Properties": {}},
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [policy]}},
            "Task": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {"TaskRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}},
            },
        }
    }
    stack = PlayedStack("shop", template, exports={}, revisions={"Task": "shop:1"}, home=home)
    role = Caller(stack, "Task", "shop:1", judged=True).role
    assert (role.denied([(action, resource)]) is None) is allowed


ROOT = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::210987654321:root"}, "Action": "kms:*", "Resource": "*"}
OTHERS = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
DECRYPT = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": {"Fn::GetAtt": ["Key", "Arn"]}}


def needs(action: str, resource: str) -> AwsCall:
    return AwsCall("AKIA", "any", ((action, resource),), "json")


@pytest.mark.parametrize(
    ("more", "policy", "action", "lacking"),
    [
        ([], [ROOT], "sqs:ReceiveMessage", "kms:Decrypt"),
        ([], [ROOT], "sqs:SendMessage", "kms:GenerateDataKey"),
        ([DECRYPT], [ROOT], "sqs:SendMessage", "kms:GenerateDataKey"),
        ([DECRYPT], [ROOT], "sqs:ReceiveMessage", None),
        ([], [ROOT], "sqs:DeleteMessage", None),
        ([], [ROOT, OTHERS], "sqs:ReceiveMessage", None),
        ([], ROOT, "sqs:ReceiveMessage", "kms:Decrypt"),
        ([], [{"Fn::If": ["Open", OTHERS, {"Ref": "AWS::NoValue"}]}, ROOT], "sqs:ReceiveMessage", None),
        ([], {"Fn::If": ["Open", [OTHERS], [ROOT]]}, "sqs:ReceiveMessage", None),
    ],
)
def test_what_a_customers_key_encrypts_takes_the_keys_permission_too(
    more: list[object], policy: object, action: str, lacking: str | None
) -> None:
    allowed = [{"Effect": "Allow", "Action": "sqs:*", "Resource": {"Fn::GetAtt": ["Mails", "Arn"]}}, *more]
    template = {
        "Resources": {
            "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Statement": policy}}},
            "Mails": {"Type": "AWS::SQS::Queue", "Properties": {"KmsMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]}}},
            "Plain": {"Type": "AWS::SQS::Queue", "Properties": {}},
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {"Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": allowed}}]},
            },
            "Task": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {"TaskRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}},
            },
        }
    }
    stack = PlayedStack("shop", template, exports={}, revisions={"Task": "shop:1"}, home=PLACE)
    caller = Caller(stack, "Task", "shop:1", judged=True, keys=keys_of(stack))
    denied = caller.denied(needs(action, "arn:aws:sqs:eu-north-1:210987654321:shop-Mails"))
    assert (denied and denied[0]) == lacking


def test_a_key_that_no_stack_makes_may_let_anybody_decrypt() -> None:
    secret = {"Type": "AWS::SecretsManager::Secret", "Properties": {"KmsKeyId": "arn:aws:kms:eu-north-1:1:key/a"}}
    stack = PlayedStack("shop", {"Resources": {"Database": secret}}, exports={}, revisions={}, home=PLACE)
    assert keys_of(stack) == {}

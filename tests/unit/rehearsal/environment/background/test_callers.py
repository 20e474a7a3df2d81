import pytest

from nova_infra.rehearsal.cloudformation.physical import Home
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.environment.background.callers import Caller

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

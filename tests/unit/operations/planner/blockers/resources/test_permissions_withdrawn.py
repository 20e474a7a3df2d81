"""Permissions that tasks lose while they still run."""

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

QUEUE = {"Fn::GetAtt": ["Queue", "Arn"]}
LETTERS, PARCELS = (f"arn:aws:sqs:eu-north-1:210987654321:{name}" for name in ("letters", "parcels"))


@pytest.mark.parametrize(
    ("name", "before", "after", "lost"),
    [
        pytest.param("parcels", QUEUE, PARCELS, True, id="renamed, and the new one by its ARN"),
        pytest.param("parcels", QUEUE, QUEUE, True, id="renamed, and still by reference"),
        pytest.param("parcels", QUEUE, [QUEUE, LETTERS], False, id="renamed, and the old one as well"),
        pytest.param("letters", QUEUE, LETTERS, False, id="the same one by its ARN"),
        pytest.param("letters", QUEUE, PARCELS, True, id="another one"),
        pytest.param("parcels", LETTERS, [QUEUE, LETTERS], False, id="both, by ARN before"),
        pytest.param("parcels", QUEUE, "arn:aws:sqs:eu-north-1:210987654321:*", False, id="all of them"),
        pytest.param(
            None, {"Fn::GetAtt": ["Made", "Arn"]}, {"Fn::GetAtt": ["Made", "Arn"]}, False, id="without a name"
        ),
    ],
)
def test_running_tasks_lose_the_queue_that_a_release_renames(
    name: str | None, before: object, after: object, lost: bool
) -> None:
    def reading(queue: str, of: object, image: str) -> StackTemplate:
        policy = {"Statement": {"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": of}}
        task = {"TaskRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "ContainerDefinitions": [{"Image": image}]}
        resources = {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": queue}},
            "Made": {"Type": "AWS::SQS::Queue", "Properties": {}},
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {"Policies": [{"PolicyName": "p", "PolicyDocument": policy}]},
            },
            "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task},
        }
        return StackTemplate(StackKey("210987654321", "eu-north-1", "mailer"), {"Resources": resources})

    [planned] = plan([reading("letters", before, "shop:7")], [[reading(name or "letters", after, "shop:8")]]).stacks
    found = planned.consequences
    assert any("loses sqs:ReceiveMessage" in each.what for each in found) is lost

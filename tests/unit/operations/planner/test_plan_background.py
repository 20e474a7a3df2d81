"""Edits of workers, jobs and a service's own resources, on a model of their stacks: what the plan says to each."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "nova-prod-mails")
KEPT = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
Resources = dict[str, Any]
Edit = Callable[[Resources], Any]


def resource(kind: str, properties: Resources, **attributes: Any) -> Resources:
    return {"Type": kind, "Properties": properties, **attributes}


MAILS: Resources = {
    "Queue": resource("AWS::SQS::Queue", {"QueueName": "mails-prod", "VisibilityTimeout": 95}, **KEPT),
    "Nightly": resource(
        "AWS::Scheduler::Schedule",
        {"Name": "nightly", "GroupName": "mails", "ScheduleExpression": "cron(0 3 * * ? *)", "State": "ENABLED"},
    ),
    "Files": resource("AWS::S3::Bucket", {}, **KEPT),
    "Reports": resource("AWS::S3::Bucket", {"BucketName": "acme-reports"}, **KEPT),
    "Letters": resource("AWS::DynamoDB::Table", {"TableName": "letters", "BillingMode": "PROVISIONED"}, **KEPT),
}
STAYS_TAKEN = (
    "and its name stays taken: move that elsewhere, and delete it before you add anything with that name again"
)
UNREAD = f"Queue: is kept with its messages, which nobody reads any more, {STAYS_TAKEN}"


def change(logical_id: str, **properties: Any) -> Edit:
    return lambda resources: resources[logical_id]["Properties"].update(properties)


def remove(logical_id: str) -> Edit:
    return lambda resources: resources.pop(logical_id)


# An edit in words, the edit, what happens to resources by it, and what the plan says besides.
EDITS: list[tuple[str, Edit, list[str], list[str]]] = [
    ("nothing", lambda _: None, [], []),
    ("a queue of another name", change("Queue", QueueName="letters-prod"), ["Queue is replaced"], [UNREAD]),
    (
        "a queue that keeps the order",
        change("Queue", QueueName="mails-prod.fifo", FifoQueue=True),
        ["Queue is replaced"],
        [UNREAD],
    ),
    ("more time for a message", change("Queue", VisibilityTimeout=210), ["Queue is updated"], []),
    ("a worker without its own queue", remove("Queue"), ["Queue leaves the stack but is kept"], [UNREAD]),
    ("another schedule", change("Nightly", ScheduleExpression="rate(7 hours)"), ["Nightly is updated"], []),
    ("a job by no schedule", remove("Nightly"), ["Nightly is deleted"], []),
    ("a job of another name", change("Nightly", Name="weekly"), ["Nightly is replaced"], []),
    ("no bucket in infrastructure.py", remove("Files"), ["Files leaves the stack but is kept"], []),
    (
        "no bucket with a name in infrastructure.py",
        remove("Reports"),
        ["Reports leaves the stack but is kept"],
        [f"Reports: is kept with what it holds, {STAYS_TAKEN}"],
    ),
    (
        "a bucket of another name",
        change("Reports", BucketName="acme-papers"),
        ["Reports is replaced"],
        [f"Reports: is kept with what it holds, {STAYS_TAKEN}"],
    ),
    (
        "a table that is paid by request",
        change("Letters", BillingMode="PAY_PER_REQUEST"),
        ["Letters is updated"],
        [],
    ),
]


@pytest.mark.parametrize(("edit", "happens", "said"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_an_edit_in_the_background_is_judged(edit: Edit, happens: list[str], said: list[str]) -> None:
    after = copy.deepcopy(MAILS)
    edit(after)
    result = plan([StackTemplate(KEY, {"Resources": MAILS})], [[StackTemplate(KEY, {"Resources": after})]])
    assert result.refusals == []
    assert result.consequences == ()
    actions = [f"{each.logical_id} {each.action}" for stack in result.stacks for each in stack.actions]
    assert actions == happens
    consequences = [str(each).partition(".")[2] for stack in result.stacks for each in stack.consequences]
    assert consequences == said


def reader(name: Any) -> Resources:
    """A worker whose role may receive messages from what a name says."""
    may = {"Statement": [{"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": name}]}
    return {
        "Role": resource("AWS::IAM::Role", {"AssumeRolePolicyDocument": {}}),
        "Reads": resource("AWS::IAM::Policy", {"PolicyDocument": may, "Roles": [{"Ref": "Role"}]}),
        "Task": resource("AWS::ECS::TaskDefinition", {"TaskRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}),
    }


ARN = "arn:aws:sqs:eu-north-1:210987654321:mails-prod"
BY_REFERENCE = {"Queue": MAILS["Queue"], **reader({"Fn::GetAtt": ["Queue", "Arn"]})}


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        (BY_REFERENCE, reader(ARN), None),
        (reader(ARN), BY_REFERENCE, None),
        (BY_REFERENCE, reader(f"{ARN}-dead"), "${Queue}"),
        (reader(f"{ARN}-dead"), BY_REFERENCE, f"{ARN}-dead"),
    ],
)
def test_a_queue_is_the_same_by_its_reference_and_by_its_arn(
    before: Resources, after: Resources, lost: str | None
) -> None:
    planned = plan([StackTemplate(KEY, {"Resources": before})], [[StackTemplate(KEY, {"Resources": after})]])
    said = [str(each).partition("Role: loses sqs:ReceiveMessage on ")[2] for each in planned.stacks[0].consequences]
    assert [each.partition(" before")[0] for each in said if each] == ([lost] if lost else [])

"""Senders whose receivers do not let them in, and queues that hide messages for less time than a function takes."""

import json
from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")


def made(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def arn(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


def lets(service: str, action: str) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": action, "Resource": "*"}]}


TOPIC_OF_S3 = made(
    "SNS::TopicPolicy", Topics=[{"Ref": "Topic"}], PolicyDocument=lets("s3.amazonaws.com", "sns:Publish")
)
QUEUE_OF_SNS = made(
    "SQS::QueuePolicy", Queues=[{"Ref": "Queue"}], PolicyDocument=lets("sns.amazonaws.com", "sqs:Send*")
)
OTHERS_QUEUE = made("SQS::QueuePolicy", Queues=[{"Ref": "Other"}], PolicyDocument=lets("sns.amazonaws.com", "sqs:*"))
FUNCTION = made("Lambda::Function", Timeout=50)
CALLED = made("Lambda::Permission", FunctionName=arn("Work"), Principal="logs.amazonaws.com")
TELLS = made("S3::Bucket", NotificationConfiguration={"TopicConfigurations": [{"Topic": {"Ref": "Topic"}}]})
FILTER = made("Logs::SubscriptionFilter", DestinationArn=arn("Work"), LogGroupName="carts", FilterPattern="")
SUBSCRIBES = made("SNS::Subscription", Protocol="sqs", TopicArn={"Ref": "Topic"}, Endpoint=arn("Queue"))
RULE = made("Events::Rule", ScheduleExpression="rate(5 minutes)", Targets=[{"Id": "1", "Arn": arn("Work")}])
QUEUE, TOPIC = made("SQS::Queue"), made("SNS::Topic")
READS = made("Lambda::EventSourceMapping", EventSourceArn=arn("Queue"), FunctionName={"Ref": "Work"})


def planned(**resources: Any) -> tuple[list[str], list[str]]:
    [stack] = plan([], [[StackTemplate(KEY, {"Resources": resources})]]).stacks
    lost = [str(each) for each in stack.consequences if each.hurts]
    return [str(each) for each in stack.refusals], lost


@pytest.mark.parametrize(
    ("resources", "allowed"),
    [
        ({"Topic": TOPIC, "It": TELLS}, {"Policy": TOPIC_OF_S3}),
        ({"Work": FUNCTION, "It": FILTER}, {"Permission": CALLED}),
    ],
)
def test_a_receiver_that_is_tried_out_has_to_let_its_sender_in(resources: Any, allowed: Any) -> None:
    [refused], _ = planned(**resources)
    assert refused.startswith("carts.It.")
    assert "does not let" in refused
    assert planned(**resources, **allowed) == ([], [])


def test_what_a_topic_sends_to_a_queue_that_does_not_let_it_in_is_lost() -> None:
    _, [lost] = planned(Topic=TOPIC, Queue=QUEUE, Other=QUEUE, It=SUBSCRIBES, Policy=OTHERS_QUEUE)
    assert lost == "carts.It.Endpoint: leads to Queue, which does not let sns in: what it sends is lost"
    assert planned(Topic=TOPIC, Queue=QUEUE, It=SUBSCRIBES, Policy=QUEUE_OF_SNS) == ([], [])


def test_so_is_what_a_rule_sends_to_a_function_that_lets_another_service_in() -> None:
    _, [lost] = planned(Work=FUNCTION, It=RULE, Permission=CALLED)
    assert "which does not let events in" in lost


def test_a_policy_that_only_cloudformation_knows_may_let_anybody_in() -> None:
    unknown = made("SNS::TopicPolicy", Topics=[{"Ref": "Topic"}], PolicyDocument={"Fn::Transform": {"Name": "x"}})
    assert planned(Topic=TOPIC, It=TELLS, Policy=unknown) == ([], [])
    assert planned(It=made("S3::Bucket", NotificationConfiguration={"Fn::If": ["Tells", {}, {}]})) == ([], [])


@pytest.mark.parametrize(
    ("seconds", "refused"), [(None, True), (49, True), (50, False), ({"Ref": "AWS::AccountId"}, False)]
)
def test_a_queue_hides_a_message_for_as_long_as_its_function_may_run(seconds: Any, refused: bool) -> None:
    queue = made("SQS::Queue", **({} if seconds is None else {"VisibilityTimeout": seconds}))
    found, _ = planned(Queue=queue, Work=FUNCTION, It=READS)
    assert [each.startswith("carts.It: leads from a queue that hides") for each in found] == [True] * refused


@pytest.mark.parametrize(
    ("topic", "queue", "protocol", "where"),
    [
        ({"FifoTopic": True, "TopicName": "t.fifo"}, {"FifoQueue": True}, "sqs", ""),
        ({"FifoTopic": True, "TopicName": "t.fifo"}, {}, "sqs", ""),
        ({"FifoTopic": True, "TopicName": "t.fifo"}, {}, "email", "It.Protocol"),
        ({"FifoTopic": True, "TopicName": "t.fifo"}, {}, "https", "It.Protocol"),
        ({"FifoTopic": True, "TopicName": "t.fifo"}, {}, "lambda", "It.Protocol"),
        ({}, {}, "https", ""),
        ({}, {"FifoQueue": "true"}, "sqs", "It.Endpoint"),
        ({"FifoTopic": {"Fn::If": ["Ordered", True, False]}}, {"FifoQueue": True}, "sqs", ""),
    ],
)
def test_a_topic_delivers_to_queues_of_its_kind(topic: Any, queue: Any, protocol: str, where: str) -> None:
    endpoint = {"sqs": arn("Queue"), "email": "a@example.org"}.get(protocol, "https://orders.example")
    policy = made("SQS::QueuePolicy", Queues=[{"Ref": "Queue"}], PolicyDocument=lets("sns.amazonaws.com", "*"))
    found, _ = planned(
        Topic=made("SNS::Topic", **topic),
        Queue=made("SQS::Queue", **queue),
        It=made("SNS::Subscription", Protocol=protocol, TopicArn={"Ref": "Topic"}, Endpoint=endpoint),
        Policy=policy,
    )
    assert [each.split(":")[0] for each in found] == ([f"carts.{where}"] if where else [])


def test_an_alias_does_not_say_how_long_its_function_runs() -> None:
    live = made("Lambda::Alias", FunctionName={"Ref": "Work"}, FunctionVersion="7", Name="live")
    reads = made("Lambda::EventSourceMapping", EventSourceArn=arn("Queue"), FunctionName={"Ref": "Live"})
    hides = made("SQS::Queue", VisibilityTimeout=2)
    assert planned(Queue=hides, Work=FUNCTION, Live=live, It=reads) == ([], [])


def test_logs_reach_a_stream_by_a_role_alone() -> None:
    sends = {"DestinationArn": arn("Stream"), "LogGroupName": "carts", "FilterPattern": ""}
    stream = made("Kinesis::Stream", ShardCount=1)
    [found], _ = planned(Stream=stream, It=made("Logs::SubscriptionFilter", **sends))
    assert found.startswith("carts.It.RoleArn: is missing")
    role = "arn:aws:iam::210987654321:role/writes"
    assert planned(Stream=stream, It=made("Logs::SubscriptionFilter", **sends, RoleArn=role)) == ([], [])


MAY = lets("s3.amazonaws.com", "sqs:SendMessage")
FILLS = made("S3::Bucket", NotificationConfiguration={"QueueConfigurations": [{"Queue": arn("Queue")}]})


@pytest.mark.parametrize(
    ("kind", "properties", "refused"),
    [
        ("QueuePolicy", {"Queues": [{"Ref": "Queue"}], "PolicyDocument": json.dumps(MAY)}, False),
        ("QueuePolicy", {"Queues": [{"Ref": "Other"}], "PolicyDocument": json.dumps(MAY)}, True),
        ("QueuePolicy", {"Queues": ["https://sqs.example/orders"], "PolicyDocument": MAY}, False),
        ("QueuePolicy", {"Queues": [{"Fn::If": ["Own", {"Ref": "Queue"}, "x"]}], "PolicyDocument": MAY}, False),
        ("QueueInlinePolicy", {"Queue": {"Ref": "Queue"}, "PolicyDocument": MAY}, False),
        ("QueueInlinePolicy", {"Queue": {"Ref": "Other"}, "PolicyDocument": MAY}, True),
        ("QueueInlinePolicy", {"Queue": {"Ref": "Queue"}, "PolicyDocument": lets("sns.amazonaws.com", "sqs:*")}, True),
    ],
)
def test_a_queue_s_policy_counts_however_it_is_written(kind: str, properties: Any, refused: bool) -> None:
    found, _ = planned(Queue=QUEUE, Other=QUEUE, It=FILLS, Policy=made(f"SQS::{kind}", **properties))
    assert ["does not let s3 in" in each for each in found] == [True] * refused


@pytest.mark.parametrize("named", [{"Ref": "Topic"}, "arn:aws:sns:eu-north-1:210987654321:told"])
def test_so_does_a_topic_s(named: Any) -> None:
    may = made("SNS::TopicInlinePolicy", TopicArn=named, PolicyDocument=lets("s3.amazonaws.com", "sns:Publish"))
    assert planned(Topic=TOPIC, It=TELLS, Policy=may) == ([], [])


def subscribed(*whom: str, protocol: str = "email", **more: Any) -> StackTemplate:
    topic = {"Alerts": made("SNS::Topic", TopicName="alerts")}
    each = {
        f"To{who}": made("SNS::Subscription", TopicArn={"Ref": "Alerts"}, Protocol=protocol, Endpoint=f"{who}@x.com")
        for who in whom
    }
    return StackTemplate(KEY, {"Resources": topic | each | more})


TEAMS = made("Chatbot::MicrosoftTeamsChannelConfiguration", TeamId="ops", SnsTopicArns=[{"Ref": "Alerts"}])
WITHIN = made("SNS::Topic", TopicName="alerts", Subscription=[{"Protocol": "email", "Endpoint": "ann@x.com"}])
SLACK = made("Chatbot::SlackChannelConfiguration", ConfigurationName="ops", SnsTopicArns=[{"Ref": "Alerts"}])


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (subscribed("eve"), ["reaches nobody until eve@x.com confirms: have that done at once"]),
        (subscribed("eve", protocol="email-json"), ["reaches nobody until eve@x.com confirms: have that done at once"]),
        (subscribed(), ["reaches nobody any more"]),
        (subscribed("ann", "eve"), []),
        (subscribed("eve", protocol="sqs"), []),
        (subscribed(Slack=SLACK), []),
        (subscribed(Teams=TEAMS), []),
        (subscribed(Alerts=WITHIN), []),
    ],
)
def test_a_topic_whose_subscribers_are_all_new_reaches_nobody_until_one_confirms(
    after: StackTemplate, said: list[str]
) -> None:
    [stack] = plan([subscribed("ann")], [[after]]).stacks
    found = [each for each in stack.consequences if "nobody" in each.what]
    assert [(each.where, each.what, each.hurts) for each in found] == [("Alerts", what, True) for what in said]


@pytest.mark.parametrize(("topic", "nobody"), [({"Fn::ImportValue": "alerts"}, False), ({"Ref": "Own"}, True)])
def test_a_subscription_in_another_stack_may_be_of_the_topic(topic: Any, nobody: bool) -> None:
    given = {"Own": TOPIC, "To": made("SNS::Subscription", TopicArn=topic, Protocol="email", Endpoint="ann@x.com")}
    other = StackTemplate(StackKey("210987654321", "eu-north-1", "people"), {"Resources": given})
    [stack, _] = plan([subscribed("ann")], [[subscribed(), other]]).stacks
    assert any("nobody" in each.what for each in stack.consequences) == nobody

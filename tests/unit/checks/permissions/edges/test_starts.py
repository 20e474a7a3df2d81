"""What a step sends starts what is subscribed to it, by another role: one way of each kind."""

from typing import Any

import pytest

from helpers.small_pipeline import (
    Template,
    allow,
    arn,
    details,
    grant,
    put,
    small_pipeline,
    with_function,
    without_the_grant,
)

PROD = "arn:aws:iam::333333333333:role/deployer"


def topic() -> Template:
    template = with_function()
    put(template, "Topic", "AWS::SNS::Topic")
    put(template, "Subscribed", "AWS::SNS::Subscription", TopicArn={"Ref": "Topic"}, Endpoint=arn("Function"))
    grant(template, allow("sns:Publish", {"Ref": "Topic"}))
    return template


def topic_with_its_subscriptions() -> Template:
    template = with_function()
    put(template, "Topic", "AWS::SNS::Topic", Subscription=[{"Protocol": "lambda", "Endpoint": arn("Function")}])
    grant(template, allow("sns:Publish", {"Ref": "Topic"}))
    return template


def topic_by_name() -> Template:
    template = topic()
    template["Resources"]["Topic"]["Properties"]["TopicName"] = "deploys"
    template["Resources"]["TestRole"]["Properties"]["Policies"] = []
    grant(template, allow("sns:Publish", "arn:aws:sns:us-east-1:444444444444:deploys"))
    return template


def topic_of_another_template() -> Template:
    template = with_function()
    elsewhere = "arn:aws:sns:us-east-1:444444444444:deploys"
    put(template, "Subscribed", "AWS::SNS::Subscription", TopicArn=elsewhere, Endpoint=arn("Function"))
    grant(template, allow("sns:Publish", "arn:aws:sns:us-east-1:444444444444:*"))
    return template


def queue() -> Template:
    template = with_function()
    put(template, "Queue", "AWS::SQS::Queue")
    put(
        template,
        "Mapping",
        "AWS::Lambda::EventSourceMapping",
        EventSourceArn=arn("Queue"),
        FunctionName={"Ref": "Function"},
    )
    grant(template, allow("sqs:SendMessage", arn("Queue")))
    return template


def a_topic_before(template: Template) -> Template:
    """What sends to the source of something that has a role itself."""
    template["Resources"]["TestRole"]["Properties"]["Policies"] = []
    put(template, "Topic", "AWS::SNS::Topic")
    put(template, "Subscribed", "AWS::SNS::Subscription", TopicArn={"Ref": "Topic"}, Endpoint=arn("Queue"))
    grant(template, allow("sns:Publish", {"Ref": "Topic"}))
    return template


def table() -> Template:
    template = with_function(FunctionName="hook")
    put(template, "Table", "AWS::DynamoDB::Table")
    stream = {"Fn::GetAtt": ["Table", "StreamArn"]}
    put(template, "Mapping", "AWS::Lambda::EventSourceMapping", EventSourceArn=stream, FunctionName="hook")
    grant(template, allow("dynamodb:PutItem", arn("Table")))
    return template


def event() -> Template:
    template = with_function()
    put(template, "Rule", "AWS::Events::Rule", EventPattern={"source": ["own"]}, Targets=[{"Arn": arn("Function")}])
    grant(template, allow("events:PutEvents", "arn:aws:events:us-east-1:444444444444:event-bus/default"))
    return template


def role_of_an_event_rule() -> Template:
    template = with_function()
    targets = [{"Arn": "arn:aws:codepipeline:us-east-1:444444444444:p", "RoleArn": arn("Role")}]
    put(template, "Rule", "AWS::Events::Rule", EventPattern={"detail-type": ["any"]}, Targets=targets)
    grant(template, allow("events:PutEvents"))
    return template


def objects() -> Template:
    template = with_function()
    configuration = {"LambdaConfigurations": [{"Event": "s3:ObjectCreated:*", "Function": arn("Function")}]}
    put(template, "Reports", "AWS::S3::Bucket", NotificationConfiguration=configuration)
    grant(template, allow("s3:PutObject", {"Fn::Sub": "${Reports.Arn}/*"}))
    return template


def log_lines() -> Template:
    template = with_function()
    put(template, "Group", "AWS::Logs::LogGroup", LogGroupName="/own")
    put(
        template,
        "Filter",
        "AWS::Logs::SubscriptionFilter",
        LogGroupName={"Ref": "Group"},
        DestinationArn=arn("Function"),
    )
    grant(template, allow("logs:PutLogEvents", "arn:aws:logs:us-east-1:444444444444:log-group:/own:*"))
    return template


def pipe() -> Template:
    template = with_function()
    put(template, "Queue", "AWS::SQS::Queue")
    put(template, "Pipe", "AWS::Pipes::Pipe", Source=arn("Queue"), Target="arn:aws:x", RoleArn=arn("Role"))
    grant(template, allow("sqs:SendMessage", arn("Queue")))
    return template


def state_machine() -> Template:
    template = with_function()
    put(template, "Machine", "AWS::StepFunctions::StateMachine", RoleArn=arn("Role"))
    put(template, "Rule", "AWS::Events::Rule", EventPattern={"source": ["own"]}, Targets=[{"Arn": {"Ref": "Machine"}}])
    grant(template, allow("events:PutEvents"))
    return template


def objects_by_an_event() -> Template:
    template = with_function()
    configuration = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    put(template, "Reports", "AWS::S3::Bucket", NotificationConfiguration=configuration)
    put(template, "Rule", "AWS::Events::Rule", EventPattern={"source": ["aws.s3"]}, Targets=[{"Arn": arn("Function")}])
    grant(template, allow("s3:PutObject", {"Fn::Sub": "${Reports.Arn}/*"}))
    return template


def an_event_as_text() -> Template:
    template = event()
    template["Resources"]["Rule"]["Properties"]["EventPattern"] = '{"source": ["own"]}'
    return template


def topic_to_a_queue() -> Template:
    return a_topic_before(queue())


def a_topic_before_a_pipe() -> Template:
    return a_topic_before(pipe())


WAYS = (
    *(topic, topic_with_its_subscriptions, topic_by_name, topic_of_another_template, queue, topic_to_a_queue, table),
    *(event, role_of_an_event_rule, objects, log_lines, pipe, state_machine),
    *(objects_by_an_event, an_event_as_text, a_topic_before_a_pipe),
)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_sent_starts_what_is_subscribed_to_it(way: Any) -> None:
    assert f"Tests assumes Role, which may sts:AssumeRole on {PROD}: a role in production's account" in details(way())


def test_the_pipeline_of_these_tests_has_no_way_itself() -> None:
    assert details(small_pipeline()) == []
    assert details(with_function()) == []


def test_an_image_starts_what_deploys_on_a_push() -> None:
    """The step that makes images may push them, and nothing else."""
    template = with_function()
    put(template, "Rule", "AWS::Events::Rule", EventPattern={"source": ["aws.ecr"]}, Targets=[{"Arn": arn("Function")}])
    grant(template, allow("ecr:PutImage", "arn:aws:ecr:us-east-1:444444444444:repository/nova/*"))
    assert [each for each in details(template) if each.startswith("Tests assumes Role, which may sts:AssumeRole")]


def aws_own_events() -> Template:
    """Nobody can send an event of this source but AWS."""
    template = event()
    template["Resources"]["Rule"]["Properties"]["EventPattern"] = {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
    }
    return template


def a_schedule() -> Template:
    template = event()
    del template["Resources"]["Rule"]["Properties"]["EventPattern"]
    return template


def objects_of_a_bucket_that_sends_no_events() -> Template:
    template = objects_by_an_event()
    del template["Resources"]["Reports"]["Properties"]["NotificationConfiguration"]
    template["Resources"]["Rule"]["Properties"]["EventPattern"]["detail-type"] = ["Object Created"]
    return template


def another_topic() -> Template:
    template = topic()
    put(template, "Other", "AWS::SNS::Topic")
    template["Resources"]["TestRole"]["Properties"]["Policies"] = []
    grant(template, allow("sns:Publish", {"Ref": "Other"}))
    return template


def another_kind_of_sending() -> Template:
    return without_the_grant(queue(), "dynamodb:PutItem")


@pytest.mark.parametrize(
    "way",
    [
        *(aws_own_events, a_schedule, another_topic, another_kind_of_sending),
        objects_of_a_bucket_that_sends_no_events,
    ],
)
def test_what_starts_nothing_is_no_way(way: Any) -> None:
    assert details(way()) == []

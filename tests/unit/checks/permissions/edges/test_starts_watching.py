"""What a step stores, measures or logs starts what watches it, by another role: one way of each kind."""

from typing import Any

import pytest

from helpers.small_pipeline import (
    Template,
    allow,
    arn,
    details,
    grant,
    put,
    with_function,
    with_rule,
    without_the_grant,
)

PROD = "arn:aws:iam::333333333333:role/deployer"


def an_alarm_of_a_metric() -> Template:
    template = with_function()
    put(template, "Alarm", "AWS::CloudWatch::Alarm", Namespace="own", AlarmActions=[arn("Function")])
    grant(template, allow("cloudwatch:PutMetricData"))
    return template


def an_alarm_of_several_metrics() -> Template:
    template = with_function()
    put(template, "Topic", "AWS::SNS::Topic", Subscription=[{"Protocol": "lambda", "Endpoint": arn("Function")}])
    metrics = [{"MetricStat": {"Metric": {"Namespace": each}}} for each in ("AWS/ECS", "own")]
    put(template, "Alarm", "AWS::CloudWatch::Alarm", Metrics=metrics, OKActions=[{"Ref": "Topic"}])
    return without_the_grant(template, "cloudwatch:PutMetricData")


def objects_by_cdks_own_resource(bucket: Any = None, **configuration: Any) -> Template:
    """As CDK adds notifications to a bucket: that may be one that exists."""
    template = with_function()
    put(template, "Reports", "AWS::S3::Bucket")
    configuration = configuration or {
        "LambdaFunctionConfigurations": [{"Events": ["s3:ObjectCreated:*"], "LambdaFunctionArn": arn("Function")}]
    }
    put(
        template,
        "Notifications",
        "Custom::S3BucketNotifications",
        BucketName=bucket or {"Ref": "Reports"},
        NotificationConfiguration=configuration,
    )
    grant(template, allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*" if bucket else {"Fn::Sub": "${Reports.Arn}/*"}))
    return template


def objects_of_a_bucket_that_exists() -> Template:
    return objects_by_cdks_own_resource("reports")


def objects_to_a_queue_and_a_topic() -> Template:
    """The topic leads to the function; what the queue leads to is not shown."""
    template = objects_by_cdks_own_resource(
        QueueConfigurations=[{"QueueArn": "arn:aws:sqs:us-east-1:444444444444:q"}],
        TopicConfigurations=[{"TopicArn": {"Ref": "Topic"}}],
    )
    put(template, "Topic", "AWS::SNS::Topic", Subscription=[{"Protocol": "lambda", "Endpoint": arn("Function")}])
    return template


def objects_by_an_event_that_cdks_own_resource_turned_on() -> Template:
    return with_rule(objects_by_cdks_own_resource(EventBridgeConfiguration={}), source=["aws.s3"])


def objects_by_an_event_of_a_bucket_that_exists() -> Template:
    template = with_rule(with_function(), source=["aws.s3"], detail={"bucket": {"name": ["reports"]}})
    grant(template, allow("s3:PutObject", "arn:aws:s3:::reports/*"))
    return template


def log_lines_that_redden_an_alarm() -> Template:
    template = an_alarm_of_a_metric()
    made = [{"MetricNamespace": "own", "MetricName": "errors", "MetricValue": "1"}]
    put(template, "Filter", "AWS::Logs::MetricFilter", LogGroupName="/aws/codebuild/tests", MetricTransformations=made)
    template["Resources"]["TestRole"]["Properties"]["Policies"] = []
    lines = "arn:aws:logs:us-east-1:444444444444:log-group:/aws/codebuild/tests:*"
    grant(template, allow("logs:PutLogEvents", lines))
    return template


def log_lines_that_redden_an_alarm_of_an_alarm() -> Template:
    template = log_lines_that_redden_an_alarm()
    del template["Resources"]["Alarm"]["Properties"]["AlarmActions"]
    both = {"Fn::Join": ["", ['ALARM("', arn("Alarm"), '")']]}
    put(template, "Both", "AWS::CloudWatch::CompositeAlarm", AlarmRule=both, AlarmActions=[arn("Function")])
    return template


def an_alarm_that_finds_its_metrics() -> Template:
    template = an_alarm_of_a_metric()
    put(
        template,
        "Alarm",
        "AWS::CloudWatch::Alarm",
        Metrics=[
            {"MetricStat": {"Metric": {"Namespace": "AWS/ECS"}}},
            {"Expression": "SUM(SEARCH('{own} errors', 'Sum'))"},
        ],
        AlarmActions=[arn("Function")],
    )
    return template


def an_alarm_whose_state_is_an_event() -> Template:
    template = with_rule(with_function(), source=["aws.cloudwatch"])
    put(template, "Alarm", "AWS::CloudWatch::Alarm", Namespace="own")
    return without_the_grant(template, "cloudwatch:PutMetricData")


def log_lines_whose_alarm_is_an_event() -> Template:
    template = with_rule(log_lines_that_redden_an_alarm(), source=["aws.cloudwatch"])
    del template["Resources"]["Alarm"]["Properties"]["AlarmActions"]
    return template


def a_build_that_is_an_event() -> Template:
    """Any build causes one: its role needs no permission for that."""
    return with_rule(with_function(), source=["aws.codebuild"])


def a_build_of_this_project_that_is_an_event() -> Template:
    return with_rule(with_function(), source=["aws.codebuild"], detail={"project-name": [{"Ref": "Test"}]})


WAYS = (
    *(an_alarm_of_a_metric, an_alarm_of_several_metrics, an_alarm_that_finds_its_metrics),
    *(objects_by_cdks_own_resource, objects_of_a_bucket_that_exists, objects_to_a_queue_and_a_topic),
    *(objects_by_an_event_that_cdks_own_resource_turned_on, log_lines_that_redden_an_alarm),
    objects_by_an_event_of_a_bucket_that_exists,
    *(log_lines_that_redden_an_alarm_of_an_alarm, an_alarm_whose_state_is_an_event),
    *(log_lines_whose_alarm_is_an_event, a_build_that_is_an_event, a_build_of_this_project_that_is_an_event),
)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_stored_measured_or_logged_starts_what_watches_it(way: Any) -> None:
    assert f"Tests assumes Role, which may sts:AssumeRole on {PROD}: a role in production's account" in details(way())


def log_lines_of_another_metric() -> Template:
    template = log_lines_that_redden_an_alarm()
    template["Resources"]["Filter"]["Properties"]["MetricTransformations"][0]["MetricNamespace"] = "other"
    return template


def a_build_of_another_project() -> Template:
    return with_rule(with_function(), source=["aws.codebuild"], detail={"project-name": ["other"]})


def objects_of_another_bucket() -> Template:
    template = objects_by_cdks_own_resource()
    template["Resources"]["Notifications"]["Properties"]["BucketName"] = "another"
    return template


def an_alarm_of_aws_own_metric() -> Template:
    """Nobody can put a value of such a metric but AWS."""
    template = an_alarm_of_a_metric()
    template["Resources"]["Alarm"]["Properties"]["Namespace"] = "AWS/ApplicationELB"
    return template


@pytest.mark.parametrize(
    "way",
    [
        *(an_alarm_of_aws_own_metric, log_lines_of_another_metric),
        *(a_build_of_another_project, objects_of_another_bucket),
    ],
)
def test_what_watches_something_else_is_no_way(way: Any) -> None:
    assert details(way()) == []

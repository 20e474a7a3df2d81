"""What a step starts without a permission for it, or by what only moves data: one way of each kind."""

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
CALL = "AWS API Call via CloudTrail"


def with_topic(**pattern: Any) -> Template:
    """A rule that tells a topic, which tells the function."""
    template = with_rule(with_function(), **pattern)
    template["Resources"]["Rule"]["Properties"]["Targets"] = [{"Arn": {"Ref": "Topic"}}]
    put(template, "Topic", "AWS::SNS::Topic", Subscription=[{"Protocol": "lambda", "Endpoint": arn("Function")}])
    return template


def with_url(auth: str) -> Template:
    template = with_function()
    put(template, "Url", "AWS::Lambda::Url", AuthType=auth, TargetFunctionArn=arn("Function"))
    return template


def with_permission(**properties: Any) -> Template:
    template = with_function()
    invoked = {"Action": "lambda:InvokeFunction", "FunctionName": {"Ref": "Function"}}
    put(template, "Permission", "AWS::Lambda::Permission", **invoked, **properties)
    return template


def with_stream(**properties: Any) -> Template:
    template = with_function()
    put(template, "Stream", "AWS::KinesisFirehose::DeliveryStream", **properties)
    return template


BY_ITS_ROLE = {"ExtendedS3DestinationConfiguration": {"RoleARN": arn("Role")}}
BY_A_FUNCTION = {
    "ExtendedS3DestinationConfiguration": {
        "ProcessingConfiguration": {
            "Processors": [
                {
                    "Type": "Lambda",
                    "Parameters": [{"ParameterName": "LambdaArn", "ParameterValue": arn("Function")}],
                }
            ]
        }
    }
}
OF_A_STREAM = {"KinesisStreamSourceConfiguration": {"KinesisStreamARN": arn("Source"), "RoleARN": arn("Role")}}


def with_copies() -> Template:
    template = with_function()
    put(template, "Reports", "AWS::S3::Bucket", ReplicationConfiguration={"Role": arn("Role"), "Rules": []})
    return template


def granted(template: Template, action: str, resource: Any = "*") -> Template:
    grant(template, allow(action, resource))
    return template


WAYS = {
    "the pipeline's own events": with_rule(with_function(), source=["aws.codepipeline"]),
    "by their beginning": with_rule(with_function(), source=[{"prefix": "aws.code"}]),
    "by a topic": with_topic(**{"source": ["aws.codepipeline"], "detail-type": [{"suffix": "State Change"}]}),
    "a stage's": with_rule(with_function(), **{"detail-type": ["CodePipeline Stage Execution State Change"]}),
    "a call": with_rule(with_function(), **{"detail-type": [CALL]}),
    "a call of one service": with_rule(with_function(), **{"source": ["aws.iam"], "detail-type": [CALL]}),
    "a call among others": with_rule(with_function(), source=["aws.iam"]),
    "a call by its name": with_rule(with_function(), source=["aws.s3"], detail={"eventName": ["PutBucketPolicy"]}),
    "a call by its kind's beginning": with_topic(**{"source": ["aws.s3"], "detail-type": [{"prefix": "AWS API"}]}),
    "a function that answers all": with_url("NONE"),
    "a function that all may invoke": with_permission(Principal="*"),
    "one that the organization may invoke": with_permission(Principal="*", PrincipalOrgID="o-1234567890"),
    "one for a source of any account": with_permission(Principal="*", SourceArn="arn:aws:sns:*:*:orders"),
    "one for a bucket of any name": with_permission(Principal="*", SourceArn="arn:aws:s3:::shop-*"),
    "a stream with a role": granted(with_stream(**BY_ITS_ROLE), "firehose:PutRecord"),
    "many records": granted(with_stream(**BY_ITS_ROLE), "firehose:PutRecord*", arn("Stream")),
    "a stream with a function": granted(with_stream(**BY_A_FUNCTION), "firehose:PutRecordBatch"),
    "a stream of a stream": granted(with_stream(**OF_A_STREAM), "kinesis:PutRecord"),
    "a bucket that is copied": granted(with_copies(), "s3:PutObject", {"Fn::Sub": "${Reports.Arn}/*"}),
}


@pytest.mark.parametrize("template", WAYS.values(), ids=WAYS.keys())
def test_what_a_step_starts_by_the_way_is_found(template: Template) -> None:
    assert f"Tests assumes Role, which may sts:AssumeRole on {PROD}: a role in production's account" in details(
        template
    )


NO_WAYS = {
    "another kind of event": with_rule(with_function(), **{"source": ["aws.iam"], "detail-type": ["AWS Health Event"]}),
    "another kind of event of two services": with_rule(
        with_function(), **{"source": ["aws.codepipeline", "aws.inspector2"], "detail-type": ["Inspector2 Finding"]}
    ),
    "an event with another record": with_rule(
        with_function(), **{"source": ["aws.iam"], "detail": {"project-name": ["Test"]}}
    ),
    "calls that are somebody's own events": without_the_grant(
        with_rule(with_function(), **{"source": ["shop"], "detail-type": [CALL]}), "s3:ListAllMyBuckets"
    ),
    "a function that asks who it is": with_url("AWS_IAM"),
    "a function for one source": with_permission(Principal="*", SourceArn="arn:aws:sns:us-east-1:444444444444:orders"),
    "a function for a bucket": with_permission(Principal="*", SourceArn="arn:aws:s3:::shop-orders"),
    "a function for the sources of one account": with_permission(
        Principal="*", SourceAccount={"Ref": "AWS::AccountId"}
    ),
    "a function for an interface": with_permission(
        Principal="*", SourceArn={"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:a/*/GET/"}
    ),
    "a function for a resource of the template": with_permission(Principal="*", SourceArn=arn("Bucket")),
    "a function that a service may invoke": with_permission(Principal="apigateway.amazonaws.com"),
    "a stream that nobody here writes to": with_stream(**BY_ITS_ROLE),
    "a stream of a stream, by hand": granted(with_stream(**OF_A_STREAM), "firehose:PutRecord"),
    "a bucket beside one that is copied": granted(with_copies(), "s3:PutObject", "arn:aws:s3:::others/*"),
}


@pytest.mark.parametrize("template", NO_WAYS.values(), ids=NO_WAYS.keys())
def test_what_a_step_does_not_start_is_no_way(template: Template) -> None:
    assert details(template) == []

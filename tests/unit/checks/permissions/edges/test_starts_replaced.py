"""What runs code that somebody else may replace, what services start for anybody, and what passes a message on."""

from typing import Any

import pytest

from helpers.small_pipeline import Template, allow, arn, grant, put, with_function
from nova_infra.checks.permissions.boundary import production_out_of_reach
from nova_infra.checks.rule import Template as Loaded

OWN_REGISTRY = "444444444444.dkr.ecr.us-east-1.amazonaws.com"
REPOSITORY = "arn:aws:ecr:us-east-1:444444444444:repository"


def is_a_way(template: Template) -> bool:
    """Whether a step of before the approval gets to the role that assumes production's."""
    found = production_out_of_reach(Loaded(template["Resources"], "444444444444"))
    return any("assumes Role, which may sts:AssumeRole" in finding.detail for finding in found)


def granted(template: Template, action: Any, resource: Any) -> Template:
    grant(template, allow(action, resource))
    return template


def with_later_project(**properties: Any) -> Template:
    template = with_function()
    put(template, "Later", "AWS::CodeBuild::Project", ServiceRole=arn("Role"), **properties)
    return template


def with_build_image(image: Any) -> Template:
    source = {"Type": "CODEPIPELINE"}
    return granted(
        with_later_project(Source=source, Environment={"Image": image}), "ecr:PutImage", f"{REPOSITORY}/nova/*"
    )


def with_task_image(image: Any) -> Template:
    template = granted(with_function(), "ecr:PutImage", f"{REPOSITORY}/nova/cron")
    put(
        template,
        "Task",
        "AWS::ECS::TaskDefinition",
        TaskRoleArn=arn("Role"),
        ContainerDefinitions=[{"Image": "public.ecr.aws/x/y:1"}, {"Image": image}],
    )
    return template


def with_repository(action: str, mutability: Any = "IMMUTABLE", account: str = "444444444444", **more: Any) -> Template:
    """A build's image by its tag, and its repository."""
    image = f"{account}.dkr.ecr.us-east-1.amazonaws.com/nova/tools:1"
    source = {"Type": "CODEPIPELINE"}
    template = granted(with_later_project(Source=source, Environment={"Image": image}), action, "*")
    put(template, "Tools", "AWS::ECR::Repository", RepositoryName="nova/tools", ImageTagMutability=mutability)
    template["Resources"]["Tools"] |= more
    return template


def with_spec(bucket: str) -> Template:
    source = {"Type": "CODEPIPELINE", "BuildSpec": "arn:aws:s3:::reports/spec.yml"}
    return granted(with_later_project(Source=source), "s3:PutObject", f"arn:aws:s3:::{bucket}/*")


def asked_by(service: str, **properties: Any) -> Template:
    template = with_function()
    invoked = {"Action": "lambda:InvokeFunction", "FunctionName": {"Ref": "Function"}}
    put(template, "Permission", "AWS::Lambda::Permission", Principal=f"{service}.amazonaws.com", **invoked)
    for number, (kind, each) in enumerate(properties.items()):
        put(template, f"Api{number}", f"AWS::{kind.replace('__', '::')}", **each)
    return template


def with_method(**method: Any) -> Template:
    return asked_by(
        "events", ApiGateway__Method={"HttpMethod": "GET", "Integration": {"Credentials": arn("Role")}} | method
    )


def with_integration(**route: Any) -> Template:
    integration = {"CredentialsArn": arn("Role")}
    return asked_by(
        "events", ApiGatewayV2__Integration=integration, ApiGatewayV2__Route={"RouteKey": "$default"} | route
    )


def with_dead_letters(action: str) -> Template:
    template = granted(with_function(), action, arn("Queue"))
    put(template, "Queue", "AWS::SQS::Queue", RedrivePolicy={"deadLetterTargetArn": arn("Dead"), "maxReceiveCount": 1})
    put(template, "Dead", "AWS::SQS::Queue")
    source = {"EventSourceArn": arn("Dead"), "FunctionName": {"Ref": "Function"}}
    put(template, "Mapping", "AWS::Lambda::EventSourceMapping", **source)
    return template


def with_table(table: str) -> Template:
    template = granted(with_function(), "dynamodb:PutItem", arn(table))
    put(template, "Table", "AWS::DynamoDB::Table", KinesisStreamSpecification={"StreamArn": arn("Stream")})
    put(template, "Other", "AWS::DynamoDB::Table")
    put(template, "Stream", "AWS::Kinesis::Stream")
    source = {"EventSourceArn": arn("Stream"), "FunctionName": {"Ref": "Function"}}
    put(template, "Mapping", "AWS::Lambda::EventSourceMapping", **source)
    return template


def with_delivery(topic: str) -> Template:
    template = granted(with_function(), "sns:Publish", {"Ref": topic})
    put(template, "Topic", "AWS::SNS::Topic")
    put(template, "Others", "AWS::SNS::Topic")
    delivery = {"Protocol": "firehose", "SubscriptionRoleArn": arn("Role")}
    put(template, "Subscription", "AWS::SNS::Subscription", TopicArn={"Ref": "Topic"}, **delivery)
    return template


OPEN_METHOD = {"HttpMethod": "GET", "AuthorizationType": "NONE"}
BY_IAM = {"HttpMethod": "GET", "AuthorizationType": "AWS_IAM"}
WAYS = {
    "the image of a build": with_build_image(f"{OWN_REGISTRY}/nova/tools:latest"),
    "the image of a build without a tag": with_build_image(f"{OWN_REGISTRY}/nova/tools"),
    "the image of a build in its own account": with_build_image(
        {"Fn::Sub": "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/nova/tools:1"}
    ),
    "the image of a task": with_task_image(f"{OWN_REGISTRY}/nova/cron:1"),
    "an image whose tags may move": with_repository("ecr:PutImage", "MUTABLE"),
    "an image of which some tags may move": with_repository("ecr:PutImage", "IMMUTABLE_WITH_EXCLUSION"),
    "an image whose tags may be freed": with_repository("ecr:PutImageTagMutability"),
    "an image that may be deleted": with_repository("ecr:BatchDelete*"),
    "an image of a repository that may be missing": with_repository("ecr:PutImage", Condition="Here"),
    "an image of another account's repository of that name": with_repository("ecr:PutImage", account="555555555555"),
    "a build's commands in a bucket": with_spec("reports"),
    "a load balancer": asked_by("elasticloadbalancing"),
    "a mail": asked_by("ses"),
    "a sign-up": asked_by("cognito-idp"),
    "an open method": asked_by("apigateway", ApiGateway__Method=OPEN_METHOD),
    "an open route": asked_by("apigateway", ApiGatewayV2__Route={"RouteKey": "GET /"}),
    "one open method of two": asked_by("apigateway", ApiGateway__Method=BY_IAM, ApiGatewayV2__Route={}),
    "an open method by a role of its own": with_method(),
    "an open route by a role of its own": with_integration(),
    "a message that nobody could handle": with_dead_letters("sqs:SendMessage"),
    "an item that goes to a stream": with_table("Table"),
    "a message that is delivered by a role": with_delivery("Topic"),
}
NO_WAYS = {
    "an image whose tags stay": with_repository("ecr:PutImage"),
    "the image of a build by its digest": with_build_image(f"{OWN_REGISTRY}/nova/tools@sha256:{'a' * 64}"),
    "the image of a build that nobody pushes": with_build_image(f"{OWN_REGISTRY}/ops/tools:1"),
    "the image of another account": with_build_image("555555555555.dkr.ecr.us-east-1.amazonaws.com/nova/tools:1"),
    "an image of AWS's": with_build_image("aws/codebuild/amazonlinux-x86_64-standard:5.0"),
    "the image of a task in another repository": with_task_image(f"{OWN_REGISTRY}/nova/others:1"),
    "a build's commands in a bucket that nobody writes": with_spec("others"),
    "a function that a bucket starts": asked_by("s3"),
    "a method that asks who calls": asked_by("apigateway", ApiGateway__Method=BY_IAM),
    "what a browser asks first": asked_by("apigateway", ApiGateway__Method=OPEN_METHOD | {"HttpMethod": "OPTIONS"}),
    "a method that asks who calls, by a role": with_method(AuthorizationType="AWS_IAM"),
    "a route that asks who calls, by a role": with_integration(AuthorizationType="AWS_IAM"),
    "a queue that is only read": with_dead_letters("sqs:ReceiveMessage"),
    "another table": with_table("Other"),
    "another topic": with_delivery("Others"),
}


@pytest.mark.parametrize("template", WAYS.values(), ids=WAYS.keys())
def test_what_is_replaced_asked_or_passed_on_is_a_way(template: Template) -> None:
    assert is_a_way(template)


@pytest.mark.parametrize("template", NO_WAYS.values(), ids=NO_WAYS.keys())
def test_what_nobody_replaces_asks_or_passes_on_is_none(template: Template) -> None:
    assert not is_a_way(template)

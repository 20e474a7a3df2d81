"""What passes messages on: aliases, dead-letter queues, destinations of failures, logs, AWS's notifications."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from nova_infra.checks.rule import Template, as_list, referenced

ANYBODY = "*"
"""Stands for whoever may start something without a permission."""
SENDS = {
    "sqs": ("sqs:SendMessage",),
    "dynamodb": (
        *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"),
        "dynamodb:PartiQL*",
    ),
    "kinesis": ("kinesis:PutRecord", "kinesis:PutRecords"),
}
"""Service to the actions that put something into its queues, tables or streams."""
STORES = ("s3:PutObject*", "s3:DeleteObject*", "s3:RestoreObject")
DELIVERS = ("firehose:PutRecord", "firehose:PutRecordBatch")

# Other names of a thing: who starts one starts the other.
_NAMES_OF = {
    "AWS::Lambda::Alias": "FunctionName",
    "AWS::Lambda::Version": "FunctionName",
    "AWS::StepFunctions::StateMachineAlias": "RoutingConfiguration",
    "AWS::StepFunctions::StateMachineVersion": "StateMachineArn",
}
# Where AWS reports calls, builds, mails, requests, files, metrics and log lines, which anybody can cause.
_TOLD = {
    "AWS::AppSync::DataSource": ("LambdaConfig",),
    "AWS::Bedrock::Agent": ("ActionGroups",),
    "AWS::CloudTrail::Trail": ("CloudWatchLogsLogGroupArn", "SnsTopicName", "S3BucketName"),
    "AWS::CloudFront::Distribution": ("DistributionConfig",),
    "AWS::CloudWatch::MetricStream": ("FirehoseArn",),
    "AWS::CodeStarNotifications::NotificationRule": ("Targets",),
    "AWS::Config::ConfigRule": ("Source",),
    "AWS::EC2::FlowLog": ("LogDestination", "LogGroupName"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("LoadBalancerAttributes",),
    "AWS::Logs::AccountPolicy": ("PolicyDocument",),
    "AWS::Route53::HostedZone": ("QueryLoggingConfig",),
    "AWS::S3::Bucket": ("LoggingConfiguration",),
    "AWS::S3ObjectLambda::AccessPoint": ("ObjectLambdaConfiguration",),
    "AWS::SES::ReceiptRule": ("Rule",),
    "AWS::Transfer::Workflow": ("Steps",),
    "AWS::WAFv2::LoggingConfiguration": ("LogDestinationConfigs",),
}
# What does something by a role whenever somebody writes in a channel, or changes what is watched.
_BY_A_ROLE = {
    "AWS::AppSync::DataSource": "ServiceRoleArn",
    "AWS::Chatbot::MicrosoftTeamsChannelConfiguration": "IamRoleArn",
    "AWS::Chatbot::SlackChannelConfiguration": "IamRoleArn",
    "AWS::Config::RemediationConfiguration": "Parameters",
}
# What runs a script or a template that lies in a bucket, and the property that says by which role.
_FETCHES = {
    "AWS::CloudFormation::StackSet": "AdministrationRoleARN",
    "AWS::EC2::Instance": "IamInstanceProfile",
    "AWS::Glue::Job": "Role",
}
_FETCHED = re.compile(r"s3://([\w.${}-]+)|https://([\w.${}-]+?)\.s3[.-]")


@dataclass(frozen=True)
class Wire:
    """A message to one resource starts another.

    Attributes:
        actions: Each of these sends one.
        by: Logical id of a role that does so whatever it may do, or ``ANYBODY``; None where there is none.
    """

    source: object
    actions: tuple[str, ...]
    target: object
    role: object = None
    by: str | None = None


def wires_between(template: Template) -> Iterator[Wire]:
    """The wires that only pass on what they get."""
    for logical_id, resource in template.resources.items():
        properties, kind, own = resource.get("Properties", {}), resource["Type"], {"Ref": logical_id}
        for each in leaves(properties.get(_NAMES_OF.get(kind, ""))):
            yield Wire(own, (), each)
        for key in _TOLD.get(kind, ()):
            for each in leaves(properties.get(key)):
                yield Wire("", (), each, by=ANYBODY)
        for each in leaves(properties.get(_BY_A_ROLE.get(kind, ""))):
            yield Wire("", (), None, each, ANYBODY)
    yield from _fetched(template)
    yield from _moved_on(template)
    yield from _consumers(template)
    yield from _pipelines(template)


def _fetched(template: Template) -> Iterator[Wire]:
    """What runs whatever is in a bucket, by the role of its own or of its profile."""
    for kind, key in _FETCHES.items():
        for _, properties in template.of_type(kind):
            profile = template.resources.get(referenced(properties.get(key)) or "", {})
            by_profile = profile.get("Type") == "AWS::IAM::InstanceProfile"
            roles = as_list(profile["Properties"].get("Roles")) if by_profile else [properties.get(key)]
            for bucket in _FETCHED.findall(json.dumps(properties, default=str)):
                for role in roles:
                    yield Wire({"Fn::Sub": f"arn:aws:s3:::{''.join(bucket)}"}, STORES, None, role)


def _moved_on(template: Template) -> Iterator[Wire]:
    """What a queue or a table hands on itself."""
    for logical_id, queue in template.of_type("AWS::SQS::Queue"):
        # Whoever receives a message often enough has it moved on.
        for each in leaves(queue.get("RedrivePolicy")):
            yield Wire({"Ref": logical_id}, SENDS["sqs"], each)
    for kind in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
        for logical_id, table in template.of_type(kind):
            for each in (table, *as_list(table.get("Replicas"))):
                stream = each.get("KinesisStreamSpecification", {}).get("StreamArn")
                yield Wire({"Ref": logical_id}, SENDS["dynamodb"], stream)


def _consumers(template: Template) -> Iterator[Wire]:
    for logical_id, consumer in template.of_type("AWS::Kinesis::StreamConsumer"):
        yield Wire(consumer.get("StreamARN"), SENDS["kinesis"], {"Ref": logical_id})


def _pipelines(template: Template) -> Iterator[Wire]:
    """Pipelines that an object or an image starts, and that ask nobody."""
    for _, pipeline in template.of_type("AWS::CodePipeline::Pipeline"):
        found = [action for stage in as_list(pipeline.get("Stages")) for action in as_list(stage.get("Actions"))]
        kinds = [action.get("ActionTypeId", {}) for action in found]
        if any(kind.get("Category") == "Approval" for kind in kinds):
            continue
        for action, kind in zip(found, kinds, strict=True):
            source = action.get("Configuration", {})
            if kind.get("Category") == "Source" and kind.get("Provider") == "S3":
                bucket = source.get("S3Bucket")
                named = f"arn:aws:s3:::{bucket}" if isinstance(bucket, str) else bucket
                yield Wire(named, STORES, None, pipeline.get("RoleArn"))
            if kind.get("Category") == "Source" and kind.get("Provider") == "ECR":
                yield Wire("*", ("ecr:PutImage",), None, pipeline.get("RoleArn"))


def leaves(value: object) -> Iterator[object]:
    """The texts and references within a value, in both branches of a condition."""
    match value:
        case {"Fn::If": [_, *parts]} | list(parts):
            for part in parts:
                yield from leaves(part)
        case str():
            # Of JSON that Fn::Sub filled in.
            yield {"Fn::Sub": value} if "${" in value else value
        case {**named} if (
            len(named) == 1 and (one := str(next(iter(named)))) and (one == "Ref" or one.startswith("Fn::"))
        ):
            yield value
        case {**named}:
            for part in named.values():
                yield from leaves(part)

"""Resources that forward messages: aliases, dead-letter queues, destinations of failures, logs, AWS's notifications."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nova_infra.checks.permissions.statements import pattern_of
from nova_infra.checks.rule import Template, as_list, referenced
from nova_infra.checks.shapes import is_function

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

ROLE = "AWS::IAM::Role"
# Other names of a thing: who starts one starts the other.
_NAMES_OF = {
    "AWS::Lambda::Alias": "FunctionName",
    "AWS::Lambda::Version": "FunctionName",
    "AWS::StepFunctions::StateMachineAlias": "RoutingConfiguration",
    "AWS::StepFunctions::StateMachineVersion": "StateMachineArn",
}
# Where AWS reports requests, metrics, log lines and files, which anybody can cause.
_TOLD = {
    "AWS::CloudWatch::MetricStream": ("FirehoseArn",),
    "AWS::EC2::FlowLog": ("LogDestination", "LogGroupName"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("LoadBalancerAttributes",),
    "AWS::Logs::AccountPolicy": ("PolicyDocument",),
    "AWS::S3::Bucket": ("LoggingConfiguration",),
}
# What nobody starts but by a call that counts by itself, or by a wire that is known. Anything else may do what it is
# for, with whatever it names, whenever anybody writes to it.
_QUIET = re.compile(
    r"Custom::.*|AWS::(ApiGateway|ApiGatewayV2|ApplicationAutoScaling|AutoScaling|Backup|Batch|CDK|Cloud9|CloudFormation"
    r"|CloudWatch|CodeArtifact|CodeBuild|CodePipeline|DynamoDB|EC2|ECR|ECS|EFS|EKS|EMR"
    r"|ElasticLoadBalancingV2|Events|Glue|IAM|KMS|Kinesis|KinesisFirehose|Lambda|Logs|Pipes|RDS|Redshift|RolesAnywhere"
    r"|S3|SNS|SQS|SSM|SageMaker|Scheduler|SecretsManager|ServiceCatalog|StepFunctions)::.*"
)
# Where something only writes to, or gets as a text that it may do anything with.
_WRITTEN = re.compile(
    r"(?i).*(log|output|destination|artifact|export|result|report|tracing|inventory).*|environment(variables)?|tags|buildspec"
)
_MACHINES = ("AWS::EC2::Instance", "AWS::EC2::LaunchTemplate")
# Type to the property that says to what it lets a role in.
_LETTING_IN = {
    "AWS::EKS::AccessEntry": "ClusterName",
    "AWS::S3::AccessGrant": "AccessGrantsLocationId",
    "AWS::ServiceCatalog::PortfolioPrincipalAssociation": "PortfolioId",
}
_BUCKET = re.compile(
    r"s3://([\w.${}-]+)|https?://([\w.${}-]+?)\.s3[.-]|https?://s3[\w.-]*\.amazonaws\.com/([\w.${}-]+)"
    r"|arn:aws:s3:::([\w.${}-]+)"
)


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
        if not _QUIET.fullmatch(kind):
            for each in leaves(properties):
                yield Wire("", (), each, by=ANYBODY)
                for role in _roles(template, each):
                    yield Wire("", (), None, role, ANYBODY)
        if kind == "AWS::IAM::AccessKey":
            # Whoever reads the stack's outputs or wherever it is kept.
            yield Wire("", (), None, properties.get("UserName"), ANYBODY)
        yield from _fetched(template, logical_id, resource)
    yield from _let_in(template)
    yield from _moved_on(template)
    yield from _consumers(template)
    yield from _pipelines(template)


def _let_in(template: Template) -> Iterator[Wire]:
    """What lets a role use something by naming the two: it then uses the roles of whatever belongs to that thing."""
    if not any(each["Type"] in _LETTING_IN for each in template.resources.values()):
        return
    parts = {name: list(leaves(each.get("Properties", {}))) for name, each in template.resources.items()}
    named = {
        name: {id_ for leaf in each if (id_ := referenced(leaf)) in template.resources} for name, each in parts.items()
    }
    for kind, key in _LETTING_IN.items():
        for logical_id, properties in template.of_type(kind):
            principals = {each for each in named[logical_id] if template.resources[each or ""]["Type"] == ROLE}
            things, name = named[logical_id] - principals, properties.get(key, "")
            # A cluster also by its name, word for word: what has that name, and what names it by the same key.
            things |= {other for other, each in template.of_type("AWS::EKS::Cluster") if each.get("Name") == name}
            for other, each in template.resources.items():
                same = other in things or things & named[other] or each.get("Properties", {}).get(key) == name
                # What lets somebody else in names his role.
                if same and each["Type"] not in _LETTING_IN:
                    for role in (role for leaf in parts[other] for role in _roles(template, leaf)):
                        yield from (Wire("", (), None, role, by) for by in principals)


def _roles(template: Template, value: object) -> Iterator[object]:
    """The role that a value refers to, or those of an instance profile."""
    found = template.resources.get(referenced(value) or "", {})
    if found.get("Type") == ROLE:
        yield value
    if found.get("Type") == "AWS::IAM::InstanceProfile":
        yield from as_list(found["Properties"].get("Roles"))


def _fetched(template: Template, logical_id: str, resource: Mapping[str, Any]) -> Iterator[Wire]:
    """What does whatever a script, a template or a package in a bucket says, by the roles that it names.

    A nested stack and an included part of the template are deployed by a role that the template does not show.
    """
    properties, kind = resource.get("Properties", {}), resource["Type"]
    if kind.startswith("AWS::IAM::") or kind == "AWS::CodePipeline::Pipeline":
        return
    named = list(leaves(properties))
    if kind == "AWS::SSM::Association":
        # By the roles of the machines, whose tags may say which of them are meant.
        machines = [each for kind in _MACHINES for _, each in template.of_type(kind)]
        named += [each for machine in machines for each in leaves(machine)]
    whole = kind == "AWS::CloudFormation::Stack" or "Fn::Transform" in template.written[logical_id]
    roles = [{"Ref": logical_id}] if whole else [role for each in named for role in _roles(template, each)]
    if roles:
        beside = (template.resources.get(referenced(each) or "", {}) for each in named)
        layers = [each["Properties"] for each in beside if each.get("Type") == "AWS::Lambda::LayerVersion"]
        for bucket in _buckets([resource if whole else properties, *layers]):
            for role in roles:
                yield Wire(bucket, STORES, None, role)


def _buckets(value: Any) -> Iterator[object]:
    """The buckets that some properties name, but for those that are only written to."""
    match value:
        case list() | {"Fn::Base64": _} | {"Fn::Transform": _} | {"Fn::If": _}:
            for each in value.values() if isinstance(value, dict) else value:
                yield from _buckets(each)
        case {"Type": "S3", "Location": location}:
            yield {"Fn::Sub": f"arn:aws:s3:::{pattern_of(location).partition('/')[0]}"}
        case {**named} if not is_function(named):
            for key, each in named.items():
                if str(key).lower().endswith(("bucket", "bucketname")) and (isinstance(each, str) or referenced(each)):
                    yield {"Fn::Sub": f"arn:aws:s3:::{each}"} if isinstance(each, str) else each
                elif not _WRITTEN.fullmatch(str(key)):
                    yield from _buckets(each)
        case str() | dict():
            for found in _BUCKET.findall(pattern_of(value)):
                yield {"Fn::Sub": f"arn:aws:s3:::{''.join(found)}"}


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

"""Privilege escalation: actions that use another role by changing or starting what runs with it.

A message, an object, an item, an event, an image, a metric or a log line starts what is subscribed to it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nova_infra.checks.permissions.edges.alarms import ALARMS, actions_of, alarms_of, is_measured, watched_by
from nova_infra.checks.permissions.edges.events import (
    event_pattern,
    may_be_a_call,
    may_be_a_step,
    may_be_own,
    may_come_from,
    wanted,
)
from nova_infra.checks.permissions.edges.forwarding import ANYBODY, DELIVERS, SENDS, STORES, Wire, leaves, wires_between
from nova_infra.checks.permissions.statements import pattern_of
from nova_infra.checks.rule import Template, as_list, referenced

_RUNS = {
    "AWS::CodeBuild::Project": ("codebuild:StartBuild", "codebuild:StartBuildBatch", "codebuild:UpdateProject"),
    "AWS::Lambda::Function": (
        "lambda:InvokeFunction",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
    ),
    "AWS::StepFunctions::StateMachine": (
        "states:StartExecution",
        "states:StartSyncExecution",
        "states:UpdateStateMachine",
    ),
}
_ROLES = ("ServiceRole", "Role", "RoleArn")
_NAMES = (
    *("Name", "FunctionName", "StateMachineName", "TopicName", "QueueName", "BucketName", "TableName", "LogGroupName"),
    *("EventBusName", "AlarmName", "DeliveryStreamName"),
)
_PUSHES = ("ecr:PutImage", "ecr:BatchDeleteImage")
_FREES = ("ecr:PutImageTagMutability", "ecr:BatchDeleteImage", "ecr:DeleteRepository")
"""What lets a tag mean another image although its repository keeps tags: ECR refuses to put one that exists."""
_BUILDS = ("codebuild:StartBuild", "codebuild:StartBuildBatch")
_MEASURES = ("cloudwatch:PutMetricData",)
_REDDENS = ("cloudwatch:SetAlarmState",)
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-eusc")
# Services that have a function run for what wires show, or for AWS alone. Others may do so for anybody's request.
_ASKED_BY_WIRES = (
    *(
        "backup",
        "cloudformation",
        "codecommit",
        "codedeploy",
        "codepipeline",
        "dynamodb",
        "events",
        "kinesis",
        "lambda",
    ),
    *("lambda.alarms.cloudwatch", "logs", "s3", "scheduler", "secretsmanager", "sns", "sqs", "states"),
)
_APIS = ("apigateway",)
"""Those that ask only who a method's or a route's own setting lets in."""
_IMAGE = re.compile(
    r"(?P<account>[^./]+)\.dkr\.ecr\.(?P<region>[^.]+)\.[^/]+/(?P<repository>[^:@]+)(?!.*@sha256:)", re.DOTALL
)
# What one bucket's notifications are called in its own resource, and in the one of CDK's that adds them to any bucket.
_NOTIFIED = (
    *(("LambdaConfigurations", "Function"), ("QueueConfigurations", "Queue"), ("TopicConfigurations", "Topic")),
    *(("LambdaFunctionConfigurations", "LambdaFunctionArn"), ("QueueConfigurations", "QueueArn")),
    ("TopicConfigurations", "TopicArn"),
)


@dataclass(frozen=True)
class Start:
    """A way to have something done by a role.

    Attributes:
        actions: Each of these starts or changes what has the role.
        by: Logical id of a role that does so whatever it may do, or ``ANYBODY``; None where there is none.
    """

    role: str
    actions: tuple[str, ...]
    names: tuple[str, ...]
    by: str | None = None


def starts(template: Template) -> list[Start]:
    """Each way that a template shows."""
    kinds = (_wires, wires_between, _streams, _unasked, _replaced)
    wires = [wire for each in kinds for wire in each(template)]
    ending: dict[str | None, list[Wire]] = {}
    for wire in wires:
        ending.setdefault(_resource(template, wire.target), []).append(wire)
    found = []
    for logical_id, resource in template.resources.items():
        properties = resource.get("Properties", {})
        if (actions := _RUNS.get(resource["Type"])) is not None:
            role = next((known for key in _ROLES if (known := referenced(properties.get(key)))), None)
            if role is not None:
                found.append(Start(role, actions, names_of(template, {"Ref": logical_id})))
                found += _starting(template, role, _leading(template, ending, logical_id))
    for wire in wires:
        role = referenced(wire.role)
        if role is not None:
            source = _resource(template, wire.source)
            before = _leading(template, ending, source) if source is not None else ()
            found += _starting(template, role, (wire, *before))
    return found


def _starting(template: Template, role: str, wires: Iterable[Wire]) -> list[Start]:
    return [Start(role, wire.actions, names_of(template, wire.source), wire.by) for wire in wires]


def names_of(template: Template, value: object) -> tuple[str, ...]:
    """Patterns of how permissions may name a thing, and what is within it: by reference, by name, by ARN."""
    logical_id = _resource(template, value)
    if logical_id is None:
        # Parameters are known to CloudFormation alone.
        name = re.sub(r"\$\{\w+\}", "*", pattern_of(value))
        return (f"{name}*",) if name.startswith(("arn:", "*")) else (f"{name}*", f"arn:*:{name}*")
    properties = template.resources[logical_id].get("Properties", {})
    named = [pattern_of(properties[key]) for key in _NAMES if key in properties]
    names = (f"${{{logical_id}}}", *(each for each in named if "*" not in each))
    if template.resources[logical_id]["Type"] == "AWS::S3::Bucket":
        # Word for word: the star at the end of another bucket's objects could stand for all that follows a wildcard.
        arns = tuple(f"arn:{partition}:s3:::" for partition in _PARTITIONS)
        return tuple(f"{arn}{name}*" for name in names for arn in ("", *arns))
    return tuple(pattern for name in names for pattern in (f"{name}*", f"arn:aws*:*:{name}*", f"arn:aws*:*/{name}*"))


def _leading(template: Template, ending: Mapping[str | None, Sequence[Wire]], target: str) -> Iterator[Wire]:
    """The wires that end at a resource, and those that end where these begin."""
    queue = [target]
    for at in queue:
        for wire in ending.get(at, ()):
            yield wire
            source = _resource(template, wire.source)
            if source is not None and source not in queue:
                queue.append(source)


def _wires(template: Template) -> Iterator[Wire]:
    for logical_id, resource in template.resources.items():
        properties, own = resource.get("Properties", {}), {"Ref": logical_id}
        yield from _subscribed(template, resource["Type"], own, properties)
        yield from _noticed(template, resource["Type"], own, properties)


def _subscribed(template: Template, kind: str, own: object, properties: Mapping[str, Any]) -> Iterator[Wire]:
    """What a message to a topic, a queue, a stream or a log group starts."""
    match kind:
        case "AWS::SNS::Subscription":
            topic, role = properties.get("TopicArn"), properties.get("SubscriptionRoleArn")
            for target in (properties.get("Endpoint"), *leaves(properties.get("RedrivePolicy"))):
                yield Wire(topic, ("sns:Publish",), target, role)
        case "AWS::SNS::Topic":
            for each in as_list(properties.get("Subscription")):
                yield Wire(own, ("sns:Publish",), each.get("Endpoint"))
        case "AWS::Lambda::EventSourceMapping":
            source = properties.get("EventSourceArn")
            for target in (properties.get("FunctionName"), *leaves(properties.get("DestinationConfig"))):
                yield Wire(source, _sending(template, source), target)
        case "AWS::Pipes::Pipe":
            source = properties.get("Source")
            for key in ("Target", "Enrichment"):
                yield Wire(source, _sending(template, source), properties.get(key), properties.get("RoleArn"))
        case "AWS::Logs::SubscriptionFilter":
            group = properties.get("LogGroupName")
            yield Wire(group, ("logs:PutLogEvents",), properties.get("DestinationArn"), properties.get("RoleArn"))


def _noticed(template: Template, kind: str, own: object, properties: Mapping[str, Any]) -> Iterator[Wire]:
    """What an event, a measured value or an object in a bucket starts."""
    match kind:
        case "AWS::Events::Rule":
            for source, actions, by in _events(template, properties):
                for each in as_list(properties.get("Targets")):
                    for target in (each.get("Arn"), *leaves(each.get("DeadLetterConfig"))):
                        yield Wire(source, actions, target, each.get("RoleArn"), by)
        case kind if kind in ALARMS:
            yield from _alarmed(template, own, properties)
        case "AWS::Logs::MetricFilter":
            for each in alarms_of(template, properties):
                yield Wire(properties.get("LogGroupName"), ("logs:PutLogEvents",), {"Ref": each})
        case "AWS::S3::Bucket":
            yield from _notifications(own, properties.get("NotificationConfiguration", {}))
        case "Custom::S3BucketNotifications":
            yield from _notifications(properties.get("BucketName"), properties.get("NotificationConfiguration", {}))


def _alarmed(template: Template, alarm: object, properties: Mapping[str, Any]) -> Iterator[Wire]:
    if is_measured(properties):
        yield Wire("*", _MEASURES, alarm)
    for each in watched_by(template, properties):
        yield Wire({"Ref": each}, _REDDENS, alarm)
    for action in actions_of(properties):
        yield Wire(alarm, _REDDENS, action)


def _streams(template: Template) -> Iterator[Wire]:
    """What goes on with a role of its own: Firehose's streams, with the functions in between, and copies of buckets."""
    for logical_id, properties in template.of_type("AWS::KinesisFirehose::DeliveryStream"):
        stream = properties.get("KinesisStreamSourceConfiguration", {}).get("KinesisStreamARN")
        source, sending = ({"Ref": logical_id}, DELIVERS) if stream is None else (stream, SENDS["kinesis"])
        for configuration in properties.values():
            if not isinstance(configuration, Mapping):
                continue
            yield Wire(source, sending, None, configuration.get("RoleARN"))
            for processor in as_list(configuration.get("ProcessingConfiguration", {}).get("Processors")):
                for each in as_list(processor.get("Parameters")):
                    yield Wire(source, sending, each.get("ParameterValue"))
    for logical_id, properties in template.of_type("AWS::S3::Bucket"):
        yield Wire({"Ref": logical_id}, STORES, None, properties.get("ReplicationConfiguration", {}).get("Role"))


def _unasked(template: Template) -> Iterator[Wire]:
    """What anybody can start: every call is an event, even a refused one, and some functions answer anybody."""
    for _, rule in template.of_type("AWS::Events::Rule"):
        pattern = event_pattern(rule)
        if pattern is not None and (may_be_a_step(pattern) or may_be_a_call(pattern)):
            for each in as_list(rule.get("Targets")):
                yield Wire("", (), each.get("Arn"), each.get("RoleArn"), ANYBODY)
    for _, properties in template.of_type("AWS::Lambda::Url"):
        if properties.get("AuthType") != "AWS_IAM":
            yield Wire("", (), properties.get("TargetFunctionArn"), by=ANYBODY)
    is_open = any(
        each.get("AuthorizationType") != "AWS_IAM" and each.get("HttpMethod") != "OPTIONS"
        for kind in ("AWS::ApiGateway::Method", "AWS::ApiGatewayV2::Route")
        for _, each in template.of_type(kind)
    )
    asked = (*_ASKED_BY_WIRES, *(() if is_open else _APIS))
    for _, permission in template.of_type("AWS::Lambda::Permission"):
        service = re.fullmatch(r"([a-z0-9.-]+)\.amazon(aws)?\.com", str(permission.get("Principal")))
        if service and service[1] not in asked:
            yield Wire("", (), permission.get("FunctionName"), by=ANYBODY)
    for _, method in template.of_type("AWS::ApiGateway::Method") if is_open else ():
        yield Wire("", (), None, method.get("Integration", {}).get("Credentials"), ANYBODY)
    for _, integration in template.of_type("AWS::ApiGatewayV2::Integration") if is_open else ():
        yield Wire("", (), None, integration.get("CredentialsArn"), ANYBODY)


def _replaced(template: Template) -> Iterator[Wire]:
    """What runs whatever is in a bucket or has a tag: who replaces that runs code by the role."""
    for _, project in template.of_type("AWS::CodeBuild::Project"):
        role = project.get("ServiceRole")
        spec = pattern_of(project.get("Source", {}).get("BuildSpec", ""))
        if re.fullmatch(r"arn:[^:]*:s3:::\S+", spec):
            yield Wire(spec, STORES, None, role)
        yield from _pulled(template, project.get("Environment", {}).get("Image", ""), role)
    for _, task in template.of_type("AWS::ECS::TaskDefinition"):
        for container in as_list(task.get("ContainerDefinitions")):
            yield from _pulled(template, container.get("Image", ""), task.get("TaskRoleArn"))


def _pulled(template: Template, image: object, role: object) -> Iterator[Wire]:
    """An image of a registry of AWS's by its tag, which may come to mean another one."""
    if named := _IMAGE.match(pattern_of(image)):
        repository = f"arn:aws:ecr:{named['region']}:{named['account']}:repository/{named['repository']}"
        kept = [
            name
            for logical_id, each in template.of_type("AWS::ECR::Repository")
            if each.get("ImageTagMutability") == "IMMUTABLE" and "Condition" not in template.resources[logical_id]
            for name in (f"${{{logical_id}}}", pattern_of(each.get("RepositoryName", "")))
        ]
        own = named["account"] in ("${AWS::AccountId}", template.account) and named["repository"] in kept
        yield Wire(repository, _FREES if own else ("ecr:PutImage",), None, role)


def _notifications(bucket: object, configuration: Mapping[str, Any]) -> Iterator[Wire]:
    for kind, key in _NOTIFIED:
        for each in as_list(configuration.get(kind)):
            if key in each:
                yield Wire(bucket, STORES, each[key])


def _sending(template: Template, source: object) -> tuple[str, ...]:
    """The actions that send to what a mapping reads: of its service alone, where that is known."""
    logical_id = _resource(template, source)
    kind = template.resources[logical_id]["Type"].split("::")[1].lower() if logical_id else pattern_of(source)
    known = [actions for service, actions in SENDS.items() if service in kind]
    return tuple(action for actions in (known or SENDS.values()) for action in actions)


def _events(template: Template, rule: Mapping[str, Any]) -> Iterator[tuple[object, tuple[str, ...], str | None]]:
    """What a rule's events come from: events of one's own, and those that AWS sends of what somebody has done.

    Yields:
        What it is done to, the actions, and the role that does so without any of them.
    """
    pattern = event_pattern(rule)
    if pattern is None:
        return
    if may_be_own(pattern):
        yield rule.get("EventBusName", "arn:*:events:*:event-bus/default"), ("events:PutEvents",), None
    if may_come_from(pattern, "ecr"):
        yield "*", _PUSHES, None
    if may_come_from(pattern, "s3"):
        for bucket in _event_buckets(template, pattern):
            yield bucket, STORES, None
    if may_come_from(pattern, "cloudwatch"):
        yield "*", _MEASURES, None
        for kind in ALARMS:
            for alarm, _ in template.of_type(kind):
                yield {"Ref": alarm}, _REDDENS, None
    if may_come_from(pattern, "codebuild"):
        names = wanted(pattern, "detail", "project-name")
        for project, properties in template.of_type("AWS::CodeBuild::Project"):
            if not names or any(_may_name(template, each, project) for each in names):
                # A build needs no permission for the event of its own.
                yield {"Ref": project}, _BUILDS, referenced(properties.get("ServiceRole"))


def _event_buckets(template: Template, pattern: Mapping[str, Any]) -> Iterator[object]:
    """The buckets of the template that send their events to EventBridge, and those of others that a pattern names."""
    key = "EventBridgeConfiguration"
    for bucket, properties in template.of_type("AWS::S3::Bucket"):
        if key in properties.get("NotificationConfiguration", {}):
            yield {"Ref": bucket}
    for _, properties in template.of_type("Custom::S3BucketNotifications"):
        if key in properties.get("NotificationConfiguration", {}):
            yield properties.get("BucketName")
    for each in wanted(pattern, "detail", "bucket", "name"):
        if _resource(template, each) is None:
            yield each


def _may_name(template: Template, condition: object, logical_id: str) -> bool:
    """Whether a condition of a pattern may match a resource by its name."""
    meant = _resource(template, condition)
    return meant == logical_id or (meant is None and not isinstance(condition, str))


def _resource(template: Template, value: object) -> str | None:
    """The resource of the template that a value means, also as a part of it: by reference, or by its name."""
    pattern = pattern_of(value)
    for each in re.findall(r"\$\{(\w+)\}", pattern):
        if each in template.resources:
            return str(each)
    tails = {each for each in (pattern, re.split(r"[:/]", pattern)[-1]) if each and "*" not in each}
    for logical_id, resource in template.resources.items():
        properties = resource.get("Properties", {})
        if any(properties.get(key) in tails for key in _NAMES if isinstance(properties.get(key), str)):
            return logical_id
    return None

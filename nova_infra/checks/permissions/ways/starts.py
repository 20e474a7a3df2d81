"""Actions that let a caller use another role: they change or start something that runs with it.

A message, an object, an item, an event, an image, a metric or a log line starts what is subscribed to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    "EventBusName",
)
_SENDS = {
    "sqs": ("sqs:SendMessage",),
    "dynamodb": ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"),
    "kinesis": ("kinesis:PutRecord", "kinesis:PutRecords"),
}
_STORES = ("s3:PutObject", "s3:DeleteObject")
_PUSHES = ("ecr:PutImage", "ecr:BatchDeleteImage")
_ALARM_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")


@dataclass(frozen=True)
class Start:
    """A way to have something done by a role.

    Attributes:
        role: Logical id of the role.
        actions: Each of these starts or changes what has the role.
        names: Patterns of what the action is done to.
    """

    role: str
    actions: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Wire:
    """What is sent to one thing starts another one."""

    source: object
    actions: tuple[str, ...]
    target: object
    role: object = None


def starts(template: Template) -> list[Start]:
    """Each way that a template shows."""
    wires = list(_wires(template))
    found = []
    for logical_id, resource in template.resources.items():
        properties = resource.get("Properties", {})
        if (actions := _RUNS.get(resource["Type"])) is not None:
            role = next((known for key in _ROLES if (known := referenced(properties.get(key)))), None)
            if role is not None:
                found.append(Start(role, actions, names_of(template, {"Ref": logical_id})))
                found += [Start(role, wire.actions, names) for wire, names in _leading(template, wires, logical_id)]
    for wire in wires:
        role = referenced(wire.role)
        if role is not None:
            found.append(Start(role, wire.actions, names_of(template, wire.source)))
    return found


def names_of(template: Template, value: object) -> tuple[str, ...]:
    """Patterns of how permissions may name a thing, and what is within it: by reference, by name, by ARN."""
    logical_id = _resource(template, value)
    if logical_id is None:
        return (f"{pattern_of(value)}*",)
    properties = template.resources[logical_id].get("Properties", {})
    named = [pattern_of(properties[key]) for key in _NAMES if key in properties]
    return tuple(
        pattern
        for name in (f"${{{logical_id}}}", *(each for each in named if "*" not in each))
        for pattern in (f"{name}*", f"arn:aws*:*:{name}*", f"arn:aws*:*/{name}*")
    )


def _leading(template: Template, wires: Sequence[_Wire], target: str) -> Iterator[tuple[_Wire, tuple[str, ...]]]:
    """The wires that end at a resource, and those that end where they begin."""
    seen, queue = {target}, [target]
    for at in queue:
        for wire in wires:
            if _resource(template, wire.target) != at:
                continue
            yield wire, names_of(template, wire.source)
            source = _resource(template, wire.source)
            if source is not None and source not in seen:
                seen.add(source)
                queue.append(source)


def _wires(template: Template) -> Iterator[_Wire]:
    for logical_id, resource in template.resources.items():
        properties, own = resource.get("Properties", {}), {"Ref": logical_id}
        match resource["Type"]:
            case "AWS::SNS::Subscription":
                yield _Wire(properties.get("TopicArn"), ("sns:Publish",), properties.get("Endpoint"))
            case "AWS::SNS::Topic":
                for each in as_list(properties.get("Subscription")):
                    yield _Wire(own, ("sns:Publish",), each.get("Endpoint"))
            case "AWS::Lambda::EventSourceMapping":
                source = properties.get("EventSourceArn")
                yield _Wire(source, _sending(template, source), properties.get("FunctionName"))
            case "AWS::Pipes::Pipe":
                source = properties.get("Source")
                yield _Wire(source, _sending(template, source), properties.get("Target"), properties.get("RoleArn"))
            case "AWS::Events::Rule":
                for source, actions in _events(template, properties):
                    for each in as_list(properties.get("Targets")):
                        yield _Wire(source, actions, each.get("Arn"), each.get("RoleArn"))
            case "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm" if _may_be_measured(properties):
                for each in (one for key in _ALARM_ACTIONS for one in as_list(properties.get(key))):
                    yield _Wire("*", ("cloudwatch:PutMetricData",), each)
            case "AWS::S3::Bucket":
                yield from _notifications(own, properties.get("NotificationConfiguration", {}))
            case "AWS::Logs::SubscriptionFilter":
                group = properties.get("LogGroupName")
                yield _Wire(group, ("logs:PutLogEvents",), properties.get("DestinationArn"), properties.get("RoleArn"))


def _notifications(bucket: object, configuration: Mapping[str, Any]) -> Iterator[_Wire]:
    for kind, key in (("Lambda", "Function"), ("Queue", "Queue"), ("Topic", "Topic")):
        for each in as_list(configuration.get(f"{kind}Configurations")):
            yield _Wire(bucket, _STORES, each.get(key))


def _sending(template: Template, source: object) -> tuple[str, ...]:
    """The actions that send to what a mapping reads: of its service alone, where that is known."""
    logical_id = _resource(template, source)
    kind = template.resources[logical_id]["Type"].split("::")[1].lower() if logical_id else pattern_of(source)
    known = [actions for service, actions in _SENDS.items() if service in kind]
    return tuple(action for actions in (known or _SENDS.values()) for action in actions)


def _events(template: Template, rule: Mapping[str, Any]) -> Iterator[tuple[object, tuple[str, ...]]]:
    """What a rule's events come from: events of one's own, and those that AWS sends of what somebody has done.

    The names of AWS's own sources are reserved:
    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html
    """
    pattern = rule.get("EventPattern")
    if not isinstance(pattern, Mapping):
        return
    sources = as_list(pattern.get("source"))
    named = [each for each in sources if isinstance(each, str) and each.startswith("aws.")]
    if len(named) < len(sources) or not sources:
        yield rule.get("EventBusName", "arn:*:events:*:event-bus/default"), ("events:PutEvents",)
    if "aws.ecr" in named or not sources:
        yield "*", _PUSHES
    if "aws.s3" in named or not sources:
        for bucket, properties in template.of_type("AWS::S3::Bucket"):
            if "EventBridgeConfiguration" in properties.get("NotificationConfiguration", {}):
                yield {"Ref": bucket}, _STORES


def _may_be_measured(alarm: Mapping[str, Any]) -> bool:
    """Whether somebody may put values of an alarm's metrics: namespaces that begin with ``AWS/`` are AWS's own.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
    """
    stats = [each.get("MetricStat", {}).get("Metric", {}) for each in as_list(alarm.get("Metrics"))]
    spaces = [each.get("Namespace") for each in (alarm, *stats) if "Namespace" in each]
    return not spaces or not all(isinstance(each, str) and each.startswith("AWS/") for each in spaces)


def _resource(template: Template, value: object) -> str | None:
    """The resource of the template that a value means, also as a part of it: by reference, or by its name."""
    pattern = pattern_of(value)
    for each in re.findall(r"\$\{(\w+)\}", pattern):
        if each in template.resources:
            return str(each)
    tail = re.split(r"[:/]", pattern)[-1]
    for logical_id, resource in template.resources.items():
        properties = resource.get("Properties", {})
        if tail and "*" not in tail and tail in [properties.get(key) for key in _NAMES]:
            return logical_id
    return None

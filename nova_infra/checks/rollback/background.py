"""``NOVA-R17`` to ``NOVA-R20``: workers, their dead-letter queues, and jobs whose failed runs are noticed."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.permissions.statements import pattern_of
from nova_infra.checks.rule import Finding, Rule, Template, as_list, as_text, deployment, referenced

_SERVICE = "AWS::ECS::Service"
_QUEUE = "AWS::SQS::Queue"
_ALARM = "AWS::CloudWatch::Alarm"
_MACHINE = "AWS::StepFunctions::StateMachine"
_TAKES_TRAFFIC = ("LoadBalancers", "ServiceConnectConfiguration", "VpcLatticeConfigurations")
_RUNS_A_TASK = ":states:::ecs:runTask"


def _nothing_to_shift(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        strategy = deployment(service).get("Strategy", "ROLLING")
        if strategy != "ROLLING" and not any(service.get(key) for key in _TAKES_TRAFFIC):
            yield Finding(logical_id, "Properties.DeploymentConfiguration.Strategy")


def _messages_are_not_lost(template: Template) -> Iterator[Finding]:
    queues = dict(template.of_type(_QUEUE))
    dead = {_queue_meant(template, _target(queue)) for queue in queues.values()}
    for logical_id, queue in queues.items():
        if logical_id not in dead and "RedrivePolicy" not in queue and not _takes_dead_letters(queue):
            yield Finding(logical_id, "Properties.RedrivePolicy")


def _dead_messages_are_noticed(template: Template) -> Iterator[Finding]:
    watched = {
        _queue_meant(template, dimension.get("Value"))
        for _, alarm in template.of_type(_ALARM)
        for metric in (alarm, *(each.get("MetricStat", {}).get("Metric", {}) for each in as_list(alarm.get("Metrics"))))
        if metric.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        for dimension in as_list(metric.get("Dimensions"))
    }
    for logical_id, queue in template.of_type(_QUEUE):
        dead = _queue_meant(template, _target(queue)) or (logical_id if _takes_dead_letters(queue) else None)
        if dead is not None and dead not in watched:
            name = as_text(template.resources[dead]["Properties"].get("QueueName", dead))
            yield Finding(logical_id, "Properties.RedrivePolicy", f"no alarm watches {name}")


def _target(queue: Mapping[str, Any]) -> Any:
    """Where a queue sends messages that failed again and again: an ARN in any form."""
    return queue.get("RedrivePolicy", {}).get("deadLetterTargetArn")


def _takes_dead_letters(queue: Mapping[str, Any]) -> bool:
    """Whether a queue says that it is a dead-letter queue, such as of queues in other stacks."""
    return queue.get("RedriveAllowPolicy", {}).get("redrivePermission", "denyAll") in ("allowAll", "byQueue")


def _queue_meant(template: Template, value: Any) -> str | None:
    """The queue of the template that a function refers to, or that a name or an ARN names."""
    given = json.dumps(value) if isinstance(value, Mapping) else ""
    for logical_id, queue in template.of_type(_QUEUE):
        if re.search(rf'["{{]{logical_id}[".}}]', given):
            return logical_id
        name, queue_name = pattern_of(value).rpartition(":")[2], pattern_of(queue.get("QueueName", {}))
        if "QueueName" in queue and name == queue_name and ("*" not in name or _same(value, queue["QueueName"])):
            return logical_id
    return None


def _same(arn: Any, name: Any) -> bool:
    """Whether an ARN and a name end alike, by functions that refer to the same."""
    one, other = (_written(each).rpartition(":")[2] for each in (arn, name))
    return one == other


def _written(value: Any) -> str:
    match value:
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(_written, parts))
        case {"Fn::Sub": str(text)}:
            return text
        case {"Fn::Sub": [str(text), {**given}]}:
            return re.sub(r"\$\{(\w+)\}", lambda match: _written(given.get(match[1], match[0])), text)
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {**function}:
            return json.dumps(function, sort_keys=True).replace(":", "")
    return str(value)


def _failed_runs_are_noticed(template: Template) -> Iterator[Finding]:
    watched = {reference for _, alarm in template.of_type(_ALARM) for reference in _machines(alarm)}
    for logical_id, machine in template.of_type(_MACHINE):
        if _RUNS_A_TASK in str(machine.get("DefinitionString")) and logical_id not in watched:
            yield Finding(logical_id, "Properties.DefinitionString")


def _machines(alarm: Mapping[str, Any]) -> Iterator[str]:
    """Logical ids of the state machines whose failures an alarm counts."""
    for query in alarm.get("Metrics", ()):
        metric = query.get("MetricStat", {}).get("Metric", {})
        for dimension in metric["Dimensions"] if metric.get("MetricName") == "ExecutionsFailed" else ():
            if (reference := referenced(dimension.get("Value"))) is not None:
                yield reference


BACKGROUND_RULES = (
    Rule(
        "NOVA-R17",
        "No service without traffic shifts any",
        "set deployment_strategy to ROLLING",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/canary-deployment-implementation.html",
        _nothing_to_shift,
    ),
    Rule(
        "NOVA-R18",
        "Every queue hands messages that fail again and again to a dead-letter queue",
        "pass dead_letter_queue",
        "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html",
        _messages_are_not_lost,
    ),
    Rule(
        "NOVA-R19",
        "Every dead-letter queue has an alarm on its messages",
        "add an alarm on ApproximateNumberOfMessagesVisible of that queue",
        "A message that nobody looks at is lost when its retention ends",
        _dead_messages_are_noticed,
    ),
    Rule(
        "NOVA-R20",
        "Every job has an alarm on runs that fail",
        "add an alarm on ExecutionsFailed of its state machine",
        "https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html",
        _failed_runs_are_noticed,
    ),
)

"""``NOVA-R…`` for services without requests: workers, their queues, and jobs."""

from collections.abc import Iterator, Mapping
from typing import Any

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
    dead = {
        referenced(queue["RedrivePolicy"].get("deadLetterTargetArn"))
        for queue in queues.values()
        if "RedrivePolicy" in queue
    }
    for logical_id, queue in queues.items():
        if logical_id not in dead and "RedrivePolicy" not in queue:
            yield Finding(logical_id, "Properties.RedrivePolicy")


def _dead_messages_are_noticed(template: Template) -> Iterator[Finding]:
    watched = {
        as_text(dimension.get("Value"))
        for _, alarm in template.of_type(_ALARM)
        for metric in (alarm, *(each.get("MetricStat", {}).get("Metric", {}) for each in as_list(alarm.get("Metrics"))))
        if metric.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        for dimension in as_list(metric.get("Dimensions"))
    }
    queues = dict(template.of_type(_QUEUE))
    for logical_id, queue in queues.items():
        target = referenced(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
        dead = queues.get(target or "")
        # A queue without a name of its own is known by its reference.
        names = (f"${{{target}}}", as_text((dead or {}).get("QueueName", target)))
        if dead is not None and watched.isdisjoint(names):
            yield Finding(logical_id, "Properties.RedrivePolicy", f"no alarm watches {names[1]}")


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

"""Values and combinations that the service behind a resource does not accept.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html,
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html,
https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html,
https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html,
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html,
https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html,
https://docs.aws.amazon.com/scheduler/latest/APIReference/API_FlexibleTimeWindow.html.
"""

import json
import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.documents.text import counted
from nova_infra.operations.changes.certain import (
    certain_entries,
    is_known,
    is_on,
    may_be_left_out,
    table,
    tables,
    values_at,
    whole,
)
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Fault, Judges, Step

_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_MOST_PATH = 128
_MOST_VALUES = 5
_DAY_MINUTES = 1440
_DAY = 86_400
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
# The API's reference says 6 s for HTTP and 10 s for HTTPS; the least of these refuses only what is sure. Reported of an
# interval of 5 s alone: https://github.com/terraform-linters/tflint-ruleset-aws/issues/404
_INTERVAL, _TIMEOUT = 30, 5
_MOST_QUERIES = 10
_DAYS_TO_INFREQUENT = 30
_NAME = re.compile(r"\b[a-z]\w*\b(?!\s*\()")
"""What stands for a metric in an expression: no function, in whatever letters, as no documentation says which count."""
_WORDS = ("AND", "OR", "NOT", "REPEAT", "LINEAR", "ASC", "DESC", "AVG", "MIN", "MAX", "SUM", "TRUE", "FALSE")
"""Operators of expressions, and words that functions take:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html"""
_WIDEST, _NARROWEST = 16, 28


def refused_values(step: Step) -> Iterator[Refusal]:
    """Refuse values that the service behind a resource does not take."""
    yield from step.judged_by(_JUDGES)


def _group(properties: Mapping[str, Any]) -> Iterator[Fault]:
    # Those of an Application Load Balancer have known defaults; of the others only what is given is sure.
    web = properties.get("Protocol") in ("HTTP", "HTTPS")
    interval, seconds = (
        whole(properties.get(f"HealthCheck{key}Seconds", default if web else None))
        for key, default in (("Interval", _INTERVAL), ("Timeout", _TIMEOUT))
    )
    if interval is not None and seconds is not None and (seconds >= interval if web else seconds > interval):
        fault = f"waits {seconds} s for a health check that is repeated every {interval} s"
        remedy = "make it less than the interval" if web else "make it no more than the interval"
        yield "HealthCheckTimeoutSeconds", fault, remedy


def _rule(properties: Mapping[str, Any]) -> Iterator[Fault]:
    values = [
        value
        for condition in as_list(properties.get("Conditions"))
        if isinstance(condition, Mapping)
        for part in (condition, *(each for each in condition.values() if isinstance(each, Mapping)))
        for value in certain_entries(as_list(part.get("Values")))
    ]
    if len(values) > _MOST_VALUES:
        yield "Conditions", f"has {len(values)} values", f"a rule has {_MOST_VALUES} at most: split it"
    if long := [value for value in values if isinstance(value, str) and len(value) > _MOST_PATH]:
        yield "Conditions", f"has a value of {len(long[0])} characters", f"{_MOST_PATH} are allowed: shorten it"


def _listener(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if properties.get("Protocol") in ("HTTPS", "TLS") and not properties.get("Certificates"):
        yield "Certificates", f"are missing, and {properties['Protocol']} needs one", "add a certificate"


def _logs(properties: Mapping[str, Any]) -> Iterator[Fault]:
    days = whole(properties.get("RetentionInDays"))
    if days is not None and days not in _DAYS:
        near = min(_DAYS, key=lambda each: abs(each - days))
        yield "RetentionInDays", f"CloudWatch keeps no log for {days} days", f"make it {near}"


def _alarm(properties: Mapping[str, Any]) -> Iterator[Fault]:
    periods, needed = (whole(properties.get(key)) for key in ("EvaluationPeriods", "DatapointsToAlarm"))
    metrics = tables(properties.get("Metrics"))
    given = [
        properties.get("Period"),
        *(part.get("Period") for m in metrics for part in (m, table(m.get("MetricStat")))),
    ]
    every = [seconds for seconds in map(whole, given) if seconds is not None]
    seconds = max(every, default=0)
    if periods is not None and needed is not None and needed > periods:
        fault = f"needs {needed} data points of {periods}"
        yield "DatapointsToAlarm", fault, "make it no more than EvaluationPeriods"
    if odd := [each for each in every if each not in (10, 20, 30) and (each % 60 or not each)]:
        yield "Period", f"is {odd[0]} s", "make it 10, 20, 30 or a multiple of 60"
    yield from _math(properties)
    if periods is not None and seconds >= 60 and periods * seconds > max(_DAY, 7 * _DAY if seconds >= 3600 else 0):
        yield "EvaluationPeriods", f"looks back {periods * seconds} s", "look back a day at most"


def _math(properties: Mapping[str, Any]) -> Iterator[Fault]:
    """What an alarm computes: each name is that of a metric, and one result is compared."""
    if not is_known(given := properties.get("Metrics", [])) or not given:
        return
    queries = tables(given)
    ids = [each["Id"] for each in queries if isinstance(each.get("Id"), str)]
    if len(ids) < len(queries):
        return  # CloudFormation itself says that an id is missing
    if wrong := [each for each in ids if not re.fullmatch(r"[a-z]\w*", each)]:
        yield (
            "Metrics.Id",
            f"is {wrong[0]}",
            "begin it with a lower-case letter, and use letters, digits and underscores",
        )
    for text in (each["Expression"] for each in queries if isinstance(each.get("Expression"), str)):
        # A query of Metrics Insights, a search and a label have texts in them that are no ids.
        unknown = [name for name in _NAME.findall(text) if name not in ids and name.upper() not in _WORDS]
        if unknown and not re.search(r"""['"]|\b(?i:SELECT)\b""", text):
            yield (
                "Metrics.Expression",
                f"has {unknown[0]}, which is no id of its metrics",
                "add that metric, or correct it",
            )
    returned = [each for each in queries if is_on(each.get("ReturnData", True))]
    if len(returned) != 1 and "ThresholdMetricId" not in properties:
        yield (
            "Metrics.ReturnData",
            f"is true for {len(returned)} of them",
            "let only the one be returned that is compared with the threshold",
        )
    metrics = sum("MetricStat" in each for each in queries)
    for count, what in ((metrics, "metrics"), (len(queries) - metrics, "expressions")):
        if count > _MOST_QUERIES:
            yield "Metrics", f"has {count} {what}, and an alarm takes {_MOST_QUERIES}", "divide it into several alarms"


def _bucket(properties: Mapping[str, Any]) -> Iterator[Fault]:
    for rule in tables([*values_at(properties, "LifecycleConfiguration.Rules[]")]):
        moves = tables([*as_list(rule.get("Transitions")), *as_list(rule.get("Transition"))])
        for move in moves:
            days, kind = whole(move.get("TransitionInDays")), str(move.get("StorageClass"))
            if days is not None and kind in ("STANDARD_IA", "ONEZONE_IA") and days < _DAYS_TO_INFREQUENT:
                fault = f"is {days} for {kind}"
                yield (
                    "LifecycleConfiguration.Rules.TransitionInDays",
                    fault,
                    f"wait {_DAYS_TO_INFREQUENT} days at least",
                )
        latest = max((whole(move.get("TransitionInDays")) or 0 for move in moves), default=0)
        ends = whole(rule.get("ExpirationInDays"))
        if ends is not None and moves and ends <= latest:
            fault = f"is {ends}, and objects move on after {latest}"
            yield "LifecycleConfiguration.Rules.ExpirationInDays", fault, "let them expire later, or not move"


def _record(properties: Mapping[str, Any]) -> Iterator[Fault]:
    has_values = "ResourceRecords" in properties and not may_be_left_out(properties["ResourceRecords"])
    if has_values and "TTL" not in properties:
        yield "TTL", "is missing, and a record with values needs one", "add it, such as 300"


def _range(properties: Mapping[str, Any]) -> Iterator[Fault]:
    try:
        size = IPv4Network(str(properties.get("CidrBlock"))).prefixlen
    except ValueError:
        return  # a reference, or what CloudFormation itself finds wrong
    if not _WIDEST <= size <= _NARROWEST:
        yield "CidrBlock", f"is a /{size}", f"choose /{_WIDEST} to /{_NARROWEST}"


def _machine(properties: Mapping[str, Any]) -> Iterator[Fault]:
    text = properties.get("DefinitionString")
    if not isinstance(text, str) or "DefinitionSubstitutions" in properties:
        return
    try:
        machine = json.loads(text)
    except ValueError:
        yield "DefinitionString", "is no JSON", "write the machine in the Amazon States Language"
        return
    start, states = (machine.get(key) if isinstance(machine, dict) else None for key in ("StartAt", "States"))
    if not isinstance(start, str) or not isinstance(states, dict) or start not in states:
        fault = f"starts at {start}, which is none of its states" if isinstance(start, str) else "starts at no state"
        yield "DefinitionString", fault, "name one in StartAt"


def _dashboard(properties: Mapping[str, Any]) -> Iterator[Fault]:
    text = properties.get("DashboardBody")
    if isinstance(text, str):
        try:
            json.loads(text)
        except ValueError:
            yield "DashboardBody", "is no JSON", "correct it"


def _pipeline(properties: Mapping[str, Any]) -> Iterator[Fault]:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-pipeline-structure.html."""
    stages = tables(properties.get("Stages"))
    for where, parts in (("Stages", stages), *((f"Stages.{s.get('Name')}", tables(s.get("Actions"))) for s in stages)):
        names = [each["Name"] for each in parts if isinstance(each.get("Name"), str)]
        if twice := [name for name in names if names.count(name) > 1]:
            yield where, f"has {twice[0]} twice", "rename one"


def _window(properties: Mapping[str, Any]) -> Iterator[Fault]:
    window = table(properties.get("FlexibleTimeWindow"))
    if window.get("Mode") == "FLEXIBLE" and "MaximumWindowInMinutes" not in window:
        yield "FlexibleTimeWindow.MaximumWindowInMinutes", "is missing, and FLEXIBLE needs it", "add it, or make it OFF"


def _scaling(properties: Mapping[str, Any]) -> Iterator[Fault]:
    least, most = (whole(properties.get(key)) for key in ("MinCapacity", "MaxCapacity"))
    if least is not None and most is not None and most < least:
        yield "MaxCapacity", f"is {most}, and MinCapacity is {least}", "make it no less"


def _service(properties: Mapping[str, Any]) -> Iterator[Fault]:
    configuration = table(properties.get("DeploymentConfiguration"))
    shares = (("CanaryConfiguration", "CanaryPercent", 0.1), ("LinearConfiguration", "StepPercent", 3))
    for part, key, least in shares:
        given = table(configuration.get(part)).get(key)
        if isinstance(given, int | float) and not least <= given <= 100:
            yield f"DeploymentConfiguration.{part}.{key}", f"is {given:g} %", f"choose {least:g} to 100"
    for part, key in (
        ("CanaryConfiguration", "CanaryBakeTimeInMinutes"),
        ("LinearConfiguration", "StepBakeTimeInMinutes"),
        ("", "BakeTimeInMinutes"),
    ):
        minutes = whole((table(configuration.get(part)) if part else configuration).get(key))
        if minutes is not None and not 0 <= minutes <= _DAY_MINUTES:
            where = ".".join(filter(None, ["DeploymentConfiguration", part, key]))
            yield where, f"is {counted(minutes, 'minute')}", f"choose 0 to {_DAY_MINUTES}"


_JUDGES: Judges = {
    "AWS::ElasticLoadBalancingV2::TargetGroup": _group,
    "AWS::ElasticLoadBalancingV2::ListenerRule": _rule,
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
    "AWS::Logs::LogGroup": _logs,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::ECS::Service": _service,
    "AWS::ApplicationAutoScaling::ScalableTarget": _scaling,
    "AWS::S3::Bucket": _bucket,
    "AWS::Route53::RecordSet": _record,
    "AWS::EC2::VPC": _range,
    "AWS::EC2::Subnet": _range,
    "AWS::StepFunctions::StateMachine": _machine,
    "AWS::Scheduler::Schedule": _window,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::CodePipeline::Pipeline": _pipeline,
}

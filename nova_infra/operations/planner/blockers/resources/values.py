"""Values that Elastic Load Balancing, CloudWatch and CodePipeline do not accept.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html,
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html,
https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.documents.text import counted
from nova_infra.operations.changes.certain import certain_entries, table, tables
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Step

_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_MOST_PATH = 128
_MOST_PRIORITY = 50_000
_MOST_VALUES = 5
_DAY_MINUTES = 1440
_DAY = 86_400
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
# The API's reference says 6 s for HTTP and 10 s for HTTPS; the least of these refuses only what is sure. Reported of an
# interval of 5 s alone: https://github.com/terraform-linters/tflint-ruleset-aws/issues/404
_INTERVAL, _TIMEOUT = 30, 5
# Property of a target group to the least and the most that it may be.
_GROUP = {
    "HealthCheckIntervalSeconds": (5, 300),
    "HealthCheckTimeoutSeconds": (2, 120),
    "HealthyThresholdCount": (2, 10),
    "UnhealthyThresholdCount": (2, 10),
}
_Fault = tuple[str, str, str]


def refused_values(step: Step) -> Iterator[Refusal]:
    """Refuse values that the service behind a resource does not take."""
    for kind, judge in _JUDGES.items() if step.actions else ():
        for logical_id, properties in step.after.of_type(kind):
            for where, fault, remedy in judge(properties):
                yield Refusal(step.after.key.name, f"{logical_id}.{where}", fault, remedy)


def _group(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    for key, (least, most) in _GROUP.items():
        value = _whole(properties.get(key))
        if value is not None and not least <= value <= most:
            yield key, f"is {value}", f"choose {least} to {most}"
    # Those of an Application Load Balancer have known defaults; of the others only what is given is sure.
    web = properties.get("Protocol") in ("HTTP", "HTTPS")
    interval, seconds = (
        _whole(properties.get(f"HealthCheck{key}Seconds", default if web else None))
        for key, default in (("Interval", _INTERVAL), ("Timeout", _TIMEOUT))
    )
    if interval is not None and seconds is not None and (seconds >= interval if web else seconds > interval):
        fault = f"waits {seconds} s for a health check that is repeated every {interval} s"
        remedy = "make it less than the interval" if web else "make it no more than the interval"
        yield "HealthCheckTimeoutSeconds", fault, remedy


def _rule(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    priority = _whole(properties.get("Priority"))
    if priority is not None and not 1 <= priority <= _MOST_PRIORITY:
        yield "Priority", f"is {priority}", f"choose 1 to {_MOST_PRIORITY}"
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


def _listener(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    if properties.get("Protocol") in ("HTTPS", "TLS") and not properties.get("Certificates"):
        yield "Certificates", f"are missing, and {properties['Protocol']} needs one", "add a certificate"


def _logs(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    days = _whole(properties.get("RetentionInDays"))
    if days is not None and days not in _DAYS:
        near = min(_DAYS, key=lambda each: abs(each - days))
        yield "RetentionInDays", f"CloudWatch keeps no log for {days} days", f"make it {near}"


def _alarm(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    periods, needed = (_whole(properties.get(key)) for key in ("EvaluationPeriods", "DatapointsToAlarm"))
    metrics = tables(properties.get("Metrics"))
    given = [
        properties.get("Period"),
        *(part.get("Period") for m in metrics for part in (m, table(m.get("MetricStat")))),
    ]
    every = [seconds for seconds in map(_whole, given) if seconds is not None]
    seconds = max(every, default=0)
    if periods is not None and needed is not None and needed > periods:
        fault = f"needs {needed} data points of {periods}"
        yield "DatapointsToAlarm", fault, "make it no more than EvaluationPeriods"
    if odd := [each for each in every if each not in (10, 20, 30) and (each % 60 or not each)]:
        yield "Period", f"is {odd[0]} s", "make it 10, 20, 30 or a multiple of 60"
    if periods is not None and seconds >= 60 and periods * seconds > max(_DAY, 7 * _DAY if seconds >= 3600 else 0):
        yield "EvaluationPeriods", f"looks back {periods * seconds} s", "look back a day at most"


def _scaling(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    least, most = (_whole(properties.get(key)) for key in ("MinCapacity", "MaxCapacity"))
    if least is not None and most is not None and most < least:
        yield "MaxCapacity", f"is {most}, and MinCapacity is {least}", "make it no less"


def _service(properties: Mapping[str, Any]) -> Iterator[_Fault]:
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
        minutes = _whole((table(configuration.get(part)) if part else configuration).get(key))
        if minutes is not None and not 0 <= minutes <= _DAY_MINUTES:
            where = ".".join(filter(None, ["DeploymentConfiguration", part, key]))
            yield where, f"is {counted(minutes, 'minute')}", f"choose 0 to {_DAY_MINUTES}"


def _whole(value: Any) -> int | None:
    """A whole number that the template states; None if only CloudFormation knows it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() and value.isascii() else None


_JUDGES: Mapping[str, Callable[[Mapping[str, Any]], Iterator[_Fault]]] = {
    "AWS::ElasticLoadBalancingV2::TargetGroup": _group,
    "AWS::ElasticLoadBalancingV2::ListenerRule": _rule,
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
    "AWS::Logs::LogGroup": _logs,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::ECS::Service": _service,
    "AWS::ApplicationAutoScaling::ScalableTarget": _scaling,
}

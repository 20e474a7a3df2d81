"""``NOVA-R03`` to ``R08``, ``R14`` to ``R16``: the alarms roll back a failing release, and fire in time."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import Finding, Rule, Template, as_list, as_text, deployment, referenced

_SERVICE = "AWS::ECS::Service"
_ALARM = "AWS::CloudWatch::Alarm"
_DEPLOYMENT = "Properties.DeploymentConfiguration"
_PER_TASK = ("CPUUtilization", "MemoryUtilization")
_UNANSWERED = "requests without an answer"
_WATCHED = ("HTTPCode_Target_5XX_Count", _UNANSWERED, "TargetResponseTime", "CPUUtilization")
_WATCHED_WITHOUT_REQUESTS = ("CPUUtilization",)

UNUSABLE_MINUTES = 2
"""Minutes of a bake that no alarm judges: the first, and the one whose data has not arrived when it ends."""

_MINUTES_UNTIL_A_TIMEOUT = 1
"""A hanging request counts as unanswered once the load balancer gives it up, after its idle timeout of 60 s:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html."""


def _alarms_roll_back(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        alarms = deployment(service)["Alarms"]
        if alarms.get("Enable") is not True or alarms.get("Rollback") is not True:
            yield Finding(logical_id, f"{_DEPLOYMENT}.Alarms")
            continue
        watched = {name for _, alarm in _deployment_alarms(template, service) for name in _judged(alarm)}
        for metric in _WATCHED if service["LoadBalancers"] else _WATCHED_WITHOUT_REQUESTS:
            if metric not in watched:
                yield Finding(logical_id, f"{_DEPLOYMENT}.Alarms.AlarmNames", f"no alarm watches {metric}")


def _alarms_exist_first(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        location = f"{_DEPLOYMENT}.Alarms.AlarmNames"
        by_name = {as_text(alarm.get("AlarmName")): alarm_id for alarm_id, alarm in template.of_type(_ALARM)}
        depends_on = as_list(template.resources[logical_id].get("DependsOn"))
        for name in deployment(service)["Alarms"]["AlarmNames"]:
            if as_text(name) not in by_name:
                yield Finding(logical_id, location, f"there is no alarm {as_text(name)}")
            elif by_name[as_text(name)] not in depends_on:
                yield Finding(logical_id, "DependsOn", f"{as_text(name)} may be created after the deployment starts")


def _alarms_watch_both_colours(template: Template) -> Iterator[Finding]:
    for _, service in template.of_type(_SERVICE):
        colours = {
            text
            for balancer in service["LoadBalancers"]
            for text in (
                referenced(balancer["TargetGroupArn"]),
                referenced(balancer["AdvancedConfiguration"].get("AlternateTargetGroupArn")),
            )
            if text
        }
        for alarm_id, alarm in _deployment_alarms(template, service):
            watched = {
                key: group
                for key, metric in _metrics(alarm).items()
                for dimension in metric["Dimensions"]
                if dimension["Name"] == "TargetGroup" and (group := referenced(dimension["Value"]))
            }
            names = {key: _metrics(alarm)[key]["MetricName"] for key in watched}
            for name in sorted(set(names.values())):
                for colour in sorted(colours - {group for key, group in watched.items() if names[key] == name}):
                    yield Finding(alarm_id, "Properties.Metrics", f"it does not watch {name} of {colour}")
            for key in watched:
                if not re.search(rf"\bFILL\({re.escape(key)},", _math(alarm)):
                    yield Finding(alarm_id, "Properties.Metrics", f"{key} has no data while its colour is idle")


def _alarms_fire_in_time(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        configuration = deployment(service)
        bakes = {
            f"{_DEPLOYMENT}.BakeTimeInMinutes": configuration.get("BakeTimeInMinutes", 0),
            **{
                f"{_DEPLOYMENT}.{kind}Configuration.{key}": configuration[f"{kind}Configuration"].get(key, 0)
                for kind, key in (("Canary", "CanaryBakeTimeInMinutes"), ("Linear", "StepBakeTimeInMinutes"))
                if f"{kind}Configuration" in configuration
            },
        }
        for _, alarm in _deployment_alarms(template, service):
            datapoints = alarm.get("DatapointsToAlarm", alarm.get("EvaluationPeriods", 1))
            minutes = datapoints * _period(alarm) / 60 + UNUSABLE_MINUTES
            if _UNANSWERED in _judged(alarm):
                minutes += _MINUTES_UNTIL_A_TIMEOUT
            for location, bake in bakes.items():
                if minutes > bake:
                    yield Finding(
                        logical_id, location, f"{as_text(alarm.get('AlarmName'))} needs {minutes:g} minutes to fire"
                    )


def _alarms_state_missing_data(template: Template) -> Iterator[Finding]:
    for _, service in template.of_type(_SERVICE):
        for alarm_id, alarm in _deployment_alarms(template, service):
            if "TreatMissingData" not in alarm:
                yield Finding(alarm_id, "Properties.TreatMissingData")


def _alarms_notify(template: Template) -> Iterator[Finding]:
    for alarm_id, alarm in template.of_type(_ALARM):
        if not alarm.get("AlarmActions") or alarm.get("ActionsEnabled") is False:
            yield Finding(alarm_id, "Properties.AlarmActions")


def _alarms_wait_for_late_data(template: Template) -> Iterator[Finding]:
    for alarm_id, alarm in template.of_type(_ALARM):
        periods = alarm.get("EvaluationPeriods", 1)  # An alarm in PromQL has none, and no FILL either.
        if "FILL(" in _math(alarm) and alarm.get("DatapointsToAlarm", periods) >= periods:
            yield Finding(alarm_id, "Properties.EvaluationPeriods")


def _alarms_judge_point_by_point(template: Template) -> Iterator[Finding]:
    for alarm_id, alarm in template.of_type(_ALARM):
        for function in sorted(set(re.findall(r"\b(AVG|MAX|MIN|SUM)\(", _math(alarm)))):
            yield Finding(alarm_id, "Properties.Metrics", f"it uses {function}")


def _alarms_see_one_hot_task(template: Template) -> Iterator[Finding]:
    for _, service in template.of_type(_SERVICE):
        for alarm_id, alarm in _deployment_alarms(template, service):
            for metric in _metrics(alarm).values():
                if metric["MetricName"] in _PER_TASK and metric.get("Statistic") != "Maximum":
                    yield Finding(alarm_id, "Properties.Statistic")


def deployment_alarms(template: Template) -> Iterator[str]:
    """Logical ids of the alarms that may roll a deployment back."""
    for _, service in template.of_type(_SERVICE):
        yield from (alarm_id for alarm_id, _ in _deployment_alarms(template, service))


def _deployment_alarms(template: Template, service: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    names = set(map(as_text, deployment(service)["Alarms"]["AlarmNames"]))
    for alarm_id, alarm in template.of_type(_ALARM):
        if as_text(alarm.get("AlarmName")) in names:
            yield alarm_id, alarm


def _period(alarm: Mapping[str, Any]) -> int:
    """The longest period of an alarm's metrics, in seconds; CloudWatch's default where none is written."""
    return max((metric.get("Period") or 60 for metric in _metrics(alarm).values()), default=60)


def _judged(alarm: Mapping[str, Any]) -> set[str]:
    """What an alarm measures: its metrics, or unanswered requests, which are requests minus answers."""
    names = {metric["MetricName"] for metric in _metrics(alarm).values()}
    return {_UNANSWERED} if {"RequestCount", "HTTPCode_Target_2XX_Count"} <= names else names


def _metrics(alarm: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The alarm's metrics by id, each with its name, dimensions, statistic and period in seconds."""
    if "Metrics" not in alarm:
        return {"": {"Statistic": alarm.get("ExtendedStatistic"), **alarm}}
    return {
        query["Id"]: {
            **query["MetricStat"]["Metric"],
            "Period": query["MetricStat"].get("Period"),
            "Statistic": query["MetricStat"].get("Stat"),
        }
        for query in alarm["Metrics"]
        if "MetricStat" in query
    }


def _math(alarm: Mapping[str, Any]) -> str:
    return " ".join(query.get("Expression", "") for query in alarm.get("Metrics", ()))


_FAILURE_DETECTION = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html"

_METRIC_MATH = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html"

ALARM_RULES = (
    Rule(
        "NOVA-R03",
        "Alarms on errors, unanswered requests, latency and CPU roll back every deployment; on CPU, without requests",
        "pass all alarm names at once in deployment_alarms, with ROLLBACK_ON_ALARM",
        "aws/aws-cdk#36308: enable_deployment_alarms() keeps only the first list",
        _alarms_roll_back,
    ),
    Rule(
        "NOVA-R04",
        "Every deployment alarm exists before its first deployment",
        "correct the name, and make the service depend on the alarm",
        _FAILURE_DETECTION,
        _alarms_exist_first,
    ),
    Rule(
        "NOVA-R05",
        "Every deployment alarm on a target group watches both colours, because one of them is always idle",
        "add the other colour's metric, and FILL(…,0) around each",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-blue-green.html",
        _alarms_watch_both_colours,
    ),
    Rule(
        "NOVA-R06",
        "Every deployment alarm can fire within each bake",
        "lengthen the bake, or make the alarm fire after fewer or shorter periods",
        _FAILURE_DETECTION,
        _alarms_fire_in_time,
    ),
    Rule(
        "NOVA-R07",
        "Every deployment alarm states how it treats missing data",
        "set treat_missing_data",
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html",
        _alarms_state_missing_data,
    ),
    Rule(
        "NOVA-R08",
        "Every alarm notifies someone",
        "add an alarm action to the alert topic",
        "If nobody notices a rollback, the same release is tried again",
        _alarms_notify,
        "warning",
    ),
    Rule(
        "NOVA-R14",
        "No alarm that fills gaps depends on the newest data point, because it is filled before its data arrives",
        "set evaluation_periods higher than datapoints_to_alarm",
        _METRIC_MATH,
        _alarms_wait_for_late_data,
    ),
    Rule(
        "NOVA-R15",
        "No alarm's math depends on how many data points CloudWatch asks for",
        "compare series point by point, with IF(a>b,a,b)",
        _METRIC_MATH,
        _alarms_judge_point_by_point,
    ),
    Rule(
        "NOVA-R16",
        "Rollback alarms on CPU and memory watch the busiest task, whether new or old",
        'set statistic="Maximum"',
        "An average over old and new tasks hides a new task that burns CPU or fills its memory",
        _alarms_see_one_hot_task,
    ),
)

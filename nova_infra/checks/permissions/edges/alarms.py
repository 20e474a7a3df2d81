"""Alarms as a way to production: which metrics somebody may write, and what an alarm's state starts."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.permissions.statements import pattern_of
from nova_infra.checks.rule import Template, as_list

ALARMS = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")

_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")
_SEARCHING = re.compile(r"\b(SEARCH|SELECT|METRICS)\b")


def actions_of(alarm: Mapping[str, Any]) -> Iterator[object]:
    """What an alarm's change of state starts."""
    return (one for key in _ACTIONS for one in as_list(alarm.get(key)))


def is_measured(alarm: Mapping[str, Any]) -> bool:
    """Whether somebody may write an alarm's metrics: not in namespaces of ``AWS/`` (API_PutMetricData)."""
    spaces = _namespaces(alarm)
    return not spaces or not all(isinstance(each, str) and each.startswith("AWS/") for each in spaces)


def alarms_of(template: Template, metric_filter: Mapping[str, Any]) -> Iterator[str]:
    """Logical ids of the alarms that may watch a metric filter's values, directly or as composite alarms."""
    made = [each.get("MetricNamespace") for each in as_list(metric_filter.get("MetricTransformations"))]
    for logical_id, alarm in template.of_type(ALARMS[0]):
        spaces = _namespaces(alarm)
        if not spaces or any(_may_be_same(one, other) for one in made for other in spaces):
            yield logical_id


def watched_by(template: Template, alarm: Mapping[str, Any]) -> Iterator[str]:
    """Logical ids of the alarms that a composite one depends on, by reference or by name."""
    if "AlarmRule" not in alarm:
        return
    rule = pattern_of(alarm["AlarmRule"])
    for kind in ALARMS:
        for logical_id, other in template.of_type(kind):
            name = other.get("AlarmName")
            if f"${{{logical_id}}}" in rule or (isinstance(name, str) and name in rule):
                yield logical_id


def _namespaces(alarm: Mapping[str, Any]) -> list[object]:
    """Namespaces of an alarm's metrics; None stands for any. Empty if its metrics cannot be read."""
    metrics = as_list(alarm.get("Metrics"))
    stats = [each.get("MetricStat", {}).get("Metric", {}) for each in metrics]
    searched = [None for each in metrics if _SEARCHING.search(pattern_of(each.get("Expression", "")))]
    return [*(each.get("Namespace") for each in (alarm, *stats) if "Namespace" in each), *searched]


def _may_be_same(one: object, other: object) -> bool:
    return one == other or not (isinstance(one, str) and isinstance(other, str))

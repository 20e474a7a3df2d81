"""CloudWatch: alarms' periods, data points and metric math, dashboards; the retention of log groups.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html,
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.stated_values import is_known, is_on, parsed, table, tables, whole
from nova_infra.operations.planner.step import Fault, Judges

_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_DAY = 86_400
_MOST_QUERIES = 10
_NAME = re.compile(r"\b[a-z]\w*\b(?!\s*\()")
"""What stands for a metric in an expression: no function, in whatever letters, as no documentation says which count."""
_WORDS = ("AND", "OR", "NOT", "REPEAT", "LINEAR", "ASC", "DESC", "AVG", "MIN", "MAX", "SUM", "TRUE", "FALSE")
"""Operators of expressions, and words that functions take:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html"""


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


def _dashboard(properties: Mapping[str, Any]) -> Iterator[Fault]:
    text = properties.get("DashboardBody")
    if isinstance(text, str) and parsed(text) is None:
        yield "DashboardBody", "is no JSON", "correct it"


def _logs(properties: Mapping[str, Any]) -> Iterator[Fault]:
    days = whole(properties.get("RetentionInDays"))
    if days is not None and days not in _DAYS:
        near = min(_DAYS, key=lambda each: abs(each - days))
        yield "RetentionInDays", f"CloudWatch keeps no log for {days} days", f"make it {near}"


JUDGES: Judges = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::Logs::LogGroup": _logs,
}

"""CloudWatch's metrics of a deployment: the queries for GetMetricData, and how to read the answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from nova_infra.deployed.rollouts import Traffic

_PERIOD = 60
_TRAFFIC = (
    ("requests", "RequestCount", "Sum"),
    ("errors", "HTTPCode_Target_5XX_Count", "Sum"),
    ("latency", "TargetResponseTime", "p95"),
)


def traffic_queries(number: int, target_group: str, load_balancer: str) -> list[dict[str, Any]]:
    """The queries for what a target group got.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html

    Args:
        number: Distinguishes its answers from others'.
        target_group: Its ARN.
        load_balancer: ``app/<name>/<id>``.
    """
    return [_query(f"t{number}_{key}", name, stat, target_group, load_balancer) for key, name, stat in _TRAFFIC]


def count_query(number: int, target_group: str, load_balancer: str) -> dict[str, Any]:
    """The query for the number of requests that a target group got; see :func:`traffic_queries`."""
    return _query(f"c{number}", "RequestCount", "Sum", target_group, load_balancer)


def _query(query_id: str, metric: str, stat: str, target_group: str, load_balancer: str) -> dict[str, Any]:
    dimensions = [
        {"Name": "LoadBalancer", "Value": load_balancer},
        {"Name": "TargetGroup", "Value": target_group.rpartition(":")[2]},
    ]
    return {
        "Id": query_id,
        "MetricStat": {
            "Metric": {"Namespace": "AWS/ApplicationELB", "MetricName": metric, "Dimensions": dimensions},
            "Period": _PERIOD,
            "Stat": stat,
        },
    }


def read_traffic(number: int, results: Mapping[str, Mapping[str, Any]], since: datetime) -> Traffic:
    """What a target group got since a moment."""
    start = since.replace(second=0, microsecond=0)

    def points(key: str) -> list[tuple[datetime, float]]:
        result = results.get(f"t{number}_{key}", {})
        both = zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True)
        return sorted((at, value) for at, value in both if at >= start)

    requests, latency = points("requests"), points("latency")
    return Traffic(
        requests=round(sum(value for _, value in requests)),
        errors=round(sum(value for _, value in points("errors"))),
        latency=latency[-1][1] if latency else None,
        # The latest minute may not be whole yet.
        per_minute=round(requests[-2][1] if len(requests) > 1 else requests[-1][1] if requests else 0),
    )


def alarm_queries(number: int, alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The queries for the value that an alarm judges: its own, under names that no other alarm has."""
    if "MetricName" in alarm:
        stat = alarm.get("Statistic") or alarm.get("ExtendedStatistic", "Average")
        metric = {key: alarm[key] for key in ("Namespace", "MetricName", "Dimensions") if key in alarm}
        return [
            {
                "Id": f"a{number}",
                "MetricStat": {"Metric": metric, "Period": alarm.get("Period", _PERIOD), "Stat": stat},
            }
        ]
    metrics = alarm.get("Metrics", ())
    names = sorted((m["Id"] for m in metrics), key=len, reverse=True)
    returned = next((m["Id"] for m in metrics if m.get("ReturnData", True)), "")

    def renamed(name: str) -> str:
        return f"a{number}" if name == returned else f"a{number}_{name}"

    return [
        {
            **{key: value for key, value in metric.items() if key not in ("Id", "Expression", "Label")},
            "Id": renamed(metric["Id"]),
            **({"Expression": _renamed(metric["Expression"], names, renamed)} if "Expression" in metric else {}),
            "ReturnData": metric["Id"] == returned,
        }
        for metric in metrics
    ]


def read_latest(number: int, results: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The latest value of an alarm's metric; None where it has none."""
    result = results.get(f"a{number}", {})
    points = sorted(zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True))
    return float(points[-1][1]) if points else None


def _renamed(expression: str, names: list[str], renamed: Callable[[str], str]) -> str:
    """An expression with its metrics' names replaced: ids begin with a small letter, functions with a capital one."""
    if not names:
        return expression
    pattern = r"\b(" + "|".join(map(re.escape, names)) + r")\b"
    return re.sub(pattern, lambda match: renamed(match[1]), expression)


def needed_requests(alarm: Mapping[str, Any]) -> int:
    """Requests a minute below which an alarm of Nova's says nothing: the guard in its expressions; 0 without one."""
    expressions = (metric.get("Expression", "") for metric in alarm.get("Metrics", ()))
    guards = (int(n) for each in expressions if "requests" in each for n in re.findall(r">=\s*(\d+)", each))
    return max(guards, default=0)


def request_queries(number: int, alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The queries for the requests that an alarm of Nova's counts, in parts of five minutes."""
    stats = [m["MetricStat"] for m in alarm.get("Metrics", ()) if "MetricStat" in m]
    counted = [stat["Metric"] for stat in stats if stat["Metric"].get("MetricName") == "RequestCount"]
    return [
        {"Id": f"r{number}_{place}", "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Sum"}}
        for place, metric in enumerate(counted)
    ]

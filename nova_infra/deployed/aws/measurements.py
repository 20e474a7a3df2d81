"""CloudWatch's metrics of services and deployments: GetMetricData's queries, and how to read the answers."""

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from nova_infra.deployed.aws.client.session import Aws
from nova_infra.deployed.aws.deployments import load_balancer_of, needed_requests
from nova_infra.deployed.aws.tasks import AwsTasks
from nova_infra.deployed.rollouts import RequestCount, RequestRate, ServiceDeployment, Traffic
from nova_infra.errors import PassingError
from nova_infra.machine.parallel import SharedQuestion
from nova_infra.names import REQUEST_ALARMS, alarm_name

_PERIOD = 60
QUERIES = 500
"""Queries in one GetMetricData, whose answers are new once a minute: alarms and metrics have a value a minute.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""
# The most that these operations list at once; unless they are asked for more, they list ten, or fifty.
HUNDRED = {"PaginationConfig": {"PageSize": 100}}
LOOK_BACK = timedelta(hours=1)
_METRICS_LAG = 300.0
"""Seconds after which a minute's requests are known: load balancers send them every minute, and CloudWatch takes a few.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
"""
_NOT_ALL = ("InternalError", "Forbidden")
"""Status of a metric whose values could not be read, although the call itself was answered.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataResult.html
"""
_TRAFFIC = (
    ("requests", "RequestCount", "Sum"),
    ("errors", "HTTPCode_Target_5XX_Count", "Sum"),
    ("latency", "TargetResponseTime", "p95"),
)


def traffic_queries(number: int, target_group: str, load_balancer: str) -> list[dict[str, Any]]:
    """The queries for what a target group got.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html

    Args:
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


def request_queries(number: int, alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The queries for the requests that an alarm of Nova's counts, in parts of five minutes."""
    stats = [m["MetricStat"] for m in alarm.get("Metrics", ()) if "MetricStat" in m]
    counted = [stat["Metric"] for stat in stats if stat["Metric"].get("MetricName") == "RequestCount"]
    return [
        {"Id": f"r{number}_{place}", "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Sum"}}
        for place, metric in enumerate(counted)
    ]


class AwsMeasurements(AwsTasks):
    """The part of :class:`nova_infra.deployed.aws.environment.AwsEnvironment` that counts requests."""

    def __init__(self, prefix: str, *, aws: Aws) -> None:
        super().__init__(prefix, aws=aws)
        self._metric_alarms = SharedQuestion(partial(self._all_alarms, "Metric"))

    def _all_alarms(self, kind: str) -> list[dict[str, Any]]:
        """The environment's alarms of a kind: ``Metric`` or ``Composite``."""
        which = {"AlarmTypes": [f"{kind}Alarm"], "AlarmNamePrefix": f"{self.prefix}-", **HUNDRED}
        return list(self.aws.pages("cloudwatch", "describe_alarms", f"{kind}Alarms", **which))

    def request_rates(self) -> Mapping[str, RequestRate]:
        prefix, now = f"{self.prefix}-", self.aws.now()
        alarms_of_all = self._metric_alarms.ask()
        names = {alarm_name(stack, kind): (stack, kind) for stack in self._names() for kind in REQUEST_ALARMS}
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for alarm in alarms_of_all:
            if alarm["AlarmName"] in names:
                stack, kind = names[alarm["AlarmName"]]
                found.setdefault(stack.removeprefix(prefix), {})[kind] = alarm
        counting = [next(iter(alarms.values())) for alarms in found.values()]
        queries = [query for number, alarm in enumerate(counting) for query in request_queries(number, alarm)]
        counted: dict[str, float] = {}
        for batch in batches(queries, QUERIES):
            for result in self._values(batch, now - LOOK_BACK, now):
                place = result["Id"].partition("_")[0]
                counted[place] = counted.get(place, 0.0) + sum(result.get("Values", ()))
        minutes = LOOK_BACK.total_seconds() / 60
        return {
            service: RequestRate(
                counted.get(f"r{number}", 0.0) / minutes,
                {kind: needed for kind, alarm in alarms.items() if (needed := needed_requests(alarm))},
            )
            for number, (service, alarms) in enumerate(found.items())
        }

    def count_requests(self, deployments: Sequence[ServiceDeployment]) -> RequestCount:
        """Count the requests that the new revisions of some deployments get, from the next whole minute on.

        ``RequestCount`` is per minute, and only of requests for which the load balancer has chosen a target.

        Raises:
            PassingError: ECS did not say which target group a revision has: left out, it would seem to get nothing.
        """
        if unread := [each.service for each in deployments if not each.new.revision]:
            raise PassingError(f"{', '.join(unread)}: ECS did not describe the new revision, whose requests count")
        now = self.aws.now()
        begins = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        groups = {d.service: (d.new.target_group, load_balancer_of(d.rule)) for d in deployments if d.new.target_group}

        def read() -> dict[str, int]:
            services = list(groups)
            queries = [count_query(number, *groups[service]) for number, service in enumerate(services)]
            until = max(self.aws.now(), begins + timedelta(minutes=1))
            results = self._values(queries, begins, until)
            lost = {each["Id"] for each in results if each.get("StatusCode") in _NOT_ALL}
            sums = {f"c{number}": 0.0 for number in range(len(services))}
            for each in results:
                sums[each["Id"]] += sum(each.get("Values", ()))
            # What could not be read is not 0.
            return {s: round(sums[f"c{n}"]) for n, s in enumerate(services) if sums[f"c{n}"] or f"c{n}" not in lost}

        return RequestCount((begins - now).total_seconds(), read, _METRICS_LAG)

    def _values(self, queries: Sequence[dict[str, Any]], since: datetime, now: datetime) -> list[dict[str, Any]]:
        which = {
            "MetricDataQueries": list(queries),
            "StartTime": since,
            "EndTime": now,
            "ScanBy": "TimestampDescending",
        }
        return list(self.aws.pages("cloudwatch", "get_metric_data", "MetricDataResults", **which))

    @abstractmethod
    def _names(self) -> list[str]:
        """Names of all services in the cluster."""


def batches(items: Sequence[Any], size: int) -> list[list[Any]]:
    """Items in lists of at most so many."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]

"""CloudWatch alarms: definition, and state from the data (CloudWatch: alarm-evaluation)."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudwatch.metric_math import evaluate
from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore, statistic

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
# How many periods more than it evaluates CloudWatch retrieves. The number depends on the period and is not documented;
# the documentation's tables show five for an alarm over three.
_EXTRA_PERIODS = 2
# "Reporting criteria: There is a nonzero value":
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html.
_NO_DATA_WHILE_WELL = re.compile(
    r"HTTPCode_(Target_[345]XX|ELB_\w+)_Count|(Rejected|TargetConnectionError|\w+TLSNegotiationError).*Count"
)


@dataclass(frozen=True)
class Query:
    """A metric with its statistic, or an expression over other queries.

    Attributes:
        id: The name that expressions use.
        returned: Whether the alarm watches this one.
    """

    id: str
    metric: Metric | None
    statistic: str
    expression: str | None
    returned: bool


@dataclass(frozen=True)
class PlayedAlarm:
    """A metric alarm.

    Attributes:
        period: Minutes in a period.
        evaluation_periods: Number of periods that it looks back.
        datapoints_to_alarm: How many of them must breach.
        missing: How a period without data counts.
        ignores_below: Values in its evaluation periods below which its state stays; 0 for none.
        alarm_topics: Told when it goes to ALARM.
        ok_topics: Told when it goes to OK.
    """

    name: str
    queries: tuple[Query, ...]
    period: int
    evaluation_periods: int
    datapoints_to_alarm: int
    comparison: str
    threshold: float
    missing: str
    ignores_below: float
    alarm_topics: tuple[str, ...]
    ok_topics: tuple[str, ...]

    def value(self, store: MetricStore, last_minute: int) -> float | None:
        """The data point of the period that ends with a minute, included."""
        # Each minute asks again for those before it.
        if not store.is_settled(last_minute):
            return self._value(store, last_minute)
        if (key := (self, last_minute)) not in store.settled:
            store.settled[key] = self._value(store, last_minute)
        return store.settled[key]

    def _value(self, store: MetricStore, last_minute: int) -> float | None:
        minutes = range(last_minute - self.period + 1, last_minute + 1)
        queries = {query.id: query for query in self.queries}

        def value_of(query_id: str) -> float | None:
            query = queries[query_id]
            if query.expression is not None:
                return evaluate(query.expression, value_of)
            assert query.metric is not None, "a query is one or the other"
            return statistic(query.statistic, store.values(query.metric, minutes))

        return value_of(next(query.id for query in self.queries if query.returned))

    def breaching_value(self, store: MetricStore, last_minute: int) -> float | None:
        """The newest breaching data point among those that decide the state after a minute."""
        values = (self.value(store, end) for end in self._ends(last_minute))
        return next((value for value in values if value is not None and self._breaches(value)), None)

    def state(self, store: MetricStore, last_minute: int, current: State, *, ran_before: bool = False) -> State:
        """The state after the period that ends with a minute.

        Args:
            ran_before: Whether what it watches ran well before the first minute, so that no data is missing there but
                of errors: where there are none, their number is not reported.
        """
        if self._has_few_values(store, last_minute):
            return current
        values = [(end, self.value(store, end)) for end in self._ends(last_minute)]
        metrics = [query.metric for query in self.queries if query.metric is not None]
        reported = not all(_NO_DATA_WHILE_WELL.fullmatch(metric.name) for metric in metrics)
        before = False if ran_before and reported else None
        breaches = [(before if end < 0 else None) if value is None else self._breaches(value) for end, value in values]
        return self._judge(breaches, current)

    def _has_few_values(self, store: MetricStore, last_minute: int) -> bool:
        metric = self.queries[0].metric
        if not self.ignores_below or metric is None:
            return False
        minutes = range(last_minute - self.period * self.evaluation_periods + 1, last_minute + 1)
        return len(store.values(metric, minutes)) < self.ignores_below

    def _ends(self, last_minute: int) -> list[int]:
        """The last minute of each period of the evaluation range, newest first."""
        return [last_minute - age * self.period for age in range(self.evaluation_periods + _EXTRA_PERIODS)]

    def _breaches(self, value: float) -> bool:
        return _COMPARISONS[self.comparison](value, self.threshold)

    def _judge(self, breaches: Sequence[bool | None], current: State) -> State:
        """The state that an evaluation range gives, newest period first; None is a period without data.

        CloudWatch prefers data points to what stands in for them: it goes back as far as the evaluation range to find
        as many as it evaluates, and fills in only what is missing then. See "How alarm state is evaluated when data is
        missing" and "Avoiding premature transitions to alarm state" in
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html.
        """
        real = [breach for breach in breaches if breach is not None][: self.evaluation_periods]
        filled = (self.evaluation_periods - len(real)) * (self.missing == "breaching")
        if real.count(True) + filled >= self.datapoints_to_alarm:
            return "ALARM"
        if len(real) == self.evaluation_periods or self.missing in ("breaching", "notBreaching") or False in real:
            return "OK"
        oldest = max((age for age, breach in enumerate(breaches, start=1) if breach), default=0)
        if real and oldest < self.datapoints_to_alarm:
            return "OK"
        if self.missing == "ignore":
            return current
        # It does not wait for data that may never come: all it has seen for that long is a breach.
        return "ALARM" if real else "INSUFFICIENT_DATA"


def read_alarm(properties: Mapping[str, Any]) -> PlayedAlarm:
    """The alarm that a resource's resolved properties define."""
    name = str(properties["AlarmName"])
    try:
        alarm = _read_alarm(name, properties)
        alarm.value(MetricStore(), 0)
    except KeyError as error:
        raise UnresolvableError(f"{name}: {error} is missing, so the rehearsal cannot evaluate the alarm") from None
    except ValueError as error:
        raise UnresolvableError(f"{name}: {error}") from None
    return alarm


def _read_alarm(name: str, properties: Mapping[str, Any]) -> PlayedAlarm:
    periods = int(properties["EvaluationPeriods"])
    comparison = properties["ComparisonOperator"]
    if comparison not in _COMPARISONS:
        raise UnresolvableError(f"{name}: ComparisonOperator {comparison!r} is not one that the rehearsal knows")
    missing = properties.get("TreatMissingData", "missing")
    if missing not in ("missing", "ignore", "breaching", "notBreaching"):
        raise UnresolvableError(f"{name}: TreatMissingData {missing!r} is not one that CloudWatch knows")
    queries, seconds = _queries(name, properties)
    if seconds % 60:
        raise UnresolvableError(f"{name}: has a period of {seconds} s, and the rehearsal measures whole minutes")
    if [query.returned for query in queries].count(True) != 1:
        raise UnresolvableError(f"{name}: Metrics must have exactly one entry with ReturnData true")
    return PlayedAlarm(
        name=name,
        queries=queries,
        period=seconds // 60,
        evaluation_periods=periods,
        datapoints_to_alarm=int(properties.get("DatapointsToAlarm", periods)),
        comparison=comparison,
        threshold=float(properties["Threshold"]),
        missing=missing,
        ignores_below=_least_values(properties),
        alarm_topics=topics_of(properties, "AlarmActions"),
        ok_topics=topics_of(properties, "OKActions"),
    )


def _least_values(properties: Mapping[str, Any]) -> float:
    """How many values a percentile needs, or is ignored; 0 for none (percentiles-with-low-samples)."""
    named = str(properties.get("ExtendedStatistic", ""))
    if properties.get("EvaluateLowSampleCountPercentile") != "ignore" or not re.fullmatch(r"p\d+(\.\d+)?", named):
        return 0
    share = Fraction(named[1:]) / 100
    return float(10 / (1 - share if share >= Fraction(1, 2) else share)) if 0 < share < 1 else 0


def topics_of(properties: Mapping[str, Any], actions: str) -> tuple[str, ...]:
    """The topics that an alarm tells by a kind of its actions, unless its actions are off."""
    return tuple(properties.get(actions, ())) if properties.get("ActionsEnabled", True) else ()


def _queries(name: str, properties: Mapping[str, Any]) -> tuple[tuple[Query, ...], int]:
    if "Metrics" not in properties:
        query = Query(
            "m",
            _metric(properties),
            str(properties.get("Statistic") or properties["ExtendedStatistic"]),
            expression=None,
            returned=True,
        )
        return (query,), int(properties["Period"])
    queries = []
    periods = {
        int(part["Period"]) for e in properties["Metrics"] for part in (e, e.get("MetricStat", {})) if "Period" in part
    }
    if len(periods) != 1:
        raise UnresolvableError(f"{name}: Metrics has periods of {sorted(periods)} s; the rehearsal knows one for all")
    metrics = ",".join(str(entry["Id"]) for entry in properties["Metrics"] if "MetricStat" in entry)
    for entry in properties["Metrics"]:
        if stat := entry.get("MetricStat"):
            metric: Metric | None = _metric(stat["Metric"])
        elif "Expression" in entry:
            stat, metric = {}, None
        else:
            raise UnresolvableError(f"{name}: Metrics {entry!r} is neither a MetricStat nor an Expression")
        queries.append(
            Query(
                entry["Id"],
                metric,
                stat.get("Stat", ""),
                entry["Expression"].replace("METRICS()", f"[{metrics}]") if "Expression" in entry else None,
                entry.get("ReturnData", True),
            )
        )
    return tuple(queries), periods.pop()


def _metric(properties: Mapping[str, Any]) -> Metric:
    metric = Metric.of(
        properties["Namespace"],
        properties["MetricName"],
        {dimension["Name"]: str(dimension["Value"]) for dimension in properties.get("Dimensions", ())},
    )
    if not metric.is_measured:
        by = " and ".join(sorted(name for name, _ in metric.dimensions)) or "no dimension"
        raise ValueError(f"{metric.namespace} {metric.name} by {by} is not a metric that the rehearsal measures")
    return metric

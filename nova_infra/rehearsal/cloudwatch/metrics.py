"""Metrics, kept minute by minute, and their statistics as CloudWatch computes them: sums, percentiles, means."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

_OF_A_SERVICE = frozenset({frozenset({"ClusterName", "ServiceName"})})
_OF_A_GROUP = frozenset({frozenset({"LoadBalancer", "TargetGroup"})})
_OF_A_BALANCER = frozenset({frozenset({"LoadBalancer"})})

MEASURED: dict[tuple[str, str], frozenset[frozenset[str]]] = {
    ("AWS/ECS", "CPUUtilization"): _OF_A_SERVICE,
    ("AWS/ECS", "MemoryUtilization"): _OF_A_SERVICE,
    ("ECS/ContainerInsights", "RunningTaskCount"): _OF_A_SERVICE,
    ("ECS/ContainerInsights", "DesiredTaskCount"): _OF_A_SERVICE,
    ("AWS/ApplicationELB", "HealthyHostCount"): _OF_A_GROUP,
    ("AWS/ApplicationELB", "UnHealthyHostCount"): _OF_A_GROUP,
    ("AWS/NetworkELB", "HealthyHostCount"): _OF_A_GROUP,
    ("AWS/NetworkELB", "UnHealthyHostCount"): _OF_A_GROUP,
    ("AWS/ApplicationELB", "RequestCount"): _OF_A_GROUP | _OF_A_BALANCER,
    ("AWS/ApplicationELB", "TargetResponseTime"): _OF_A_GROUP | _OF_A_BALANCER,
    ("AWS/ApplicationELB", "TargetConnectionErrorCount"): _OF_A_GROUP | _OF_A_BALANCER,
    **{
        ("AWS/ApplicationELB", f"HTTPCode_Target_{digit}XX_Count"): _OF_A_GROUP | _OF_A_BALANCER
        for digit in ("2", "3", "4", "5")
    },
    **{("AWS/ApplicationELB", f"HTTPCode_ELB_{code}_Count"): _OF_A_BALANCER for code in ("5XX", "502", "503", "504")},
    **{
        ("AWS/SQS", name): frozenset({frozenset({"QueueName"})})
        for name in (
            "ApproximateNumberOfMessagesVisible",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateAgeOfOldestMessage",
        )
    },
    **{
        ("AWS/States", name): frozenset({frozenset({"StateMachineArn"})})
        for name in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted")
    },
    # Nothing is dropped here: jobs are started when they have been deployed.
    ("AWS/Scheduler", "InvocationDroppedCount"): frozenset({frozenset({"ScheduleGroup"})}),
}
"""Namespace and name of each metric that the rehearsal measures, to the sets of dimensions that it has."""


@dataclass(frozen=True)
class Metric:
    """A metric's identity."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> Metric:
        """The metric with these dimensions."""
        return cls(namespace, name, frozenset(dimensions.items()))

    @property
    def is_measured(self) -> bool:
        """Whether the rehearsal measures such a metric."""
        return frozenset(name for name, _ in self.dimensions) in MEASURED.get((self.namespace, self.name), ())


@dataclass
class MetricStore:
    """What was measured.

    Attributes:
        minute: The simulated minute that new values belong to.
        delay: Minutes after its end until a minute's values can be read.
        settled: What was worked out of minutes whose values do not change any more, by whatever names it.
    """

    minute: int = 0
    delay: int = 0
    settled: dict[Hashable, float | None] = field(default_factory=dict, repr=False)
    _values: dict[Metric, dict[int, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list)), repr=False
    )

    def record(self, metric: Metric, value: float) -> None:
        """Add a value to the current minute."""
        self._values[metric][self.minute].append(value)

    def is_settled(self, minute: int) -> bool:
        """Whether all values of a minute have arrived and can be read."""
        return minute < self.minute and minute <= self.minute - self.delay

    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that have values."""
        return tuple(self._values)

    def values(self, metric: Metric, minutes: range) -> list[float]:
        """All values of those minutes that can be read by the end of the current one."""
        by_minute, last = self._values.get(metric, {}), self.minute - self.delay
        return [value for minute in minutes if minute <= last for value in by_minute.get(minute, ())]


def statistic(name: str, values: Sequence[float]) -> float | None:
    """A CloudWatch statistic of some values; None where there are none.

    Args:
        name: ``Sum``, ``Average``, ``Minimum``, ``Maximum``, ``SampleCount``, a percentile
            such as ``p95``, or a trimmed mean such as ``tm95``.
    """
    percentile = re.fullmatch(r"(?:p|tm)(\d{1,2}(?:\.\d+)?|100)", name)
    if percentile is None and name not in ("Sum", "Average", "Minimum", "Maximum", "SampleCount"):
        raise ValueError(f"{name!r} is not a statistic that the rehearsal knows")
    if not values:
        return None
    if percentile is not None:
        kept = sorted(values)[: max(math.ceil(float(percentile.group(1)) / 100 * len(values)), 1)]
        return math.fsum(kept) / len(kept) if name.startswith("tm") else kept[-1]
    match name:
        case "Sum":
            return math.fsum(values)
        case "Average":
            return math.fsum(values) / len(values)
        case "Minimum":
            return min(values)
        case "Maximum":
            return max(values)
    return float(len(values))

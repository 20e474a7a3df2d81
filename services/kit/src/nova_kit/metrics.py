"""Figures of requests in CloudWatch's embedded metric format (EMF), one log line a minute.

A log line that carries an `_aws` member becomes data points when CloudWatch Logs takes it in: no agent and no API call.
Where a collector is named, OpenTelemetry does this instead. The specification:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import logging
import random
import time
from typing import Any

from nova_kit import logs

NAMESPACE = "Nova"

_log = logging.getLogger("nova.metrics")

# One dimension only: CloudWatch bills every combination of dimension values as a metric of its own. Route, status and
# request id stand in each request's own line, where Logs Insights finds them.
_DIMENSIONS = [["Service"]]
_UNITS = {"Requests": "Count", "Errors": "Count", "Latency": "Milliseconds"}

_MOST_VALUES = 100
"""Values of one metric in one line, by the specification."""

_SAMPLE = 1000


class RequestMetrics:
    """Counts requests and errors, and keeps a sample of latencies, until a line is due.

    Args:
        service: Value of the `Service` dimension.
        seconds: Between two lines. Default: 60, the resolution of a metric.
    """

    def __init__(self, service: str, *, seconds: float = 60.0) -> None:
        self._service = service
        self._seconds = seconds
        self._begin()

    def _begin(self) -> None:
        self._due = time.monotonic() + self._seconds
        self._requests = self._errors = 0
        self._longest = 0.0
        self._sample: list[float] = []

    def record(self, status: int, milliseconds: float) -> None:
        """Take a request into account."""
        if time.monotonic() > self._due:
            self.flush()
        self._requests += 1
        self._errors += status >= 500
        self._longest = max(self._longest, milliseconds)
        # Every request of the minute is as likely in the sample as every other (Vitter's algorithm R).
        if len(self._sample) < _SAMPLE:
            self._sample.append(milliseconds)
        elif (at := random.randrange(self._requests)) < _SAMPLE:  # noqa: S311 - a sample, not a secret
            self._sample[at] = milliseconds

    def flush(self) -> None:
        """Write what there is, if there is any."""
        if self._requests:
            _log.info("metrics", extra=logs.fields(**self._line()))
        self._begin()

    def _line(self) -> dict[str, Any]:
        ordered = sorted(self._sample)
        count = min(len(ordered), _MOST_VALUES)
        # Evenly over the whole distribution, so that percentiles come out right; the longest is always there.
        values = [ordered[(2 * at + 1) * len(ordered) // (2 * count)] for at in range(count - 1)] + [self._longest]
        return {
            "_aws": {
                "Timestamp": int(time.time() * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": NAMESPACE,
                        "Dimensions": _DIMENSIONS,
                        "Metrics": [{"Name": name, "Unit": unit} for name, unit in _UNITS.items()],
                    }
                ],
            },
            "Service": self._service,
            "Requests": self._requests,
            "Errors": self._errors,
            "Latency": [round(value, 2) for value in values],
        }

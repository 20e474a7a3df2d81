"""Metrics in CloudWatch's embedded metric format (EMF).

A log line that carries an `_aws` member becomes data points when CloudWatch Logs takes it in: no agent, no API call and
nothing to pay per request. The specification:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

NAMESPACE = "Nova"

# One dimension only: CloudWatch bills every combination of dimension values as a metric of its own. Route, status and
# request id stay in the same line, where Logs Insights finds them.
_DIMENSIONS = [["Service"]]


def embed(service: str, values: Mapping[str, tuple[float, str]]) -> dict[str, Any]:
    """Return what turns a JSON log line into metrics.

    Args:
        service: Value of the `Service` dimension.
        values: Metric name to value and CloudWatch unit.
    """
    return {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": _DIMENSIONS,
                    "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in values.items()],
                }
            ],
        },
        "Service": service,
        **{name: value for name, (value, _) in values.items()},
    }

"""Checks that a canary gets enough requests to be judged."""

from __future__ import annotations

from collections.abc import Mapping

from nova_infra.deployed.rollouts import RequestRate

_MOST = 5


def too_thin(environment: str, rates: Mapping[str, RequestRate]) -> list[str]:
    """What has too few requests for its errors alarm to judge, a line each, the thinnest first; at most six lines.

    Args:
        environment: Name of the environment.
        rates: Service to its requests.
    """
    thin = sorted((rate.per_minute, name, rate.needed) for name, rate in rates.items() if rate.per_minute < rate.needed)
    lines = [
        f"{name}: {environment} has {per_minute:.3g} requests a minute, and its errors alarm needs {needed}: a canary "
        "that fails there would not be seen: send it requests while it bakes, or lower alarms.min_requests"
        for per_minute, name, needed in thin[:_MOST]
    ]
    if len(thin) > _MOST:
        lines.append(f"{len(thin) - _MOST} more services of {environment} have too few requests for their errors alarm")
    return lines

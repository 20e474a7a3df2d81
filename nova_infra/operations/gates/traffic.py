"""Checks whether alarms have enough requests to judge by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.rollouts import RequestRate
from nova_infra.machine.parallel import PartialAnswers

_MOST = 5


def too_thin(environment: str, rates: Mapping[str, RequestRate]) -> list[str]:
    """What has too few requests for its alarms to judge, a line each, the thinnest first; at most six lines.

    Args:
        environment: Name of the environment.
        rates: Service to its requests.
    """
    thin = sorted((rate.per_minute, name) for name, rate in rates.items() if rate.silent)
    lines = [
        f"{name}: {environment} has {per_minute:.3g} requests a minute, and {_need(rates[name])}: a canary that fails "
        "there would not be seen: send it requests while it bakes, or lower alarms.min_requests"
        for per_minute, name in thin[:_MOST]
    ]
    if len(thin) > _MOST:
        lines.append(f"{len(thin) - _MOST} more services of {environment} have too few requests for their alarms")
    return lines


def _need(rate: RequestRate) -> str:
    """How many requests the silent alarms need, those that need as many together."""
    kinds: dict[int, list[str]] = {}
    for kind in rate.silent:
        kinds.setdefault(rate.needs[kind], []).append(kind)
    return ", ".join(
        f"its {_and(names)} alarm{'s need' if len(names) > 1 else ' needs'} {needed}"
        for needed, names in sorted(kinds.items())
    )


def judged_by(environment: ObservedEnvironment) -> list[str]:
    """By how many requests each service's alarms judged in the last hour, a line each."""
    rates, unread = _read(environment)
    lines = [f"{name}: {judgement(rate)} in the last hour" for name, rate in sorted(rates.items()) if rate.needs]
    return [*lines, *unread]


def to_be_judged_by(environment: ObservedEnvironment) -> list[str]:
    """What :func:`too_thin` says of an environment."""
    rates, unread = _read(environment)
    return [*too_thin(environment.name, rates), *unread]


def _read(environment: ObservedEnvironment) -> tuple[Mapping[str, RequestRate], list[str]]:
    """The requests of an environment, and a line where they cannot be read: nothing fails for want of them."""
    answers = PartialAnswers()
    rates: Mapping[str, RequestRate] = answers.ask("the requests", environment.request_rates, {})
    return rates, [f"not read: {line}" for line in answers.unread]


def judgement(rate: RequestRate) -> str:
    """Which alarms judged, and which were silent, with the requests a minute."""
    loud = [kind for kind in sorted(rate.needs) if kind not in rate.silent]
    parts = [f"{_and(loud)} judged by {rate.per_minute:.3g} requests a minute"] if loud else []
    for kind in rate.silent:
        parts.append(f"{kind} said nothing, with {rate.per_minute:.3g} of {rate.needs[kind]} requests a minute")
    return "; ".join(parts)


def _and(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last

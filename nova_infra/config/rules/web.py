"""What contradicts itself in the ways that lead to web services."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

from nova_infra.config.environment import Environment
from nova_infra.config.services.service import Service

MAX_CERTIFICATES = 25
"""What a load balancer takes besides its default certificate:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html."""


def in_environment(key: str, service: Service, environment: Environment) -> Iterator[str]:
    """What is wrong with the ways to one service in one environment.

    Args:
        key: The service's place in the file.
        service: The service, as it is in the environment.
        environment: The environment.
    """
    if not (service.paths or service.hosts):
        yield f"{key}.paths: is empty and there are no hosts, so nothing leads to {service.name}: name a path or a host"
    if service.internal and service.hosts:
        yield f"{key}.internal: true leaves nobody who could ask for its hosts: remove one of the two"
    if service.protocol != "http":
        if service.internal:
            yield (
                f"{key}.protocol: {service.protocol!r} needs TLS, which the private load balancer does not have: "
                "remove internal"
            )
        elif environment.domain is None:
            yield (
                f"{key}.protocol: {service.protocol!r} needs TLS, and {environment.name} has no domain: "
                "give it one, or remove protocol"
            )
    if (domain := environment.domain) is not None:
        for host in service.hosts:
            if not domain.holds(host):
                yield (
                    f"{key}.hosts: {host!r} is not under {domain.zone_name or domain.name}, the zone of "
                    f"{environment.name}, so it would get no certificate: choose another, or write domain.zone_name"
                )


def between(services: Sequence[tuple[str, Service]], environment: Environment) -> Iterator[str]:
    """What is wrong between the ways to services of one environment.

    Args:
        services: The services that are behind one load balancer, each with its place in the file.
        environment: The environment.
    """
    seen: dict[tuple[str, str], Service] = {}
    for key, service in services:
        for host in service.hosts or ("",):
            for path in service.paths or ("",):
                if (other := seen.setdefault((host, path), service)) is not service:
                    kind, value = ("path", path) if path else ("host", host)
                    yield (
                        f"{key}.{kind}s: {value!r} is also a {kind} of {other.name}, and the load balancer would only "
                        f"ever reach one of them: give each service its own {kind}s"
                    )
    for (key, service), (_, other) in permutations(services, 2):
        if other.priority < service.priority and not other.hosts and service.hosts and _covers(other, service):
            yield (
                f"{key}.priority: {service.priority} comes after {other.name}, whose paths take every request to "
                f"{service.hosts[0]}: write a priority below {other.priority}"
            )
    named = [service for _, service in services if service.hosts and environment.domain is not None]
    if len(named) > MAX_CERTIFICATES:
        yield (
            f"services: {len(named)} have hosts in {environment.name}, but a load balancer takes {MAX_CERTIFICATES} "
            "certificates besides its own: let some share the domain by paths"
        )


def _covers(other: Service, service: Service) -> bool:
    """Whether every request that a service's rule is for also fits another one's paths."""
    return all(
        any(pattern in ("*", "/*") or _fits(path, pattern) for pattern in other.paths)
        for path in service.paths or ("/*",)
    )


def _fits(path: str, pattern: str) -> bool:
    return path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1]))

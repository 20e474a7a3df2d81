"""Refuses paths, hosts and health checks of web services that contradict each other."""

import re
from collections.abc import Iterable, Iterator, Sequence

from nova_infra.config.environment import Environment
from nova_infra.config.services.service import GRPC_WITHOUT_HEALTH, Service
from nova_infra.config.services.smoke import RULE_VALUES

MAX_WILDCARDS = 6
"""Wildcards in all conditions of a listener rule; the quota cannot be raised:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html."""

MAX_CERTIFICATES = 25
"""What a load balancer takes besides its default certificate:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html."""


def in_environment(key: str, service: Service, environment: Environment) -> Iterator[str]:
    """What is wrong with the ways to one service in one environment."""
    if not (service.paths or service.hosts):
        yield f"{key}.paths: is empty and there are no hosts, so nothing leads to {service.name}: name a path or a host"
    yield from _conditions(key, service, environment)
    if service.internal and service.hosts:
        yield f"{key}.internal: true means that nobody can reach its hosts: remove one of the two"
    if service.protocol == "grpc":
        yield from _of_grpc(key, service)
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
            if "{" not in host and not domain.holds(host):
                yield (
                    f"{key}.hosts: {host!r} is not under {domain.zone_name or domain.name}, the zone of "
                    f"{environment.name}, so it would get no certificate: choose another, or write domain.zone_name"
                )


def _conditions(key: str, service: Service, environment: Environment) -> Iterator[str]:
    """What a listener rule has no room for: it is made of all paths and hosts, that of the tests of a header, too."""
    values = len(service.paths) + len(service.hosts)
    host = environment.shared_host
    included = f", {host} on the existing load balancer included," if service.hosts == (host,) else ""
    if values > RULE_VALUES:
        yield (
            f"{key}.paths: are {values} values together with hosts{included or ','} and a rule of the load balancer "
            f"has at most {RULE_VALUES}: write fewer, or split the service"
        )
    elif (service.smoke or environment.rollout.asks_suite) and values == RULE_VALUES:
        yield (
            f"{key}.paths: {values} values{included} leave no room for the header of its tests, as a rule has "
            f"{RULE_VALUES}: remove one, or remove {_what_tests(service, environment)}"
        )
    wildcards = sum(text.count("*") + text.count("?") for text in (*service.paths, *service.hosts))
    if wildcards > MAX_WILDCARDS:
        yield (
            f"{key}.paths: has {wildcards} wildcards, but a rule of the load balancer may have {MAX_WILDCARDS}: "
            "write fewer, or split the service"
        )


def _what_tests(service: Service, environment: Environment) -> str:
    return "smoke" if service.smoke else "the gate" if environment.rollout.gate == "suite" else "load"


def _of_grpc(key: str, service: Service) -> Iterator[str]:
    path = service.health.path
    if path is not None and not re.fullmatch(r"/[\w.]+/\w+", path, re.ASCII):
        yield (
            f"{key}.health.path: {path!r} is not a method, which is what a check of gRPC calls: write "
            "/package.Service/Method, or remove it for the standard /grpc.health.v1.Health/Check, or without a health "
            f"service write {GRPC_WITHOUT_HEALTH}"
        )
    if service.requests is not None and service.requests.endswith(".har"):
        yield (
            f"{key}.requests: records HTTP, and this service speaks gRPC: name an .http file of lines such as "
            "GRPC /package.Service/Method"
        )


def between(services: Sequence[tuple[str, Service]], environment: Environment) -> Iterator[str]:
    """What is wrong between the ways to services of one environment.

    Args:
        services: The services that are behind one load balancer, each with its place in the file.
    """
    seen: dict[tuple[str, str], Service] = {}
    alike: set[frozenset[str]] = set()
    for key, service in services:
        for host in service.hosts or ("",):
            for path in service.paths or ("",):
                if (other := seen.setdefault((host, path), service)) is not service:
                    alike.add(frozenset((service.name, other.name)))
                    kind, value, at = ("path", path, f" at {host}" if host else "") if path else ("host", host, "")
                    yield (
                        f"{key}.{kind}s: {value!r} is also a {kind} of {other.name}{at}, and the load balancer would "
                        f"only ever reach one of them: give each service its own {kind}s"
                    )
    yield from _one_record(services, environment, alike)
    for key, service in services:
        late = [
            other
            for _, other in services
            if service.priority < other.priority
            and frozenset((service.name, other.name)) not in alike
            and _takes_all_of(service, other)
        ]
        if late:
            names = " and ".join(each.name for each in late)
            yield (
                f"{key}.priority: {service.priority} comes before {names}, whose requests it would all take: write a "
                f"priority above {max(each.priority for each in late)}"
            )
    named = [service for _, service in services if service.hosts and environment.domain is not None]
    if len(named) > MAX_CERTIFICATES:
        yield (
            f"services: {len(named)} have hosts in {environment.name}, but a load balancer allows {MAX_CERTIFICATES} "
            "certificates besides its own: let some share the domain by paths"
        )


def _one_record(
    services: Sequence[tuple[str, Service]], environment: Environment, alike: set[frozenset[str]]
) -> Iterator[str]:
    """Hosts that two services would both make a DNS record and a certificate for."""
    owners: dict[str, Service] = {}
    for key, service in services:
        for number, host in enumerate(service.hosts):
            if host == environment.shared_host or (environment.domain is not None and host == environment.domain.name):
                continue  # the platform's own
            other = owners.setdefault(host, service)
            if other is not service and frozenset((other.name, service.name)) not in alike:
                yield (
                    f"{key}.hosts[{number}]: {host!r} is also a host of {other.name}, and its DNS record can be made "
                    "once: give each service its own hosts, or let both share the environment's domain by paths"
                )


class RecordsOfEnvironments:
    """The hosts that Nova makes DNS records for: each of them can lead to one environment."""

    def __init__(self, environments: Iterable[Environment]) -> None:
        """Note the environments' own domains."""
        self._owners = {each.domain.name: each.name for each in environments if each.domain is not None}

    def again(self, services: Sequence[tuple[str, Service]], environment: Environment) -> Iterator[str]:
        """Hosts in an environment that are another's, too, so that one of them would get the other's requests."""
        if (domain := environment.domain) is None:
            return
        for key, service in services:
            for number, host in enumerate(service.hosts):
                if not domain.holds(host):
                    continue  # it gets no record, which is said elsewhere
                if (other := self._owners.setdefault(host, environment.name)) != environment.name:
                    yield (
                        f"{key}.hosts[{number}]: {host!r} is also a host in {other}, and its DNS record can lead to "
                        "one environment: write {environment} into it, or other hosts under "
                        f"[services.environments.{environment.name}]"
                    )


def _takes_all_of(other: Service, service: Service) -> bool:
    """Whether every request that a service's rule is for also fits another one's."""
    if not (other.hosts or other.paths):
        return False  # nothing leads to it, which is said elsewhere
    hosts = not other.hosts or (bool(service.hosts) and all(_fits_one(host, other.hosts) for host in service.hosts))
    return hosts and (not other.paths or all(_fits_one(path, other.paths) for path in service.paths or ("/*",)))


def _fits_one(value: str, patterns: Sequence[str]) -> bool:
    """Whether a value, which may have wildcards itself, fits one of several patterns whatever they stand for."""
    return any(re.fullmatch(_regex(pattern), value) for pattern in patterns)


def _regex(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "[^*]")

"""The smoke paths that a new revision has to answer before any user reaches it."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from nova_infra.config.environment import Environment
from nova_infra.config.services.service import Service

RULE_VALUES = 5
"""Values in all conditions of a listener rule:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html."""


def smoke_paths(service: Service, environment: Environment, services: Iterable[Service]) -> tuple[str, ...]:
    """The smoke paths of a service in an environment: those that it says, else the default.

    By default, a service is tested in environments that need an approval: at what the kit answers, or else at the path
    of its health check. Not where a rolling deployment has no moment before its users, where nothing leads to these
    paths through the load balancer, or where no place is left there for the rule of the tests.

    Args:
        services: All services, whose rules stand on the same load balancer.
    """
    if service.kind != "web" or environment.rollout.strategy == "rolling":
        return ()
    if "smoke" in service.model_fields_set or not environment.approval:
        return service.smoke
    return default_paths(service) if has_room(service, services, environment) else ()


def asked_at(service: Service, environment: Environment, url: str) -> tuple[str, str]:
    """Base URL at which tests reach a service, and the ``Host`` that they write where no DNS record leads there."""
    host = next((each for each in service.hosts[:1] if each != environment.shared_host), "")
    # Without a domain, Nova makes no record: the name leads nowhere, or to the environment that made it.
    return (url, host) if environment.domain is None or not host else (f"https://{host}", "")


def followed_to(service: Service, environment: Environment, url: str) -> dict[str, str]:
    """Each of a service's several hosts to the base URL at which tests follow a redirect to it."""
    hosts = [each for each in service.hosts if not {"*", "?"} & set(each)]
    return {each: url if environment.domain is None else f"https://{each}" for each in hosts} if hosts[1:] else {}


def is_reachable(service: Service) -> bool:
    """Whether tests can ask a service through the public load balancer, over HTTP."""
    return not (service.protocol == "grpc" or service.internal or any("*" in host for host in service.hosts[:1]))


def reached_from_outside(service: Service) -> tuple[str, str] | None:
    """A path that leads to a service through the public load balancer, and the ``Host`` to write, if it has its own."""
    if service.kind != "web" or not is_reachable(service):
        return None
    path = (service.paths or ("/*",))[0].replace("*", "").replace("?", "x")
    return path, service.hosts[0] if service.hosts else ""


def default_paths(service: Service) -> tuple[str, ...]:
    """What a service is asked by default; nothing where it cannot be asked through the load balancer."""
    if not is_reachable(service):
        return ()
    name = service.name
    paths = (f"/{name}/version", f"/{name}/openapi.json") if service.kit else (service.health.path,)
    return paths if all(leads_to(service, path) for path in paths) else ()


def leads_to(service: Service, path: str) -> bool:
    """Whether the service's listener rule takes requests of a path, whose query counts for nothing."""
    return any(fnmatchcase(path.partition("?")[0], each) for each in service.paths or ("/*",))


def has_room(service: Service, services: Iterable[Service], environment: Environment) -> bool:
    """Whether the rule of its tests has a place right before its own, and values left for the tests' header."""
    taken = {each.priority_in(environment.name) for each in services if each.kind == "web"}
    before = service.priority - 1
    return before > 0 and before not in taken and len(service.paths) + len(service.hosts) < RULE_VALUES

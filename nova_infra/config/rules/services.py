"""The rules for services: calls those in ``service/``; judges task counts, IAM actions and image tags itself."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from pydantic import ValidationError

from nova_infra.config.environment import Environment
from nova_infra.config.faults.locations import KeyPlace
from nova_infra.config.resolved import Resolved, resolved, usable
from nova_infra.config.rules import web
from nova_infra.config.rules.service import kinds, queues, surroundings
from nova_infra.config.services.service import Service
from nova_infra.config.services.surroundings import Permission
from nova_infra.config.values.actions import misspelt
from nova_infra.schedules import expression


def service_contradictions(
    environments: Mapping[int, Environment],
    services: Mapping[int, Service],
    *,
    names: Collection[str] | None,
    platform: str,
) -> Iterator[str]:
    """Every contradiction, as the path of the key that was written, what is wrong and what to do.

    Args:
        names: The names of all environments, those with faults of their own included; None where one is not known.
        platform: What the names of everything in AWS begin with.
    """
    yield from _between(environments, services)
    yield from queues.between(environments, services, platform)
    for index, service in services.items():
        key = f"services[{index}]"
        for name, override in service.environments.items():
            if names and name not in names:
                choices = ", ".join(sorted(names))
                yield f"{key}.environments.{name}: is not an environment: choose one of {choices}, or remove it"
            yield from kinds.foreign_keys(f"{key}.environments.{name}", override, service.kind)
        yield from kinds.foreign_keys(key, service, service.kind)
        # As they are written: filled in, they would differ from environment to environment.
        yield from _misspelt(key, service.permissions)
        for name, override in service.environments.items():
            yield from _misspelt(f"{key}.environments.{name}", override.permissions or ())
        seen: set[str] = set()
        for place, environment in environments.items():
            whereabouts = KeyPlace(index, service, place, environment)
            try:
                found = resolved(service, environment)
            except ValidationError as error:
                lines = whereabouts.faults(error)
            else:
                lines = map(whereabouts.line, _in_one_environment(key, found, services.values()))
            for line in lines:
                # What holds in several environments alike is one fault.
                if line not in seen:
                    seen.add(line)
                    yield line


def _between(environments: Mapping[int, Environment], services: Mapping[int, Service]) -> Iterator[str]:
    lines: dict[str, None] = {}
    hosts = web.RecordsOfEnvironments(environments.values())
    for place, environment in environments.items():
        found = {index: each.service for index, each in usable(services, environment).items()}
        whereabouts = {f"services[{index}]": KeyPlace(index, services[index], place, environment) for index in found}
        keyed = [(f"services[{index}]", each) for index, each in found.items()]
        for internal in (False, True):
            webs = [(key, each) for key, each in keyed if each.kind == "web" and each.internal == internal]
            for line in (*web.between(webs, environment), *hosts.again(webs, environment)):
                own = whereabouts.get(line.partition(".")[0])
                lines[own.line(line) if own else line] = None
    yield from lines


def _in_one_environment(key: str, found: Resolved, services: Collection[Service]) -> Iterator[str]:
    service, environment = found.service, found.environment
    if service.kind == "web":
        yield from web.in_environment(key, service, environment)
    yield from kinds.in_environment(key, service)
    yield from _container(key, service)
    yield from _root(key, service)
    yield from _moving_tags(key, service, environment)
    yield from _numbers_of_tasks(key, found)
    yield from surroundings.in_environment(key, service, environment, services)


def _root(key: str, service: Service) -> Iterator[str]:
    containers = {key: service.user} | {f"{key}.sidecars[{at}]": one.user for at, one in enumerate(service.sidecars)}
    roots = [each for each, user in containers.items() if re.fullmatch(r"(0+|root)(:.*)?", user or "")]
    if roots and service.root_reason is None:
        yield (
            f"{roots[0]}.user: is root, who may do more than the service needs if somebody breaks in: name another "
            f'user, or say why in {key}.root_reason = "…"'
        )
    if not roots and service.root_reason is not None:
        yield f"{key}.root_reason: has no effect, because no user is root: remove it"


def _container(key: str, service: Service) -> Iterator[str]:
    health = service.health
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    if health.timeout >= health.interval:
        yield (
            f"{key}.health.timeout: is {health.timeout}, not shorter than the interval of {health.interval}: lower it, "
            "or raise interval"
        )
    if not service.readonly_root and service.readonly_root_reason is None:
        yield (
            f"{key}.readonly_root: false lets an intruder change the container: say why it has to be in "
            'readonly_root_reason = "…", or remove it'
        )
    if service.readonly_root and service.readonly_root_reason is not None:
        yield (
            f"{key}.readonly_root_reason: has no effect while the file system is read-only: remove it, or write "
            "readonly_root = false"
        )
    if service.image is not None:
        for other in ("kit", "context", "dockerfile", "target", "build_arguments"):
            if other in service.model_fields_set:
                yield f"{key}.image: is built already, so {other} would have no effect: remove one of the two"
    if (login := service.credentials) is not None:
        if service.image is None:
            yield f"{key}.credentials: are only for pulling image, and there is none: remove them, or name an image"
        for text in (login.secret, login.key):
            if text and "{" in text:
                yield f"{key}.credentials: {text!r} is read by the toolchain, which fills nothing in: write it out"


def _numbers_of_tasks(key: str, found: Resolved) -> Iterator[str]:
    environment, scaling = found.environment, found.environment.scaling
    if found.service.kind == "job":
        return
    if environment.approval and scaling.least == 0:
        yield (
            f"{key}.scaling.schedules: {environment.name} requires an approval, and there a service is never without "
            "tasks: write min_tasks = 1 or more"
        )
    elif any(each.max_tasks == 0 for each in scaling.schedules) and not any(
        each.min_tasks for each in scaling.schedules
    ):
        yield (
            f"{key}.scaling.schedules: leave {environment.name} without tasks, and no other schedule brings them "
            "back: add one with min_tasks = 1 or more"
        )
    # Which of the two fields of days has the ? does not matter, nor does the form.
    times = [(expression(each.schedule).replace("?", "*"), each.time_zone) for each in scaling.schedules]
    if again := next((number for number, time in enumerate(times) if time in times[:number]), None):
        at = scaling.schedules[again].schedule
        yield f"{key}.scaling.schedules: has two entries at {at!r}, and only one would win: remove one"
    if scaling.spot is not None and scaling.spot.base >= scaling.most:
        yield (
            f"{key}.scaling.spot.base: keeps {scaling.spot.base} of at most {scaling.most} tasks on demand, so that "
            "none would run on Spot: lower it, or remove spot"
        )


def _misspelt(key: str, permissions: Sequence[Permission]) -> Iterator[str]:
    for place, permission in enumerate(permissions):
        for fault in misspelt(permission):
            yield f"{key}.permissions[{place}].{fault}"


def _moving_tags(key: str, service: Service, environment: Environment) -> Iterator[str]:
    images = [(f"{key}.sidecars[{place}].image", each.image) for place, each in enumerate(service.sidecars)]
    for name, image in ((f"{key}.image", service.image), *images):
        if environment.approval and image is not None and "@" not in image:
            yield (
                f"{name}: {image!r} is a tag, which may move, and {environment.name} requires an approval: "
                "add its digest, @sha256:…, as docker buildx imagetools inspect prints it"
            )


def largest(services: Mapping[int, Service], environment: Environment) -> int:
    """How many tasks an environment may run outside of deployments, all services together."""
    return sum(each.environment.scaling.most for each in usable(services, environment).values())

"""What contradicts itself in a service, or between a service and the environments that it runs in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from nova_infra.config.environment import Environment
from nova_infra.config.resolved import Resolved, resolved
from nova_infra.config.rules import web as web_contradictions
from nova_infra.config.rules.addresses import addresses, is_open
from nova_infra.config.services.service import Service
from nova_infra.config.services.surroundings import Permission, Sidecar
from nova_infra.config.values.actions import misspelt
from nova_infra.config.values.repeats import repeated

MAX_RELEASE_SECONDS = 840
"""What a job's run may take in a release: a Lambda function waits for it, which ends after 15 minutes:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""


def service_contradictions(environments: Mapping[int, Environment], services: Mapping[int, Service]) -> Iterator[str]:
    """Every contradiction, as the key's path, what is wrong and what to do.

    Args:
        environments: The environments that are valid by themselves, by their place in the file.
        services: The services that are valid by themselves, by their place in the file.
    """
    yield from _between(environments, services)
    names = {environment.name for environment in environments.values()}
    for index, service in services.items():
        key = f"services[{index}]"
        for name in service.environments:
            if environments and name not in names:
                choices = ", ".join(sorted(names))
                yield f"{key}.environments.{name}: is not an environment: choose one of {choices}, or remove it"
        # As they are written: filled in, they would differ from environment to environment.
        yield from _misspelt(key, service.permissions)
        for name, override in service.environments.items():
            yield from _misspelt(f"{key}.environments.{name}", override.permissions or ())
        seen: set[str] = set()
        for environment in environments.values():
            try:
                found = resolved(service, environment)
            except ValidationError as error:
                for each in error.errors(include_url=False):
                    path = ".".join(map(str, each["loc"]))
                    yield f"{key}.environments.{environment.name}.{path}: {each['msg']}"
                continue
            for line in _in_one_environment(key, found):
                # What holds in several environments alike is one fault.
                if line not in seen:
                    seen.add(line)
                    yield line


def _between(environments: Mapping[int, Environment], services: Mapping[int, Service]) -> Iterator[str]:
    lines: dict[str, None] = {}
    for environment in environments.values():
        for internal in (False, True):
            found = [
                (f"services[{index}]", each)
                for index, service in services.items()
                if (each := _service_in(service, environment)) is not None
                and each.kind == "web"
                and each.internal == internal
            ]
            lines |= dict.fromkeys(web_contradictions.between(found, environment))
    yield from lines


def _in_one_environment(key: str, found: Resolved) -> Iterator[str]:
    service, environment = found.service, found.environment
    if service.before_deploy is not None and service.kind != "web":
        yield (
            f"{key}.before_deploy: only a web service has one: give the command to a web service of the same image, or "
            "to a job with run_before_promotion = true"
        )
    if service.kind == "web":
        yield from web_contradictions.in_environment(key, service, environment)
    yield from _of_its_kind(key, found)
    if not service.readonly_root and service.readonly_root_reason is None:
        yield (
            f"{key}.readonly_root: false lets an intruder change the container: say why it has to be in "
            'readonly_root_reason = "…", or remove it'
        )
    if service.image is not None:
        for other in ("kit", "context", "dockerfile", "target", "build_arguments"):
            if other in service.model_fields_set:
                yield f"{key}.image: is ready, so {other} would build nothing: remove one of the two"
    yield from _moving_tags(key, service, environment)
    if environment.approval and environment.scaling.least == 0:
        yield (
            f"{key}.scaling.schedules: {environment.name} takes an approval, and there a service is never without "
            "tasks: write min_tasks = 1 or more"
        )
    for sidecar in service.sidecars if environment.network.nat_gateways == 0 else ():
        if ".dkr.ecr." not in sidecar.image:
            yield (
                f"{key}.sidecars: {sidecar.name} comes from outside of AWS, which {environment.name} cannot reach "
                "without NAT: copy its image to ECR, or write nat_gateways = 1"
            )
    yield from _surroundings(key, service)


def _surroundings(key: str, service: Service) -> Iterator[str]:
    for _, connection, _ in repeated(dict(enumerate(service.connects_to))):
        yield f"{key}.connects_to: names {connection} twice: remove one of the two"
    parts = [
        (key, service.environment),
        *((f"{key}.sidecars[{n}]", each.environment) for n, each in _numbered(service)),
    ]
    for where, variables in parts:
        for address in addresses(variables):
            if not is_open(address, service.connects_to):
                yield (
                    f"{where}.environment.{address.variable}: leads to {address.host}:{address.port}, a port that its "
                    f'tasks cannot reach: add connects_to = ["{address.host}:{address.port}"]'
                )
    for _, name, _ in repeated({number: sidecar.name for number, sidecar in _numbered(service)}):
        yield f"{key}.sidecars: has {name!r} twice: give each its own name"
    memory = sum(sidecar.memory or 0 for sidecar in service.sidecars)
    if memory >= service.memory:
        yield f"{key}.sidecars: may use {memory} of the task's {service.memory} MiB: raise memory, or lower theirs"


def _misspelt(key: str, permissions: Sequence[Permission]) -> Iterator[str]:
    for place, permission in enumerate(permissions):
        for fault in misspelt(permission):
            yield f"{key}.permissions[{place}]: {fault}"


def _numbered(service: Service) -> Iterator[tuple[int, Sidecar]]:
    yield from enumerate(service.sidecars)


def _of_its_kind(key: str, found: Resolved) -> Iterator[str]:
    service = found.service
    given = service.model_fields_set
    if service.kind != "web" and "path" in service.health.model_fields_set:
        yield f"{key}.health.path: nothing requests a path of a {service.kind}: remove it, or write health.command"
    if service.kind == "worker" and service.rollout is not None and service.rollout.strategy != "rolling":
        yield (
            f"{key}.rollout.strategy: {service.rollout.strategy!r} shifts traffic, which a worker does not get: "
            'write "rolling", or remove it'
        )
    if service.kind == "worker":
        yield from _of_requests(key, service)
    if service.kind == "job":
        for other, why in (("scaling", "runs one task at a time"), ("rollout", "is not running while it is deployed")):
            if other in given:
                yield f"{key}.{other}: belongs to what runs all the time, and a job {why}: remove it"
        if service.schedule is None and not service.run_before_promotion:
            yield f"{key}.schedule: is missing, so the job would never run: write it, or run_before_promotion = true"
        if service.run_before_promotion and service.command is None:
            yield f"{key}.run_before_promotion: needs to know what to run: write command"
        if service.run_before_promotion and service.timeout_seconds > MAX_RELEASE_SECONDS:
            yield (
                f"{key}.timeout_seconds: {service.timeout_seconds} is more than a release waits for a run: "
                f"write {MAX_RELEASE_SECONDS} or less, or remove run_before_promotion"
            )
        if service.schedule is None and "time_zone" in given:
            yield f"{key}.time_zone: has no schedule to go by it: write schedule, or remove it"


def _of_requests(key: str, service: Service) -> Iterator[str]:
    for table, kept in ((service.targets, "cpu_percent"), (service.alarms, "memory_percent")):
        name = "targets" if table is service.targets else "alarms"
        for other in sorted(table.model_fields_set - {kept}):
            yield f"{key}.{name}.{other}: is about requests, which a worker does not get: remove it"


def _moving_tags(key: str, service: Service, environment: Environment) -> Iterator[str]:
    for name, image in ((f"{key}.image", service.image), *_sidecar_images(key, service)):
        if environment.approval and image is not None and "@" not in image:
            yield (
                f"{name}: {image!r} is a tag, which may move, and {environment.name} takes an approval: "
                "add its digest, @sha256:…, as docker buildx imagetools inspect prints it"
            )


def _sidecar_images(key: str, service: Service) -> Iterator[tuple[str, str]]:
    for place, sidecar in _numbered(service):
        yield f"{key}.sidecars[{place}].image", sidecar.image


def largest(services: Mapping[int, Service], environment: Environment) -> int:
    """How many tasks of all services together an environment may run, but for deployments."""
    found = [_resolved(service, environment) for service in services.values()]
    return sum(each.environment.scaling.most for each in found if each is not None)


def _service_in(service: Service, environment: Environment) -> Service | None:
    found = _resolved(service, environment)
    return found.service if found is not None else None


def _resolved(service: Service, environment: Environment) -> Resolved | None:
    """The service in an environment; None where it is refused there."""
    try:
        return resolved(service, environment)
    except ValidationError:
        return None

"""What contradicts itself in a service, or between a service and the environments that it runs in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from nova_infra.config.environment import Environment
from nova_infra.config.resolved import Resolved, resolved
from nova_infra.config.service import Service


def service_contradictions(environments: Mapping[int, Environment], services: Mapping[int, Service]) -> Iterator[str]:
    """Every contradiction, as the key's path, what is wrong and what to do.

    Args:
        environments: The environments that are valid by themselves, by their place in the file.
        services: The services that are valid by themselves, by their place in the file.
    """
    names = {environment.name for environment in environments.values()}
    for index, service in services.items():
        key = f"services[{index}]"
        for name in service.environments:
            if environments and name not in names:
                choices = ", ".join(sorted(names))
                yield f"{key}.environments.{name}: is not an environment: choose one of {choices}, or remove it"
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


_TO_COME = (
    *("image", "context", "dockerfile", "target", "build_arguments", "hosts", "internal", "protocol", "sidecars"),
    *("permissions", "connects_to", "before_deploy"),
)


def _in_one_environment(key: str, found: Resolved) -> Iterator[str]:
    service, environment = found.service, found.environment
    for each in _TO_COME:
        if each in service.model_fields_set:
            yield f"{key}.{each}: is not built yet: remove it"
    yield from _of_its_kind(key, found)
    if service.kind == "web" and not (service.paths or service.hosts):
        yield f"{key}.paths: is empty and there are no hosts, so nothing leads to {service.name}: name a path or a host"
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
    for place, sidecar in enumerate(service.sidecars):
        yield f"{key}.sidecars[{place}].image", sidecar.image


def largest(services: Mapping[int, Service], environment: Environment) -> int:
    """How many tasks of all services together an environment may run, but for deployments."""
    return sum(found.environment.scaling.max_tasks for found in _valid(services, environment))


def _valid(services: Mapping[int, Service], environment: Environment) -> Iterator[Resolved]:
    for service in services.values():
        try:
            yield resolved(service, environment)
        except ValidationError:
            continue

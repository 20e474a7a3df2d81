"""Refuses keys that a service's kind does not use, and asks for those that it needs."""

from collections.abc import Iterator

from nova_infra.config.rules.service import queues
from nova_infra.config.services.job import MAX_RELEASE_SECONDS
from nova_infra.config.services.runtime import Rollout
from nova_infra.config.services.service import ONLY_OF, Kind, Overrides, Service

_NOT_OF_A_JOB = {"scaling": "runs one task at a time", "rollout": "is not running while it is deployed"}
_OF_TRAFFIC = ("percent", "step_bake_minutes", "gate", "gate_before", "gate_minutes")


def foreign_keys(key: str, part: Service | Overrides, kind: Kind) -> Iterator[str]:
    """Keys that only services of another kind may have.

    Args:
        part: The table: a service, or what differs in an environment.
    """
    own = ONLY_OF[kind].model_fields
    known = set().union(*(model.model_fields for model in ONLY_OF.values()))
    for other in type(part).model_fields:
        if other in known and other not in own and other in part.model_fields_set:
            kinds = [name for name, model in ONLY_OF.items() if other in model.model_fields]
            remedy = " or ".join(f'kind = "{name}"' for name in kinds)
            yield f"{key}.{other}: belongs to a service of kind {' or '.join(kinds)}: remove it, or write {remedy}"
    for other, why in _NOT_OF_A_JOB.items() if kind == "job" else ():
        if other in part.model_fields_set:
            yield f"{key}.{other}: applies to services that run all the time, and a job {why}: remove it"
    yield from queues.of_its_maker(f"{key}.queue", part.queue)
    if kind == "worker" and part.rollout is not None:
        yield from _of_traffic(f"{key}.rollout", part.rollout)


def _of_traffic(key: str, rollout: Rollout) -> Iterator[str]:
    given = rollout.model_fields_set
    if "strategy" in given and rollout.strategy != "rolling":
        yield (
            f"{key}.strategy: {rollout.strategy!r} shifts traffic, but a worker gets none: "
            'write "rolling", or remove it'
        )
    for other in _OF_TRAFFIC:
        if other in given:
            yield f"{key}.{other}: is about shifting traffic, but a worker gets none: remove it"


def in_environment(key: str, service: Service) -> Iterator[str]:
    """What of the keys that are allowed to its kind says nothing there, or is missing."""
    if service.before_deploy is not None and service.kind != "web":
        yield (
            f"{key}.before_deploy: only a web service has one: give the command to a web service of the same image, or "
            "to a job with run_before_promotion = true"
        )
    if service.kit and service.kind == "web" and service.protocol != "http":
        yield f"{key}.protocol: {service.protocol!r} is not supported by the kit: remove it, or remove kit"
    if service.kind != "web" and "path" in service.health.model_fields_set:
        command = ", or write health.command" if service.kind == "worker" else ""
        yield f"{key}.health.path: nothing requests a path of a {service.kind}: remove it{command}"
    if service.kind == "worker":
        yield from _of_a_worker(key, service)
    if service.kind == "job":
        yield from _of_a_job(key, service)


def _of_a_worker(key: str, service: Service) -> Iterator[str]:
    for table, kept in (("targets", "cpu_percent"), ("alarms", "memory_percent")):
        for other in sorted(getattr(service, table).model_fields_set - {kept}):
            yield f"{key}.{table}.{other}: is about requests, but a worker gets none: remove it"


def _of_a_job(key: str, service: Service) -> Iterator[str]:
    given = service.model_fields_set
    if service.health.model_fields_set - {"path"}:
        yield f"{key}.health: does not apply to a job, whose exit code says how it went: remove it"
    if service.schedule is None and not service.run_before_promotion:
        yield (
            f"{key}.schedule: is missing, so the job would never run: write it, or run_before_promotion = true, or "
            'schedule = "none" if somebody starts it'
        )
    if service.run_before_promotion and service.command is None:
        yield f"{key}.run_before_promotion: needs to know what to run: write command"
    if service.run_before_promotion and service.timeout_seconds > MAX_RELEASE_SECONDS:
        yield (
            f"{key}.timeout_seconds: {service.timeout_seconds} is more than a release waits for a run: "
            f"write {MAX_RELEASE_SECONDS} or less, or remove run_before_promotion"
        )
    without = (
        () if service.is_scheduled else ("time_zone", "allow_overlap") if service.schedule is None else ("time_zone",)
    )
    for other in without:
        if other in given:
            yield f"{key}.{other}: has no effect without a schedule: write schedule, or remove it"

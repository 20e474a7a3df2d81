"""Refuses rollouts that contradict themselves or outlast CloudFormation's 36 hours: gates, bakes, suites."""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from nova_infra.config.environment import Environment
from nova_infra.config.faults.locations import KeyPlace
from nova_infra.config.resolved import resolved
from nova_infra.config.services.runtime import Rollout
from nova_infra.config.services.service import Service
from nova_infra.config.services.smoke import is_reachable

MAX_BAKE_MINUTES = 33 * 60
"""What a deployment may bake in sum; CloudFormation refuses more, because its own operations end after 36 hours:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-ecs-service-canaryconfiguration.html.
"""

MAX_MINUTES = 35 * 60
"""What bakes and gates may take in sum: an hour of CloudFormation's 36 is left for tasks to start and to stop."""

MAX_JOB_MINUTES = 5 * 60
"""What a deployment may take while a job on one of GitHub's runners waits for it, which ends after six hours:
https://docs.github.com/en/actions/reference/limits."""


def rollout_contradictions(
    environments: Mapping[int, Environment], services: Mapping[int, Service], *, in_job: bool
) -> Iterator[str]:
    """Every contradiction, as the key's path, what is wrong and what to do."""
    for index, environment in environments.items():
        yield from _faults(f"environments[{index}].rollout", environment.rollout, environment, in_job=in_job)
    for place, service in services.items():
        lines: dict[str, None] = {}
        for index, environment in environments.items() if service.kind == "web" else ():
            own = service.environments.get(environment.name)
            if service.rollout is None and (own is None or own.rollout is None):
                continue
            try:
                rollout = resolved(service, environment).environment.rollout
            except ValidationError:
                continue  # Another check says so.
            whereabouts = KeyPlace(place, service, index, environment)
            where = f" in {environment.name}"
            found = [*_faults(f"services[{place}].rollout", rollout, environment, in_job=in_job, where=where)]
            said = [service.rollout, own.rollout if own is not None else None]
            for name in ("gate", "load") if not is_reachable(service) else ():
                if "suite" not in [getattr(each, name) for each in said if each is not None]:
                    continue
                instead = 'write gate = "person", or remove it' if name == "gate" else "remove it"
                found.append(
                    f"services[{place}].rollout.{name}: no suite can ask for the new revision, because of "
                    f"{'protocol' if service.protocol == 'grpc' else 'internal' if service.internal else 'hosts'}: "
                    f"{instead}"
                )
            lines |= dict.fromkeys(map(whereabouts.line, found))
        yield from lines


def _faults(key: str, rollout: Rollout, environment: Environment, *, in_job: bool, where: str = "") -> Iterator[str]:
    for name, does, instead in (("gate", "that could answer", 'gate = "person"'), ("load", "to run", "remove load")):
        who = getattr(rollout, name)
        if who and rollout.strategy == "rolling":
            yield (
                f"{key}.{name}: needs a strategy that shifts traffic, and this one is rolling{where}: "
                f'write strategy = "canary", "linear" or "blue-green", or remove {name}'
            )
        elif who == "suite" and environment.tests is None:
            yield (
                f'{key}.{name}: {environment.name} has no suite {does}: write tests = "integration" or '
                f'"e2e" for {environment.name}, or {instead}'
            )
    if not rollout.gate:
        for name in ("gate_before", "gate_minutes"):
            if name in rollout.model_fields_set:
                yield f'{key}.{name}: has no effect without a gate: write gate = "person", or remove it'
    bakes, waits = rollout.minutes(), rollout.waiting_minutes()
    if bakes > MAX_BAKE_MINUTES:
        yield (
            f"{key}: bakes {bakes:g} minutes in total{where}, longer than CloudFormation waits: "
            f"lower bake_minutes or step_bake_minutes, or raise percent, to stay within {MAX_BAKE_MINUTES} minutes"
        )
    elif bakes + waits > MAX_MINUTES:
        yield (
            f"{key}: bakes and waits {bakes + waits:g} minutes in total{where}, longer than CloudFormation waits: "
            f"lower gate_minutes or the bakes, or raise percent, to stay within {MAX_MINUTES} minutes"
        )
    if in_job and bakes + waits > MAX_JOB_MINUTES:
        what, which = ("bakes and waits", "gate_minutes, ") if waits else ("bakes", "")
        yield (
            f"{key}: {what} {bakes + waits:g} minutes in total{where}, but a GitHub Actions job ends "
            f"after six hours: lower {which}bake_minutes or step_bake_minutes, or raise percent, to stay within "
            f"{MAX_JOB_MINUTES} minutes"
        )

"""May a release be deployed to an environment now?

The alarms come first: ECS does not watch an alarm that is in ALARM already when a deployment starts, so a bad release
would go through. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html

They are no obstacle to the release that was last seen to run well: a stage that failed is rolled back to it by being
played again, this check included, while the alarms still tell of what went wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nova_infra.operations.environment import DeployedEnvironment
from nova_infra.operations.findings import under_way
from nova_infra.operations.holds import Hold, read_holds, refusals
from nova_infra.operations.ledger import read_ledger
from nova_infra.operations.model import Alarm, Certificate, Service, Stack

_CERTIFICATE_MARGIN = timedelta(days=14)
"""ACM renews 60 days before the end: one that is this close to it was not renewed."""


@dataclass(frozen=True)
class Conditions:
    """What a deployment would begin with.

    Attributes:
        services: The environment's services.
        stacks: Its stacks.
        alarms: Its alarms.
        holds: Its holds.
        certificates: Its certificates.
        vcpu_quota: How many vCPUs Fargate may run; None where that is not known.
        last_good: The release that was last seen to run as it should, if any.
    """

    services: tuple[Service, ...]
    stacks: tuple[Stack, ...]
    alarms: tuple[Alarm, ...]
    holds: tuple[Hold, ...]
    certificates: tuple[Certificate, ...]
    vcpu_quota: float | None
    last_good: str | None = None


def survey(environment: DeployedEnvironment) -> Conditions:
    """Ask for everything that :func:`obstacles` decides from, side by side."""
    with ThreadPoolExecutor(max_workers=8) as threads:
        services = threads.submit(environment.services)
        alarms = threads.submit(environment.alarms)
        holds = threads.submit(read_holds, environment)
        certificates = threads.submit(environment.certificates)
        quota = threads.submit(environment.vcpu_quota)
        ledger = threads.submit(read_ledger, environment)
        names = [environment.stack_name(name) for name in ("platform", *environment.service_names(), "overview")]
        stacks = threads.submit(environment.stacks, names)
        return Conditions(
            services.result(),
            stacks.result(),
            alarms.result(),
            holds.result(),
            certificates.result(),
            quota.result(),
            next((entry.release for entry in ledger.result().entries if entry.good), None),
        )


def obstacles(conditions: Conditions, release: str | None, images: Mapping[str, str], *, now: datetime) -> list[str]:
    """What stands against a deployment, in sentences; nothing where it may begin.

    Args:
        conditions: What the deployment would begin with.
        release: The release; None where only the environment is asked about.
        images: Service to the digest of its image in the release.
        now: The time, UTC.
    """
    return [
        *(
            _alarms(conditions.services, conditions.alarms)
            if release is None or release != conditions.last_good
            else ()
        ),
        *(refusals(conditions.holds, release, images) if release is not None else ()),
        *under_way(conditions.services, conditions.stacks),
        *_stacks(conditions.stacks),
        *_room(conditions.services, conditions.vcpu_quota),
        *_certificates(conditions.certificates, now),
    ]


def _alarms(services: Iterable[Service], alarms: Iterable[Alarm]) -> list[str]:
    known = {alarm.name: alarm for alarm in alarms}
    found = []
    for service in services:
        for name in service.deployment_alarms:
            alarm = known.get(name)
            if alarm is None:
                found.append(f"{name}: does not exist, and {service.name} is to be rolled back by it: deploy it first")
            elif alarm.state == "ALARM":
                found.append(f"{name}: is in ALARM already, so that ECS would not watch it: {alarm.reason}")
            elif alarm.state == "INSUFFICIENT_DATA":
                found.append(f"{name}: has no data, so that it cannot fire: {alarm.reason}")
    return found


def _stacks(stacks: Iterable[Stack]) -> list[str]:
    return [
        f"{stack.name}: is {stack.status} and cannot be updated: {_way_out(stack)}"
        for stack in stacks
        if not stack.busy and not stack.updatable
    ]


def _way_out(stack: Stack) -> str:
    if stack.status == "ROLLBACK_COMPLETE":
        return (
            "its first deployment failed, and nothing of it is left: delete it, with "
            f"`aws cloudformation delete-stack --stack-name {stack.name}`, and try again"
        )
    return stack.reason or "see its events"


def _room(services: Sequence[Service], quota: float | None) -> list[str]:
    """A deployment runs up to twice the tasks."""
    needed = 2 * sum(task.cpu for service in services for task in service.tasks) / 1024
    if quota is None or needed <= quota:
        return []
    return [
        f"Fargate: a deployment may need {needed:g} vCPUs at once, and the account may run {quota:g}: have the quota "
        "L-3032A538 raised"
    ]


def _certificates(certificates: Iterable[Certificate], now: datetime) -> list[str]:
    found = []
    for certificate in certificates:
        if certificate.status != "ISSUED":
            found.append(f"certificate of {certificate.domain}: is {certificate.status}")
        elif certificate.expires is not None and certificate.expires.astimezone(UTC) - now < _CERTIFICATE_MARGIN:
            found.append(
                f"certificate of {certificate.domain}: ends on {certificate.expires:%Y-%m-%d} and was not renewed: "
                "check its validation record in DNS"
            )
    return found

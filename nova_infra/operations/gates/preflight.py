"""``nova preflight``: may a release be deployed now? Alarms, holds, stacks, room, certificates.

The alarms come first: where one is in ALARM when a deployment starts, ECS watches none of the service's alarms in it,
so that a bad release would go through. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html

They do not block the release that was last seen to run well: a stage that failed is rolled back to it by being
played again, this check included, while the alarms still tell of what went wrong. Nor does what is waived for
the release, as :mod:`nova_infra.operations.records.waivers` says.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from nova_infra.deployed.model import VCPU_QUOTA, Alarm, RunningService
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.stack import Certificate, Stack, Template
from nova_infra.errors import RefusedError
from nova_infra.machine.parallel import threads
from nova_infra.operations.gates.listener_rules import collisions, misdirected, of_others
from nova_infra.operations.gates.orphans import ListenerRule, orphans, rules_of, taken
from nova_infra.operations.gates.problems import under_way, way_out
from nova_infra.operations.records.holds import Hold, read_holds, refusals
from nova_infra.operations.records.ledger import read_ledger
from nova_infra.operations.records.lookup import begins
from nova_infra.operations.records.waivers import Waiver, read_waivers, waived
from nova_infra.operations.rollback.lock import Claim, read_claim

_CERTIFICATE_MARGIN = timedelta(days=14)
"""ACM renews 60 days before expiry, so a certificate this close to it was not renewed."""

_UNWATCHED = (
    "ECS then watches none of this service's alarms in this deployment: only the circuit breaker and verify are left"
)
_SILENT = "an alarm without data cannot roll back"


@dataclass(frozen=True)
class Blocker:
    """What blocks a deployment.

    Attributes:
        subject: What is red, and in which state; empty where it cannot be waived.
        lost: What a deployment that begins all the same goes without, or risks.
    """

    text: str
    subject: str = ""
    lost: str = ""


@dataclass(frozen=True)
class Judgement:
    """What blocks a deployment, and what would block it without its waiver."""

    refused: tuple[Blocker, ...]
    waived: tuple[tuple[Blocker, Waiver], ...]


@dataclass(frozen=True)
class Conditions:
    """The state of the environment when a deployment would start.

    Attributes:
        vcpu_quota: How many vCPUs Fargate may run; None where that is not known.
        last_good: The release that was last seen to run as it should, if any.
        rollback: The rollback that is under way, in a sentence; empty where none is.
        misdirected: Services whose traffic the release would send to where nothing runs, a sentence each.
        orphans: Stacks of services that the release does not have; none of the above is about them.
        taken: What their rules, and those of others on a shared listener, hold that the release needs, in sentences.
    """

    services: tuple[RunningService, ...]
    stacks: tuple[Stack, ...]
    alarms: tuple[Alarm, ...]
    holds: tuple[Hold, ...]
    certificates: tuple[Certificate, ...]
    vcpu_quota: float | None
    last_good: str | None = None
    waivers: tuple[Waiver, ...] = ()
    rollback: str = ""
    orphans: tuple[Stack, ...] = ()
    taken: tuple[str, ...] = ()
    misdirected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """What nova.toml says of the services.

    Attributes:
        rules: Service to its rule on the load balancer.
        listener: ARN of the listener that others use, too; empty for one of the environment's own.
    """

    services: Collection[str]
    rules: Mapping[str, ListenerRule] = field(default_factory=dict)
    listener: str = ""


def survey(
    environment: ObservedEnvironment, known: Known | None = None, released: Mapping[str, Template] | None = None
) -> Conditions:
    """Read everything that :func:`blockers` decides from, in parallel.

    Args:
        known: What nova.toml says; without it, every service that runs there counts as one of the release.
        released: Stack to its template in the release; None where only the environment is asked about.
    """
    with threads() as pool:
        misdirected_by = pool.submit(_misdirected, environment, released or {})
        services = pool.submit(environment.services)
        alarms = pool.submit(environment.alarms)
        holds = pool.submit(read_holds, environment)
        waivers = pool.submit(read_waivers, environment)
        certificates = pool.submit(environment.certificates)
        quota = pool.submit(environment.vcpu_quota)
        ledger = pool.submit(read_ledger, environment)
        claim = pool.submit(read_claim, environment)
        beside = pool.submit(_beside, environment, known)
        stacks = pool.submit(environment.stacks)
        left = orphans(environment.prefix, stacks.result(), known.services) if known is not None else ()
        names = {stack.name for stack in left}
        templates = pool.map(environment.template, [stack.name for stack in left])
        rules = {stack.name: list(rules_of(template)) for stack, template in zip(left, templates, strict=True)}
        return Conditions(
            tuple(service for service in services.result() if service.stack not in names),
            tuple(stack for stack in stacks.result() if stack.name not in names),
            alarms.result(),
            holds.result(),
            certificates.result(),
            quota.result(),
            next((entry.release for entry in ledger.result().entries if entry.good), None),
            waivers.result(),
            _rollback(claim.result(), environment.now()),
            left,
            (*(taken(rules, known.rules) if known is not None else ()), *beside.result()),
            misdirected_by.result(),
        )


def _beside(environment: ObservedEnvironment, known: Known | None) -> tuple[str, ...]:
    """Other owners' rules that collide with the release's on a shared listener."""
    if known is None or not known.listener:
        return ()
    rules, own = environment.rules_on(known.listener)
    return tuple(collisions(of_others(rules, own), known.rules, environment.name))


def _misdirected(environment: ObservedEnvironment, released: Mapping[str, Template]) -> tuple[str, ...]:
    if not released:
        return ()
    on_alternate = environment.on_alternate()
    names = {service: environment.stack_name(service) for service in on_alternate}
    return tuple(
        misdirected(
            on_alternate,
            {service: environment.template(name) for service, name in names.items() if name in released},
            {service: released[name] for service, name in names.items() if name in released},
        )
    )


def _rollback(claim: Claim, now: datetime) -> str:
    said = f"rollback: {claim.by} is rolling back to {claim.release}: a deployment now would mix both: wait"
    return said if claim.alive(now) else ""


def judge(conditions: Conditions, release: str | None, images: Mapping[str, str], *, now: datetime) -> Judgement:
    """Whether a deployment may begin: nothing blocks it, or what does is waived for this release.

    Args:
        release: The release; None where only the environment is asked about, for which nothing is waived.
        images: Service to the digest of its image in the release.
    """
    found = blockers(conditions, release, images, now=now)
    known = waived(conditions.waivers, release, now=now) if release is not None else {}
    return Judgement(
        tuple(each for each in found if each.subject not in known),
        tuple((each, known[each.subject]) for each in found if each.subject in known),
    )


def blockers(conditions: Conditions, release: str | None, images: Mapping[str, str], *, now: datetime) -> list[Blocker]:
    """What blocks a deployment, waived or not; empty if it may begin.

    Args:
        release: The release; None where only the environment is asked about.
    """
    return [
        *(
            _alarms(conditions.services, conditions.alarms)
            if release is None or release != conditions.last_good
            else ()
        ),
        *(Blocker(text) for text in (refusals(conditions.holds, release, images) if release is not None else ())),
        *([Blocker(conditions.rollback)] if conditions.rollback else ()),
        *map(Blocker, conditions.misdirected),
        *(Blocker(text) for text in under_way(conditions.services, conditions.stacks)),
        *_stacks(conditions.stacks),
        *(Blocker(text) for text in conditions.taken),
        *_room(conditions.services, conditions.vcpu_quota),
        *_certificates(conditions.certificates, now),
    ]


def waivable(conditions: Conditions, release: str, *, now: datetime) -> tuple[list[Blocker], list[Blocker]]:
    """What may be waived for a release, and what would block it anyway.

    Args:
        release: The release, or the beginning of its commit.

    Raises:
        RefusedError: The release is on hold, or nothing is red that can be waived.
    """
    for held in conditions.holds:
        if begins(release, held.release) or begins(held.release, release):
            raise RefusedError(
                f"release: {release} is on hold, by {held.by}: {held.why}: a release on hold gets no waiver; see "
                "`nova release-hold`"
            )
    found = blockers(conditions, None, {}, now=now)
    red = [blocker for blocker in found if blocker.subject]
    others = [blocker for blocker in found if not blocker.subject]
    if not red:
        said = f"; this cannot be waived: {others[0].text}" if others else ""
        raise RefusedError(
            f"accept-red: nothing to waive: no deployment alarm, certificate or quota is red there now{said}"
        )
    return red, others


def _alarms(services: Iterable[RunningService], alarms: Iterable[Alarm]) -> list[Blocker]:
    known = {alarm.name: alarm for alarm in alarms}
    found = []
    for service in services:
        for name in service.deployment_alarms:
            alarm = known.get(name)
            if alarm is None:
                text = f"{name}: does not exist, but {service.name} needs this alarm to roll back: deploy it first"
                found.append(Blocker(text))
            elif alarm.state == "ALARM":
                text = f"{name}: is already in ALARM, so ECS would watch no alarm of {service.name}: {alarm.reason}"
                found.append(Blocker(text, alarm.condition, _UNWATCHED))
            elif alarm.state == "INSUFFICIENT_DATA":
                text = f"{name}: has no data, so it cannot fire: {alarm.reason}"
                found.append(Blocker(text, alarm.condition, _SILENT))
    return found


def _stacks(stacks: Iterable[Stack]) -> list[Blocker]:
    return [
        Blocker(f"{stack.name}: is {stack.status} and cannot be updated: {way_out(stack)}")
        for stack in stacks
        if not stack.busy and not stack.updatable
    ]


def _room(services: Sequence[RunningService], quota: float | None) -> list[Blocker]:
    """A deployment runs up to twice the tasks."""
    needed = 2 * sum(task.cpu for service in services for task in service.tasks) / 1024
    if quota is None or needed <= quota:
        return []
    text = (
        f"Fargate: a deployment may need {needed:g} vCPUs at once, but the account may run {quota:g}: "
        f"request an increase of the quota {VCPU_QUOTA}"
    )
    return [Blocker(text, "Fargate", "new tasks may not start, and the circuit breaker then rolls back")]


def _certificates(certificates: Iterable[Certificate], now: datetime) -> list[Blocker]:
    found = []
    for certificate in certificates:
        subject = f"certificate of {certificate.domain}"
        lost = "no protection of the deployment: the certificate stays as it is"
        if certificate.status != "ISSUED":
            found.append(Blocker(f"{subject}: is {certificate.status}", subject, lost))
        elif certificate.expires is not None and certificate.expires.astimezone(UTC) - now < _CERTIFICATE_MARGIN:
            text = (
                f"{subject}: expires on {certificate.expires:%Y-%m-%d} and was not renewed: check its validation "
                "record in DNS"
            )
            found.append(Blocker(text, subject, lost))
    return found

"""``nova status``: what is known of each service, drift too; the fields of its classes are its JSON's keys."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nova_infra.deployed.background import Backlog, RunningJob
from nova_infra.deployed.model import Alarm, Image, RunningService
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.rollouts import RequestRate
from nova_infra.deployed.stack import Stack
from nova_infra.errors import NotDeployedError, NovaError
from nova_infra.machine.parallel import threads
from nova_infra.names import JOB_ALARMS, alarm_name
from nova_infra.operations.gates.orphans import left_environments, orphans, told
from nova_infra.operations.gates.problems import alarms_of, way_out, would_roll_back
from nova_infra.operations.records.ledger import Entry, Ledger, read_ledger
from nova_infra.operations.records.lookup import short
from nova_infra.operations.records.metrics import duration
from nova_infra.operations.reports.background import JobStatus, job_status, queue_in_words


@dataclass(frozen=True)
class ServiceStatus:
    """One service in one environment.

    Attributes:
        release: The release that its image belongs to, by the ledger; else the image's tag; empty where nothing runs.
        deployment: What its deployment does, in words.
        alarms: Kinds of its alarms that are in ALARM, such as ``errors``.
        unknown_alarms: Kinds of its alarms that have no data.
        faults: What the columns do not show, in sentences with the remedy.
        queue: How full a worker's queues are, in words; empty for other services.
        judged_by: Requests a minute by which its alarms judged in the last hour; None where they are not known.
        silent: Kinds of its alarms that say nothing because of too few requests, to how many they need.
        would_stop: Kinds of its alarms in ALARM that would stop a deployment, were they in ECS's list.
    """

    service: str
    release: str
    running: int
    desired: int
    deployment: str
    alarms: tuple[str, ...]
    unknown_alarms: tuple[str, ...]
    well: bool
    faults: tuple[str, ...] = ()
    queue: str = ""
    judged_by: float | None = None
    silent: Mapping[str, int] = field(default_factory=dict)
    would_stop: tuple[str, ...] = ()
    watched: bool = True


@dataclass(frozen=True)
class EnvironmentStatus:
    """One environment.

    Attributes:
        release: What was released last, by the ledger; empty where nothing was.
        released_at: When that was written, UTC; None where nothing was released.
        alarms: Alarms in ALARM that belong to no service.
        faults: What is wrong with stacks that no row is about, in sentences with the remedy.
        error: Why it could not be looked at; empty where it could.
        exit_code: How the command ends because of that.
    """

    environment: str
    release: str = ""
    outcome: str = ""
    released_at: datetime | None = None
    services: tuple[ServiceStatus, ...] = ()
    jobs: tuple[JobStatus, ...] = ()
    alarms: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    error: str = ""
    exit_code: int = 0


def status(
    names: Sequence[str],
    connect: Callable[[str], ObservedEnvironment],
    *,
    known: Collection[str] | None = None,
    environments: Collection[str] | None = None,
) -> tuple[EnvironmentStatus, ...]:
    """Look at environments side by side. One that cannot be looked at says why and keeps nothing from the others.

    Args:
        connect: Finds an environment; it may raise NovaError.
        known: The services in nova.toml; without it, no stack is reported as one that nobody needs.
        environments: The environments in nova.toml, for the same purpose.
    """
    with threads(4 * max(1, len(names))) as pool:
        waiting = [pool.submit(_status, name, connect, pool, known, environments) for name in names]
        return tuple(future.result() for future in waiting)


def _status(
    name: str,
    connect: Callable[[str], ObservedEnvironment],
    pool: Executor,
    known: Collection[str] | None,
    environments: Collection[str] | None,
) -> EnvironmentStatus:
    try:
        environment = connect(name)
        found = _Questions(
            stacks=pool.submit(environment.stacks),
            alarms=pool.submit(environment.alarms),
            jobs=pool.submit(environment.jobs),
            rates=pool.submit(_rates, environment),
            ledger=pool.submit(read_ledger, environment),
            left=pool.submit(lambda: list(left_environments(environment, environments)) if environments else []),
        )
        try:
            services = environment.services()
        except NotDeployedError as error:
            faults = _stack_faults(found.stacks.result())
            return EnvironmentStatus(environment=name, error=str(error), exit_code=error.exit_code, faults=faults)
        return _summary(environment, services, found, known)
    except NovaError as error:
        return EnvironmentStatus(environment=name, error=str(error), exit_code=error.exit_code)


@dataclass(frozen=True)
class _Questions:
    """What is asked while the services are read."""

    stacks: Future[tuple[Stack, ...]]
    alarms: Future[tuple[Alarm, ...]]
    jobs: Future[tuple[RunningJob, ...]]
    rates: Future[Mapping[str, RequestRate]]
    ledger: Future[Ledger]
    left: Future[list[str]]


def _summary(
    environment: ObservedEnvironment,
    services: Sequence[RunningService],
    found: _Questions,
    known: Collection[str] | None,
) -> EnvironmentStatus:
    own = {stack.name: stack for stack in found.stacks.result()}
    # May be a call for each: only of those that are judged by it.
    judged = [own[s.stack] for s in services if s.stack in own and not own[s.stack].busy]
    revisions = environment.stack_revisions(judged)
    backlogs = environment.backlogs(services)
    ledger, jobs = found.ledger.result(), found.jobs.result()
    latest = ledger.entries[0] if ledger.entries else None
    single = [alarm for alarm in found.alarms.result() if not alarm.composite]
    by_service = {s.stack: alarms_of(s, single, services) for s in services}
    theirs = {alarm.name for each in by_service.values() for alarm in each}
    theirs |= {alarm_name(job.stack, kind) for job in jobs for kind in JOB_ALARMS}
    now = datetime.now(UTC)

    def of_service(service: RunningService) -> ServiceStatus:
        stack, revision = own.get(service.stack), revisions.get(service.stack)
        faults = faults_of(service, stack, revision, ledger.entries, environment=environment.name)
        backlog = backlogs.get(service.name)
        rate = found.rates.result().get(service.name)
        return service_status(service, by_service[service.stack], ledger.entries, faults, backlog, rate)

    return EnvironmentStatus(
        environment=environment.name,
        release=latest.release if latest else "",
        outcome=latest.outcome if latest else "",
        released_at=latest.at if latest else None,
        services=tuple(map(of_service, services)),
        jobs=tuple(job_status(job, single, now) for job in jobs),
        alarms=tuple(alarm.name for alarm in single if alarm.state == "ALARM" and alarm.name not in theirs),
        faults=(
            *_stack_faults(stack for stack in own.values() if stack.name not in by_service),
            *ledger.unreadable,
            *(map(told, orphans(environment.prefix, own.values(), known)) if known is not None else ()),
            *found.left.result(),
        ),
    )


def service_status(
    service: RunningService,
    alarms: Sequence[Alarm],
    entries: Sequence[Entry],
    faults: Sequence[str] = (),
    backlog: Backlog | None = None,
    rate: RequestRate | None = None,
) -> ServiceStatus:
    """Remarks about a service.

    Args:
        rate: How many requests it gets, and how many its alarms need.
    """
    kinds = {
        state: tuple(alarm.name.removeprefix(f"{service.stack}-") for alarm in alarms if alarm.state == state)
        for state in ("ALARM", "INSUFFICIENT_DATA")
    }
    deployment, calm = deployment_in_words(service)
    return ServiceStatus(
        service=service.name,
        release=release_of(service, entries),
        running=service.running,
        desired=service.desired,
        deployment=deployment,
        alarms=kinds["ALARM"],
        unknown_alarms=kinds["INSUFFICIENT_DATA"],
        well=calm and service.running >= service.desired and not kinds["ALARM"] and not faults,
        faults=tuple(faults),
        queue=queue_in_words(backlog) if backlog else "",
        judged_by=rate.per_minute if rate and rate.needs else None,
        silent={kind: rate.needs[kind] for kind in rate.silent} if rate else {},
        would_stop=tuple(
            kind for kind in kinds["ALARM"] if alarm_name(service.stack, kind) in would_roll_back(service)
        ),
        watched=bool(alarms),
    )


def _rates(environment: ObservedEnvironment) -> Mapping[str, RequestRate]:
    """The services' requests, if they can be read: the rest is worth showing without them."""
    try:
        return environment.request_rates()
    except NovaError:
        return {}


def faults_of(
    service: RunningService, stack: Stack | None, revision: str | None, entries: Sequence[Entry], *, environment: str
) -> list[str]:
    """What is wrong with a service that ECS calls steady, in sentences with the remedy.

    Args:
        revision: The task definition that its stack made last; None where that is not known.
    """
    if stack is None:
        return [f"{service.name}: has no stack {service.stack}: it was not deployed by Nova, so it is left alone"]
    if stack.busy:
        return []
    found = list(_stack_faults([stack]))
    if revision is not None and revision != service.revision:
        found.append(
            f"{service.name}: drifted: ECS is set to run {service.revision}, but its stack made {revision}: "
            f"{_back(environment, service, entries)}"
        )
    elif entries and len(service.deployments) <= 1 and (image := entries[0].images.get(service.name)):
        runs = {task.digest for task in service.tasks if task.digest}
        if runs - {image.digest}:
            found.append(
                f"{service.name}: runs {release_of(service, entries)}, and release {short(entries[0].release)} was "
                f"recorded last: {_back(environment, service, entries)}"
            )
    return found


def _back(environment: str, service: RunningService, entries: Sequence[Entry]) -> str:
    good = next((e for e in entries if e.good and service.name in e.images), None)
    if good is None:
        return "deploy it again"
    return f"roll it back with `nova rollback {environment} --service {service.name} --to {short(good.release)}`"


def _stack_faults(stacks: Iterable[Stack]) -> tuple[str, ...]:
    return tuple(
        f"{stack.name}: is {stack.status}: {way_out(stack)}"
        for stack in stacks
        if not stack.updatable and not stack.busy
    )


def release_of(service: RunningService, entries: Sequence[Entry]) -> str:
    """The latest release in the ledger whose image the service runs; else the image's tag; two while both run."""
    found = []
    for image in dict.fromkeys((task.image, task.digest) for task in service.tasks):
        reference, digest = Image.parse(image[0]), image[1]
        for entry in entries:
            released = entry.images.get(service.name)
            if released and (released.digest == digest if digest else released.tag == reference.tag):
                found.append(short(entry.release))
                break
        else:
            found.append(short(reference.tag or reference.digest or ""))
    return " and ".join(sorted(set(found)))


def deployment_in_words(service: RunningService) -> tuple[str, bool]:
    """What a service's deployment does, and whether it needs no attention."""
    if not service.deployments:
        return "never deployed", False
    latest = service.deployments[0]
    if latest.rollout_state == "FAILED":
        return "failed", False
    if latest.rollout_state == "IN_PROGRESS" or len(service.deployments) > 1:
        since = f" for {duration(datetime.now(UTC) - latest.created_at)}" if latest.created_at else ""
        trouble = f", {latest.failed} tasks failed" if latest.failed else ""
        return f"under way{since}{trouble}", False
    return "steady", True

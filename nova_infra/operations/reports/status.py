"""What runs where: every service of every environment, with its release, tasks, deployment and alarms."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nova_infra.deployed.model import Alarm, Image, Service
from nova_infra.deployed.protocol import DeployedEnvironment
from nova_infra.errors import NovaError
from nova_infra.operations.gates.findings import alarms_of
from nova_infra.operations.records.ledger import Entry, read_ledger
from nova_infra.operations.records.lookup import short
from nova_infra.operations.records.metrics import duration
from nova_infra.parallel import threads


@dataclass(frozen=True)
class ServiceStatus:
    """One service in one environment.

    Attributes:
        service: Its name.
        release: The release that its image belongs to, by the ledger; else the image's tag; empty where nothing runs.
        running: Number of tasks that run.
        desired: Number of tasks that it is meant to run.
        deployment: What its deployment does, in words.
        alarms: Kinds of its alarms that are in ALARM, such as ``errors``.
        unknown_alarms: Kinds of its alarms that have no data.
        well: Nothing about it needs attention.
    """

    service: str
    release: str
    running: int
    desired: int
    deployment: str
    alarms: tuple[str, ...]
    unknown_alarms: tuple[str, ...]
    well: bool


@dataclass(frozen=True)
class EnvironmentStatus:
    """One environment.

    Attributes:
        environment: Its name.
        release: What was released last, by the ledger; empty where nothing was.
        outcome: What came of it.
        released_at: When that was written, UTC; None where nothing was released.
        services: Its services, by name.
        alarms: Alarms in ALARM that belong to no service.
        error: Why it could not be looked at; empty where it could.
        exit_code: How the command ends because of that.
    """

    environment: str
    release: str = ""
    outcome: str = ""
    released_at: datetime | None = None
    services: tuple[ServiceStatus, ...] = ()
    alarms: tuple[str, ...] = ()
    error: str = ""
    exit_code: int = 0


def status(names: Sequence[str], connect: Callable[[str], DeployedEnvironment]) -> tuple[EnvironmentStatus, ...]:
    """Look at environments side by side. One that cannot be looked at says why and keeps nothing from the others.

    Args:
        names: The environments.
        connect: Finds an environment; it may raise NovaError.
    """
    with threads(4 * max(1, len(names))) as pool:
        waiting = [pool.submit(_status, name, connect, pool) for name in names]
        return tuple(future.result() for future in waiting)


def _status(name: str, connect: Callable[[str], DeployedEnvironment], pool: ThreadPoolExecutor) -> EnvironmentStatus:
    try:
        environment = connect(name)
        services: Future[tuple[Service, ...]] = pool.submit(environment.services)
        alarms: Future[tuple[Alarm, ...]] = pool.submit(environment.alarms)
        entries = read_ledger(environment).entries
        latest = entries[0] if entries else None
        single = [alarm for alarm in alarms.result() if not alarm.composite]
        by_service = {s.stack: alarms_of(s, single, services.result()) for s in services.result()}
        theirs = {alarm.name for found in by_service.values() for alarm in found}
        return EnvironmentStatus(
            environment=name,
            release=latest.release if latest else "",
            outcome=latest.outcome if latest else "",
            released_at=latest.at if latest else None,
            services=tuple(service_status(s, by_service[s.stack], entries) for s in services.result()),
            alarms=tuple(alarm.name for alarm in single if alarm.state == "ALARM" and alarm.name not in theirs),
        )
    except NovaError as error:
        return EnvironmentStatus(environment=name, error=str(error), exit_code=error.exit_code)


def service_status(service: Service, alarms: Sequence[Alarm], entries: Sequence[Entry]) -> ServiceStatus:
    """What is to be said about a service.

    Args:
        service: The service.
        alarms: Its alarms.
        entries: The environment's ledger, newest first.
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
        well=calm and service.running >= service.desired and not kinds["ALARM"],
    )


def release_of(service: Service, entries: Sequence[Entry]) -> str:
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


def deployment_in_words(service: Service) -> tuple[str, bool]:
    """What a service's deployment does, and whether that is calm."""
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


def as_json(found: Sequence[EnvironmentStatus]) -> str:
    """Everything, for programs."""
    return json.dumps([asdict(environment) for environment in found], default=_plain, indent=2)


def _plain(value: object) -> str:
    assert isinstance(value, datetime), "nothing else in it is not JSON already"
    return value.astimezone(UTC).isoformat(timespec="seconds")


def show(found: Sequence[EnvironmentStatus], console: Console) -> None:
    """One table, an environment after the other."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("", "Service", "Release", "Tasks", "Deployment", "Alarms"):
        table.add_column(name, no_wrap=name == "", overflow="fold", justify="right" if name == "Tasks" else "left")
    for environment in found:
        table.add_row(*_heading(environment))
        for service in environment.services:
            table.add_row(*_row(service))
    console.print(table)
    for environment in found:
        if environment.error:
            console.print(Text(f"{environment.environment}: {environment.error}", style="red"), soft_wrap=True)
        if environment.alarms:
            console.print(Text(f"{environment.environment}: in ALARM: {', '.join(environment.alarms)}", style="red"))


def _heading(environment: EnvironmentStatus) -> list[Text]:
    if environment.error:
        return [Text("?", "yellow"), Text(environment.environment, "bold"), Text("not reached, see below", "yellow")]
    unwell = sum(not service.well for service in environment.services)
    mark = Text("✗", "red") if unwell or environment.alarms else Text("✓", "green")
    since = f"{duration(datetime.now(UTC) - environment.released_at)} ago" if environment.released_at else ""
    return [
        mark,
        Text(environment.environment, "bold"),
        Text(short(environment.release) or "no ledger", "bold"),
        Text(f"{sum(s.running for s in environment.services)}/{sum(s.desired for s in environment.services)}"),
        Text(f"{environment.outcome} {since}".strip()),
        Text(f"{unwell} of {len(environment.services)} need attention" if unwell else ""),
    ]


def _row(service: ServiceStatus) -> list[Text]:
    few = service.running < service.desired
    alarms = Text(", ".join(service.alarms), "bold red")
    if service.unknown_alarms:
        alarms.append(f"{'; ' if service.alarms else ''}no data: {', '.join(service.unknown_alarms)}", "yellow")
    return [
        Text("") if service.well else Text("✗", "red"),
        Text(f"  {service.service}"),
        Text(service.release),
        Text(f"{service.running}/{service.desired}", "red" if few else ""),
        Text(service.deployment, "" if service.deployment == "steady" else "yellow"),
        alarms if alarms.plain else Text("ok", "dim"),
    ]

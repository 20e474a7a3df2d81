"""The table of ``nova status``, and its JSON, whose keys are the fields of `status`'s data classes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from nova_infra.documents.model import Cell, Document, Line, Paragraph, Section, Table, Tone
from nova_infra.documents.text import listed
from nova_infra.operations.records.lookup import short
from nova_infra.operations.records.metrics import duration
from nova_infra.operations.reports.background import UNWATCHED, job_row
from nova_infra.operations.reports.status import EnvironmentStatus, ServiceStatus

_BAD = Line.of("✗", tone="bad")


def as_json(found: Sequence[EnvironmentStatus]) -> str:
    """Everything, for programs."""
    return json.dumps([asdict(environment) for environment in found], default=_plain, indent=2)


def _plain(value: object) -> str:
    assert isinstance(value, datetime), "nothing else in it is not JSON already"
    return value.astimezone(UTC).isoformat(timespec="seconds")


def document(found: Sequence[EnvironmentStatus]) -> Document:
    """One table, an environment after the other, and below it what its columns cannot show."""
    rows = [
        row
        for environment in found
        for row in (_heading(environment), *map(_row, environment.services), *map(job_row, environment.jobs))
    ]
    table = Table(tuple(rows), ("", "Service", "Release", "Tasks", "Deployment", "Alarms"), right=frozenset({3}))
    faults = (Paragraph.of(fault, tone="bad") for environment in found for fault in _faults(environment))
    silent = (Paragraph.of(line, tone="quiet") for environment in found for line in _silent(environment))
    return Document(sections=(Section("", (table, *faults, *silent)),))


def _silent(environment: EnvironmentStatus) -> Iterator[str]:
    """Which alarms are silent for lack of requests; services with the same alarms and limits share a line."""
    alike: dict[str, list[str]] = {}
    for service in environment.services:
        if service.silent:
            needs = ", ".join(f"{kind} needs {needed}" for kind, needed in service.silent.items())
            alike.setdefault(needs, []).append(f"{service.service} ({service.judged_by:.3g})")
    for needs, services in alike.items():
        yield f"{environment.environment}: too few requests a minute for alarms: {needs}: {listed(services)}"


def _faults(environment: EnvironmentStatus) -> Iterator[str]:
    if environment.error:
        yield f"{environment.environment}: {environment.error}"
    yield from environment.faults
    yield from (fault for service in environment.services for fault in service.faults)
    if environment.alarms:
        yield f"{environment.environment}: in ALARM: {', '.join(environment.alarms)}"
    if would := [f"{s.service} ({', '.join(s.would_stop)})" for s in environment.services if s.would_stop]:
        yield (
            f"{environment.environment}: in ALARM, and would stop a deployment if they were deployment alarms: "
            f"{listed(would)}"
        )


def _heading(environment: EnvironmentStatus) -> tuple[Cell, ...]:
    name = environment.environment
    if environment.error and environment.faults:
        return _BAD, name, Line.of("its first deployment failed, see below", tone="bad"), "", "", ""
    if environment.error:
        return Line.of("?", tone="warn"), name, Line.of("not reached, see below", tone="warn"), "", "", ""
    everyone = len(environment.services) + len(environment.jobs)
    unwell = sum(not each.well for each in environment.services) + sum(not each.well for each in environment.jobs)
    since = f"{duration(datetime.now(UTC) - environment.released_at)} ago" if environment.released_at else ""
    return (
        _BAD if unwell or environment.alarms or environment.faults else Line.of("✓", tone="good"),
        name,
        short(environment.release) or "no ledger",
        f"{sum(s.running for s in environment.services)}/{sum(s.desired for s in environment.services)}",
        f"{environment.outcome} {since}".strip(),
        f"{unwell} of {everyone} need attention" if unwell else "",
    )


def _row(service: ServiceStatus) -> tuple[Cell, ...]:
    few: Tone = "bad" if service.running < service.desired else ""
    deployment = "see below" if service.faults and service.deployment == "steady" else service.deployment
    deployment = f"{deployment}; {service.queue}" if service.queue else deployment
    tone: Tone = "bad" if service.faults else "" if service.deployment == "steady" else "warn"
    return (
        "" if service.well else _BAD,
        f"  {service.service}",
        service.release,
        Line.of(f"{service.running}/{service.desired}", tone=few),
        Line.of(deployment, tone=tone),
        _alarms(service),
    )


def _alarms(service: ServiceStatus) -> Line:
    if not service.watched:
        return UNWATCHED
    red, unknown = ", ".join(service.alarms), ", ".join(service.unknown_alarms)
    silent = f"silent by {service.judged_by:.3g}/min" if service.silent else ""
    if not (red or unknown or silent):
        by = "" if service.judged_by is None else f" by {service.judged_by:.3g}/min"
        return Line.of(f"ok{by}", tone="quiet")
    said = filter(None, (red, unknown and f"no data: {unknown}", silent))
    return Line.of("; ".join(said), tone="bad" if red else "warn" if unknown else "quiet")

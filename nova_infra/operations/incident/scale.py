"""Scales a service for an incident; AWS itself restores the usual numbers when the time is up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from nova_infra.deployed.model import Capacity
from nova_infra.deployed.protocol import DeployedEnvironment
from nova_infra.errors import RefusedError
from nova_infra.operations.records.ledger import Scaling, append_scaling

LONGEST = timedelta(days=7)


class Scalable(DeployedEnvironment, Protocol):
    """An environment whose services scale."""

    def capacity(self, service: str) -> Capacity:
        """How many tasks a service may have."""

    def scale(self, service: str, least: int, most: int, *, usual: tuple[int, int], until: datetime | None) -> None:
        """Let a service have other numbers of tasks."""


def scale(
    environment: Scalable, service: str, *, least: int | None, most: int | None, lasts: timedelta, why: str
) -> Scaling:
    """Scale a service for an incident, and write that to the ledger.

    Args:
        environment: The environment.
        service: The service.
        least: The least tasks; None to leave them.
        most: The most tasks; None to leave them, or to raise them to the least.
        lasts: How long.
        why: The reason.

    Raises:
        RefusedError: The numbers are none, or the service does not scale; nothing was changed.
    """
    if least is None and most is None:
        raise RefusedError("scale: give --min, --max or both, or --end to restore the usual numbers now")
    if not timedelta() < lasts <= LONGEST:
        raise RefusedError(f"scale: --for: give at most {LONGEST.days} days: change nova.toml if it should last longer")
    now = environment.capacity(service)
    least = now.least if least is None else least
    most = max(now.most, least) if most is None else most
    if not 0 <= least <= most or not most:
        raise RefusedError(
            f"scale: {least} to {most} tasks is not a range: --min must be at most --max, and --max at least 1"
        )
    until = (environment.now() + lasts).replace(microsecond=0)
    environment.scale(service, least, most, usual=now.usual, until=until)
    return _record(environment, service, least, most, until, why)


def end(environment: Scalable, service: str, *, why: str) -> Scaling:
    """Take a scaling back before its time.

    Raises:
        RefusedError: The service is not scaled for an incident; nothing was changed.
    """
    now = environment.capacity(service)
    if not now.scaled:
        raise RefusedError(
            f"scale: {service} already has its usual {now.least} to {now.most} tasks: there is nothing to end"
        )
    least, most = now.usual
    environment.scale(service, least, most, usual=now.usual, until=None)
    return _record(environment, service, least, most, environment.now().replace(microsecond=0), why)


def _record(environment: Scalable, service: str, least: int, most: int, until: datetime, why: str) -> Scaling:
    at = environment.now().replace(microsecond=0)
    made = Scaling(service, least, most, until, at, environment.caller(), why)
    append_scaling(environment, made)
    return made

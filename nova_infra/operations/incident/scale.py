"""``nova scale``: sets a service's task counts for an incident; AWS restores them when the time is up."""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from nova_infra.deployed.protocol import DeployedEnvironment
from nova_infra.deployed.task import Capacity
from nova_infra.errors import AwsError, NovaError, RefusedError
from nova_infra.operations.records.ledger import read_ledger
from nova_infra.operations.records.scaling import IncidentScaling, append_scaling

LONGEST = timedelta(days=7)


class Scalable(DeployedEnvironment, Protocol):
    """An environment whose services scale."""

    def capacity(self, service: str) -> Capacity:
        """How many tasks a service may have."""

    def set_capacity(self, service: str, least: int, most: int) -> None:
        """Set a service's least and most tasks."""

    def plan_end(self, service: str, usual: tuple[int, int], until: datetime) -> None:
        """Have AWS restore the usual numbers of tasks at a time, UTC."""

    def forget_end(self, service: str) -> None:
        """Cancel the planned restoration."""


def scale(
    environment: Scalable, service: str, *, least: int | None, most: int | None, lasts: timedelta, why: str
) -> IncidentScaling:
    """Scale a service for an incident, and write that to the ledger.

    Args:
        least: The least tasks; None to leave them.
        most: The most tasks; None to leave them, or to raise them to the least.

    Raises:
        RefusedError: The numbers are none, or the service does not scale; nothing was changed.
        AwsError: AWS refused a call; running it again finishes what was begun.
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
    made = IncidentScaling(service, least, most, until, *_signed(environment, why))
    environment.plan_end(service, now.usual, until)  # first: what has begun always ends
    with _begun():
        environment.set_capacity(service, least, most)
        append_scaling(environment, made)
    return made


def end(environment: Scalable, service: str, *, why: str) -> IncidentScaling:
    """End a scaling early.

    Raises:
        RefusedError: The service is not scaled for an incident; nothing was changed.
    """
    now = environment.capacity(service)
    if not (now.scaled or _recorded(environment, service)):
        raise RefusedError(
            f"scale: {service} already has its usual {now.least} to {now.most} tasks: there is nothing to end"
        )
    least, most = now.usual
    made = IncidentScaling(service, least, most, environment.now().replace(microsecond=0), *_signed(environment, why))
    environment.set_capacity(service, least, most)
    with _begun():
        environment.forget_end(service)
        append_scaling(environment, made)
    return made


def _recorded(environment: Scalable, service: str) -> bool:
    """Whether the ledger says that it is scaled: an interrupted end may not have been written down."""
    latest = next((each for each in read_ledger(environment).scalings if each.service == service), None)
    return latest is not None and latest.until > environment.now()


def _signed(environment: Scalable, why: str) -> tuple[datetime, str, str]:
    return environment.now().replace(microsecond=0), environment.caller(), why


@contextlib.contextmanager
def _begun() -> Iterator[None]:
    """Turn any failure into one that says that something was changed, because it is no refusal any more."""
    try:
        yield
    except NovaError as error:
        raise AwsError(f"{error}; the scaling is not complete: run the same command again") from None

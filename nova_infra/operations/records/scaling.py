"""Services that were scaled for an incident, as the ledger keeps them."""

from dataclasses import dataclass
from datetime import datetime

from nova_infra.deployed.protocol import RecordedEnvironment
from nova_infra.operations.records.parameter import Fields, encode, parameter_name

KIND = "scaling"
_MAX_WHY = 400


@dataclass(frozen=True)
class IncidentScaling:
    """A service that was scaled for an incident.

    Attributes:
        until: When AWS restores what is usual, UTC; when it was ended, that moment.
    """

    service: str
    least: int
    most: int
    until: datetime
    at: datetime
    by: str
    why: str


def append_scaling(environment: RecordedEnvironment, scaling: IncidentScaling) -> None:
    """Write down that a service was scaled."""
    value = {"kind": KIND, **vars(scaling), "why": scaling.why[:_MAX_WHY]}
    environment.put_parameter(parameter_name(environment, "release"), encode(value))


def read_scaling(fields: Fields) -> IncidentScaling:
    """Read what :func:`append_scaling` wrote."""
    return IncidentScaling(
        service=fields.text("service"),
        least=fields.number("least"),
        most=fields.number("most"),
        until=fields.time("until"),
        at=fields.time("at"),
        by=fields.text("by"),
        why=fields.text("why"),
    )

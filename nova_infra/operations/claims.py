"""One rollback at a time: whoever gets the next version of a parameter was first, whoever gets a later one second."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nova_infra.operations.environment import DeployedEnvironment
from nova_infra.operations.errors import RefusedError
from nova_infra.operations.ledger import parameter_name

_SURELY_BEGUN = timedelta(minutes=2)
"""From the claim to the moment in which the stacks show that they are being updated."""

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Claim:
    """What is known about the rollback that began last.

    Attributes:
        version: Version of the parameter; 0 where there never was a rollback.
        under_way: Whether it has not ended, as far as the parameter tells.
        release: What it goes back to.
        by: Who runs it.
        at: When it began, UTC.
    """

    version: int = 0
    under_way: bool = False
    release: str = ""
    by: str = ""
    at: datetime = _NEVER


def read_claim(environment: DeployedEnvironment) -> Claim:
    """The rollback that began last."""
    versions = environment.history(parameter_name(environment, "rollback"))
    if not versions:
        return Claim()
    latest = versions[-1]
    try:
        value = json.loads(latest.value)
        return Claim(
            latest.version,
            bool(value["under_way"]),
            str(value["release"]),
            str(value["by"]),
            datetime.fromisoformat(value["at"]),
        )
    except (ValueError, KeyError, TypeError):
        # Whatever it is, no rollback wrote it, and none will end it.
        return Claim(latest.version)


def check(claim: Claim, *, busy: bool, now: datetime) -> None:
    """Refuse where another rollback is under way. One that was killed leaves a claim that counts no more.

    Args:
        claim: The claim that was found.
        busy: Whether any of the services' stacks is being updated.
        now: The time, UTC.

    Raises:
        RefusedError: Another one is under way.
    """
    if claim.under_way and (busy or now - claim.at < _SURELY_BEGUN):
        raise RefusedError(
            f"rollback: another one, to {claim.release}, is under way since {claim.at:%H:%M:%S} UTC, by {claim.by}: "
            "wait for it; if it was killed, run this again when its stacks have settled, in two minutes at the earliest"
        )


def take(environment: DeployedEnvironment, release: str, *, after: Claim) -> None:
    """Claim the environment for a rollback.

    Args:
        environment: The environment.
        release: What it goes back to.
        after: The claim that was read before.

    Raises:
        RefusedError: Somebody else was first.
    """
    version = _write(environment, release, under_way=True)
    if version != after.version + 1:
        raise RefusedError(
            "rollback: somebody else began one at the same moment and was first: nothing was changed by this one; wait "
            "for it, and see `nova releases` for who it was"
        )


def give_back(environment: DeployedEnvironment, release: str) -> None:
    """End the claim."""
    _write(environment, release, under_way=False)


def _write(environment: DeployedEnvironment, release: str, *, under_way: bool) -> int:
    value = {
        "under_way": under_way,
        "release": release,
        "by": environment.caller(),
        "at": datetime.now(UTC).replace(microsecond=0).isoformat(),
    }
    return environment.put_parameter(parameter_name(environment, "rollback"), json.dumps(value, ensure_ascii=False))

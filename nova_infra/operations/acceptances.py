"""Acceptances: what is red in an environment, and may stay red while one release is deployed there, for some hours.

For a preflight that is red for a reason outside the release, such as an old revision whose leak keeps the memory alarm
red that the release mends. Each is a parameter of its own below ``/<platform>/<environment>/accepted/`` and names what
was red when it was given: what goes red later is not accepted. It ends by itself, and stays to be read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nova_infra.operations.environment import DeployedEnvironment
from nova_infra.operations.errors import AwsError
from nova_infra.operations.holds import check_name
from nova_infra.operations.ledger import parameter_name
from nova_infra.operations.targets import names

LASTS = timedelta(hours=4)
"""Enough to retry a stage, to approve and to bake; too short to be forgotten."""

_MAX_WHY = 400


@dataclass(frozen=True)
class Acceptance:
    """What is accepted for one release.

    Attributes:
        release: The release, or the beginning of its commit.
        subjects: Alarms, and whatever else the preflight found red, by their names.
        why: The reason.
        by: Who accepted it.
        at: When, UTC.
        until: When it ends, UTC.
    """

    release: str
    subjects: tuple[str, ...]
    why: str
    by: str
    at: datetime
    until: datetime

    def __str__(self) -> str:
        """Who, why and until when."""
        return f"accepted by {self.by} because {self.why!r}, until {self.until:%Y-%m-%d %H:%M} UTC"


def read_acceptances(environment: DeployedEnvironment) -> tuple[Acceptance, ...]:
    """All acceptances of an environment, newest first, those that have ended included.

    Raises:
        AwsError: One cannot be read.
    """
    found = []
    for name, text in environment.parameters(parameter_name(environment, "accepted")).items():
        try:
            value = json.loads(text)
            found.append(
                Acceptance(
                    release=name.rpartition("/")[2],
                    subjects=tuple(map(str, value["subjects"])),
                    why=str(value["why"]),
                    by=str(value["by"]),
                    at=datetime.fromisoformat(value["at"]).astimezone(UTC),
                    until=datetime.fromisoformat(value["until"]).astimezone(UTC),
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            raise AwsError(f"{name}: is not an acceptance ({error!r}): see who wrote it, and delete it") from None
    return tuple(sorted(found, key=lambda acceptance: acceptance.at, reverse=True))


def accept(environment: DeployedEnvironment, release: str, subjects: Sequence[str], *, why: str) -> Acceptance:
    """Accept what is red now, for one release; a further time, it replaces the first.

    Raises:
        RefusedError: No release can have that name.
    """
    check_name(release)
    now = datetime.now(UTC).replace(microsecond=0)
    made = Acceptance(release, tuple(subjects), why[:_MAX_WHY], environment.caller(), now, now + LASTS)
    value = {
        "subjects": made.subjects,
        "why": made.why,
        "by": made.by,
        "at": made.at.isoformat(),
        "until": made.until.isoformat(),
    }
    name = parameter_name(environment, "accepted", release)
    environment.put_parameter(name, json.dumps(value, separators=(",", ":"), ensure_ascii=False))
    return made


def accepted(acceptances: Sequence[Acceptance], release: str, *, now: datetime) -> dict[str, Acceptance]:
    """What is accepted for a release now: subject to the latest acceptance of it.

    Args:
        acceptances: The environment's acceptances, newest first.
        release: The release.
        now: The time, UTC.
    """
    return {
        subject: each
        for each in reversed(acceptances)
        if names(each.release, release) and now < each.until
        for subject in each.subjects
        if subject  # what nobody can accept has no name
    }

"""Waivers (``nova accept-red``): red alarms, certificates or quotas that one release may be deployed despite.

They are for a preflight that is red for a reason outside the release, such as a leak of the old revision that keeps the
memory alarm red and that the release fixes. Each waiver is a parameter below
``/<platform>/<environment>/accepted/``. It names what was red when written, and in which state; it does not cover
what goes red later. It expires by itself and stays readable.

Anyone with the release role can write such a parameter without the command: the role is the boundary, and CloudTrail
proves who did.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nova_infra.deployed.protocol import ObservedEnvironment, RecordedEnvironment
from nova_infra.errors import RefusedError
from nova_infra.operations.records.holds import checked_name
from nova_infra.operations.records.lookup import is_hexadecimal, names
from nova_infra.operations.records.parameter import NEVER, Fields, encode, parameter_name, read_records

LASTS = timedelta(hours=4)
"""Long enough to retry a stage, to approve and to bake; too short to be forgotten.

If the bakes last longer, the waiver has expired when verify looks, and verify fails on what is red: write another.
"""

_AHEAD = timedelta(minutes=5)
"""By how much the clock of the machine that wrote a waiver may be ahead."""

_DIGITS = 12
"""Digits of a commit that a waiver needs: as many as preflight prints, so that they match no other commit."""

_MAX_WHY = 400


@dataclass(frozen=True)
class Waiver:
    """What may stay red for one release.

    Attributes:
        subjects: Alarms with their state, and whatever else the preflight found red, by their names.
        by: Who wrote it, as STS says.
        until: When it ends, UTC.
    """

    release: str
    subjects: tuple[str, ...]
    why: str
    by: str
    at: datetime
    until: datetime

    def __str__(self) -> str:
        return f"waived by {self.by} because {self.why!r}, until {self.until:%Y-%m-%d %H:%M} UTC"


def read_waivers(environment: ObservedEnvironment) -> tuple[Waiver, ...]:
    """All waivers of an environment, newest first, expired ones included.

    One that cannot be read waives nothing.
    """

    def read(release: str, fields: Fields) -> Waiver:
        at = fields.time("at")
        # A parameter written by hand lasts no longer than one that the command writes.
        until = min(fields.time("until"), at + LASTS)
        return Waiver(release, fields.texts("subjects"), fields.text("why"), fields.text("by"), at, until)

    def unreadable(release: str, why: str) -> Waiver:
        return Waiver(release, (), why, "somebody", NEVER, NEVER)

    return read_records(environment, "accepted", read, unreadable, written_by="nova accept-red")


def waivable_release(release: str) -> str:
    """The name of a release that may get a waiver, as the ledger would have it."""
    name = checked_name(release)
    if is_hexadecimal(name) and len(name) < _DIGITS:
        raise RefusedError(
            f"release: {release!r} is too short: give at least {_DIGITS} hex digits of the commit, as the "
            "preflight prints it"
        )
    return name


def waive(environment: RecordedEnvironment, release: str, subjects: Sequence[str], *, why: str, by: str) -> Waiver:
    """Waive what is red now for one release. The waiver replaces an earlier one for the same release.

    Args:
        release: The release, as :func:`waivable_release` has it.
        by: Who writes it, as STS says: what started a build is a name that the build can set.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    made = Waiver(release, tuple(subjects), why[:_MAX_WHY], by, now, now + LASTS)
    value = {key: each for key, each in vars(made).items() if key != "release"}
    environment.put_parameter(parameter_name(environment, "accepted", release), encode(value))
    return made


def waived(waivers: Sequence[Waiver], release: str, *, now: datetime) -> dict[str, Waiver]:
    """What is waived for a release now: subject to its latest waiver. One that is dated later waives nothing yet."""
    return {
        subject: each
        for each in reversed(waivers)
        if names(each.release, release) and each.at <= now + _AHEAD and now < each.until
        for subject in each.subjects
        if subject  # what cannot be waived has no name
    }

"""Holds (``nova hold``): releases that must not be deployed to an environment until somebody ends the hold.

Each is a separate parameter below ``/<platform>/<environment>/hold/``, so that two people who write at once do not
overwrite each other. A hold that has ended stays, and says who ended it and why. A hold that a rollback writes also
names the images that it replaced: a later commit that did not fix them would bring them back.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from nova_infra.deployed.protocol import ObservedEnvironment, RecordedEnvironment
from nova_infra.errors import RefusedError
from nova_infra.operations.records.lookup import SHORTEST_COMMIT, as_commit, begins, names
from nova_infra.operations.records.parameter import NEVER, Fields, encode, parameter_name, read_records

# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
_NAME = re.compile(rf"[\w.-]{{{SHORTEST_COMMIT},128}}")
_MAX_WHY = 1000


@dataclass(frozen=True)
class Hold:
    """A release that must not be deployed.

    Attributes:
        release: The release, or the beginning of its commit.
        images: Service to the digest of an image that must not be deployed either, whatever the release.
    """

    release: str
    why: str
    by: str
    at: datetime
    images: Mapping[str, str]


def read_holds(environment: ObservedEnvironment) -> tuple[Hold, ...]:
    """All holds, newest first. An unreadable one holds the release that it names, for unknown reasons."""

    def read(release: str, fields: Fields) -> Hold | None:
        if "released" in fields:
            return None
        return Hold(release, fields.text("why"), fields.text("by"), fields.time("at"), fields.mapping("images"))

    def unreadable(release: str, why: str) -> Hold:
        return Hold(release, why, "somebody", NEVER, {})

    return read_records(environment, "hold", read, unreadable, written_by="nova hold")


def hold(environment: RecordedEnvironment, release: str, *, why: str, images: Mapping[str, str] | None = None) -> Hold:
    """Hold a release. A release on hold gets the new reason.

    Raises:
        RefusedError: No release can have that name.
    """
    release = checked_name(release)
    made = Hold(release, why[:_MAX_WHY], environment.caller(), datetime.now(UTC).replace(microsecond=0), images or {})
    _write(environment, made)
    return made


def checked_name(release: str) -> str:
    """The name of a release, as the ledger would have it.

    Raises:
        RefusedError: It can be the name of no release, nor of a parameter.
    """
    if not _NAME.fullmatch(release):
        raise RefusedError(
            f"release: {release!r} is not the name of a release: give a commit, as `nova releases` shows, and at least "
            f"{SHORTEST_COMMIT} digits of it"
        )
    return as_commit(release)


def release_hold(environment: RecordedEnvironment, release: str, *, why: str) -> Hold:
    """End a hold, even one set twice: by the beginning of the commit and by all of it.

    Raises:
        RefusedError: The release is not held.
    """
    release = as_commit(release)
    holds = {held.release: held for held in read_holds(environment)}
    matching = sorted(name for name in holds if names(name, release) or begins(release, name))
    if not matching or not all(name.startswith(matching[0]) for name in matching):
        raise RefusedError(
            f"release: {release!r} is not on hold in {environment.name}: "
            + (f"on hold are {', '.join(holds)}" if holds else "nothing is on hold there")
        )
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    for name in matching:
        _write(environment, holds[name], released={"why": why[:_MAX_WHY], "by": environment.caller(), "at": now})
    return holds[matching[-1]]


def _write(environment: RecordedEnvironment, held: Hold, **more: object) -> None:
    value = {"why": held.why, "by": held.by, "at": held.at, "images": dict(held.images), **more}
    environment.put_parameter(parameter_name(environment, "hold", held.release), encode(value))


def refusals(holds: tuple[Hold, ...], release: str, images: Mapping[str, str]) -> list[str]:
    """Why a release may not be deployed, in sentences; empty if it may.

    Args:
        images: Service to the digest of its image in the release.
    """
    found = []
    for held in holds:
        same = sorted(service for service, digest in held.images.items() if images.get(service) == digest)
        if names(held.release, release):
            found.append(
                f"release {release} has been on hold since {held.at:%Y-%m-%d %H:%M} UTC, by {held.by}: {held.why}"
            )
        elif same:
            found.append(
                f"{', '.join(same)}: has the same image as release {held.release}, which {held.by} put on hold: "
                f"{held.why}"
            )
    return found

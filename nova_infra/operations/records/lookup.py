"""Finds releases in the ledger: by name, or the last good one. `rollback/plan` chooses what to return to."""

import re
from collections.abc import Container, Mapping
from datetime import datetime

from nova_infra.errors import RefusedError
from nova_infra.operations.records.ledger import Entry, Ledger

_SHORTEST_PREFIX = 4

SHORTEST_COMMIT = 7
"""Digits of a commit that is written down before anything here knows it: as many as git shows."""


def matching(ledger: Ledger, release: str) -> list[Entry]:
    """The entries of a release, newest first.

    Raises:
        RefusedError: The ledger has none, or several releases begin like that.
    """
    names = dict.fromkeys(entry.release for entry in ledger.entries if begins(release, entry.release))
    if release in names:
        names = {release: None}
    if len(names) > 1:
        raise RefusedError(f"release: {release!r} is ambiguous: it could be {', '.join(names)}: give more digits")
    if not names:
        known = ", ".join(short(name) for name in list(dict.fromkeys(e.release for e in ledger.entries if e.good))[:5])
        raise RefusedError(
            f"release: {release!r} was never released here"
            + (f": choose one such as {known}" if known else ", and no other release is verified: see `nova releases`")
        )
    return [entry for entry in ledger.entries if entry.release in names]


def find(ledger: Ledger, release: str) -> Entry:
    """The latest good entry of a release, given by its name or the beginning of it.

    Raises:
        RefusedError: The ledger has none, or it was never seen to run as it should.
    """
    entries = matching(ledger, release)
    for entry in entries:
        if entry.good:
            return entry
    raise RefusedError(
        f"release: {short(entries[0].release)} was never verified here (it is {entries[0].outcome}): choose another "
        "one, as `nova releases` shows"
    )


def last_good(ledger: Ledger, held: Container[str], deployed: Mapping[str, str | None]) -> Entry:
    """The release that a rollback returns to by default.

    It is the latest one that was seen to run as it should, that is not on hold, and whose images are others than those
    of the release that runs. Where the latest entry is a rollback that is still in force, it is that one: to go back
    further is a decision that a person takes by naming a release. A rollback that was made and not seen to run as it
    should is finished first, too.

    Args:
        deployed: Service to the digest of the image that it is meant to run now.
    """
    latest = current(ledger, deployed)
    if latest is not None and latest.outcome == "rolled-back":
        return latest
    for entry in ledger.entries:
        if latest is not None and latest.outcome == "deployed" and entry.good and entry.release == latest.release:
            return entry
    for entry in ledger.entries:
        if entry.good and entry.release not in held and (latest is None or dict(entry.images) != dict(latest.images)):
            return entry
    raise RefusedError(
        "release: none to roll back to: the ledger has no other release that was verified and is not on hold: see "
        "`nova releases`, and name one with --to"
    )


def current(ledger: Ledger, deployed: Mapping[str, str | None]) -> Entry | None:
    """The latest entry if it is deployed; None if something else is, or parts of several releases."""
    if not ledger.entries:
        return None
    latest = ledger.entries[0]
    same = all(latest.images[name].digest == digest for name, digest in deployed.items() if name in latest.images)
    return latest if same and latest.images.keys() & deployed.keys() else None


def short(release: str) -> str:
    """A commit as people write it; any other name as it is."""
    return release[:12] if _is_commit(release) else release


def names(written: str, release: str) -> bool:
    """Whether a person's input names a release: its whole name, or the beginning of its commit, as git shortens it."""
    return written == release or (len(written) >= SHORTEST_COMMIT and _is_commit(release) and begins(written, release))


def begins(written: str, name: str) -> bool:
    """Whether a person's input is a known name, or enough of its beginning."""
    return written == name or (len(written) >= _SHORTEST_PREFIX and name.startswith(written))


def is_hexadecimal(written: str) -> bool:
    """Whether it can be a commit, or the beginning of one, in either case."""
    return 0 < len(written) <= 40 and all(c in "0123456789abcdefABCDEF" for c in written)


def as_commit(written: str) -> str:
    """A commit in lower case, as git and the ledger have it; any other name as it is."""
    return written.lower() if is_hexadecimal(written) else written


def _is_commit(release: str) -> bool:
    return re.fullmatch("[0-9a-f]{40}", release) is not None


def ago(at: datetime, now: datetime) -> str:
    """How long ago something was, in its largest useful unit."""
    seconds = max(0, int((now - at).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"

"""The four delivery metrics (DORA) of an environment, from its ledger.

Their names and meaning are DORA's (https://dora.dev/guides/dora-metrics/): how often is released, how long a commit
takes to get there, how many releases have to be rolled back, and how long that takes. Where the ledger holds too
little, there is no number: a median of two says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from nova_infra.documents.text import counted
from nova_infra.operations.records.ledger import Entry

ENOUGH = 5
"""Fewest releases for which a rate or a median is shown."""


@dataclass
class DeliveredRelease:
    """One release to an environment: what the ledger says from its deployment to the next one.

    Attributes:
        deployed_at: When the ledger first names it.
        good_at: When it was first seen to run as it should; None where it never was.
        failed_at: When it was found not to; None where it never was. A release that was rolled back without an entry of
            its failure counts from its deployment: users may have been hurt since then.
        restored_at: When, after a failure, something ran as it should again.
    """

    name: str
    committed_at: datetime | None
    deployed_at: datetime
    good_at: datetime | None = None
    failed_at: datetime | None = None
    restored_at: datetime | None = None


@dataclass(frozen=True)
class DeliveryMetric:
    """One of the four.

    Attributes:
        value: The number with its unit, or why there is none.
        definition: How it is computed.
    """

    name: str
    value: str
    known: bool
    definition: str


def releases(entries: Sequence[Entry]) -> list[DeliveredRelease]:
    """The releases in a ledger, oldest first."""
    found: list[DeliveredRelease] = []
    running: str | None = None
    for entry in sorted(entries, key=lambda e: e.at):
        if entry.outcome in ("rolled-back", "deployed"):
            # It brought back something older, which is not a release: whatever was released last has failed.
            if found and found[-1].name != entry.release:
                found[-1].failed_at = found[-1].failed_at or found[-1].deployed_at
            if entry.good:
                _restored(found, entry.at)
        else:
            if entry.release != running:
                found.append(DeliveredRelease(entry.release, entry.committed_at, entry.at))
            if found and found[-1].name == entry.release:
                _judged(found, entry)
        running = entry.release
    return found


def _judged(found: Sequence[DeliveredRelease], entry: Entry) -> None:
    release = found[-1]
    if entry.outcome == "failed":
        release.failed_at = release.failed_at or entry.at
    elif entry.outcome == "verified":
        release.good_at = release.good_at or entry.at
        _restored(found, entry.at)


def _restored(found: Sequence[DeliveredRelease], at: datetime) -> None:
    for release in found:
        if release.failed_at and not release.restored_at:
            release.restored_at = at


def metrics(entries: Sequence[Entry]) -> tuple[DeliveryMetric, ...]:
    """The four metrics, including those that are not known."""
    known = releases(entries)
    return _frequency(known), _lead_time(known), _failure_rate(known), _time_to_restore(known)


def _frequency(known: Sequence[DeliveredRelease]) -> DeliveryMetric:
    definition = "deployments per week, failed ones included, from the first to the latest in the ledger"
    name = "Deployment frequency"
    if len(known) < ENOUGH:
        return _unknown(name, len(known), definition)
    span = known[-1].deployed_at - known[0].deployed_at
    if span < timedelta(days=1):
        return DeliveryMetric(name, f"not enough time to tell (all {len(known)} within a day)", False, definition)
    # As many intervals as there are deployments after the first.
    per_week = (len(known) - 1) / (span / timedelta(weeks=1))
    days = counted(max(1, round(span / timedelta(days=1))), "day")
    return DeliveryMetric(name, f"{per_week:.1f} a week ({len(known)} in {days})", True, definition)


def _lead_time(known: Sequence[DeliveredRelease]) -> DeliveryMetric:
    definition = "median time from commit to its release seen to run as it should"
    times = [r.good_at - r.committed_at for r in known if r.good_at and r.committed_at]
    if len(times) < ENOUGH:
        return _unknown("Lead time", len(times), definition, "good ones with a known commit time")
    return DeliveryMetric("Lead time", f"{duration(_median(times))} (median of {len(times)})", True, definition)


def _failure_rate(known: Sequence[DeliveredRelease]) -> DeliveryMetric:
    definition = "share of deployments that failed or were rolled back"
    if len(known) < ENOUGH:
        return _unknown("Change failure rate", len(known), definition)
    failed = sum(1 for release in known if release.failed_at)
    return DeliveryMetric(
        "Change failure rate", f"{failed / len(known):.0%} ({failed} of {len(known)})", True, definition
    )


def _time_to_restore(known: Sequence[DeliveredRelease]) -> DeliveryMetric:
    definition = "median time from a failed deployment to something that ran as it should again"
    name = "Time to restore"
    failed = [release for release in known if release.failed_at]
    times = [r.restored_at - r.failed_at for r in failed if r.restored_at and r.failed_at]
    waiting = len(failed) - len(times)
    if not failed:
        return DeliveryMetric(name, "nothing had to be restored", False, definition)
    if not times:
        return DeliveryMetric(name, "not restored yet", False, definition)
    note = f"; {waiting} not restored yet" if waiting else ""
    return DeliveryMetric(name, f"{duration(_median(times))} (median of {len(times)}{note})", True, definition)


def _unknown(name: str, count: int, definition: str, what: str = "") -> DeliveryMetric:
    which = f" {what}" if what else ""
    return DeliveryMetric(
        name, f"not enough releases to tell ({count}{which}, of at least {ENOUGH})", False, definition
    )


def _median(times: Sequence[timedelta]) -> timedelta:
    return timedelta(seconds=median(time.total_seconds() for time in times))


def duration(span: timedelta) -> str:
    """A time span in its largest useful unit: ``40 s``, ``12 min``, ``3.5 h``, ``2.1 days``."""
    seconds = max(span.total_seconds(), 0)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"

"""The list of an environment's releases, as text."""

from __future__ import annotations

from collections.abc import Sequence

from nova_infra.operations.records.holds import Hold
from nova_infra.operations.records.ledger import Entry, Ledger
from nova_infra.operations.records.lookup import names, short


def lines(ledger: Ledger, holds: Sequence[Hold]) -> list[str]:
    """A line for each entry, newest first, with the services whose image changed."""
    if not ledger.entries:
        return ["nothing was released here yet"]
    rows = []
    for entry, before in zip(ledger.entries, (*ledger.entries[1:], None), strict=True):
        rows.append(
            (
                short(entry.release),
                f"{entry.at:%Y-%m-%d %H:%M} UTC",
                entry.outcome + (", on hold" if any(names(hold.release, entry.release) for hold in holds) else ""),
                _changed(entry, before),
                entry.by + (f": {entry.reason}" if entry.reason else ""),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]]) for row in rows]


def scaling_lines(ledger: Ledger) -> list[str]:
    """A line for each time that a service was scaled for an incident, newest first."""
    if not ledger.scalings:
        return []
    return [
        "",
        "Scaled for incidents:",
        *(
            f"  {each.at:%Y-%m-%d %H:%M} UTC  {each.service}: {each.least} to {each.most} tasks until "
            f"{each.until:%Y-%m-%d %H:%M} UTC, by {each.by}: {each.why}"
            for each in ledger.scalings
        ),
    ]


def _changed(entry: Entry, before: Entry | None) -> str:
    """The services whose image is another than in the entry before."""
    if before is None:
        return "all services"
    names = sorted(name for name, image in entry.images.items() if before.images.get(name) != image)
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    return ", ".join(names) or "no image"

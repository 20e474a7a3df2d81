"""``nova releases``: the list of an environment's releases, with its metrics, as a report."""

from collections.abc import Iterator, Sequence

from nova_infra.documents.model import Block, Document, Foreign, Line, Paragraph, Section, Table
from nova_infra.operations.records.holds import Hold
from nova_infra.operations.records.ledger import Entry, Ledger
from nova_infra.operations.records.lookup import names, short
from nova_infra.operations.records.metrics import DeliveryMetric, metrics
from nova_infra.operations.records.scaling import IncidentScaling


def document(ledger: Ledger, holds: Sequence[Hold]) -> Document:
    """The releases, newest first, the delivery metrics, and how services were scaled for incidents."""
    return Document(sections=tuple(_sections(ledger, holds)))


def _sections(ledger: Ledger, holds: Sequence[Hold]) -> Iterator[Section]:
    yield Section("", (_releases(ledger.entries, holds),))
    yield Section("", (Table(tuple(map(_metric, metrics(ledger.entries)))),))
    if ledger.scalings:
        yield Section("Scaled for incidents:", (Table(tuple(map(_scaling, ledger.scalings))),))
    if ledger.unreadable:
        yield Section("", tuple(Paragraph.of(Foreign(each), tone="warn") for each in ledger.unreadable))


def _releases(entries: Sequence[Entry], holds: Sequence[Hold]) -> Block:
    if not entries:
        return Paragraph.of("nothing was released here yet")
    return Table(
        tuple(
            (
                short(entry.release),
                f"{entry.at:%Y-%m-%d %H:%M} UTC",
                entry.outcome + (", on hold" if any(names(hold.release, entry.release) for hold in holds) else ""),
                _changed(entry, before),
                Line.of(Foreign(entry.by + (f": {entry.reason}" if entry.reason else ""))),
            )
            for entry, before in zip(entries, (*entries[1:], None), strict=True)
        )
    )


def _metric(metric: DeliveryMetric) -> tuple[str, tuple[Line, ...]]:
    return metric.name, (Line.of(metric.value), Line.of(metric.definition, tone="quiet"))


def _scaling(scaling: IncidentScaling) -> tuple[str, Line]:
    what = f"{scaling.service}: {scaling.least} to {scaling.most} tasks until {scaling.until:%Y-%m-%d %H:%M} UTC, by "
    return f"{scaling.at:%Y-%m-%d %H:%M} UTC", Line.of(what, Foreign(f"{scaling.by}: {scaling.why}"))


def _changed(entry: Entry, before: Entry | None) -> str:
    """The services whose image differs from the entry before."""
    if before is None:
        return "all services"
    names = sorted(name for name, image in entry.images.items() if before.images.get(name) != image)
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    return ", ".join(names) or "no image"

"""What ``nova prove`` prints: what the experiments cost, and what they found."""

from collections.abc import Sequence

from nova_infra.assumptions.catalogue import ground_usd, total, usd
from nova_infra.assumptions.rows import rows
from nova_infra.assumptions.sandbox.experiment import Experiment, Reading, Verdict
from nova_infra.documents.model import Document, Line, Paragraph, Section, Table, Tone

_TONES: dict[Verdict, Tone] = {"held": "good", "refuted": "bad", "undecided": "unknown"}


def estimate(chosen: Sequence[Experiment]) -> Document:
    """The dry run: what each experiment takes, all of them, and the rows that none settles."""
    taken = [(each.name, f"{each.minutes}", f"{usd(each):.2f}", ", ".join(each.rows)) for each in chosen]
    if shared := ground_usd(chosen):
        taken.append(("network and load balancer", "", f"{shared:.2f}", "shared by the experiments"))
    table = Table(tuple(taken), ("Experiment", "Minutes", "USD", "Rows"), right=frozenset({1, 2}))
    open_rows = tuple(Line.of(f"{id_}: {row.unproven}") for id_, row in rows().items() if row.unproven)
    return Document(sections=(Section("", (table, Paragraph.of(total(chosen)))), Section("No experiment", open_rows)))


def findings(readings: Sequence[Reading]) -> Document:
    """The outcome of each row."""
    return Document(sections=(Section("", tuple(Line.of(each.line, tone=_TONES[each.verdict]) for each in readings)),))

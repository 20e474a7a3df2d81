"""A rollback's plan as a report; refuses one that would change more than it may."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from nova_infra.deployed.model import short_digest
from nova_infra.deployed.stack import ChangeSet
from nova_infra.documents.model import Document, Line, Paragraph, Section
from nova_infra.errors import RefusedError
from nova_infra.operations.records.lookup import ago, short
from nova_infra.operations.rollback.plan import Move, RollbackPlan
from nova_infra.operations.rollback.template import is_job, other_changes, rollout_of


def document(
    environment: str,
    plan: RollbackPlan,
    changes: Mapping[str, ChangeSet],
    *,
    canary: bool,
    now: datetime,
    plan_only: bool = False,
) -> Document:
    """What a plan would do.

    Args:
        canary: Whether traffic goes through the rollout in the template.
    """
    target = plan.target
    moves = tuple(_move(move, changes[move.service.stack.name], canary=canary) for move in plan.moves)
    settled = tuple(Line.of(f"{name}: already runs that release's image") for name in plan.settled)
    hold = f"Then release {short(plan.bad)} is put on hold." if plan.bad else "No release is put on hold."
    ends = (hold, "This is a plan: nothing was changed.") if plan_only else (hold,)
    return Document(
        title=f"Roll {environment} back to {short(target.release)}, {target.outcome} {ago(target.at, now)} "
        f"({target.at:%Y-%m-%d %H:%M} UTC, by {target.by})",
        sections=(
            Section("", (*moves, *settled, *map(Line.of, plan.ignored))),
            Section("", tuple(map(Paragraph.of, ends))),
        ),
    )


def _move(move: Move, change_set: ChangeSet, *, canary: bool) -> Line:
    service = move.service
    if move.repair:
        what = (
            f"{service.name}: repair: was pointed at {service.definition.revision} outside CloudFormation, and gets "
            f"its own image {move.image.tag} ({short_digest(move.image.digest)}) again"
        )
    else:
        digests = (short_digest(each) for each in (service.image.digest or "unknown", move.image.digest))
        what = f"{service.name}: {service.image.tag} ({next(digests)}) -> {move.image.tag} ({next(digests)})"
    return Line((what,), below=tuple(Line.of(line) for line in _details(move, change_set, canary=canary)))


def _details(move: Move, change_set: ChangeSet, *, canary: bool) -> Iterator[str]:
    definition = move.service.definition
    as_usual = canary or is_job(move.service.template)
    yield f"rollout: {rollout_of(move.service.template) if as_usual else 'all at once, no bake, no alarms'}"
    if not definition.active:
        yield f"if this fails, CloudFormation cannot roll back: {definition.revision}, which runs now, is inactive"
    for change in change_set.changes:
        replaced = {"True": ", replaced", "Conditional": ", may be replaced"}.get(change.replacement, "")
        yield f"{change.action} {change.type} {change.logical_id}{replaced}"
    if not change_set.changes:
        yield "CloudFormation finds nothing to change"


def refused_changes(plan: RollbackPlan, changes: Mapping[str, ChangeSet]) -> None:
    """Refuse a plan that changes more than task definitions and services."""
    others = [
        f"plan: {move.service.stack.name}: {other}: more than a task definition and a service would change"
        for move in plan.moves
        for other in other_changes(changes[move.service.stack.name].changes, move.service.template)
    ]
    if others:
        raise RefusedError(
            "\n".join([*others, "plan: nothing was changed: find out why, or add --allow-other-changes"])
        )

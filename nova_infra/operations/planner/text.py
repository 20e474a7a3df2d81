"""``nova plan``'s report: stacks, their resources, refusals and consequences."""

from collections import Counter
from collections.abc import Iterable, Iterator

from nova_infra.documents.model import Document, Line, Paragraph, Section
from nova_infra.operations.planner.model import Action, Consequence, PlannedStack
from nova_infra.operations.planner.plan import Plan

_WORDS = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.REPLACE: "replaced",
    Action.MAY_REPLACE: "perhaps replaced",
    Action.DELETE: "deleted",
    Action.KEEP: "left behind",
}
_NAMED = (Action.REPLACE, Action.MAY_REPLACE, Action.DELETE, Action.KEEP)


def document(plan: Plan) -> Document:
    """The stacks that change, with what is replaced or goes, what AWS would refuse, and what else to know."""
    if not plan.stacks:
        nothing = Paragraph.of("Nothing changes: every stack stays as it is.")
        return Document(sections=(Section("", (nothing, *_consequences(plan.consequences))),))
    lost = [each for planned in plan.stacks for each in planned.consequences if each.loses]
    stacks = (*map(_stack, plan.stacks), *_consequences(plan.consequences))
    return Document(sections=(Section("", (*_consequences(lost), *stacks)),))


def _stack(planned: PlannedStack) -> Line:
    counts = Counter(action.action for action in planned.actions)
    said = ", ".join(f"{counts[action]} {word}" for action, word in _WORDS.items() if counts[action])
    return Line(
        (f"{planned.stack.key.name}: {said or 'only its outputs'}",),
        "bad" if planned.refusals else "new" if planned.is_new else "changed",
        (
            *map(Line.of, _named(planned)),
            *(Line.of(str(refusal), tone="bad") for refusal in planned.refusals),
            *_consequences(each for each in planned.consequences if not each.loses),
        ),
    )


def _named(planned: PlannedStack) -> Iterator[str]:
    named = [a for a in planned.actions if a.action in _NAMED and a.type != "AWS::ECS::TaskDefinition"]
    for action in named:
        if action.follows is None:
            because = f" ({action.because})" if action.because else ""
            yield f"{action.logical_id} {action.action}{because}"
    if following := sum(action.follows is not None for action in named):
        yield f"and {following} more because of resources that they refer to"


def _consequences(found: Iterable[Consequence]) -> Iterator[Line]:
    return (Line.of(str(consequence), tone="warn") for consequence in found)

"""A plan as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nova_infra.operations.planner.model import Action, PlannedStack
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


def lines(plan: Plan) -> Iterator[str]:
    """The stacks that change, with what is replaced or goes, what AWS would refuse, and what else to know."""
    if not plan.stacks:
        yield "Nothing changes: every stack stays as it is."
    for stack in plan.stacks:
        yield from _stack(stack)
    for consequence in plan.consequences:
        yield f"! {consequence}"


def _stack(planned: PlannedStack) -> Iterator[str]:
    counts = Counter(action.action for action in planned.actions)
    said = ", ".join(f"{counts[action]} {word}" for action, word in _WORDS.items() if counts[action])
    sign = "✗" if planned.refusals else "+" if planned.is_new else "~"
    yield f"{sign} {planned.stack.key.name}: {said or 'only its outputs'}"
    named = [a for a in planned.actions if a.action in _NAMED and a.type != "AWS::ECS::TaskDefinition"]
    for action in named:
        if action.follows is None:
            because = f" ({action.because})" if action.because else ""
            yield f"    {action.logical_id} {action.action}{because}"
    if following := sum(action.follows is not None for action in named):
        yield f"    and {following} more because of resources that they refer to"
    for refusal in planned.refusals:
        yield f"  ✗ {refusal}"
    for consequence in planned.consequences:
        yield f"  ! {consequence}"

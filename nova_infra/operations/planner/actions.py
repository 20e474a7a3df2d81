"""What happens to each resource of a stack: created, updated, replaced (by `changes/differences`), deleted."""

from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.differences import Replacement, changed_leaves, replacements
from nova_infra.operations.changes.template_values import references, same
from nova_infra.operations.planner.model import Action, ResourceAction, StackTemplate

_KEPT = ("Retain", "RetainExceptOnCreate")
_ATTRIBUTES = ("Metadata", "UpdatePolicy", "UpdateReplacePolicy", "DeletionPolicy", "CreationPolicy")


def resource_actions(before: StackTemplate | None, after: StackTemplate) -> tuple[ResourceAction, ...]:
    """What CloudFormation does with the resources of a stack.

    Args:
        before: The stack as it is deployed; None where it is new.
    """
    if before is not None and before.template == after.template:
        return ()
    return tuple(_actions(before, after))


def _actions(before: StackTemplate | None, after: StackTemplate) -> Iterator[ResourceAction]:
    old, new = (before.resources if before is not None else {}), after.resources
    leaves = changed_leaves(old, new)
    replaced = replacements(new, leaves)
    for logical_id, resource in new.items():
        kind, known = resource["Type"], old.get(logical_id)
        if known is None:
            yield ResourceAction(logical_id, kind, Action.CREATE)
        elif known["Type"] != kind:
            yield ResourceAction(logical_id, kind, Action.REPLACE, f"its type changes from {known['Type']}")
        elif (replacement := replaced.get(logical_id)) is not None:
            action = Action.REPLACE if replacement.certain else Action.MAY_REPLACE
            yield ResourceAction(logical_id, kind, action, replacement.because, replacement.follows)
        elif leaves.get(logical_id) or not all(same(known.get(key), resource.get(key)) for key in _ATTRIBUTES):
            yield ResourceAction(logical_id, kind, Action.UPDATE)
        elif (cause := _replaced_reference(resource, replaced)) is not None:
            yield ResourceAction(logical_id, kind, Action.UPDATE, f"it refers to {cause}, which is replaced", cause)
    for logical_id, resource in old.items():
        if logical_id not in new:
            action = Action.KEEP if resource.get("DeletionPolicy") in _KEPT else Action.DELETE
            yield ResourceAction(logical_id, resource["Type"], action)


def _replaced_reference(resource: Mapping[str, Any], replaced: Mapping[str, Replacement]) -> str | None:
    """A resource that another one takes a value from and that is sure to be replaced."""
    found = (name for name in references(resource.get("Properties")) if name in replaced and replaced[name].certain)
    return next(found, None)

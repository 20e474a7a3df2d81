"""Exports that other stacks use, and imports that no stack exports.

See https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html: an export that another
stack imports can be neither deleted nor changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nova_infra.operations.changes.template_values import listed, references, same
from nova_infra.operations.planner.model import Action, Refusal, ResourceAction
from nova_infra.operations.planner.step import Step


def locked_exports(step: Step) -> Iterator[Refusal]:
    """Refuse to take away or to change what a deployed stack imports."""
    if step.before is None or (not step.actions and step.before.exports == step.after.exports):
        return
    replaced = {action.logical_id: action for action in step.actions if action.action is Action.REPLACE}
    roots: dict[str, set[str]] = {}
    for name, value in step.before.exports.items():
        becomes = step.after.exports.get(name)
        changed = sorted(set(references(becomes)) & replaced.keys())
        if becomes is not None and same(value, becomes) and not changed:
            continue
        if not (importers := {stack.key.name for stack in step.world.importers(step.before, name)}):
            continue
        if changed:
            roots.setdefault(_root(changed[0], replaced), set()).update(importers)
        elif becomes is None:
            yield Refusal(
                step.after.key.name,
                "",
                f"the export {name} is removed while {listed(sorted(importers), 3)} still uses it",
                "keep it in this release and remove it in the next one",
            )
        else:
            yield Refusal(
                step.after.key.name,
                "",
                f"the export {name} would change while {listed(sorted(importers), 3)} uses it",
                "keep its value and export the new one under another name",
            )
    for root, importers in roots.items():
        yield Refusal(
            step.after.key.name,
            root,
            f"would be replaced ({replaced[root].because}), and what it exports is in use by "
            f"{listed(sorted(importers), 3)}",
            "undo the change; if it is necessary, create a second environment and move the traffic",
        )


def _root(logical_id: str, replaced: Mapping[str, ResourceAction]) -> str:
    """The resource with which a chain of replacements began."""
    while (cause := replaced[logical_id].follows) in replaced and cause is not None:
        logical_id = cause
    return logical_id


def missing_exports(step: Step) -> Iterator[Refusal]:
    """Refuse an import of what no stack exports by then."""
    for name in sorted(step.after.imports):
        if step.world.exporter(step.after, name) is None:
            yield Refusal(
                step.after.key.name,
                "",
                f"imports {name}, which no stack exports in {step.after.key.account} {step.after.key.region} by then",
                "deploy the stack that exports it first",
            )

"""What a stack removes while others use it: exports, also those of a VPC with a new CIDR; capacity providers.

Imports that no stack exports are found here, too.

See https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html: an export that another
stack imports can be neither deleted nor changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.documents.text import listed
from nova_infra.operations.changes.certain import is_whole, tables
from nova_infra.operations.changes.template_values import references, same
from nova_infra.operations.planner.blockers.cloudformation.names import changes_kind
from nova_infra.operations.planner.model import Action, Refusal, ResourceAction
from nova_infra.operations.planner.step import Step

_ASSOCIATIONS = "AWS::ECS::ClusterCapacityProviderAssociations"
_BY_THEMSELVES = (
    "deploy those stacks by themselves first, from this commit, by `npx cdk deploy --exclusively`, if they no longer "
    "use it; otherwise undo the change"
)


def locked_exports(step: Step) -> Iterator[Refusal]:
    """Refuse to remove or change what a deployed stack imports."""
    if step.before is None or (not step.actions and step.before.exports == step.after.exports) or changes_kind(step):
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
                _BY_THEMSELVES,
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
            "undo the change, or add it as a service of another name and remove this one"
            if replaced[root].type.endswith("::TargetGroup")
            else "undo the change; if it is necessary, create a second environment and move the traffic",
        )


def capacity_providers_in_use(step: Step) -> Iterator[Refusal]:
    """Refuse to take a capacity provider from a cluster while a service runs on it.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PutClusterCapacityProviders.html,
    ResourceInUseException.
    """
    if step.before is None:
        return
    for logical_id, before in step.before.of_type(_ASSOCIATIONS):
        after = step.after.resources.get(logical_id, {}).get("Properties", {})
        left = after.get("CapacityProviders")
        gone = {*_texts(before.get("CapacityProviders"))} - {*_texts(left)} if is_whole(left) else set[str]()
        users = {
            (stack.key.name, provider)
            for stack in step.world.stacks.values()
            if stack.key[:2] == step.after.key[:2]
            for _, service in stack.of_type("AWS::ECS::Service")
            if step.world.meaning(stack, service.get("Cluster"))
            == step.world.meaning(step.before, before.get("Cluster"))
            for provider in gone
            & {*_texts([each.get("CapacityProvider") for each in tables(service.get("CapacityProviderStrategy"))])}
        }
        if users:
            yield Refusal(
                step.after.key.name,
                logical_id,
                f"takes {listed(sorted({provider for _, provider in users}), 3)} from the cluster while "
                f"{listed(sorted({name for name, _ in users}), 3)} still uses it",
                _BY_THEMSELVES,
            )


def _texts(entries: Any) -> Iterator[str]:
    yield from (each for each in as_list(entries) if isinstance(each, str))


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

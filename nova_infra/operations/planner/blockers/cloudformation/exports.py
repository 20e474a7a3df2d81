"""Refuses to remove exports that other stacks import, and capacity providers in use; imports without export.

Imports that no stack exports are found here, too.

See https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html: an export that another
stack imports can be neither deleted nor changed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.documents.text import listed
from nova_infra.operations.changes.stated_values import is_whole, tables
from nova_infra.operations.changes.template_values import references, same
from nova_infra.operations.planner.blockers.cloudformation.names import changes_kind
from nova_infra.operations.planner.model import Action, Refusal, ResourceAction, StackKey, StackTemplate
from nova_infra.operations.planner.step import Step

_ASSOCIATIONS = "AWS::ECS::ClusterCapacityProviderAssociations"


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
        using = step.world.importers(step.before, name)
        if not (importers := {stack.key.name for stack in using}):
            continue
        if changed:
            roots.setdefault(_root(changed[0], replaced), set()).update(importers)
        elif becomes is None:
            yield step.refuse(
                "",
                f"the export {name} is removed while {listed(sorted(importers), 3)} still uses it",
                _freed(step, using, partial(_imports, name)),
            )
        else:
            yield step.refuse(
                "",
                f"the export {name} would change while {listed(sorted(importers), 3)} uses it",
                "keep its value and export the new one under another name",
            )
    for root, importers in roots.items():
        yield step.refuse(
            root,
            f"would be replaced ({replaced[root].because}), and what it exports is in use by "
            f"{listed(sorted(importers), 3)}",
            "undo the change, or add it as a service of another name and remove this one"
            if replaced[root].type.endswith("::TargetGroup")
            else "undo the change; if it is necessary, create a second environment and move the traffic",
        )


def capacity_providers_in_use(step: Step) -> Iterator[Refusal]:
    """Refuse to take a capacity provider that a service uses (PutClusterCapacityProviders: ResourceInUse)."""
    if step.before is None:
        return
    for logical_id, before in step.before.of_type(_ASSOCIATIONS):
        after = step.after.resources.get(logical_id, {}).get("Properties", {})
        left = after.get("CapacityProviders")
        gone = {*_texts(before.get("CapacityProviders"))} - {*_texts(left)} if is_whole(left) else set[str]()
        cluster = step.world.meaning(step.before, before.get("Cluster"))

        def using(stack: StackTemplate, cluster: str = cluster, gone: frozenset[str] = frozenset(gone)) -> set[str]:
            return {
                provider
                for _, service in stack.of_type("AWS::ECS::Service")
                if step.world.meaning(stack, service.get("Cluster")) == cluster
                for each in tables(service.get("CapacityProviderStrategy"))
                for provider in gone & {*_texts([each.get("CapacityProvider")])}
            }

        near = [stack for stack in step.world.stacks.values() if stack.key[:2] == step.after.key[:2]]
        if users := [stack for stack in near if using(stack)]:
            yield step.refuse(
                logical_id,
                f"takes {listed(sorted(set.union(*map(using, users))), 3)} from the cluster while "
                f"{listed(sorted(stack.key.name for stack in users), 3)} still uses it",
                _freed(step, users, lambda stack: bool(using(stack))),
            )


def _freed(step: Step, using: Sequence[StackTemplate], still: Callable[[StackTemplate], bool]) -> str:
    """How to free what others use: deploy what stays, delete the rest, after what uses their exports."""
    gone = [stack for stack in using if stack.key not in step.release]
    users = [other for stack in gone for name in stack.exports for other in step.world.importers(stack, name)]
    first = {each.key for each in (*users, *using) if each.key in step.release}
    if any(still(step.release[key]) for key in first):
        return "undo the change"
    alone = "each by itself" if len(first) > 1 else "by itself"
    steps = [f"deploy {_those(first)} {alone}, from this commit, by `npx cdk deploy --exclusively`"] if first else []
    if gone:
        steps.append(f"delete {_those(stack.key for stack in gone)}, which the release no longer has")
    return f"{', then '.join(steps)}, and deliver this again"


def _imports(name: str, stack: StackTemplate) -> bool:
    return name in stack.imports


def _those(stacks: Iterable[StackKey]) -> str:
    """Names of all stacks: freeing what they use needs every one."""
    return " and ".join(sorted({key.name for key in stacks}))


def _texts(entries: Any) -> Iterator[str]:
    yield from (each for each in as_list(entries) if isinstance(each, str))


def _root(logical_id: str, replaced: Mapping[str, ResourceAction]) -> str:
    """The resource with which a chain of replacements began."""
    while (cause := replaced[logical_id].follows) in replaced and cause is not None:
        logical_id = cause
    return logical_id


def missing_exports(step: Step) -> Iterator[Refusal]:
    """Refuse an import that no stack exports by then."""
    for name in sorted(step.after.imports):
        if step.world.exporter(step.after, name) is None:
            yield step.refuse(
                "",
                f"imports {name}, which no stack exports in {step.after.key.account} {step.after.key.region} by then",
                "deploy the stack that exports it first",
            )


def taken_exports(step: Step) -> Iterator[Refusal]:
    """Refuse an export whose name another stack of the account and region has at that moment."""
    place = step.after.key[:2]
    others = {**step.world.stacks, **{each.key: each for each in step.wave if each.key < step.after.key}}
    had = step.before.exports if step.before is not None else {}
    for name in step.after.exports.keys() - had.keys() if all(place) else ():
        if owners := [
            k.name for k, each in others.items() if k[:2] == place and k != step.after.key and name in each.exports
        ]:
            yield step.refuse(
                "",
                f"exports {name}, which {owners[0]} exports already in {' '.join(place)}",
                "choose another name, or free it in an earlier release",
            )

"""Refuses names, listener ports and rule priorities that another resource holds at that moment."""

from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.stated_values import table
from nova_infra.operations.changes.template_values import references, shown, value_at
from nova_infra.operations.planner.blockers.cloudformation.identity import IDENTITIES
from nova_infra.operations.planner.model import Action, Consequence, Refusal, ResourceAction, StackTemplate
from nova_infra.operations.planner.roles import names_arn
from nova_infra.operations.planner.step import Step


def changes_kind(step: Step) -> bool:
    """Whether another resource of the same name replaces a stack's service, so that both exist for a while."""
    if step.before is None:
        return False
    before = {shown(p.get("ServiceName")): logical_id for logical_id, p in step.before.of_type("AWS::ECS::Service")}
    return any(
        before.get(shown(p.get("ServiceName")), logical_id) != logical_id
        for logical_id, p in step.after.of_type("AWS::ECS::Service")
        if p.get("ServiceName")
    )


def taken_names(step: Step) -> Iterator[Refusal]:
    """Refuse a name that another resource has, even one that is deleted later: CloudFormation creates first."""
    if changes_kind(step):
        yield step.refuse(
            "",
            "its service becomes one of another kind, and CloudFormation creates the new one, with its alarms, before "
            "it deletes the old one of the same names",
            "add it as a service of another name, deliver, then remove this one",
        )
        return
    for action in step.actions:
        resource = step.after.resources.get(action.logical_id)
        if resource is None or not action.changes or (known := IDENTITIES.get(action.type)) is None:
            continue
        if (wanted := step.world.identity_of(step.after, resource)) is None:
            continue
        where = f"{action.logical_id}.{known.properties[0]}"
        what = _said(action.type, resource)
        if wanted == step.identity_before(action.logical_id):
            if action.action is Action.REPLACE and known.named and not _follows(step, action, resource):
                yield step.refuse(
                    where,
                    f"{what} has a fixed name and {action.because or 'is replaced'}; CloudFormation creates the new "
                    "one before it deletes the old one",
                    "give it another name in the same release, or change it without replacing it",
                )
            continue
        others = step.others_with(wanted, action.logical_id)
        if owner := next((each for each in others if not _moves_first(step, each, wanted, resource)), None):
            remedy = "choose another one, or free it in an earlier release"
            if action.type.endswith("::Listener"):
                remedy = "delete that listener by hand first, or keep the domain as it is"
            yield step.refuse(where, f"{what} belongs to {owner} when this is deployed", remedy)
    yield from _held_twice(step)


def _held_twice(step: Step) -> Iterator[Refusal]:
    """Refuse a name that two resources had before and keep: no deployment can have made both."""
    order = list(step.release)
    for name, owners in step.claims.items():
        for me in (each for each in owners if each[0] == step.after.key):
            if step.identity_before(me[1]) != name:
                continue  # judged above
            earlier = [
                (key, logical_id)
                for key, logical_id in {*owners, *step.world.owners(name)} - {me}
                if key in step.release and (order.index(key), logical_id) < (order.index(me[0]), me[1])
            ]
            for key, logical_id in sorted(earlier):
                both = (step.after.resources[me[1]], step.release[key].resources.get(logical_id))
                if both[1] is None or any("Condition" in each for each in both if each is not None):
                    continue
                if step.world.identity_of(step.release[key], both[1]) == name:
                    kind = both[0]["Type"]
                    what, other = _said(kind, both[0]), logical_id if key == me[0] else f"{key.name}.{logical_id}"
                    where = f"{me[1]}.{IDENTITIES[kind].properties[0]}"
                    yield step.refuse(where, f"{what} belongs to {other} already", "give one of them another")
                    break


# Service whose role of its own its first use in an account makes, to a type whose resources are such a use.
_USES = {
    "ecs": ("AWS::ECS::Service", "AWS::ECS::Cluster"),
    "elasticloadbalancing": ("AWS::ElasticLoadBalancingV2::LoadBalancer",),
    "ecs.application-autoscaling": ("AWS::ApplicationAutoScaling::ScalableTarget",),
    "rds": ("AWS::RDS::DBInstance", "AWS::RDS::DBCluster"),
    "autoscaling": ("AWS::AutoScaling::AutoScalingGroup",),
}


def taken_roles_of_services(step: Step) -> Iterator[Refusal]:
    """Refuse to make a service-linked role that the account has already (API_CreateServiceLinkedRole)."""
    for action in step.actions:
        if action.type != "AWS::IAM::ServiceLinkedRole" or not action.makes_new:
            continue
        properties = step.after.resources[action.logical_id].get("Properties", {})
        service, _, suffix = str(properties.get("AWSServiceName")).partition(".amazonaws.com")
        deployed = [each for key, each in step.world.stacks.items() if key.account == step.after.key.account]
        used = any(True for each in deployed for kind in _USES.get(service, ()) for _ in each.of_type(kind))
        if used and not suffix and "CustomSuffix" not in properties:
            fault = f"the account uses {service} and so has its role already"
            yield step.refuse(action.logical_id, fault, "leave it out: its first use makes it")


def names_that_may_be_needed_twice(step: Step) -> Iterator[Consequence]:
    """Warn that a resource with a fixed name may be replaced: AWS does not document when, and its name forbids it.

    Such as an ECS service that goes from a launch type to capacity providers:
    https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/2214.
    """
    for action in step.actions:
        known, resource = IDENTITIES.get(action.type), step.after.resources.get(action.logical_id)
        if action.action is not Action.MAY_REPLACE or known is None or not known.named or resource is None:
            continue
        wanted = step.world.identity_of(step.after, resource)
        if wanted is not None and wanted == step.identity_before(action.logical_id):
            yield step.note(
                action.logical_id,
                f"may be replaced ({action.because}), and its name is fixed: CloudFormation would refuse that; try it "
                "in the first environment, or give it another name",
            )


def names_without_a_way_back(step: Step) -> Iterator[Consequence]:
    """Warn about a new resource that takes what another one of its stack gives up, such as a listener's port.

    A rollback changes the other one back before it deletes what is new, which still holds it:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html (cleanup is last).
    """
    for action in step.actions if step.before is not None else ():
        resource = step.after.resources.get(action.logical_id)
        if action.action is not Action.CREATE or resource is None or action.type not in IDENTITIES:
            continue
        wanted = step.world.identity_of(step.after, resource)
        owners = step.others_with(wanted, action.logical_id) if wanted is not None else ()
        for owner in owners:
            if wanted is not None and _moves_first(step, owner, wanted, resource):
                yield step.note(
                    action.logical_id,
                    f"takes {_said(action.type, resource)} of {owner}, and a rollback would need it back before it "
                    "deletes this: if one fails, delete this by hand, then `aws cloudformation "
                    "continue-update-rollback`",
                )


def kept_names(step: Step) -> Iterator[Consequence]:
    """Warn about what a stack leaves behind under its name, such as the old queue of a worker."""
    for action in step.actions:
        known = IDENTITIES.get(action.type)
        before = step.before.resources.get(action.logical_id) if step.before is not None else None
        name = step.identity_before(action.logical_id)
        if known is None or not known.named or before is None or name is None:
            continue
        after = step.after.resources.get(action.logical_id)
        renamed = after is not None and step.world.identity_of(step.after, after) != name  # or it is refused
        replaced = renamed and action.action is Action.REPLACE and before.get("UpdateReplacePolicy") == "Retain"
        if action.action is Action.KEEP or replaced:
            if action.action is Action.KEEP and _names(
                step.after, action.type, before["Properties"][known.properties[0]]
            ):
                yield step.note(action.logical_id, "is kept outside of any stack, and this release still names it")
                continue
            left = "its messages, which nobody reads any more" if action.type == "AWS::SQS::Queue" else "what it holds"
            yield step.note(
                action.logical_id,
                f"is kept with {left}, and its name stays taken: move that elsewhere, and delete it before you add "
                "anything with that name again",
            )


def names_from_outside(step: Step) -> Iterator[Consequence]:
    """Warn about a new resource that the deployed stack names already, although none makes it: it may well exist.

    Such as a queue that had ``existing = true``:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html.
    """
    for action in step.actions if step.before is not None else ():
        known, resource = IDENTITIES.get(action.type), step.after.resources.get(action.logical_id)
        if action.action is not Action.CREATE or known is None or not known.named or resource is None:
            continue
        wanted = step.world.identity_of(step.after, resource)
        if wanted is None or step.world.owners(wanted) or step.before is None:
            continue
        if _names(step.before, action.type, table(resource.get("Properties")).get(known.properties[0])):
            yield step.note(
                action.logical_id,
                f"{_said(action.type, resource)} is in no stack, and the one that is deployed names it already: if it "
                "exists, CloudFormation would refuse this: deploy this stack by itself with `npx cdk deploy "
                "--exclusively --import-existing-resources`, or leave it to whoever made it",
            )


def _names(stack: StackTemplate, kind: str, name: Any) -> bool:
    """Whether a stack has the ARN or URL of what it does not hold, as one has of a queue with existing = true."""
    stated = (each.get("Properties") for each in stack.resources.values())
    return isinstance(name, str) and names_arn(stated, kind, name)


def _moves_first(step: Step, owner: str, wanted: str, resource: Mapping[str, Any]) -> bool:
    """Whether the owner changes its identity in the same deployment, and the resource waits for that."""
    other = step.after.resources.get(owner)
    waits_for = resource.get("DependsOn", ())
    return (
        other is not None
        and step.world.identity_of(step.after, other) not in (None, wanted)
        and owner in ([waits_for] if isinstance(waits_for, str) else waits_for)
    )


def _follows(step: Step, action: ResourceAction, resource: Mapping[str, Any]) -> bool:
    """Whether the identity disappears with a replaced resource, such as a listener with its load balancer."""
    replaced = {other.logical_id for other in step.actions if other.action is Action.REPLACE}
    paths = IDENTITIES[action.type].properties
    values = [value_at(resource.get("Properties"), path) for path in paths]
    return any(reference in replaced for value in values for reference in references(value))


def _said(kind: str, resource: Mapping[str, Any]) -> str:
    """What is taken, in words."""
    properties = resource.get("Properties", {})
    first = IDENTITIES[kind].properties[0]
    value = shown(properties.get(first))
    if first in ("Priority", "Port"):
        return f"{first.lower()} {value}"
    return f"{kind.rpartition('::')[2]} {value!r}"

"""Refuses references that lead nowhere, and circular dependencies (CloudFormation: troubleshooting)."""

from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.operations.planner.blockers.cloudformation.names import changes_kind
from nova_infra.operations.planner.model import Refusal, named
from nova_infra.operations.planner.step import Step


def dangling_references(step: Step) -> Iterator[Refusal]:
    """Refuse a reference to a resource or parameter that the template does not have."""
    template = step.after.template
    if changes_kind(step) or "Transform" in template:
        return  # said once, with its remedy; a macro, such as AWS::Serverless, makes further resources
    resources: Mapping[str, Any] = template.get("Resources", {})
    known = {*resources, *template.get("Parameters", {})}
    for section in ("Resources", "Outputs"):
        for logical_id, part in template.get(section, {}).items():
            place = logical_id if section == "Resources" else f"Outputs.{logical_id}"
            for name in step.after.named[logical_id] if section == "Resources" else dict.fromkeys(named(part)):
                if name not in known:
                    fault = f"refers to {name}, which is not in the template"
                    yield step.refuse(place, fault, f"keep {name}, or take out what refers to it")


def circular_references(step: Step) -> Iterator[Refusal]:
    """Refuse resources that wait for each other."""
    resources: Mapping[str, Any] = step.after.template.get("Resources", {}) if step.actions else {}
    waiting = {name: {other for other in step.after.named[name] if other in resources} for name in resources}
    while free := {name for name, others in waiting.items() if not others & waiting.keys()}:
        waiting = {name: others for name, others in waiting.items() if name not in free}
    if not waiting:
        return
    path = [min(waiting)]
    while (following := min(waiting[path[-1]] & waiting.keys())) not in path:
        path.append(following)
    circle = path[path.index(following) :]
    fault = f"depends on itself: {' → '.join([*circle, circle[0]])}"
    yield step.refuse(circle[0], fault, "take one of these references or DependsOn out")

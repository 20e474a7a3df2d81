"""``NOVA-P06``: nothing that runs code before the approval reaches what it protects (not IAM's boundary)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nova_infra.checks.permissions.edges.deployed import reach_of_deployed
from nova_infra.checks.permissions.edges.run_steps import RunStep, other_pipelines, projects_beside, steps_before
from nova_infra.checks.permissions.protected import TAKING, early_accounts, goals, goals_beside, publishing_roles
from nova_infra.checks.permissions.reach import Goal, Graph
from nova_infra.checks.rule import Finding, Template
from nova_infra.checks.stages import PIPELINE, actions, asks, environments, stages


def production_out_of_reach(template: Template) -> Iterator[Finding]:
    """Each way from what runs the repository's code before the approval to what the approval protects."""
    yield from reach_of_deployed(template)
    if template.beyond or any(template.of_type(PIPELINE)):
        yield from _made_by_macros(template)
    graph = None
    for pipeline_id, pipeline in template.of_type(PIPELINE):
        places = environments(pipeline)
        if not places or not (places[:-1] or _approved(pipeline, places[-1])):
            continue
        yield from _made_by_tests(pipeline_id, pipeline, places)
        graph = graph or Graph(template)
        *before, production = [stages(pipeline)[place] for place in places]
        protected = goals(before, production, own_account=template.account)
        steps = [
            *steps_before(template, pipeline, before=places[-1]),
            *other_pipelines(template, pipeline_id),
            *projects_beside(template),
            # Of the pipeline's own account, its roles' permissions decide: a key's policy names that account anyway.
            *_let_in(graph, early_accounts(before, production) - {template.account}),
        ]
        for step in steps:
            # Images are built before any environment, by the one project that may start containers.
            pushes = bool(step.project.get("Environment", {}).get("PrivilegedMode")) and step.stage in [
                stage["Name"] for stage in stages(pipeline)[: places[0]]
            ]
            if step.publishes:
                # By a role of the assembly's choice; it starts and changes nothing, whatever else its own role may do.
                own = publishing_roles(_up_to_approval(pipeline, step.stage))
                taking = (goal for goal in protected if goal.actions == TAKING)
                asked = [replace(goal, harmless=(*goal.harmless, *own)) for goal in taking]
                yield from _ways(graph, step, asked, pipeline_id)
                continue
            reached = [*protected, *goals_beside(pipeline, before, production, stores=step.stores, pushes=pushes)]
            yield from _ways(graph, step, reached, pipeline_id)


def _made_by_tests(pipeline_id: str, pipeline: Mapping[str, Any], places: Sequence[int]) -> Iterator[Finding]:
    """What a step gets of a step that runs the repository's code once the assembly was compared."""
    *before, _ = places
    early = [stages(pipeline)[place] for place in before]
    made = {
        one["Name"]: each["Name"] for stage in early for each in stage["Actions"] for one in each["OutputArtifacts"]
    }
    for stage in stages(pipeline)[before[-1] + 1 :] if before else ():
        for action in stage["Actions"]:
            for name in (each["Name"] for each in action["InputArtifacts"] if each["Name"] in made):
                said = f"{action['Name']} takes what {made[name]} makes before the approval: {name}"
                yield Finding(pipeline_id, "Properties.Stages", said)


def _up_to_approval(pipeline: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The stages up to the next approval after one. A later one may share their account, which they publish to."""
    found = stages(pipeline)
    at = next((place for place, each in enumerate(found) if each["Name"] == name), len(found))
    end = next((place for place in range(at + 1, len(found)) if actions(found[place], "Approval")), len(found))
    return found[:end] if at < len(found) else []


def _made_by_macros(template: Template) -> Iterator[Finding]:
    serverless = [name for name, each in template.resources.items() if each["Type"].startswith("AWS::Serverless::")]
    for macro in template.transforms:
        for logical_id in serverless or list(template.resources)[:1]:
            said = f"{macro} makes roles that only CloudFormation shows: write the resources themselves"
            yield Finding(logical_id, "Transform", said)


def _let_in(graph: Graph, accounts: frozenset[str]) -> Iterator[RunStep]:
    """Whom of earlier environments' accounts the template lets do something: their tasks run the repository."""
    for principal in graph.let_in(accounts):
        yield RunStep(principal, "", (principal,), {}, stores=False)


def _ways(graph: Graph, step: RunStep, reached: list[Goal], pipeline_id: str) -> Iterator[Finding]:
    told = set()
    for role in step.roles:
        if role is None:
            said = f"{step.name} assumes a role that the template does not show: nobody can tell what it may do"
            yield Finding(pipeline_id, "Properties.Stages", said)
            continue
        for path in graph.paths(role, reached, alone=step.publishes):
            # One permission may reach several things: the first says enough.
            if (path.policy, path.resource, path.roles) not in told:
                told.add((path.policy, path.resource, path.roles))
                yield Finding(path.policy, "Properties.PolicyDocument", f"{step.name} {path}")


def _approved(pipeline: Mapping[str, Any], production: int) -> bool:
    """Whether the only environment needs an approval, in addition to the one for changes to the pipeline itself."""
    found = stages(pipeline)[:production]
    updates = [place for place, stage in enumerate(found) if stage["Name"] == "UpdatePipeline"]
    return any(asks(stage) for stage in found[(updates or [0])[-1] :])

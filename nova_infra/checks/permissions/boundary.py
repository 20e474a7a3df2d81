"""What runs the repository's code before the approval, and each way from there to what the approval protects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nova_infra.checks.permissions.protected import goals, goals_beside
from nova_infra.checks.permissions.reach import Graph
from nova_infra.checks.permissions.statements import pattern_of
from nova_infra.checks.rule import Finding, Template, as_list, as_text, referenced
from nova_infra.checks.stages import PIPELINE, actions, environments, stages

_PROJECT = "AWS::CodeBuild::Project"
# What CDK's own steps run, and nothing else: they read the assembly as data. What they deploy is approved beforehand
# (NOVA-P08), and what they publish is named by its hash.
_OF_CDK = re.compile(
    r"(cdk -a \S+ deploy \S+ --require-approval=never --verbose|cdk-assets --path .* publish .*)", re.DOTALL
)


@dataclass(frozen=True)
class RunStep:
    """An action that runs commands.

    Attributes:
        action: The action.
        stage: Its stage's name.
        role: Logical id of the role that it runs by; None for one that the template does not show.
        project: Properties of its project, if it has one.
    """

    action: Mapping[str, Any]
    stage: str
    role: str | None
    project: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The action's name."""
        return str(self.action["Name"])


def production_out_of_reach(template: Template) -> Iterator[Finding]:
    """Each way from what runs the repository's code before the approval to what the approval protects."""
    for pipeline_id, pipeline in template.of_type(PIPELINE):
        places = environments(pipeline)
        if len(places) < 2:
            continue
        graph = Graph(template)
        *before, production = [stages(pipeline)[place] for place in places]
        protected = goals(before, production)
        for step in _derived_steps(template, pipeline, before=places[-1]):
            if step.role is None:
                said = f"{step.name} runs by a role that the template does not show: nobody can tell what it may do"
                yield Finding(pipeline_id, "Properties.Stages", said)
                continue
            # Images are built before any environment, by the one project that may start containers.
            pushes = bool(step.project.get("Environment", {}).get("PrivilegedMode")) and step.stage in [
                stage["Name"] for stage in stages(pipeline)[: places[0]]
            ]
            beside = goals_beside(pipeline, stores=bool(step.action.get("OutputArtifacts")), pushes=pushes)
            told = set()
            for path in graph.paths(step.role, [*protected, *beside]):
                # One permission may reach several things: the first says enough.
                if (path.policy, path.resource, path.roles) not in told:
                    told.add((path.policy, path.resource, path.roles))
                    yield Finding(path.policy, "Properties.PolicyDocument", f"{step.name} {path}")


def repository_steps(pipeline: Mapping[str, Any], *, before: int) -> Iterator[Mapping[str, Any]]:
    """The actions that run what is in the repository, in the stages before one.

    Args:
        pipeline: The pipeline's properties.
        before: Place of that stage.
    """
    sources = {
        artifact["Name"]
        for stage in stages(pipeline)
        for action in actions(stage, "Source")
        for artifact in action["OutputArtifacts"]
    }
    for stage in stages(pipeline)[:before]:
        for action in actions(stage, "Build", "Test", "Compute"):
            # Others run what CDK wrote, not what is in the repository.
            if sources & {artifact["Name"] for artifact in action.get("InputArtifacts", [])}:
                yield action


def _derived_steps(template: Template, pipeline: Mapping[str, Any], *, before: int) -> Iterator[RunStep]:
    """The steps that get the repository or what was made of it, in the stages before one, but for CDK's own."""
    for stage in stages(pipeline)[:before]:
        for action in actions(stage, "Build", "Test", "Compute"):
            if not action.get("InputArtifacts"):
                continue
            project, role = project_and_role(template, action)
            if action["ActionTypeId"]["Category"] == "Compute":
                role = _role(template, action.get("RoleArn", pipeline.get("RoleArn")))
            if not _of_cdk(project):
                yield RunStep(action, stage["Name"], role, project)


def _of_cdk(project: Mapping[str, Any]) -> bool:
    """Whether a project only updates the pipeline or publishes assets."""
    try:
        phases = json.loads(as_text(project.get("Source", {}).get("BuildSpec", ""))).get("phases", {})
    except (ValueError, AttributeError):
        return False
    commands = [command for phase in ("pre_build", "build", "post_build") for command in _commands(phases, phase)]
    installed = _commands(phases, "install")
    return (
        bool(commands)
        and all(_OF_CDK.fullmatch(command) for command in commands)
        and all(re.fullmatch(r"npm install -g (aws-cdk|cdk-assets)(@[\w.-]+)?", command) for command in installed)
    )


def _commands(phases: Mapping[str, Any], phase: str) -> list[str]:
    return [str(command) for command in as_list(phases.get(phase, {}).get("commands"))]


def project_and_role(template: Template, action: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """The project that an action starts, and the logical id of its role; None for a role of another template."""
    named = action["Configuration"].get("ProjectName")
    logical_id = referenced(named)
    for project_id, properties in template.of_type(_PROJECT):
        if project_id == logical_id or (named is not None and properties.get("Name") == named):
            return properties, _role(template, properties.get("ServiceRole"))
    return {}, None


def _role(template: Template, value: object) -> str | None:
    """The role of the template that an ARN means: by reference, or by its name."""
    if (logical_id := referenced(value)) is not None:
        return logical_id if logical_id in template.resources else None
    name = pattern_of(value).rpartition("/")[2]
    for role_id, properties in template.of_type("AWS::IAM::Role"):
        if name == pattern_of(properties.get("RoleName", {})) != "*" or name == f"${{{role_id}}}":
            return role_id
    return None

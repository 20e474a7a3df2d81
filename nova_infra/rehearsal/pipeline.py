"""The pipeline as its template states it: stages, actions, run order, commands."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from nova_infra.rehearsal.assembly import AssemblyError, Template, resources_of_type


@dataclass(frozen=True)
class Action:
    """What every action has.

    Attributes:
        name: Its name, unique in the stage.
        run_order: Actions of one stage with the same run order run side by side, lower ones first.
    """

    name: str
    run_order: int


@dataclass(frozen=True)
class SourceAction(Action):
    """Takes a revision from the repository."""

    repository: str
    branch: str


@dataclass(frozen=True)
class BuildAction(Action):
    """A CodeBuild project.

    Attributes:
        install: Commands of the build spec's install phase.
        commands: Commands of all later phases, in order.
        environment: Environment variables; a value may hold ``#{namespace.Output}``.
        privileged: Whether it may use a container engine.
        updates_pipeline: Whether it is the step in which the pipeline deploys itself.
    """

    install: tuple[str, ...]
    commands: tuple[str, ...]
    environment: dict[str, str]
    privileged: bool
    updates_pipeline: bool


@dataclass(frozen=True)
class DeployAction(Action):
    """A CloudFormation deployment.

    Attributes:
        stack_name: Name of the stack.
        template_path: Path of the template in the assembly.
        namespace: Under which later actions find the stack's outputs, if any do.
    """

    stack_name: str
    template_path: str
    namespace: str | None


@dataclass(frozen=True)
class ApprovalAction(Action):
    """Waits for a person."""


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline."""

    name: str
    actions: tuple[Action, ...]

    def waves(self) -> list[tuple[Action, ...]]:
        """The actions grouped by run order: each group runs side by side, after the one before it."""
        groups: dict[int, list[Action]] = defaultdict(list)
        for action in self.actions:
            groups[action.run_order].append(action)
        return [tuple(groups[order]) for order in sorted(groups)]


@dataclass(frozen=True)
class Pipeline:
    """A pipeline."""

    name: str
    stages: tuple[Stage, ...]

    def until(self, last: str | None) -> Pipeline:
        """The pipeline up to a stage, that one included; all of it where None is given.

        Raises:
            AssemblyError: The pipeline has no such stage.
        """
        names = [stage.name for stage in self.stages]
        if last is None:
            return self
        if last not in names:
            raise AssemblyError(f"--until: {last!r} is not a stage of {self.name}: choose one of {', '.join(names)}")
        return Pipeline(self.name, self.stages[: names.index(last) + 1])


def read_pipeline(template: Template) -> Pipeline:
    """The pipeline that a template defines.

    Raises:
        AssemblyError: The pipeline holds an action that the rehearsal does not know.
    """
    [(_, resource)] = resources_of_type(template, "AWS::CodePipeline::Pipeline").items()
    projects = resources_of_type(template, "AWS::CodeBuild::Project")
    properties = resource["Properties"]
    return Pipeline(
        name=properties["Name"],
        stages=tuple(
            Stage(name=stage["Name"], actions=tuple(_action(a, stage["Name"], projects) for a in stage["Actions"]))
            for stage in properties["Stages"]
        ),
    )


def _action(action: dict[str, Any], stage: str, projects: dict[str, dict[str, Any]]) -> Action:
    kind = action["ActionTypeId"]
    name, run_order, configuration = action["Name"], action.get("RunOrder", 1), action.get("Configuration", {})
    match kind["Category"], kind["Provider"]:
        case "Source", _:
            return SourceAction(
                name,
                run_order,
                repository=configuration.get("FullRepositoryId") or configuration.get("Repo") or "the repository",
                branch=configuration.get("BranchName") or configuration.get("Branch") or "its branch",
            )
        case "Build" | "Test", "CodeBuild":
            return _build_action(name, run_order, configuration, projects, stage)
        case "Deploy", "CloudFormation" if configuration.get("ActionMode") == "CREATE_UPDATE":
            return DeployAction(
                name,
                run_order,
                stack_name=configuration["StackName"],
                template_path=configuration["TemplatePath"].partition("::")[2],
                namespace=action.get("Namespace"),
            )
        case "Approval", "Manual":
            return ApprovalAction(name, run_order)
    raise AssemblyError(
        f"{stage}.{name}: a {kind['Category']} action by {kind['Provider']} "
        f"({configuration.get('ActionMode', 'no mode')}) is not one that the rehearsal knows"
    )


def _build_action(
    name: str, run_order: int, configuration: dict[str, Any], projects: dict[str, dict[str, Any]], stage: str
) -> BuildAction:
    try:
        project = projects[configuration["ProjectName"]["Ref"]]["Properties"]
        phases = json.loads(project["Source"]["BuildSpec"])["phases"]
    except (KeyError, TypeError, ValueError):
        raise AssemblyError(
            f"{stage}.{name}: its CodeBuild project is not in the pipeline's template with a JSON build spec, "
            "so the rehearsal cannot tell what it runs"
        ) from None
    variables = {v["Name"]: v["Value"] for v in project["Environment"].get("EnvironmentVariables", [])}
    variables |= {v["name"]: v["value"] for v in json.loads(configuration.get("EnvironmentVariables", "[]"))}
    commands = tuple(
        command
        for phase in ("pre_build", "build", "post_build")
        for command in phases.get(phase, {}).get("commands", [])
    )
    return BuildAction(
        name,
        run_order,
        install=tuple(phases.get("install", {}).get("commands", [])),
        commands=commands,
        environment={key: value for key, value in variables.items() if not key.startswith("_")},
        privileged=project["Environment"].get("PrivilegedMode", False),
        updates_pipeline=any(_deploys_with_cdk(command) for command in commands),
    )


def _deploys_with_cdk(command: str) -> bool:
    words = command.split()
    return bool(words) and PurePosixPath(words[0]).name == "cdk" and "deploy" in words

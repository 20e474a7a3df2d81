"""The pipeline as its template states it: stages (all, or up to ``--until``), actions, run order, commands."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nova_infra.assembly import AssemblyError, Template
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.delivery.build_spec import (
    PHASES,
    build_variables,
    deploys_with_cdk,
    in_one_shell,
    known,
    publishes_assets,
    read_spec,
)

_EVENTS = "codepipeline-pipeline-"
_CONFIGURATION = {
    "CodeBuild": ("ProjectName", "EnvironmentVariables", "PrimarySource"),
    "CloudFormation": ("ActionMode", "StackName", "TemplatePath", "Capabilities", "RoleArn", "ChangeSetName"),
    "Manual": ("CustomData", "NotificationArn", "ExternalEntityLink"),
}
"""Provider to the known keys of its configuration. Those of a source do not affect what is played."""


_WEEK_MINUTES = 7 * 24 * 60

_RULES = {("FAIL", "DeploymentWindow"): ("Cron",), ("SKIP", "VariableCheck"): ("Variable", "Operator", "Value")}
"""Result and provider of the rules of entry that are known, to the keys that they need."""


@dataclass(frozen=True)
class StageAction:
    """What every action has.

    Attributes:
        run_order: Actions of one stage with the same run order run side by side, lower ones first.
    """

    name: str
    run_order: int


@dataclass(frozen=True)
class SourceAction(StageAction):
    """Fetches a revision from the repository."""

    repository: str
    branch: str


@dataclass(frozen=True)
class BuildAction(StageAction):
    """A CodeBuild project.

    Attributes:
        install: Commands of the build spec's install phase.
        commands: Commands of all later phases, in order.
        environment: Environment variables; a value may hold ``#{namespace.Output}``.
        privileged: Whether it may use a container engine.
        updates_pipeline: Whether it is the step in which the pipeline deploys itself.
        publishes_assets: Whether it builds or uploads what the assembly holds, as CDK Pipelines' Assets stage does.
        exports: Names of the variables that later actions and conditions read.
        secrets: Names of the variables that AWS looks up, whose values are made up here.
        leaves: The directory that its artifact is taken from; empty for none, or for all of the checkout.
    """

    install: tuple[str, ...]
    commands: tuple[str, ...]
    environment: dict[str, str]
    privileged: bool
    updates_pipeline: bool
    publishes_assets: bool = False
    exports: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    leaves: str = ""


@dataclass(frozen=True)
class PrepareAction(StageAction):
    """Makes a change set, which a later action executes."""

    stack_name: str
    template_path: str


@dataclass(frozen=True)
class DeployAction(StageAction):
    """A CloudFormation deployment.

    Attributes:
        template_path: Path of the template in the assembly.
        namespace: Under which later actions find the stack's outputs, if any do.
    """

    stack_name: str
    template_path: str
    namespace: str | None


@dataclass(frozen=True)
class ApprovalAction(StageAction):
    """Waits for a person.

    Attributes:
        minutes: How long, before it fails: https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html.
    """

    minutes: int = _WEEK_MINUTES

    @property
    def limit(self) -> str:
        """How long it waits, in words."""
        days, rest = divmod(self.minutes, 24 * 60)
        if not rest:
            return f"{days} day{'s' * (days != 1)}"
        return f"{self.minutes // 60} h {self.minutes % 60:02} min"


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline.

    Attributes:
        on_failure: What follows when it fails: ``ROLLBACK``, ``RETRY``, or None for nothing.
        retries_all: Whether a retry plays all of its actions again, and not only those that failed.
        window: When it may be entered, in words; None at any time.
        skipped_unless: What has to be so for it to be entered, in words; None where it always is.
        closed_because: Why nothing may enter it, where its inbound transition is disabled.
    """

    name: str
    actions: tuple[StageAction, ...]
    on_failure: str | None = None
    retries_all: bool = False
    window: str | None = None
    skipped_unless: str | None = None
    closed_because: str | None = None

    def waves(self) -> list[tuple[StageAction, ...]]:
        """The actions grouped by run order: each group runs side by side, after the one before it."""
        groups: dict[int, list[StageAction]] = defaultdict(list)
        for action in self.actions:
            groups[action.run_order].append(action)
        return [tuple(groups[order]) for order in sorted(groups)]


@dataclass(frozen=True)
class Pipeline:
    """A pipeline.

    Attributes:
        told: Event, such as ``pipeline-execution-failed``, to the topics that it notifies.
        mode: What becomes of executions that meet: ``SUPERSEDED``, ``QUEUED`` or ``PARALLEL``.
    """

    name: str
    stages: tuple[Stage, ...]
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mode: str = "SUPERSEDED"

    @property
    def what_takes_days(self) -> str:
        """What may happen to a waiting execution and is not played (CodePipeline: concepts-how-it-works)."""
        limits = {a.limit for stage in self.stages for a in stage.actions if isinstance(a, ApprovalAction)}
        waits = f"an approval that expires after {' or '.join(sorted(limits))}" if limits else ""
        meets = {"QUEUED": "executions that wait for this one", "PARALLEL": ""}
        newer = meets.get(self.mode, "a newer execution that replaces this one while it waits for a stage")
        return "; ".join(filter(None, [waits, newer]))

    @property
    def unsafe(self) -> tuple[str, ...]:
        """Which of its parts let through what they should not, in clauses."""
        if self.mode != "PARALLEL":
            return ()
        return (
            "its executions run side by side (ExecutionMode PARALLEL), so an older release may replace a newer one",
        )

    def until(self, last: str | None) -> Pipeline:
        """The pipeline up to a stage, that one included; all of it where None is given."""
        names = [stage.name for stage in self.stages]
        if last is None:
            return self
        if last not in names:
            raise AssemblyError(f"--until: {last!r} is not a stage of {self.name}: choose one of {', '.join(names)}")
        return replace(self, stages=self.stages[: names.index(last) + 1])


def read_pipeline(template: Template) -> Pipeline:
    """The pipeline that a template defines."""
    stack = PlayedStack("pipeline", template, exports={}, revisions={})
    pipelines = stack.resources("AWS::CodePipeline::Pipeline")
    if len(pipelines) != 1:
        raise AssemblyError(f"the pipeline's template holds {len(pipelines)} pipelines: keep one")
    [logical_id] = pipelines
    properties = stack.required(logical_id, "Stages")
    projects = {stack.ref(project): stack.properties(project) for project in stack.resources("AWS::CodeBuild::Project")}
    closed = {
        transition["StageName"]: f"the transition into {transition['StageName']} is disabled: {transition['Reason']}"
        for transition in properties.get("DisableInboundStageTransitions", ())
    }
    stages = tuple(_stage(stage, projects, closed) for stage in properties["Stages"])
    return Pipeline(properties["Name"], stages, _told(stack, logical_id), properties.get("ExecutionMode", "SUPERSEDED"))


def _told(stack: PlayedStack, pipeline: str) -> dict[str, tuple[str, ...]]:
    told: dict[str, tuple[str, ...]] = {}
    for logical_id in stack.resources("AWS::CodeStarNotifications::NotificationRule"):
        rule = stack.required(logical_id, "EventTypeIds", "Resource", "Targets")
        if rule["Resource"].endswith(f":{stack.ref(pipeline)}"):
            topics = tuple(target["TargetAddress"] for target in rule["Targets"])
            for event in rule["EventTypeIds"]:
                event = event.removeprefix(_EVENTS)
                told[event] = told.get(event, ()) + topics
    return told


def _stage(stage: dict[str, Any], projects: dict[str, dict[str, Any]], closed: dict[str, str]) -> Stage:
    on_failure = stage.get("OnFailure", {})
    windows, skips = [], []
    for condition in stage.get("BeforeEntry", {}).get("Conditions", ()):
        for rule in condition["Rules"]:
            kind, configuration = (
                (condition.get("Result"), rule.get("RuleTypeId", {}).get("Provider")),
                rule["Configuration"],
            )
            if missing := [key for key in _RULES.get(kind, ()) if key not in configuration]:
                raise AssemblyError(f"{stage['Name']}.BeforeEntry: the rule {kind[1]} has no {missing[0]}: add it")
            if kind == ("FAIL", "DeploymentWindow"):
                windows.append(f"{configuration['Cron']} {configuration.get('TimeZone', 'UTC')}")
            elif kind == ("SKIP", "VariableCheck"):
                skips.append(_in_words(configuration))
            else:
                raise AssemblyError(
                    f"{stage['Name']}.BeforeEntry: a rule of {kind[1]} with the result {kind[0]} is not "
                    "rehearsed: leave it out"
                )
    prepared = {
        action["Configuration"]["StackName"]: action["Configuration"]["TemplatePath"]
        for action in stage["Actions"]
        if action.get("Configuration", {}).get("ActionMode") == "CHANGE_SET_REPLACE"
    }
    return Stage(
        name=stage["Name"],
        actions=tuple(_action(action, stage["Name"], projects, prepared) for action in stage["Actions"]),
        on_failure=on_failure.get("Result"),
        retries_all=on_failure.get("RetryConfiguration", {}).get("RetryMode") == "ALL_ACTIONS",
        window=" and ".join(windows) or None,
        skipped_unless=" and ".join(skips) or None,
        closed_because=closed.get(stage["Name"]),
    )


def _in_words(check: Mapping[str, str]) -> str:
    """What a VariableCheck asks: https://docs.aws.amazon.com/codepipeline/latest/userguide/rule-reference.html."""
    namespace, _, name = check["Variable"].strip("#{}").rpartition(".")
    asks = {"EQ": "is", "NE": "is not"}.get(check["Operator"], check["Operator"])
    return f"{name} of {namespace} {asks} {check['Value']!r}"


def _action(
    action: dict[str, Any], stage: str, projects: dict[str, dict[str, Any]], prepared: Mapping[str, str]
) -> StageAction:
    """One action of a stage.

    Args:
        prepared: Stack to the template of which the stage makes a change set.
    """
    kind = action["ActionTypeId"]
    name, run_order, configuration = action["Name"], int(action.get("RunOrder", 1)), action.get("Configuration", {})
    known = _CONFIGURATION.get(kind["Provider"])
    if known is not None and (unknown := sorted(set(configuration) - set(known))):
        raise AssemblyError(f"{stage}.{name}.Configuration.{unknown[0]}: is not known: leave it out")
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
        case "Deploy", "CloudFormation":
            mode, stack = configuration.get("ActionMode"), configuration.get("StackName", "")
            template = (
                prepared.get(stack, "") if mode == "CHANGE_SET_EXECUTE" else configuration.get("TemplatePath", "")
            )
            path = template.partition("::")[2]
            if mode == "CHANGE_SET_REPLACE" and stack:
                return PrepareAction(name, run_order, stack_name=stack, template_path=path)
            if mode in ("CREATE_UPDATE", "CHANGE_SET_EXECUTE") and stack and template:
                return DeployAction(name, run_order, stack, template_path=path, namespace=action.get("Namespace"))
        case "Approval", "Manual":
            return ApprovalAction(name, run_order, int(action.get("TimeoutInMinutes", _WEEK_MINUTES)))
    raise AssemblyError(
        f"{stage}.{name}: a {kind['Category']} action by {kind['Provider']} "
        f"({configuration.get('ActionMode', 'no mode')}) is not rehearsed: leave it out"
    )


def _build_action(
    name: str, run_order: int, configuration: dict[str, Any], projects: dict[str, dict[str, Any]], stage: str
) -> BuildAction:
    where = f"{stage}.{name}"
    project = projects.get(str(configuration.get("ProjectName")), {})
    spec = read_spec(project, where)
    phases = spec["phases"]
    variables, secrets = build_variables(project, spec, json.loads(configuration.get("EnvironmentVariables", "[]")))
    commands = tuple(command for phase in PHASES[1:] for command in phases.get(phase, {}).get("commands", []))
    return BuildAction(
        name,
        run_order,
        install=tuple(phases.get("install", {}).get("commands", [])),
        commands=in_one_shell(phases.get("install", {}).get("commands", ()), commands),
        environment=known(variables),
        secrets=secrets,
        privileged=project["Environment"].get("PrivilegedMode", False) in (True, "true"),
        updates_pipeline=any(deploys_with_cdk(command) for command in commands),
        publishes_assets=bool(commands) and all(publishes_assets(command) for command in commands),
        exports=tuple(spec.get("env", {}).get("exported-variables", ())),
        leaves=str(spec.get("artifacts", {}).get("base-directory", "")),
    )

"""The pipeline's steps and CodeBuild projects that run code of the repository, and their roles."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nova_infra.checks.permissions.statements import pattern_of
from nova_infra.checks.rule import Template, as_list, as_text, referenced
from nova_infra.checks.stages import PIPELINE, actions, stages

_PROJECT = "AWS::CodeBuild::Project"
_FUNCTION = "AWS::Lambda::Function"
DIGEST = "find -L . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum -z | sha256sum | cut -d' ' -f1"
"""The command that prints the digest of the assembly it runs in: ``assembly.digest_of_files`` computes the same."""
EMPTY = "/tmp/empty"  # noqa: S108 - the container is the build's own
"""Where tools run that would read their options from files where they run."""
PUBLISH = """<<'PROGRAM'
import json, os, re, subprocess, sys
assembly, stages, *lists = sys.argv[1:]
for listed in lists:
    with open(os.path.join(assembly, listed), encoding="utf-8") as file:
        commands = json.load(file)["phases"]["build"]["commands"]
    for command in commands:
        found = re.fullmatch(r'cdk-assets --path "([\\w./-]+)" --verbose publish "(\\w+:[\\w.-]+)"', command)
        if not found:
            sys.exit(f"assets: {command!r} is not what CDK writes to publish an asset: find out who changed it")
        if found[1].partition("/")[0] in stages.split(","):
            publish = ["cdk-assets", "--path", found[1], "--verbose", "publish", found[2]]
            subprocess.run(publish, cwd=assembly, check=True)
PROGRAM
"""
"""The program that publishes the assets of some stages, from lists that CDK has written into the assembly."""
# What CDK's own steps run, and nothing else: they read the assembly as data, once its digest has been compared. What
# they deploy is approved beforehand (NOVA-P08). What they publish they publish by whichever role the assembly names.
_COMPARED = re.escape(f'test "$(cd "$CODEBUILD_SRC_DIR" && {DIGEST})" = "$ASSEMBLY" || ')
_REFUSED = rf'{_COMPARED}\{{ echo "[\w .:,-]+"; false; \}}\n'
# By a hash that the deployed pipeline holds, wherever the file comes from.
_INSTALLED = (
    rf"{_REFUSED}mkdir {EMPTY} && cd {EMPTY}\n"
    r'(cp "\$CODEBUILD_SRC_DIR_\w+/cli/(aws-cdk|cdk-assets)-[\w.-]+\.tgz" /tmp/ \|\| )?'
    r"npm pack --silent --pack-destination /tmp (aws-cdk|cdk-assets)(@[\w.-]+)?\n"
    r'echo "[0-9a-f]{128}  (?P<file>/tmp/(aws-cdk|cdk-assets)-[\w.-]+\.tgz)" \| sha512sum --check --quiet \|\| '
    r'\{ echo "[\w .:-]+"; false; \}\nnpm install -g --offline (?P=file)\n'
)
_UPDATE = re.compile(
    rf'{_INSTALLED}cd {EMPTY}\ncdk -a "\$CODEBUILD_SRC_DIR" deploy [\w .-]+ --require-approval=never --verbose'
)
_PUBLISH = re.compile(
    rf'{_INSTALLED}python3 -I - "\$CODEBUILD_SRC_DIR" [\w,-]+ '
    r'(buildspec-[0-9a-f]+-(File|Docker)Asset\.yaml|"\$CODEBUILD_SRC_DIR"/buildspec-\*Asset\.yaml) '
    rf"{re.escape(PUBLISH)}"
)
_FROM_NOWHERE = ("CODEPIPELINE", "NO_SOURCE")


@dataclass(frozen=True)
class RunStep:
    """Something that runs commands, or gets their output.

    Attributes:
        name: The action's name, or the project's logical id.
        stage: Its stage's name; nothing for a project that no pipeline starts.
        roles: Logical ids of the roles that it runs by; None for one that the template does not show.
        publishes: Whether it does nothing but publish assets, by roles that the assembly names.
    """

    name: str
    stage: str
    roles: tuple[str | None, ...]
    project: Mapping[str, Any]
    stores: bool
    publishes: bool = False


def steps_before(template: Template, pipeline: Mapping[str, Any], *, before: int) -> Iterator[RunStep]:
    """The steps before a stage that get the repository or what was made from it, except the update of the pipeline."""
    for stage in stages(pipeline)[:before]:
        for rule in _rules(stage):
            # By the pipeline's role, if it names none.
            role = _role(template, rule.get("RoleArn", pipeline.get("RoleArn")))
            yield RunStep(str(rule.get("Name")), str(stage["Name"]), (role,), {}, stores=False)
        for action in actions(stage, "Build", "Test", "Compute", "Invoke"):
            project, roles = _runs_by(template, pipeline, action)
            if action["InputArtifacts"] and not _runs(project, _UPDATE):
                stores, publishes = bool(action["OutputArtifacts"]), _runs(project, _PUBLISH)
                yield RunStep(str(action["Name"]), str(stage["Name"]), roles, project, stores, publishes)


def _rules(stage: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The rules of a stage's conditions that run commands or a function."""
    for key in ("BeforeEntry", "OnSuccess", "OnFailure"):
        for condition in as_list(stage.get(key, {}).get("Conditions")):
            for rule in as_list(condition.get("Rules")):
                if rule.get("RuleTypeId", {}).get("Provider") in ("Commands", "LambdaInvoke"):
                    yield rule


def projects_beside(template: Template) -> Iterator[RunStep]:
    """The projects that fetch a repository themselves: a push or a pull request may start them."""
    for project_id, project in template.of_type(_PROJECT):
        sources = [project["Source"], *project["SecondarySources"]]
        if any(each.get("Type") not in _FROM_NOWHERE for each in sources):
            yield RunStep(project_id, "", _project_roles(template, project), project, stores=False)


def _runs_by(
    template: Template, pipeline: Mapping[str, Any], action: Mapping[str, Any]
) -> tuple[Mapping[str, Any], tuple[str | None, ...]]:
    category = action["ActionTypeId"]["Category"]
    # What starts the action; CodePipeline starts it in that role's account.
    starter = _role(template, action["RoleArn"]) if "RoleArn" in action else None
    if category == "Compute":
        return {}, (starter if "RoleArn" in action else _role(template, pipeline.get("RoleArn")),)
    if "RoleArn" in action and starter is None:
        return {}, (None,)
    if category == "Invoke":
        return {}, (_invoked(template, action["Configuration"]),)
    project = project_of(template, action)
    return project, _project_roles(template, project) if project else (None,)


def _project_roles(template: Template, project: Mapping[str, Any]) -> tuple[str | None, ...]:
    batch = project.get("BuildBatchConfig", {}).get("ServiceRole")
    return tuple(_role(template, each) for each in (project.get("ServiceRole"), batch) if each is not None)


def _invoked(template: Template, configuration: Mapping[str, Any]) -> str | None:
    """The role of the function or the state machine that an action invokes."""
    for key, kind, held in (
        ("FunctionName", _FUNCTION, "Role"),
        ("StateMachineArn", "AWS::StepFunctions::StateMachine", "RoleArn"),
    ):
        for logical_id, properties in template.of_type(kind):
            if key in configuration and (
                referenced(configuration[key]) == logical_id or properties.get(key) == configuration[key]
            ):
                return _role(template, properties.get(held))
    return None


def _runs(project: Mapping[str, Any], known: re.Pattern[str]) -> bool:
    """Whether a project runs some commands, and nothing else."""
    try:
        phases = json.loads(as_text(project.get("Source", {}).get("BuildSpec", ""))).get("phases", {})
    except (ValueError, AttributeError):
        return False
    run = [command for phase in ("install", "pre_build", "build", "post_build") for command in _commands(phases, phase)]
    return known.fullmatch("\n".join(run)) is not None


def _commands(phases: Mapping[str, Any], phase: str) -> list[str]:
    return [str(command) for command in as_list(phases.get(phase, {}).get("commands"))]


def project_of(template: Template, action: Mapping[str, Any]) -> Mapping[str, Any]:
    """Properties of the project that an action starts; nothing for one of another template."""
    named = action["Configuration"].get("ProjectName")
    logical_id = referenced(named)
    for project_id, properties in template.of_type(_PROJECT):
        if project_id == logical_id or (named is not None and properties.get("Name") == named):
            return properties
    return {}


def project_and_role(template: Template, action: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """The project that an action starts, and the logical id of its role; None for a role of another template."""
    project = project_of(template, action)
    return project, _role(template, project.get("ServiceRole"))


def _role(template: Template, value: object) -> str | None:
    """The role of the template that an ARN means: by reference, or by its name."""
    if (logical_id := referenced(value)) is not None:
        return logical_id if logical_id in template.resources else None
    name = pattern_of(value).rpartition("/")[2]
    for role_id, properties in template.of_type("AWS::IAM::Role"):
        if name == pattern_of(properties.get("RoleName", {})) != "*" or name == f"${{{role_id}}}":
            return role_id
    return None


def repository_steps(pipeline: Mapping[str, Any], *, before: int) -> Iterator[Mapping[str, Any]]:
    """The actions that run what is in the repository, in the stages before one."""
    sources = {
        artifact["Name"]
        for stage in stages(pipeline)
        for action in actions(stage, "Source")
        for artifact in action["OutputArtifacts"]
    }
    for stage in stages(pipeline)[:before]:
        for action in actions(stage, "Build", "Test", "Compute"):
            # Others run what CDK wrote, not what is in the repository.
            if sources & {artifact["Name"] for artifact in action["InputArtifacts"]}:
                yield action


def other_pipelines(template: Template, pipeline_id: str) -> Iterator[RunStep]:
    """The steps of a template's other pipelines, which no approval of this one holds up."""
    for logical_id, pipeline in template.of_type(PIPELINE):
        if logical_id != pipeline_id:
            yield from steps_before(template, pipeline, before=len(stages(pipeline)))

"""``NOVA-P…``: nothing reaches production that was not tested and approved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nova_infra.checks.rule import Finding, Rule, Template, as_list, as_text, referenced, resource

MAX_STAGES = 50
MAX_ACTIONS_PER_STAGE = 50
MAX_ACTIONS = 500

_PIPELINE = "AWS::CodePipeline::Pipeline"
_VERIFY = "Verify"
"""The step that looks whether an environment runs what was released. It tries nothing."""
_NOTIFIED = ("pipeline-execution-failed", "manual-approval-needed")


def _stages(pipeline: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    stages: list[Mapping[str, Any]] = pipeline["Stages"]
    return stages


def _actions(stage: Mapping[str, Any], *categories: str) -> list[Mapping[str, Any]]:
    return [action for action in stage["Actions"] if action["ActionTypeId"]["Category"] in categories]


def _deployments(stage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [a for a in _actions(stage, "Deploy") if a["ActionTypeId"]["Provider"] == "CloudFormation"]


def _environments(pipeline: Mapping[str, Any]) -> list[int]:
    """Places of the stages that deploy stacks, in promotion order."""
    return [place for place, stage in enumerate(_stages(pipeline)) if _deployments(stage)]


def _approved(template: Template) -> Iterator[Finding]:
    for logical_id, pipeline in template.of_type(_PIPELINE):
        environments = _environments(pipeline)
        if len(environments) < 2:
            continue
        before, production = environments[-2:]
        if not any(_actions(stage, "Approval") for stage in _stages(pipeline)[before + 1 : production]):
            yield Finding(
                logical_id,
                f"Properties.Stages.{production}",
                f"no approval stands between {_stages(pipeline)[before]['Name']} and "
                f"{_stages(pipeline)[production]['Name']}",
            )


def _approval_deploys_nothing(template: Template) -> Iterator[Finding]:
    for logical_id, pipeline in template.of_type(_PIPELINE):
        for place, stage in enumerate(_stages(pipeline)):
            if _actions(stage, "Approval") and _actions(stage, "Deploy"):
                yield Finding(logical_id, f"Properties.Stages.{place}.Actions", f"stage {stage['Name']}")


def _tested(template: Template) -> Iterator[Finding]:
    for logical_id, pipeline in template.of_type(_PIPELINE):
        for place in _environments(pipeline)[:-1]:
            stage = _stages(pipeline)[place]
            deployed = max(action["RunOrder"] for action in _deployments(stage))
            tests = [a for a in _actions(stage, "Build", "Test") if a["Name"] != _VERIFY]
            if not any(action["RunOrder"] > deployed for action in tests):
                yield Finding(logical_id, f"Properties.Stages.{place}.Actions", f"stage {stage['Name']}")


def _pinned_tools(template: Template) -> Iterator[Finding]:
    for logical_id, project in template.of_type("AWS::CodeBuild::Project"):
        build_spec = as_text(project.get("Source", {}).get("BuildSpec", ""))
        for tool in re.findall(r"npm install -g ([^\s\"\\]+)", build_spec):
            if not re.search(r".@\d+\.\d+\.\d+$", tool):
                yield Finding(logical_id, "Properties.Source.BuildSpec", f"it installs {tool}")


def _within_quotas(template: Template) -> Iterator[Finding]:
    for logical_id, pipeline in template.of_type(_PIPELINE):
        stages = _stages(pipeline)
        if len(stages) > MAX_STAGES:
            yield Finding(logical_id, "Properties.Stages", f"{len(stages)} stages")
        if (total := sum(len(stage["Actions"]) for stage in stages)) > MAX_ACTIONS:
            yield Finding(logical_id, "Properties.Stages", f"{total} actions")
        for place, stage in enumerate(stages):
            if (count := len(stage["Actions"])) > MAX_ACTIONS_PER_STAGE:
                yield Finding(
                    logical_id, f"Properties.Stages.{place}.Actions", f"{count} actions in stage {stage['Name']}"
                )


def _production_out_of_reach(template: Template) -> Iterator[Finding]:
    for _, pipeline in template.of_type(_PIPELINE):
        environments = _environments(pipeline)
        if len(environments) < 2:
            continue
        production = _stages(pipeline)[environments[-1]]
        accounts = set(
            re.findall(r":iam::(\d{12}):", " ".join(as_text(a) for a in _role_arns(_deployments(production))))
        )
        sources = {
            artifact["Name"]
            for stage in _stages(pipeline)
            for action in _actions(stage, "Source")
            for artifact in action["OutputArtifacts"]
        }
        harmless = {
            f"{prefix}-release" for place in environments[:-1] for prefix in _prefixes(_stages(pipeline)[place])
        }
        for stage in _stages(pipeline)[: environments[-1]]:
            for action in _actions(stage, "Build", "Test"):
                if not sources & {artifact["Name"] for artifact in action.get("InputArtifacts", [])}:
                    continue  # it runs what CDK wrote, not what is in the repository
                project = referenced(action["Configuration"]["ProjectName"])
                for policy_id, role in _assumable(template, project):
                    if role.rpartition("/")[2] not in harmless and _is_production_role(role, accounts):
                        yield Finding(policy_id, "Properties.PolicyDocument", f"{action['Name']} may assume {role}")


def _prefixes(stage: Mapping[str, Any]) -> list[str]:
    """The prefix of the names of a stage's environment: its release role may only touch what has it."""
    names = [str(action["Configuration"].get("StackName", "")) for action in _deployments(stage)]
    return [name.removesuffix("-platform") for name in names if name.endswith("-platform")]


def _role_arns(actions: Sequence[Mapping[str, Any]]) -> list[object]:
    return [arn for a in actions for arn in (a.get("RoleArn"), a["Configuration"].get("RoleArn")) if arn]


def _assumable(template: Template, project: str | None) -> Iterator[tuple[str, str]]:
    """Each policy of a project's role, and each role that it may assume."""
    found = resource(template, project)
    if found is None:
        return
    role = referenced(found["Properties"]["ServiceRole"])
    for policy_id, policy in template.of_type("AWS::IAM::Policy"):
        if role not in map(referenced, policy.get("Roles", [])):
            continue
        for statement in as_list(policy["PolicyDocument"]["Statement"]):
            actions = as_list(statement.get("Action"))
            if statement["Effect"] == "Allow" and any(a in ("sts:AssumeRole", "sts:*", "*") for a in actions):
                for arn in as_list(statement.get("Resource")):
                    yield policy_id, as_text(arn)


def _is_production_role(arn: str, accounts: set[str]) -> bool:
    if arn.endswith("-observer"):
        return False
    account = re.search(r":iam::([^:]*):", arn)
    return account is None or account[1] in accounts or not re.fullmatch(r"\d{12}", account[1])


def _announced(template: Template) -> Iterator[Finding]:
    events = [
        event
        for _, rule in template.of_type("AWS::CodeStarNotifications::NotificationRule")
        if rule.get("Targets") and rule.get("Status") != "DISABLED"
        for event in rule.get("EventTypeIds", [])
    ]
    for logical_id, _ in template.of_type(_PIPELINE):
        for wanted in _NOTIFIED:
            if not any(event.endswith(wanted) for event in events):
                yield Finding(logical_id, "Properties.Name", f"nobody is told of {wanted}")


_QUOTAS = "https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html"

PIPELINE_RULES = (
    Rule(
        "NOVA-P01",
        "No path leads to production without an approval after everything before it",
        "set approval = true on the last environment",
        "A person sees what the tests before cannot",
        _approved,
    ),
    Rule(
        "NOVA-P02",
        "No stage that asks for an approval deploys anything",
        "add a wave for the approval before the environment's stage",
        "A stage that is rolled back runs all of its actions again, approval included",
        _approval_deploys_nothing,
        "warning",
    ),
    Rule(
        "NOVA-P03",
        "Every environment is tested after it is deployed, before the next one is touched",
        'set tests = "integration" or tests = "e2e"',
        "What passed in no deployed environment was not tried",
        _tested,
    ),
    Rule(
        "NOVA-P04",
        "Every tool that the pipeline installs has an exact version",
        "pass cli_version and cdk_assets_cli_version, from package.json",
        "npm's latest aws-cdk is an accidental 3.0.0 that cannot read this library's assemblies",
        _pinned_tools,
    ),
    Rule(
        "NOVA-P05",
        f"The pipeline has at most {MAX_STAGES} stages, {MAX_ACTIONS_PER_STAGE} actions each and {MAX_ACTIONS} in all",
        "split the services over two installations",
        _QUOTAS,
        _within_quotas,
    ),
    Rule(
        "NOVA-P06",
        "No project that runs the repository's code before the approval can assume a production role but the observer",
        "narrow sts:AssumeRole to roles of the environments before the approval",
        "Who can push a branch must not be able to deploy by a test",
        _production_out_of_reach,
    ),
    Rule(
        "NOVA-P07",
        "Failures and waiting approvals are announced",
        "add a notification rule with both events and a topic",
        "A pipeline that stopped unseen delivers nothing",
        _announced,
        "warning",
    ),
)

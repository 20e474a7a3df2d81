"""``NOVA-P01`` to ``NOVA-P08``: only what was tested and approved reaches production."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.permissions.boundary import production_out_of_reach
from nova_infra.checks.permissions.edges.run_steps import project_and_role
from nova_infra.checks.rule import Finding, Rule, Template, as_text
from nova_infra.checks.stages import PIPELINE, actions, asks, deployments, environments, stages

MAX_STAGES = 50
MAX_ACTIONS_PER_STAGE = 50
MAX_ACTIONS = 500

_VERIFY = "Verify"
"""The step that checks whether an environment runs what was released. It tests nothing."""
_NOTIFIED = ("pipeline-execution-failed", "manual-approval-needed")


def _approved(template: Template) -> Iterator[Finding]:
    for logical_id, pipeline in template.of_type(PIPELINE):
        places = environments(pipeline)
        if len(places) < 2:
            continue
        yield from _deployed_early(logical_id, pipeline, places)
        before, production = places[-2:]
        if not any(asks(stage) for stage in stages(pipeline)[before + 1 : production]):
            yield Finding(
                logical_id,
                f"Properties.Stages.{production}",
                f"no approval that nothing may skip stands between {stages(pipeline)[before]['Name']} and "
                f"{stages(pipeline)[production]['Name']}",
            )


def _deployed_early(pipeline_id: str, pipeline: Mapping[str, Any], places: list[int]) -> Iterator[Finding]:
    """Each action in an earlier stage that works on production, or elsewhere than its environment's others."""
    found = stages(pipeline)
    production = deployments(found[places[-1]])
    names = {as_text(action["Configuration"].get("StackName", "")) for action in production}
    accounts = {account for action in production for account in _accounts(action)}
    shared = {account for place in places[:-1] for account in _stage_account(found[place])}
    for place, stage in enumerate(found[: places[-1]]):
        for action in stage["Actions"]:
            name = as_text(action["Configuration"].get("StackName", ""))
            if (name and name in names) or _accounts(action) & (accounts - shared):
                yield Finding(
                    pipeline_id,
                    f"Properties.Stages.{place}.Actions",
                    f"{action['Name']} of {stage['Name']} acts on production before the approval",
                )
            elif place in places and (where := _elsewhere(stage, action)):
                yield Finding(
                    pipeline_id,
                    f"Properties.Stages.{place}.Actions",
                    f"{action['Name']} of {stage['Name']} acts on {where}, which is not of its environment",
                )


def _elsewhere(stage: Mapping[str, Any], action: Mapping[str, Any]) -> str:
    """The account or the stack that an action works on, where that is not its stage's; nothing where it is."""
    if others := _accounts(action) - _stage_account(stage):
        return ", ".join(sorted(others))
    names = [as_text(each["Configuration"].get("StackName", "")) for each in deployments(stage)]
    prefixes = tuple(name.removesuffix("platform") for name in names if name.endswith("-platform"))
    name = as_text(action["Configuration"].get("StackName", ""))
    return name if name and prefixes and not name.startswith(prefixes) else ""


def _stage_account(stage: Mapping[str, Any]) -> set[str]:
    """The account of a stage's first deployment: all deployments of one environment go to the same account."""
    first, *_ = deployments(stage)
    return _accounts(first)


def _accounts(action: Mapping[str, Any]) -> set[str]:
    arns = (action.get("RoleArn"), action["Configuration"].get("RoleArn"))
    return set(re.findall(r":iam::(\d{12}):", " ".join(as_text(arn) for arn in arns if arn is not None)))


def _update_approved(template: Template) -> Iterator[Finding]:
    """The stage before the one that updates the pipeline is an approval, and is skipped for only one reason."""
    for logical_id, pipeline in template.of_type(PIPELINE):
        found = stages(pipeline)
        for place, stage in enumerate(found):
            if not any(_updates(template, action) for action in actions(stage, "Build")):
                continue
            before = found[place - 1] if place else None
            rules = [rule for each in before["BeforeEntry"]["Conditions"] for rule in each["Rules"]] if before else []
            compared = [
                rule["Configuration"] == _CHANGES and rule["RuleTypeId"]["Provider"] == "VariableCheck"
                for rule in rules
            ]
            if not before or not actions(before, "Approval") or compared not in ([], [True]):
                name = before["Name"] if before else "nothing"
                yield Finding(logical_id, f"Properties.Stages.{place}", f"it follows {name}")


def _updates(template: Template, action: Mapping[str, Any]) -> bool:
    project, _ = project_and_role(template, action)
    return re.search(r"\bcdk (-a \S+ )?deploy ", _build_spec(project)) is not None


def _build_spec(project: Mapping[str, Any]) -> str:
    return as_text(project.get("Source", {}).get("BuildSpec", ""))


def _approval_deploys_nothing(template: Template) -> Iterator[Finding]:
    for logical_id, pipeline in template.of_type(PIPELINE):
        for place, stage in enumerate(stages(pipeline)):
            if actions(stage, "Approval") and actions(stage, "Deploy"):
                yield Finding(logical_id, f"Properties.Stages.{place}.Actions", f"stage {stage['Name']}")


def _tested(template: Template) -> Iterator[Finding]:
    for logical_id, pipeline in template.of_type(PIPELINE):
        for place in environments(pipeline)[:-1]:
            stage = stages(pipeline)[place]
            deployed = max(_order(action) for action in deployments(stage))
            tests = [a for a in actions(stage, "Build", "Test") if a["Name"] != _VERIFY]
            if not any(_order(action) > deployed for action in tests):
                yield Finding(logical_id, f"Properties.Stages.{place}.Actions", f"stage {stage['Name']}")


def _order(action: Mapping[str, Any]) -> int:
    return int(action.get("RunOrder", 1))


def _pinned_tools(template: Template) -> Iterator[Finding]:
    for logical_id, project in template.of_type("AWS::CodeBuild::Project"):
        build_spec = _build_spec(project)
        for tool in re.findall(r"npm (?:install -g|pack)(?: --\S+(?: /\S+)?)*? ([^-\s\"\\][^\s\"\\]*)", build_spec):
            if not re.search(r".@\d+\.\d+\.\d+$|-\d+\.\d+\.\d+\.tgz$", tool):
                yield Finding(logical_id, "Properties.Source.BuildSpec", f"it installs {tool}")


def _within_quotas(template: Template) -> Iterator[Finding]:
    for logical_id, pipeline in template.of_type(PIPELINE):
        found = stages(pipeline)
        if len(found) > MAX_STAGES:
            yield Finding(logical_id, "Properties.Stages", f"{len(found)} stages")
        if (total := sum(len(stage["Actions"]) for stage in found)) > MAX_ACTIONS:
            yield Finding(logical_id, "Properties.Stages", f"{total} actions")
        for place, stage in enumerate(found):
            if (count := len(stage["Actions"])) > MAX_ACTIONS_PER_STAGE:
                yield Finding(
                    logical_id, f"Properties.Stages.{place}.Actions", f"{count} actions in stage {stage['Name']}"
                )


def _announced(template: Template) -> Iterator[Finding]:
    events = [
        event
        for _, rule in template.of_type("AWS::CodeStarNotifications::NotificationRule")
        if rule.get("Targets") and rule.get("Status") != "DISABLED"
        for event in rule["EventTypeIds"]
    ]
    for logical_id, _ in template.of_type(PIPELINE):
        for wanted in _NOTIFIED:
            if not any(event.endswith(wanted) for event in events):
                yield Finding(logical_id, "Properties.Name", f"nobody is notified of {wanted}")


_CHANGES = {"Variable": "#{Compare.PIPELINE}", "Value": "same", "Operator": "NE"}
"""The only reason to skip the approval of an update: the comparison found no change."""

_QUOTAS = "https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html"

PIPELINE_RULES = (
    Rule(
        "NOVA-P01",
        "Nothing reaches production without an approval that follows all earlier stages",
        "set approval = true on the last environment",
        "A person notices what the earlier tests cannot",
        _approved,
    ),
    Rule(
        "NOVA-P02",
        "No stage with an approval deploys anything",
        "put the approval into its own wave before the environment's stage",
        "Rolling back a stage runs all of its actions again, including the approval",
        _approval_deploys_nothing,
        "warning",
    ),
    Rule(
        "NOVA-P03",
        "Every environment is tested after its deployment and before the next one is touched",
        'set tests = "integration" or tests = "e2e"',
        "A release that passed in no deployed environment is untested",
        _tested,
    ),
    Rule(
        "NOVA-P04",
        "The pipeline installs every tool at an exact version",
        "pass cli_version and cdk_assets_cli_version, from package.json",
        "npm's latest aws-cdk is an accidental 3.0.0 that cannot read this library's assemblies",
        _pinned_tools,
    ),
    Rule(
        "NOVA-P05",
        f"The pipeline has at most {MAX_STAGES} stages, {MAX_ACTIONS_PER_STAGE} actions each and {MAX_ACTIONS} in all",
        "split the services between two installations",
        _QUOTAS,
        _within_quotas,
    ),
    Rule(
        "NOVA-P06",
        "Nothing that runs the repository's code before the approval can reach what the approval protects",
        "remove the permission, or move the step after the approval",
        "Anyone who can push a branch could otherwise deploy through a test, approve, or assume a role that can",
        production_out_of_reach,
    ),
    Rule(
        "NOVA-P07",
        "The pipeline notifies someone about failures and waiting approvals",
        "add a notification rule with both events and a topic",
        "If nobody notices that the pipeline stopped, nothing is delivered",
        _announced,
        "warning",
    ),
    Rule(
        "NOVA-P08",
        "The pipeline changes itself only after an approval of its own",
        "put the stage of the approval before UpdatePipeline, as UpdateApproval does",
        "Anyone who can push could otherwise give the pipeline any permission, or remove the approval of production",
        _update_approved,
    ),
)

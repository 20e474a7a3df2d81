"""Each rule on the project's own pipeline, which it must pass, and on the smallest change that it must refuse."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from helpers.assembly import Assembly
from helpers.exhaustive import one_of_each
from helpers.grants import pipeline_of as pipeline
from nova_infra.checks.pipeline import PIPELINE_RULES
from nova_infra.checks.rules import findings


def stage(template: dict[str, Any], name: str) -> dict[str, Any]:
    return next(stage for stage in pipeline(template)["Stages"] if stage["Name"] == name)


def notification_rule(template: dict[str, Any]) -> dict[str, Any]:
    [rule] = [r for r in template["Resources"].values() if r["Type"] == "AWS::CodeStarNotifications::NotificationRule"]
    found: dict[str, Any] = rule["Properties"]
    return found


def remove_stage(template: dict[str, Any], name: str) -> None:
    pipeline(template)["Stages"].remove(stage(template, name))


def move_stage(template: dict[str, Any], name: str, place: int) -> None:
    moved = stage(template, name)
    pipeline(template)["Stages"].remove(moved)
    pipeline(template)["Stages"].insert(place, moved)


def untested(template: dict[str, Any], name: str) -> None:
    stage(template, name)["Actions"] = [
        action for action in stage(template, name)["Actions"] if action["ActionTypeId"]["Category"] == "Deploy"
    ]


def only_verified(template: dict[str, Any], name: str) -> None:
    found = stage(template, name)
    found["Actions"] = [action for action in found["Actions"] if not action["Name"].endswith("Tests")]


def run_tests_first(template: dict[str, Any], name: str) -> None:
    for action in stage(template, name)["Actions"]:
        action["RunOrder"] = 1 if action["ActionTypeId"]["Category"] == "Build" else 9


def run_tests_beside(template: dict[str, Any], name: str, stack: str) -> None:
    actions = {action["Name"]: action for action in stage(template, name)["Actions"]}
    for action in actions.values():
        if action["Name"].endswith("Tests"):
            action["RunOrder"] = actions[f"nova-{name.lower()}-{stack}.Deploy"]["RunOrder"]


def many_actions(template: dict[str, Any], count: int) -> None:
    actions = stage(template, "Images")["Actions"]
    actions += [actions[0]] * (count - len(actions))


def with_build_spec(template: dict[str, Any], old: str, new: str) -> None:
    for key, resource in template["Resources"].items():
        if resource["Type"] == "AWS::CodeBuild::Project":
            template["Resources"][key] = json.loads(json.dumps(resource).replace(old, new))


def may_assume(
    template: dict[str, Any],
    action: dict[str, Any],
    resource: Any,
    *,
    effect: str = "Allow",
    does: Any = "sts:AssumeRole",
) -> None:
    project = action["Configuration"]["ProjectName"]["Ref"]
    role = template["Resources"][project]["Properties"]["ServiceRole"]["Fn::GetAtt"][0]
    template["Resources"]["Extra"] = {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "Roles": [{"Ref": role}],
            "PolicyDocument": {"Statement": {"Effect": effect, "Action": does, "Resource": resource}},
        },
    }


def skipped_unless(template: dict[str, Any], **configuration: Any) -> None:
    stage(template, "ApprovePipeline")["BeforeEntry"]["Conditions"][0]["Rules"][0]["Configuration"] |= configuration


def action_of_tests(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = stage(template, "Staging")["Actions"][-1]
    return found


_PROD_DEPLOYER = "arn:aws:iam::333333333333:role/cdk-hnb659fds-deploy-role-333333333333-us-east-1"
_ANY_ACCOUNT = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::*:role/x"]]}

_SMALL = {"Variable": "#{Tests.SIZE}", "Value": "small", "Operator": "NE"}
_RULE = {"Name": "Small", "RuleTypeId": {"Category": "Rule", "Provider": "VariableCheck"}, "Configuration": _SMALL}
_SKIPPED = {"BeforeEntry": {"Conditions": [{"Result": "SKIP", "Rules": [_RULE]}]}}

CHANGES = [
    ("NOVA-P01", "no approval", lambda t: remove_stage(t, "ApproveProduction")),
    ("NOVA-P01", "an approval that something may skip", lambda t: stage(t, "ApproveProduction").update(_SKIPPED)),
    ("NOVA-P01", "approval before staging", lambda t: move_stage(t, "ApproveProduction", 5)),
    (
        "NOVA-P02",
        "approval in the stage that deploys",
        lambda t: stage(t, "Staging")["Actions"].append(stage(t, "ApproveProduction")["Actions"][-1]),
    ),
    ("NOVA-P03", "dev untested", lambda t: untested(t, "Dev")),
    ("NOVA-P03", "staging untested", lambda t: untested(t, "Staging")),
    ("NOVA-P03", "dev only verified", lambda t: only_verified(t, "Dev")),
    ("NOVA-P03", "tested before it is deployed", lambda t: run_tests_first(t, "Staging")),
    ("NOVA-P03", "tested while services are deployed", lambda t: run_tests_beside(t, "Staging", "carts-service")),
    ("NOVA-P03", "tested while the last stack is deployed", lambda t: run_tests_beside(t, "Staging", "overview")),
    ("NOVA-P04", "any aws-cdk", lambda t: with_build_spec(t, "aws-cdk@2.1148.1", "aws-cdk")),
    ("NOVA-P04", "newest major aws-cdk", lambda t: with_build_spec(t, "aws-cdk@2.1148.1", "aws-cdk@2")),
    ("NOVA-P04", "any cdk-assets", lambda t: with_build_spec(t, "make synth", "npm install -g cdk-assets@latest")),
    ("NOVA-P06", "an update by any CLI", lambda t: with_build_spec(t, "sha512sum --check --quiet", "true")),
    ("NOVA-P05", "too many actions in a stage", lambda t: many_actions(t, 51)),
    ("NOVA-P05", "too many stages", lambda t: pipeline(t)["Stages"].extend([stage(t, "ApproveProduction")] * 50)),
    ("NOVA-P08", "no approval of the update", lambda t: remove_stage(t, "ApprovePipeline")),
    ("NOVA-P08", "the approval after the update", lambda t: move_stage(t, "ApprovePipeline", 4)),
    ("NOVA-P08", "another value", lambda t: skipped_unless(t, Value="different")),
    ("NOVA-P08", "another variable", lambda t: skipped_unless(t, Variable="#{SourceVariables.CommitMessage}")),
    ("NOVA-P08", "skipped where it changes", lambda t: skipped_unless(t, Operator="EQ")),
    (
        "NOVA-P06",
        "tests may deploy prod",
        lambda t: may_assume(t, action_of_tests(t), _PROD_DEPLOYER),
    ),
    (
        "NOVA-P06",
        "tests may deploy prod, among other things",
        lambda t: may_assume(t, action_of_tests(t), _PROD_DEPLOYER, does=["s3:GetObject", "sts:AssumeRole"]),
    ),
    (
        "NOVA-P06",
        "tests may do anything with sts",
        lambda t: may_assume(t, action_of_tests(t), _PROD_DEPLOYER, does="sts:*"),
    ),
    ("NOVA-P06", "tests may do anything", lambda t: may_assume(t, action_of_tests(t), _PROD_DEPLOYER, does="*")),
    (
        "NOVA-P06",
        "tests may roll prod back",
        lambda t: may_assume(t, action_of_tests(t), "arn:aws:iam::333333333333:role/nova-prod-release"),
    ),
    ("NOVA-P06", "the build may assume anything", lambda t: may_assume(t, stage(t, "Build")["Actions"][0], "*")),
    (
        "NOVA-P06",
        "any account's role",
        lambda t: may_assume(
            t,
            stage(t, "Images")["Actions"][0],
            _ANY_ACCOUNT,
        ),
    ),
    ("NOVA-P07", "no notifications", lambda t: notification_rule(t).pop("Targets")),
    ("NOVA-P07", "approvals not announced", lambda t: notification_rule(t)["EventTypeIds"].pop()),
    ("NOVA-P07", "announcements off", lambda t: notification_rule(t).update(Status="DISABLED")),
]


@pytest.mark.parametrize(
    ("rule", "what", "change"),
    one_of_each(CHANGES, kind=lambda case: case[0]),
    ids=[f"{rule}: {what}" for rule, what, _ in CHANGES],
)
def test_the_smallest_change_is_refused_by_its_rule_and_no_other(
    assembly: Assembly, rule: str, what: str, change: Callable[..., Any]
) -> None:
    template = assembly.template("NovaPipelineStack")
    change(template)
    assert {broken.id for broken, _ in findings(template)} == {rule}


@pytest.mark.parametrize("count", [50, 51])
def test_a_pipeline_has_at_most_fifty_stages(assembly: Assembly, count: int) -> None:
    template = assembly.template("NovaPipelineStack")
    stages = pipeline(template)["Stages"]
    stages += [stage(template, "ApproveProduction")] * (count - len(stages))
    assert [broken.id for broken, _ in findings(template)] == ["NOVA-P05"] * (count - 50)


@pytest.mark.parametrize("count", [50, 51])
def test_a_stage_has_at_most_fifty_actions(assembly: Assembly, count: int) -> None:
    template = assembly.template("NovaPipelineStack")
    many_actions(template, count)
    assert [broken.id for broken, _ in findings(template)] == ["NOVA-P05"] * (count - 50)


@pytest.mark.parametrize("count", [500, 501])
def test_a_pipeline_has_at_most_five_hundred_actions(assembly: Assembly, count: int) -> None:
    template = assembly.template("NovaPipelineStack")
    stages, approval = pipeline(template)["Stages"], stage(template, "ApproveProduction")["Actions"][-1]
    while missing := count - sum(len(each["Actions"]) for each in stages):
        stages.append({"Name": f"More{len(stages)}", "Actions": [approval] * min(missing, 50)})
    assert [broken.id for broken, _ in findings(template)] == ["NOVA-P05"] * (count - 500)


def test_one_environment_alone_needs_no_approval_and_is_nobodys_production(assembly: Assembly) -> None:
    template = assembly.template("NovaPipelineStack")
    for name in ("Staging", "ApproveProduction", "Prod"):
        remove_stage(template, name)
    may_assume(template, stage(template, "Build")["Actions"][0], "arn:aws:iam::111111111111:role/nova-dev-release")
    assert findings(template) == []


def test_of_two_environments_the_second_is_production(assembly: Assembly) -> None:
    template = assembly.template("NovaPipelineStack")
    for name in ("Dev", "ApproveProduction"):
        remove_stage(template, name)
    may_assume(template, action_of_tests(template), _PROD_DEPLOYER)
    assert {broken.id for broken, _ in findings(template)} == {"NOVA-P01", "NOVA-P06"}


def test_an_approval_in_parallel_with_the_staging_tests_does_not_count(assembly: Assembly) -> None:
    template = assembly.template("NovaPipelineStack")
    approval = stage(template, "ApproveProduction")["Actions"][-1]
    remove_stage(template, "ApproveProduction")
    stage(template, "Staging")["Actions"].append(approval)
    assert {broken.id for broken, _ in findings(template)} == {"NOVA-P01", "NOVA-P02"}


@pytest.mark.parametrize("sharing", [["111111111111", "222222222222"], ["111111111111"], ["222222222222"]])
def test_an_earlier_environment_in_productions_account_may_still_be_released(
    assembly: Assembly, sharing: list[str]
) -> None:
    text = json.dumps(assembly.template("NovaPipelineStack"))
    for account in sharing:
        text = text.replace(account, "333333333333")
    assert findings(json.loads(text)) == []


def test_what_may_not_assume_a_role_is_no_finding(assembly: Assembly) -> None:
    template = assembly.template("NovaPipelineStack")
    may_assume(template, action_of_tests(template), "*", effect="Deny")
    assert findings(template) == []


def test_the_pipeline_itself_which_runs_what_cdk_wrote_may_assume_the_roles_that_it_deploys_by(
    assembly: Assembly,
) -> None:
    template = assembly.template("NovaPipelineStack")
    may_assume(template, stage(template, "UpdatePipeline")["Actions"][0], _PROD_DEPLOYER)
    assert findings(template) == []


def test_nobody_can_judge_a_project_of_another_stack(assembly: Assembly) -> None:
    template = assembly.template("NovaPipelineStack")
    action_of_tests(template)["Configuration"]["ProjectName"] = "elsewhere"
    [(rule, finding)] = findings(template)
    assert rule.id == "NOVA-P06"
    assert finding.detail.startswith("E2ETests assumes a role that the template does not show")


def test_tests_may_assume_the_observer_of_production(assembly: Assembly) -> None:
    template = assembly.template("NovaPipelineStack")
    may_assume(template, action_of_tests(template), "arn:aws:iam::333333333333:role/nova-prod-observer")
    assert findings(template) == []


def test_tests_may_assume_roles_of_their_own_environment(assembly: Assembly) -> None:
    template = assembly.template("NovaPipelineStack")
    may_assume(template, action_of_tests(template), "arn:aws:iam::222222222222:role/anything")
    assert findings(template) == []


def test_an_approval_may_come_with_a_build_that_says_what_is_asked(assembly: Assembly) -> None:
    template = assembly.template("NovaPipelineStack")
    stage(template, "ApproveProduction")["Actions"].append(stage(template, "Build")["Actions"][0])
    assert findings(template) == []


def test_every_rule_has_a_change_that_it_refuses() -> None:
    assert {rule.id for rule in PIPELINE_RULES} == {rule for rule, _, _ in CHANGES}

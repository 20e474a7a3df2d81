import json
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from helpers.assembly import Assembly
from helpers.small_pipeline import allow
from nova_infra.checks.rules import RULES
from nova_infra.checks.stages import Promotion
from nova_infra.config import Config, parse_config

if TYPE_CHECKING:
    from aws_cdk import App
    from aws_cdk.aws_cloudwatch import CfnAlarm
    from constructs import Construct

ROOT = Path(__file__).parents[3]


def _silent_alarm(scope: "Construct") -> "CfnAlarm":
    from aws_cdk import aws_cloudwatch as cloudwatch

    return cloudwatch.CfnAlarm(
        scope,
        "Alarm",
        alarm_name="a",
        comparison_operator="GreaterThanThreshold",
        evaluation_periods=1,
        namespace="AWS/ECS",
        metric_name="CPUUtilization",
        period=60,
        statistic="Average",
        threshold=1,
    )


@pytest.fixture
def checked_alarm(app: ModuleType, tmp_path: Path) -> "tuple[CfnAlarm, App]":
    """An alarm that tells nobody, in a stage of an app that is written to the temporary directory; and the app."""
    checked = app.cdk.App(outdir=str(tmp_path))
    app.cdk.Validations.of(checked).add_plugins(app.NovaChecks())
    return _silent_alarm(app.cdk.Stack(app.cdk.Stage(checked, "Stage"), "Stack")), checked


def test_a_finding_inside_a_stage_fails_the_synthesis(checked_alarm: "tuple[CfnAlarm, App]", tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ValidationFailed: WARNING Every alarm notifies someone"):
        checked_alarm[1].synth()
    [plugin] = [
        p for p in json.loads((tmp_path / "validation-report.json").read_text())["pluginReports"] if p["violations"]
    ]
    [violation] = plugin["violations"]
    assert (plugin["pluginName"], violation["ruleName"], violation["severity"]) == ("Nova", "NOVA-R08", "warning")
    assert violation["suggestedFix"] == "add an alarm action to the alert topic"


def test_an_acknowledged_finding_does_not(checked_alarm: "tuple[CfnAlarm, App]") -> None:
    from nova_infra.checks.acknowledge import acknowledge

    alarm, checked = checked_alarm
    acknowledge(alarm, "Somebody watches it", "Nova::NOVA-R08")
    checked.synth()


def test_the_rules_run_at_every_synthesis_of_the_app(app: ModuleType, raw: dict[str, Any], tmp_path: Path) -> None:
    raw["services"] = raw["services"][:1]
    checked = app.build_app(parse_config(raw), root=ROOT, environment="dev", image_tag="a", outdir=tmp_path)
    overview = checked.node.find_child("overview")
    _silent_alarm(overview)
    app.cdk.CfnResource(overview, "Queue", type="AWS::SQS::Queue", properties={"DelaySeconds": "soon"})
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        checked.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text())
    severities = {
        plugin["pluginName"]: {violation["severity"] for violation in plugin["violations"]}
        for plugin in report["pluginReports"]
        if plugin["violations"]
    }
    assert set(severities) == {"Nova", "NIST.800.53.R5", "CloudFormation Validate"}
    assert severities["CloudFormation Validate"] == {"error"}, "CDK would only warn of them by itself"


PROMOTION = Promotion("444444444444", (("Dev", "111111111111", False), ("Prod", "333333333333", True)))


def test_a_service_that_reaches_behind_the_approval_fails_the_synthesis(app: ModuleType, tmp_path: Path) -> None:
    checked = app.cdk.App(outdir=str(tmp_path))
    app.cdk.Validations.of(checked).add_plugins(app.NovaChecks(PROMOTION))
    stage = app.cdk.Stage(checked, "Dev", env=app.cdk.Environment(account="111111111111", region="us-east-1"))
    tasks = allow("sts:AssumeRole", Principal={"Service": "ecs-tasks.amazonaws.com"})
    taking = allow("sts:AssumeRole", "arn:aws:iam::333333333333:role/nova-prod-release")
    properties = {"AssumeRolePolicyDocument": tasks, "Policies": [{"PolicyName": "p", "PolicyDocument": taking}]}
    app.cdk.CfnResource(app.cdk.Stack(stage, "Shop"), "Task", type="AWS::IAM::Role", properties=properties)
    with pytest.raises(
        RuntimeError, match=r"Task may sts:AssumeRole on \S+:role/nova-prod-release: behind the approval"
    ):
        checked.synth()


@pytest.mark.exhaustive(
    "test_app.py::test_only_the_task_definition_depends_on_the_image_tag_which_is_by_default_that_of_the_content"
)
def test_the_app_knows_which_environments_an_approval_protects(
    app: ModuleType, config: Config, example: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = []

    class Recorded(app.NovaChecks):  # type: ignore[misc, name-defined]  # the app is loaded from its file
        def __init__(self, promotion: Promotion) -> None:
            super().__init__(promotion)
            known.append(promotion)

    monkeypatch.setattr(app, "NovaChecks", Recorded)
    app.build_app(config, root=example, environment="dev", image_tag="a", outdir=tmp_path)
    environments = (("Dev", "111111111111", False), ("Staging", "222222222222", False), ("Prod", "333333333333", True))
    assert known == [Promotion("444444444444", environments)]


def test_every_rule_has_an_id_of_its_own_and_says_everything() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert all((rule.sentence, rule.remedy, rule.source)), rule.id


def test_every_rule_that_a_page_names_exists() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {rule for page in pages for rule in re.findall(r"NOVA-[A-Z]\d+", page.read_text())}
    assert named == {rule.id for rule in RULES}


def _reports(*assemblies: Assembly) -> list[dict[str, Any]]:
    return [report for assembly in assemblies for report in assembly.report["pluginReports"]]


def test_nothing_is_found_that_is_not_acknowledged(assembly: Assembly, variant: Assembly) -> None:
    for report in _reports(assembly, variant):
        assert report["violations"] == [], report["pluginName"]


def test_both_packs_and_the_rules_of_cdk_have_run(assembly: Assembly) -> None:
    assert {report["pluginName"] for report in assembly.report["pluginReports"]} == {
        "AwsSolutions",
        "NIST.800.53.R5",
        "CloudFormation Validate",
    }


def test_every_acknowledgement_has_a_reason(assembly: Assembly, variant: Assembly) -> None:
    for report in _reports(assembly, variant):
        for finding in report["suppressedViolations"]:
            assert len(finding["reason"].split()) >= 4, finding


def test_no_acknowledgement_is_unused(assembly: Assembly, variant: Assembly) -> None:
    for each in (assembly, variant):
        used = {
            (finding["acknowledgedAt"], finding["acknowledgedId"])
            for report in each.report["pluginReports"]
            for finding in report["suppressedViolations"]
        }
        own = {(path, finding) for path, finding in each.acknowledgements if not path.endswith("/FlowLog")}  # CDK's
        assert own == used


def test_no_acknowledgement_is_on_a_whole_stack_or_stage(assembly: Assembly, variant: Assembly) -> None:
    for each in (assembly, variant):
        for path, finding in each.acknowledgements:
            assert path.count("/") >= (
                3 if path.split("/")[1] in ("Dev", "Staging", "Prod", "TestEu", "Live") else 1
            ), (
                path,
                finding,
            )

"""CDK's own bootstrap template, with its trust limited."""

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nova_infra.config import Config
from nova_infra.errors import ConfigError, RefusedError
from nova_infra.operations.release.bootstrap import bootstrap_template, limited

ROOT = Path(__file__).parents[4]
SHOWN = ROOT / "node_modules/aws-cdk/lib/api/bootstrap/bootstrap-template.yaml"
ROLES = ("DeploymentActionRole", "FilePublishingRole", "ImagePublishingRole")


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """What the locked CDK CLI has, which takes a second to show it."""
    found: dict[str, Any] = yaml.load(SHOWN.read_text(), yaml.CSafeLoader)
    return found


def trusting(template: dict[str, Any], role: str) -> Iterator[dict[str, Any]]:
    """The statements of a role that trust other accounts to assume it or to tag their session."""
    for statement in template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
        if "Fn::If" in statement and "TrustedAccounts" in json.dumps(statement):
            yield statement["Fn::If"][1]


@pytest.mark.exhaustive("test_nothing_else_of_the_template_changes")
def test_the_template_is_what_the_cli_shows(template: dict[str, Any]) -> None:
    command = [str(ROOT / "node_modules/.bin/cdk"), "bootstrap", "--show-template", "--json"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT / "scripts").stdout
    assert json.loads(shown) == template


@pytest.mark.parametrize("role", ROLES)
def test_every_trust_of_another_account_names_the_pipelines_roles(
    template: dict[str, Any], config: Config, role: str
) -> None:
    found = limited(template, config)
    statements = list(trusting(found, role))
    assert len(statements) == len(list(trusting(template, role))) >= 1
    for statement in statements:
        condition = statement["Condition"]
        for branch in condition["Fn::If"][1:] if "Fn::If" in condition else [condition]:
            arn, *publishing = branch["ArnLike"]["aws:PrincipalArn"]
            assert arn.startswith("arn:*:iam::444444444444:role/NovaPipelineStack-Pipeline")
            publishes = role in ("FilePublishingRole", "ImagePublishingRole")
            assert publishing == ["arn:*:iam::444444444444:role/nova-*-publish-step"] * publishes


def test_nothing_else_of_the_template_changes(template: dict[str, Any], config: Config) -> None:
    found = limited(template, config)
    for role in ROLES:
        for made, given in zip(trusting(found, role), trusting(template, role), strict=True):
            if "Condition" in given:
                assert made["Condition"]["Fn::If"][1].items() > given["Condition"]["Fn::If"][1].items()
                given = {**given, "Condition": made["Condition"]}
            assert made == {**given, "Condition": made["Condition"]}
        found["Resources"][role] = template["Resources"][role]
    assert found == template


def test_the_role_that_deploys_is_the_one_that_the_template_of_the_pipeline_has(assembly: Any) -> None:
    pipeline = assembly.only("NovaPipelineStack", "AWS::CodePipeline::Pipeline")
    assert pipeline["RoleArn"]["Fn::GetAtt"][0].startswith("PipelineRole")


def test_a_trust_that_is_not_known_is_refused(template: dict[str, Any], config: Config) -> None:
    changed = copy.deepcopy(template)
    for statement in trusting(changed, "DeploymentActionRole"):
        statement["Condition"] = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    with pytest.raises(RefusedError, match="sets a condition that Nova does not know"):
        limited(changed, config)
    changed["Resources"]["DeploymentActionRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"] = []
    with pytest.raises(RefusedError, match="DeploymentActionRole: trusts no account"):
        limited(changed, config)


def test_where_github_actions_delivers_no_account_is_trusted(github_config: Config) -> None:
    with pytest.raises(ConfigError, match="bootstrap without --trust"):
        bootstrap_template(github_config)

"""The comparison of the stacks that CDK adds for a pipeline's artifacts in other regions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.assembly import Assembly
from helpers.delivery_pipeline import STACK, project, stage
from helpers.pipeline_assembly import ASSETS, ROLE, write

SUPPORT = "cross-region-stack-444444444444_eu-central-1"


@pytest.fixture
def supported(tmp_path: Path, artifacts: dict[str, Any]) -> dict[str, Any]:
    """The entry of the stack that CDK adds for artifacts in another region, as it writes and deploys it."""
    there = tmp_path / "cdk.out"
    artifacts[SUPPORT] = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://444444444444/eu-central-1",
        "displayName": "cross-region-stack-444444444444:eu-central-1",
        "additionalMetadataFile": f"{SUPPORT}.metadata.json",
        "properties": {
            "templateFile": f"{SUPPORT}.template.json",
            "terminationProtection": True,
            "validateOnSynth": False,
            "assumeRoleArn": ROLE % "deploy",
            "cloudFormationExecutionRoleArn": ROLE % "cfn-exec",
            "stackName": "Pipeline-support-eu-central-1",
            "tags": {"team": "platform"},
        },
    }
    artifacts["Pipeline"]["dependencies"].append(SUPPORT)
    write(there / f"{SUPPORT}.metadata.json", {})
    template = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}
    for path in (there / f"{SUPPORT}.template.json", tmp_path / "deployed" / "Pipeline-support-eu-central-1"):
        write(path, template)
    write(tmp_path / "deployed" / "Pipeline-support-eu-central-1.tags", [{"Key": "team", "Value": "platform"}])
    return artifacts[SUPPORT]  # type: ignore[no-any-return]  # JSON, a dictionary


def test_the_stack_for_artifacts_of_another_region_is_compared_like_the_pipeline_s(
    compare: Callable[..., str], supported: dict[str, Any], tmp_path: Path
) -> None:
    assert compare(REGIONS="ap-south-1 eu-central-1") == "same"
    assert "not of an assembly; Pipeline would be deployed with other stacks" in compare(REGIONS="ap-south-1")
    write(tmp_path / "cdk.out" / f"{SUPPORT}.template.json", {"Resources": {"Evil": {}}})
    assert compare(REGIONS="eu-central-1") == f"changed: {SUPPORT} changes"


def test_what_is_synthesized_for_another_region_is_the_same_when_it_is_deployed(
    compare: Callable[..., str], variant: Assembly, tmp_path: Path
) -> None:
    """By the variables and over the assembly of a pipeline that delivers to two regions."""
    manifest = json.loads((variant.directory / "manifest.json").read_text())
    for name, each in manifest["artifacts"].items():
        if each["type"] == "aws:cloudformation:stack":
            template = json.loads((variant.directory / each["properties"]["templateFile"]).read_text())
            deployed = tmp_path / "deployed" / each["properties"].get("stackName", name)
            write(deployed, template)
            tags = each["properties"].get("tags", {}).items()
            write(deployed.with_name(f"{deployed.name}.tags"), [{"Key": key, "Value": value} for key, value in tags])
    [step] = [each for each in stage(variant, "Build")["Actions"] if each["Name"] == "Compare"]
    found = project(variant, step)["Environment"]["EnvironmentVariables"]
    variables = {each["Name"]: each["Value"] for each in found}
    assert variables["REGIONS"] == "eu-west-1"
    [read] = [
        each["Resource"]
        for policy in variant.properties(STACK, "AWS::IAM::Policy")
        for each in policy["PolicyDocument"]["Statement"]
        if "cloudformation:GetTemplate" in each["Action"] and "support" in json.dumps(each["Resource"])
    ]
    assert f":cloudformation:eu-west-1:444444444444:stack/{STACK}-support-eu-west-1/*" in json.dumps(read)
    assert compare(there=variant.directory, **variables) == "same"


SUPPORT_TAMPERED = {
    "another region": {"environment": "aws://444444444444/eu-west-1"},
    "another role": {"assumeRoleArn": ROLE.replace("us-east-1", "eu-central-1") % "deploy"},
    "another name": {"stackName": "Pipeline-support-eu-west-1"},
    "another topic": {"notificationArns": ["arn:aws:sns:us-east-1:444444444444:theirs"]},
    "a template of the bucket": {"stackTemplateAssetObjectUrl": f"s3://{ASSETS}/evil.json"},
    "other tags": {"tags": {}},
    "an asset": {},
}


@pytest.mark.exhaustive("test_the_stack_for_artifacts_of_another_region_is_compared_like_the_pipeline_s")
@pytest.mark.parametrize("changed", SUPPORT_TAMPERED.values(), ids=SUPPORT_TAMPERED.keys())
def test_whatever_else_is_deployed_in_another_region_is_a_change(
    compare: Callable[..., str], supported: dict[str, Any], tmp_path: Path, changed: dict[str, Any]
) -> None:
    if not changed:
        source = {"path": "manifest.json", "packaging": "file"}
        file = {"source": source, "destinations": {"x": {"objectKey": "a"}}}
        write(tmp_path / "cdk.out" / f"{SUPPORT}.assets.json", {"files": {"a": file}})
    (supported if "environment" in changed else supported["properties"]).update(changed)
    assert compare(REGIONS="eu-central-1").startswith("changed: ")

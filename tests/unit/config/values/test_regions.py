"""What regions do not have, as the resource types that cfn-lint carries for each of them say."""

import json
from importlib import metadata, resources
from pathlib import Path

import pytest

from nova_infra.config.values.fields import aws_regions
from nova_infra.config.values.regions import MISSING, has_notification_rules, unfit_for_toolchain

PUBLIC = ("aws", "aws-cn", "aws-us-gov")
LISTED = Path(str(metadata.distribution("cfn-lint").locate_file("cfnlint/data/schemas/providers")))


@pytest.mark.parametrize("kind", [*MISSING, "AWS::Signer::SigningProfile"])
def test_the_regions_without_a_type_are_those_that_do_not_list_it(kind: str) -> None:
    lists = {region: LISTED / f"{region}.json" for region in aws_regions()}
    # A few, such as me-south-1, have no list, and the isolated partitions have copies of us-east-1's.
    listed = {region for region, path in lists.items() if path.is_file() and aws_regions()[region] in PUBLIC}
    without = {region for region in listed if kind not in json.loads(lists[region].read_text())}
    known = MISSING["AWS::ECR::SigningConfiguration" if "Signer" in kind else kind]
    assert without == {region for region in known if aws_regions()[region] in PUBLIC}


@pytest.mark.parametrize(
    ("kind", "service"),
    [
        ("AWS::ECR::SigningConfiguration", "signer"),
        ("AWS::CodeStarNotifications::NotificationRule", "codestar-notifications"),
        ("AWS::Chatbot::SlackChannelConfiguration", "chatbot"),
    ],
)
def test_in_other_partitions_they_are_those_whose_service_has_no_endpoint(kind: str, service: str) -> None:
    file = resources.files("botocore") / "data" / "endpoints.json"
    found = {each["partition"]: each["services"] for each in json.loads(file.read_text())["partitions"]}
    without = {region for region, of in aws_regions().items() if of not in PUBLIC and service not in found.get(of, {})}
    assert without == {region for region in MISSING[kind] if aws_regions()[region] not in PUBLIC}


@pytest.mark.parametrize("engine", ["codepipeline", "github-actions"])
@pytest.mark.parametrize("region", ["eu-south-2", "ca-west-1", "cn-north-1"])
def test_no_engine_delivers_from_where_images_cannot_be_signed(region: str, engine: str) -> None:
    assert f"{region!r} cannot sign images in ECR" in (unfit_for_toolchain(region, engine) or "")


def test_what_is_named_instead_does() -> None:
    unfit = {
        region: unfit_for_toolchain(region, "codepipeline") or ""
        for region in MISSING["AWS::ECR::SigningConfiguration"]
    }
    for region, text in unfit.items():
        if (partition := aws_regions()[region]) != "aws":
            assert f"no region of {partition} can" in text
            continue
        named = text.partition("such as ")[2].partition(";")[0]
        assert unfit_for_toolchain(named, "codepipeline") is None
        assert aws_regions()[named] == aws_regions()[region]
    china = {region for region, partition in aws_regions().items() if partition == "aws-cn"}
    assert china <= unfit.keys()


def test_where_a_pipeline_cannot_announce_only_github_actions_delivers() -> None:
    assert not has_notification_rules("us-gov-west-1")
    said = unfit_for_toolchain("us-gov-west-1", "codepipeline") or ""
    assert "has no notification rules" in said
    assert said.endswith('nor has another one of aws-us-gov: write engine = "github-actions"')
    assert "choose another one for the toolchain" in (unfit_for_toolchain("af-south-1", "codepipeline") or "")
    assert unfit_for_toolchain("us-gov-west-1", "github-actions") is None
    assert unfit_for_toolchain("ap-northeast-1", "codepipeline") is None

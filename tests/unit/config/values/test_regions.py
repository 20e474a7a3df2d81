"""What regions do not have, as the resource types that cfn-lint carries for each of them say."""

import json
from importlib import resources

import pytest

from nova_infra.config.values.fields import aws_regions
from nova_infra.config.values.regions import MISSING, has_notification_rules, unfit_for_toolchain

LISTED = resources.files("cfnlint") / "data" / "schemas" / "providers"


@pytest.mark.parametrize("kind", [*MISSING, "AWS::Signer::SigningProfile"])
def test_the_regions_without_a_type_are_those_that_do_not_list_it(kind: str) -> None:
    lists = {region: LISTED / f"{region}.json" for region in aws_regions()}
    # A few, such as me-south-1, have no list.
    without = {region for region, path in lists.items() if path.is_file() and kind not in json.loads(path.read_text())}
    assert without == MISSING["AWS::ECR::SigningConfiguration" if "Signer" in kind else kind]


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
        if aws_regions()[region] == "aws-cn":
            assert "no region of aws-cn can" in text
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

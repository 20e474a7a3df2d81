"""Whom a stack lets in that only copies artifacts, and an event bus by its one condition."""

from typing import Any

import pytest

from helpers.small_pipeline import Template, allow, put
from nova_infra.checks.permissions.boundary import production_out_of_reach
from nova_infra.checks.rule import Template as Loaded
from nova_infra.checks.stages import Promotion

DEV, PROD, TOOLS = "111111111111", "333333333333", "444444444444"
PROMOTION = Promotion(TOOLS, (("Dev", DEV, False), ("Prod", PROD, True)))
COPIES = "CrossRegionCodePipelineReplicationBucketFC3227F2"


def details(template: Template, account: str, stage: str) -> list[str]:
    loaded = Loaded(template["Resources"], account, PROMOTION.beyond(stage), PROMOTION.before(stage))
    return [finding.detail for finding in production_out_of_reach(loaded)]


def role(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def test_a_stack_that_only_copies_artifacts_is_read_by_whatever_deploys_them() -> None:
    deployer = role(DEV, f"cdk-hnb659fds-deploy-role-{DEV}-eu-west-1")

    def copies(actions: list[str], principal: str = deployer, bucket: str = COPIES, **more: str) -> list[str]:
        template: Template = {"Resources": {}}
        put(template, bucket, "AWS::S3::Bucket")
        document = allow(actions, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}, Principal={"AWS": principal})
        put(template, f"{bucket}Policy", "AWS::S3::BucketPolicy", Bucket={"Ref": bucket}, PolicyDocument=document)
        for name, kind in more.items():
            put(template, name, kind)
        return details(template, TOOLS, "")

    assert copies(["s3:GetObject*"]) == []
    assert copies(["s3:GetObject*"], role(DEV, "other"))
    assert copies(["s3:GetObject*", "s3:PutObject"]) == [
        f"{deployer} may s3:PutObject: its environment comes before the approval"
    ]
    assert copies(["s3:GetObject*"], CDKMetadata="AWS::CDK::Metadata") == []
    assert copies(["s3:GetObject*"], Task="AWS::ECS::TaskDefinition")
    assert copies(["s3:GetObject*"], bucket="OfCustomers")


@pytest.mark.parametrize(
    ("condition", "is_way"),
    [
        ({"Type": "StringEquals", "Key": "aws:PrincipalAccount", "Value": "555555555555"}, False),
        ({"Type": "StringEquals", "Key": "aws:PrincipalAccount", "Value": DEV}, True),
        ({"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-abcdefghij"}, True),
        ({"Type": "StringEquals"}, True),
        ({}, True),
    ],
    ids=str,
)
def test_a_bus_lets_in_whoever_meets_its_one_condition(condition: dict[str, Any], is_way: bool) -> None:
    template: Template = {"Resources": {}}
    old = {"StatementId": "in", "Action": "events:PutEvents", "Principal": "*", "Condition": condition}
    put(template, "Lets", "AWS::Events::EventBusPolicy", EventBusName="in", **old)
    assert bool(details(template, PROD, "Prod")) is is_way

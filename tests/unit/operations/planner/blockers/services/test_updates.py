"""Changes in place that a service refuses, and their harmless neighbours."""

from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")
NAMES = {"BillingMode": "PAY_PER_REQUEST"}
SHARDS = {"StreamModeDetails": {"StreamMode": "PROVISIONED"}}
SCHEMA = [{"Name": "team", "AttributeDataType": "String", "Mutable": True}]
CASED = {"CaseSensitive": True}
LATER = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/somewhere"}
NONE = {"Ref": "AWS::NoValue"}
OTHER = [{"Name": "size", "AttributeDataType": "Number"}]


def expires(name: str, enabled: bool = True) -> dict[str, Any]:
    return {"TimeToLiveSpecification": {"AttributeName": name, "Enabled": enabled}}


def by(*names: str) -> dict[str, Any]:
    return {"GlobalSecondaryIndexes": [{"IndexName": name, "KeySchema": [name]} for name in names]}


CASES = [
    ("EC2::Volume", {"AvailabilityZone": "eu-north-1a"}, {"AvailabilityZone": "eu-north-1b"}, "AvailabilityZone"),
    ("EC2::Volume", {"Encrypted": False}, {"Encrypted": True}, "Encrypted"),
    ("EC2::Volume", {}, {"Encrypted": False}, ""),
    ("EC2::Volume", {"Size": 20}, {"Size": 30}, ""),
    ("EC2::Volume", {"AvailabilityZone": "eu-north-1a"}, {"AvailabilityZone": {"Ref": "Zone"}}, ""),
    ("EC2::Volume", {"Encrypted": "True"}, {"Encrypted": True}, ""),
    ("KMS::Key", {}, {"MultiRegion": True}, "MultiRegion"),
    ("KMS::Key", {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, {"KeySpec": "RSA_4096"}, "KeySpec"),
    ("KMS::Key", {}, {"KeySpec": "SYMMETRIC_DEFAULT", "MultiRegion": "false"}, ""),
    ("KMS::Key", {"EnableKeyRotation": False}, {"EnableKeyRotation": True}, ""),
    ("CloudFormation::WaitCondition", {"Count": 1}, {"Count": 2}, "Count"),
    ("Cognito::UserPool", {}, {"UsernameAttributes": ["email"]}, "UsernameAttributes"),
    ("Cognito::UserPool", {"Schema": SCHEMA}, {"Schema": OTHER}, "Schema"),
    ("Cognito::UserPool", {"Schema": SCHEMA}, {"Schema": [*SCHEMA, *OTHER]}, ""),
    (
        "Cognito::UserPool",
        {"AliasAttributes": ["email", "phone_number"]},
        {"AliasAttributes": ["phone_number", "email"]},
        "",
    ),
    ("Cognito::UserPool", {"UsernameConfiguration": {"CaseSensitive": "true"}}, {"UsernameConfiguration": CASED}, ""),
    ("Cognito::UserPool", {"Schema": SCHEMA}, {"Schema": [{"Name": "team", "Mutable": "true"}]}, ""),
    ("Cognito::UserPool", {"Schema": SCHEMA}, {"Schema": [{"Name": "team", "Required": False}]}, ""),
    ("Cognito::UserPool", {"Schema": SCHEMA}, {"Schema": [{"Name": "team", "Mutable": False}]}, "Schema"),
    ("Cognito::UserPool", {"Schema": SCHEMA}, {"Schema": [{"Name": "team", "Required": True}]}, "Schema"),
    ("Cognito::UserPool", {"MfaConfiguration": "OFF"}, {"MfaConfiguration": "OPTIONAL"}, ""),
    ("DynamoDB::Table", expires("ends"), expires("ends_at"), "TimeToLiveSpecification.AttributeName"),
    ("DynamoDB::Table", expires("ends"), expires("ends", enabled=False), ""),
    ("DynamoDB::Table", NAMES, expires("ends"), ""),
    ("DynamoDB::Table", by("by-a"), by("by-b", "by-a", "by-c"), "GlobalSecondaryIndexes"),
    ("DynamoDB::Table", by("by-a"), by("by-a", "by-b"), ""),
    ("Kinesis::Stream", {**SHARDS, "ShardCount": 2}, {"ShardCount": 5}, "ShardCount"),
    ("Kinesis::Stream", {**SHARDS, "ShardCount": 5}, {"ShardCount": 2}, "ShardCount"),
    ("Kinesis::Stream", {**SHARDS, "ShardCount": 2}, {"ShardCount": 4}, ""),
    ("Kinesis::Stream", {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}}, {**SHARDS, "ShardCount": 9}, ""),
    ("Route53::HostedZone", {"Name": "a.example"}, {"VPCs": [{"VPCId": "vpc-1"}]}, "VPCs"),
    ("Route53::HostedZone", {"VPCs": [{"VPCId": "vpc-1"}]}, {"VPCs": [{"VPCId": "vpc-2"}]}, ""),
    ("Route53::HostedZone", {"VPCs": [{"VPCId": {"Ref": "Vpc"}}]}, {"VPCs": []}, "VPCs"),
    ("Route53::HostedZone", {"Name": "a.example"}, {"VPCs": {"Fn::If": ["C", [{"VPCId": "vpc-1"}], NONE]}}, ""),
    ("Route53::HostedZone", {"Name": "a.example"}, {"VPCs": [{"Fn::If": ["C", {"VPCId": "vpc-1"}, NONE]}]}, ""),
    (
        "ElastiCache::ReplicationGroup",
        {"TransitEncryptionEnabled": False},
        {"TransitEncryptionEnabled": True},
        "TransitEncryptionMode",
    ),
    (
        "ElastiCache::ReplicationGroup",
        {"TransitEncryptionEnabled": False},
        {"TransitEncryptionEnabled": True, "TransitEncryptionMode": "preferred"},
        "",
    ),
]


@pytest.mark.parametrize(("kind", "before", "change", "where"), one_of_each(CASES, lambda case: case[0]))
def test_a_change_that_the_service_does_not_make_is_refused(
    kind: str, before: dict[str, Any], change: dict[str, Any], where: str
) -> None:
    def stack(properties: dict[str, Any]) -> StackTemplate:
        resources = {"It": {"Type": f"AWS::{kind}", "Properties": properties}}
        declared = {
            "Parameters": {"Zone": LATER, "Vpc": LATER},
            "Conditions": {"C": {"Fn::Equals": [{"Ref": "Zone"}, "a"]}},
        }
        return StackTemplate(KEY, {"Resources": resources, **declared})

    found = plan([stack(before)], [[stack({**before, **change})]]).refusals
    assert [each.where for each in found] == ([f"It.{where}"] if where else [])


FUNCTION = {"Code": {"S3Bucket": "made", "S3Key": "made.zip"}, "Role": "arn:aws:iam::210987654321:role/makes"}


@pytest.mark.parametrize("kind", ["AWS::CloudFormation::CustomResource", "Custom::Rows"])
@pytest.mark.parametrize(
    ("before", "after", "name", "refused"),
    [
        (["Makes", "Arn"], ["Other", "Arn"], "makes", True),
        (["Makes", "Arn"], ["Makes", "Arn"], "makes-rows", True),
        (["Makes", "Arn"], ["Makes", "Arn"], "makes", False),
    ],
)
def test_no_custom_resource_moves_to_another_function(
    kind: str, before: list[str], after: list[str], name: str, refused: bool
) -> None:
    """One of CloudFormation's own type would be replaced, as its page says, and is not."""

    def stack(token: list[str], function: str, rows: int) -> StackTemplate:
        functions = {"Makes": {**FUNCTION, "FunctionName": function}, "Other": FUNCTION}
        made = {each: {"Type": "AWS::Lambda::Function", "Properties": functions[each]} for each in functions}
        custom = {"Type": kind, "Properties": {"ServiceToken": {"Fn::GetAtt": token}, "Rows": rows}}
        return StackTemplate(KEY, {"Resources": {**made, "It": custom}})

    found = plan([stack(before, "makes", 3)], [[stack(after, name, 5)]]).refusals
    assert [each.where for each in found] == ["It.ServiceToken"] * refused


@pytest.mark.parametrize(("key", "refused"), [("AvailabilityZone", False), ("SnapshotId", True)])
def test_what_follows_a_replaced_resource_is_another_one_unless_it_is_a_zone(key: str, refused: bool) -> None:
    def stack(image: str) -> StackTemplate:
        machine = {"Type": "AWS::EC2::Instance", "Properties": {"ImageId": image, "SubnetId": "subnet-1"}}
        disk = {"AvailabilityZone": "eu-north-1a", "Size": 20, key: {"Fn::GetAtt": ["Machine", key]}}
        volume = {"Type": "AWS::EC2::Volume", "Properties": disk}
        return StackTemplate(KEY, {"Resources": {"Machine": machine, "Disk": volume}})

    found = plan([stack("ami-0000000000000000a")], [[stack("ami-0000000000000000b")]]).refusals
    assert [each.where for each in found] == ([f"Disk.{key}"] if refused else [])


def follows(**source: Any) -> StackTemplate:
    stages = [{"Actions": [{"Configuration": source}]}, {"Actions": [{"Configuration": {"ProjectName": "build"}}]}]
    pipeline = {"Type": "AWS::CodePipeline::Pipeline", "Properties": {"Stages": stages}}
    return StackTemplate(KEY, {"Resources": {"Delivery": pipeline}})


GITHUB = {"FullRepositoryId": "acme/shop", "BranchName": "main"}
OAUTH = {"Owner": "acme", "Repo": "shop", "Branch": "main"}


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        (GITHUB, {"BranchName": "release"}, "acme/shop"),
        (GITHUB, {"FullRepositoryId": "acme/carts"}, "acme/carts"),
        (OAUTH, {"Branch": "release"}, "acme/shop"),
        ({"RepositoryName": "shop", "BranchName": "main"}, {"BranchName": "release"}, "shop"),
        (GITHUB, {"OutputArtifactFormat": "CODE_ZIP"}, ""),
        (
            {"RepositoryName": {"Ref": "Shop"}, "BranchName": "main"},
            {"RepositoryName": {"Ref": "Carts"}},
            "its repository",
        ),
        (GITHUB, {"BranchName": {"Ref": "Branch"}}, ""),
    ],
)
def test_only_the_repository_knows_whether_another_branch_exists(
    before: dict[str, Any], after: dict[str, Any], where: str
) -> None:
    [stack] = plan([follows(**before)], [[follows(**{**before, **after})]]).stacks
    said = [each.what for each in stack.consequences if each.where == "Delivery"]
    assert len(said) == bool(where)
    assert all(f"where {where} has no such branch" in each for each in said)
    assert [each for each in plan([], [[follows(**after)]]).stacks[0].consequences if each.where == "Delivery"] == []


@pytest.mark.parametrize(
    ("controller", "changes", "declared", "refused"),
    [
        ("CODE_DEPLOY", {"Command": ["new"]}, {}, True),
        ("CODE_DEPLOY", {"Command": ["new"]}, {"Hooks": {"It": {"Type": "AWS::CodeDeploy::BlueGreen"}}}, False),
        ("CODE_DEPLOY", {}, {}, False),
        ("ECS", {"Command": ["new"]}, {}, False),
    ],
)
def test_a_template_changes_no_service_that_codedeploy_deploys(
    controller: str, changes: dict[str, Any], declared: dict[str, Any], refused: bool
) -> None:
    def stack(count: int, **container: Any) -> StackTemplate:
        task = {"Cpu": "256", "Memory": "512", "ContainerDefinitions": [{"Name": "a", "Image": "b", **container}]}
        service = {"TaskDefinition": {"Ref": "Task"}, "DesiredCount": count}
        service |= {"DeploymentController": {"Type": controller}, "Cluster": "carts"}
        resources = {
            "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task},
            "Service": {"Type": "AWS::ECS::Service", "Properties": service},
        }
        return StackTemplate(KEY, {"Resources": resources, **declared})

    [planned] = plan([stack(1)], [[stack(2, **changes)]]).stacks
    found = [each.where for each in planned.refusals if each.where.startswith("Service.")]
    assert found == (["Service.TaskDefinition"] if refused else [])


@pytest.mark.parametrize(
    ("controller", "task", "image", "said"),
    [
        ("CODE_DEPLOY", "greeter", "b:2", 1),
        ("CODE_DEPLOY", "greeter", "b:1", 0),
        ("CODE_DEPLOY", "another", "b:2", 0),
        ("ECS", "greeter", "b:2", 0),
    ],
)
def test_a_revision_that_only_codedeploy_delivers_is_said_to_wait(
    controller: str, task: str, image: str, said: int
) -> None:
    def stack(runs: str, cluster: str) -> StackTemplate:
        container = {"Name": "a", "Image": runs}
        definition = {"Family": "greeter", "Cpu": "256", "Memory": "512", "ContainerDefinitions": [container]}
        service = {"TaskDefinition": task, "DeploymentController": {"Type": controller}, "Cluster": "carts"}
        resources = {
            "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": definition},
            "Service": {"Type": "AWS::ECS::Service", "Properties": service},
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": cluster}},
        }
        return StackTemplate(KEY, {"Resources": resources})

    [planned] = plan([stack("b:1", "old")], [[stack(image, "new")]]).stacks
    found = [str(each) for each in planned.consequences if each.where == "Service.TaskDefinition"]
    what = "stays at the revision that it runs: only a deployment by CodeDeploy moves it to greeter's new one"
    assert found == [f"carts.Service.TaskDefinition: {what}"] * said

"""What a template changes, by group."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.changes import resource, template, told, values
from nova_infra.operations.changes.differences import Kind, differences
from nova_infra.operations.changes.resource_types import drawn_from_schemas, repeats_repetition, resource_type

kinds = st.sampled_from(["S3::Bucket", "IAM::Policy", "EC2::SecurityGroup", "ECS::TaskDefinition", "KMS::Key"])


templates = st.dictionaries(
    st.sampled_from("ABCD"),
    st.builds(
        resource, kinds, st.dictionaries(st.sampled_from(["BucketName", "Tags", "Roles", "Cpu"]), values, max_size=3)
    ),
    max_size=4,
).map(lambda resources: {"Resources": resources})


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        pytest.param(
            template(Data=resource("S3::Bucket", {"BucketName": "a"})),
            template(Data=resource("S3::Bucket", {"BucketName": "b"})),
            "Data is replaced: BucketName cannot be changed in place; the old one is deleted with its data",
            id="a property that cannot be changed",
        ),
        pytest.param(
            template(Data=resource("S3::Bucket", {"BucketName": "a"}, UpdateReplacePolicy="Retain")),
            template(Data=resource("S3::Bucket", {"BucketName": "b"}, UpdateReplacePolicy="Retain")),
            "Data is replaced: BucketName cannot be changed in place; the new one starts empty; the old one is kept",
            id="kept, and yet the new one starts empty",
        ),
        pytest.param(
            template(Data=resource("RDS::DBInstance", {"Engine": "postgres"}, UpdateReplacePolicy="Snapshot")),
            template(Data=resource("RDS::DBInstance", {"Engine": "mysql"}, UpdateReplacePolicy="Snapshot")),
            "Data may be replaced: a change of Engine may replace it; the new one starts empty; a snapshot",
            id="a property whose change may replace",
        ),
        pytest.param(
            template(Data=resource("OpenSearchService::Domain", {"EngineVersion": "OpenSearch_2.15"})),
            template(Data=resource("OpenSearchService::Domain", {"EngineVersion": "OpenSearch_2.17"})),
            "Data is replaced: EngineVersion",
            id="a property that only an update policy lets change",
        ),
        pytest.param(
            template(Data=resource("RDS::DBInstance", {"StorageEncrypted": False})),
            template(Data=resource("RDS::DBInstance", {"StorageEncrypted": True})),
            "Data is replaced: StorageEncrypted",
            id="encrypting a database",
        ),
        pytest.param(
            template(Data=resource("DynamoDB::Table")),
            template(),
            "Data is deleted, and its data with it",
            id="deleted",
        ),
        pytest.param(
            template(Data=resource("RDS::DBCluster", DeletionPolicy="Snapshot")),
            template(),
            "Data is deleted; a snapshot is kept",
            id="deleted after a snapshot",
        ),
        pytest.param(
            template(Data=resource("DynamoDB::Table")),
            template(Data=resource("SNS::Topic")),
            "Data is deleted, and its data with it",
            id="another type under the same name",
        ),
        pytest.param(
            template(Data=resource("KMS::Key", DeletionPolicy="Retain")),
            template(Data=resource("KMS::Key")),
            "Data no longer sets DeletionPolicy (Retain)",
            id="no longer protected",
        ),
        pytest.param(
            template(
                Table=resource("EC2::VPC", {"CidrBlock": "10.0.0.0/16"}),
                Cache=resource("RDS::DBInstance", {"DBSubnetGroupName": {"Ref": "Subnets"}}),
                Subnets=resource("RDS::DBSubnetGroup", {"DBSubnetGroupName": "a"}),
            ),
            template(
                Table=resource("EC2::VPC", {"CidrBlock": "10.0.0.0/16"}),
                Cache=resource("RDS::DBInstance", {"DBSubnetGroupName": {"Ref": "Subnets"}}),
                Subnets=resource("RDS::DBSubnetGroup", {"DBSubnetGroupName": "b"}),
            ),
            "Cache is replaced: it refers to Subnets, which is replaced",
            id="replaced because what it refers to is",
        ),
        pytest.param(
            template(
                Subnet=resource("EC2::Subnet", {"VpcId": {"Ref": "Vpc"}}),
                Vpc=resource("EC2::VPC", {"CidrBlock": "10.0.0.0/16"}),
                Data=resource("EFS::FileSystem", {"AvailabilityZoneName": {"Fn::Sub": "${Subnet.AvailabilityZone}"}}),
            ),
            template(
                Subnet=resource("EC2::Subnet", {"VpcId": {"Ref": "Vpc"}}),
                Vpc=resource("EC2::VPC", {"CidrBlock": "10.1.0.0/16"}),
                Data=resource("EFS::FileSystem", {"AvailabilityZoneName": {"Fn::Sub": "${Subnet.AvailabilityZone}"}}),
            ),
            "Data is replaced: it refers to Subnet, which is replaced",
            id="replaced because of what that in turn refers to",
        ),
        pytest.param(
            template(Data=resource("SQS::Queue", {"QueueName": {"Ref": "Name"}})),
            template(Data=resource("SQS::Queue", {"QueueName": {"Fn::Sub": "${Name}-2"}})),
            "Data is replaced: QueueName",
            id="an expression that differs",
        ),
    ],
)
def test_what_replaces_or_deletes_data_is_reported_first(
    before: dict[str, Any], after: dict[str, Any], says: str
) -> None:
    [sentence] = told(before, after, Kind.REPLACES_DATA)
    assert sentence.startswith(says)
    assert differences(before, after)[0].kind is Kind.REPLACES_DATA


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            template(Data=resource("DynamoDB::Table", DeletionPolicy="Retain")), template(), id="leaves the stack, kept"
        ),
        pytest.param(
            template(Task=resource("ECS::TaskDefinition", {"Cpu": "256"})),
            template(Task=resource("ECS::TaskDefinition", {"Cpu": "512"})),
            id="a revision, which holds nothing",
        ),
        pytest.param(
            template(Data=resource("S3::Bucket", {"VersioningConfiguration": {"Status": "Suspended"}})),
            template(Data=resource("S3::Bucket", {"VersioningConfiguration": {"Status": "Enabled"}})),
            id="a property that can be changed",
        ),
        pytest.param(
            template(Data=resource("OpenSearchService::Domain", {"EngineVersion": "OpenSearch_2.15"})),
            template(
                Data=resource(
                    "OpenSearchService::Domain",
                    {"EngineVersion": "OpenSearch_2.17"},
                    UpdatePolicy={"EnableVersionUpgrade": True},
                )
            ),
            id="a property that an update policy lets change",
        ),
        pytest.param(
            template(Data=resource("KMS::Key")), template(Data=resource("KMS::Key", DeletionPolicy="Retain")), id="kept"
        ),
    ],
)
def test_what_loses_no_data_is_among_the_rest(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert told(before, after, Kind.REPLACES_DATA) == []
    assert told(before, after, Kind.OTHER) != []


def test_the_rest_is_listed_property_by_property_from_what_to_what() -> None:
    def task(image: str, release: str) -> dict[str, Any]:
        container = {"Name": "app", "Image": image, "Environment": [{"Name": "R", "Value": release}]}
        return template(T=resource("ECS::TaskDefinition", {"Family": "f", "ContainerDefinitions": [container]}))

    assert told(task("repo:1", "1"), task("repo:2", "2"), Kind.OTHER) == [
        "T is replaced: ContainerDefinitions/app/Environment/R/Value cannot be changed in place",
        "T changes ContainerDefinitions.app.Environment.R.Value from 1 to 2",
        "T changes ContainerDefinitions.app.Image from repo:1 to repo:2",
    ]


def test_a_stack_that_does_not_exist_yet_is_created() -> None:
    assert told(None, template(T=resource("SNS::Topic")), Kind.OTHER) == ["T is created"]


def test_metadata_and_the_analytics_resource_change_nothing() -> None:
    after = template(T=resource("SNS::Topic", Metadata={"aws:cdk:path": "x"}), C=resource("CDK::Metadata", {"A": "b"}))
    assert differences(template(T=resource("SNS::Topic")), after) == []


def test_outputs_and_parameters_are_reported() -> None:
    before = {"Outputs": {"Url": {"Value": "http://a"}}}
    assert [d.what for d in differences(before, {"Outputs": {"Url": {"Value": "https://a"}}})] == [
        "changes Outputs.Url.Value from http://a to https://a"
    ]


def test_every_template_of_the_project_is_the_same_as_itself(assembly: Any) -> None:
    for name, text in assembly.texts.items():
        assert differences(json.loads(text), json.loads(text)) == [], name


def test_every_type_in_the_projects_templates_is_known(assembly: Any, variant: Any) -> None:
    types = {
        r["Type"]
        for side in (assembly, variant)
        for t in side.templates.values()
        for r in t.get("Resources", {}).values()
    }
    assert {kind for kind in types if kind.startswith("AWS::") and not resource_type(kind).known} <= {
        "AWS::CDK::Metadata"
    }


def test_the_table_of_types_is_what_the_installed_schemas_say() -> None:
    from importlib import resources

    shipped = (resources.files("nova_infra.operations.changes") / "resource_types.json").read_text(encoding="utf-8")
    assert shipped == drawn_from_schemas(), "run `make docs`"
    limits = json.loads(shipped)["limits"]
    patterns = {limit[3] for paths in limits.values() for limit in paths.values() if limit[0] == "text" and limit[3:]}
    assert len(patterns) > 90
    assert [each for each in patterns if repeats_repetition(each)] == [], "a text could take for ever"


@pytest.mark.parametrize(
    ("pattern", "repeats"),
    [
        ("^[a-zA-Z](?:-?[a-zA-Z0-9]+)*$", True),
        (r"^(a|(b\)?c*)x){2,}$", True),
        ("^((a)+)+$", True),
        ("^(([a-z])*[.])*$", True),
        (r"^(a{2,3}\(b+\))+$", True),
        ("^(ab?[*+(]{1,63})*$", False),
        (r"^(a\+)+b+(c+)?(d*){0,2}$", False),
    ],
)
def test_a_repetition_that_is_repeated_is_known(pattern: str, repeats: bool) -> None:
    assert repeats_repetition(pattern) is repeats


@pytest.mark.exhaustive("test_every_template_of_the_project_is_the_same_as_itself")
@given(template=templates)
def test_a_template_never_differs_from_itself(template: dict[str, Any]) -> None:
    assert differences(template, copy.deepcopy(template)) == []


@given(before=templates, after=templates)
def test_whatever_differs_is_reported_and_nothing_fails(before: dict[str, Any], after: dict[str, Any]) -> None:
    def plain(value: Any) -> Any:
        return json.loads(json.dumps(value, sort_keys=True))

    if plain(before) == plain(after):
        assert differences(before, after) == []
    kept = before["Resources"].keys() & after["Resources"].keys()
    gone, new = before["Resources"].keys() - kept, after["Resources"].keys() - kept
    assert gone | new <= {d.resource for d in differences(before, after)}

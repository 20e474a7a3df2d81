"""What a template changes, by group."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.operations.changes.differences import Kind, differences
from nova_infra.operations.changes.resource_types import drawn_from_schemas, resource_type

Resource = dict[str, Any]


def template(**resources: Resource) -> dict[str, Any]:
    return {"Resources": resources}


def resource(kind: str, properties: dict[str, Any] | None = None, **attributes: Any) -> Resource:
    return {"Type": f"AWS::{kind}", "Properties": properties or {}, **attributes}


def told(before: dict[str, Any] | None, after: dict[str, Any], kind: Kind) -> list[str]:
    return [f"{d.resource} {d.what}" for d in differences(before, after) if d.kind is kind]


def rule(**values: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/16", **values}


def group(*ingress: Any, **properties: Any) -> Resource:
    return resource(
        "EC2::SecurityGroup", {"SecurityGroupIngress": list(ingress), "SecurityGroupEgress": [], **properties}
    )


GROUP_ID = {"Fn::GetAtt": ["G", "GroupId"]}
ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def role_policy(*statements: Any, **properties: Any) -> Resource:
    return resource("IAM::Policy", {"PolicyDocument": {"Statement": list(statements)}, "Roles": ["r"], **properties})


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
def test_what_replaces_or_deletes_data_is_told_first(before: dict[str, Any], after: dict[str, Any], says: str) -> None:
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
            template(Data=resource("KMS::Key")), template(Data=resource("KMS::Key", DeletionPolicy="Retain")), id="kept"
        ),
    ],
)
def test_what_loses_no_data_is_among_the_rest(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert told(before, after, Kind.REPLACES_DATA) == []
    assert told(before, after, Kind.OTHER) != []


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        pytest.param(
            template(P=role_policy(ALLOW)),
            template(P=role_policy(ALLOW, {**ALLOW, "Action": "s3:PutObject"})),
            "P may s3:PutObject on *",
            id="an identity's policy",
        ),
        pytest.param(
            template(P=role_policy(ALLOW)),
            template(P=role_policy(ALLOW, Roles=["r", {"Ref": "Other"}])),
            "P is attached to ${Other}, too",
            id="a policy for one more role",
        ),
        pytest.param(
            template(R=resource("IAM::Role", {"AssumeRolePolicyDocument": {"Statement": []}})),
            template(
                R=resource(
                    "IAM::Role",
                    {
                        "AssumeRolePolicyDocument": {
                            "Statement": [
                                {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "999999999999"}}
                            ]
                        }
                    },
                )
            ),
            "R arn:${AWS::Partition}:iam::999999999999:root may sts:AssumeRole",
            id="trust",
        ),
        pytest.param(
            template(R=resource("IAM::Role", {"ManagedPolicyArns": []})),
            template(R=resource("IAM::Role", {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]})),
            "R is attached to the managed policy arn:aws:iam::aws:policy/AdministratorAccess",
            id="a managed policy",
        ),
        pytest.param(
            template(R=resource("IAM::Role", {"PermissionsBoundary": "b"})),
            template(R=resource("IAM::Role")),
            "R loses or changes its permissions boundary",
            id="no boundary",
        ),
        pytest.param(
            template(K=resource("KMS::Key", {"KeyPolicy": {"Statement": []}})),
            template(
                K=resource(
                    "KMS::Key",
                    {
                        "KeyPolicy": {
                            "Statement": {
                                "Effect": "Allow",
                                "Principal": "*",
                                "Action": "kms:Decrypt",
                                "Resource": "*",
                            }
                        }
                    },
                )
            ),
            "K * may kms:Decrypt on *",
            id="a key's policy",
        ),
        pytest.param(
            template(B=resource("S3::BucketPolicy", {"PolicyDocument": {"Statement": [{**ALLOW, "Effect": "Deny"}]}})),
            template(),
            "B no longer denied: s3:GetObject on *",
            id="a policy with a Deny is deleted",
        ),
        pytest.param(
            template(E=resource("EC2::VPCEndpoint", {"PolicyDocument": {"Statement": [ALLOW]}})),
            template(E=resource("EC2::VPCEndpoint")),
            "E * may * on *",
            id="an endpoint without its policy lets everything through",
        ),
        pytest.param(
            template(B=resource("S3::Bucket", {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}})),
            template(B=resource("S3::Bucket")),
            "B no longer blocks public access: BlockPublicAcls",
            id="public access",
        ),
        pytest.param(
            template(),
            template(L=resource("Lambda::Permission", {"Principal": "*", "FunctionName": {"Ref": "F"}})),
            "L lets * call ${F}",
            id="a function's permission",
        ),
    ],
)
def test_what_widens_access_is_told(before: dict[str, Any], after: dict[str, Any], says: str) -> None:
    assert told(before, after, Kind.WIDENS_ACCESS) == [says]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        pytest.param(
            template(G=group(rule())),
            template(G=group(rule(), rule(FromPort=22, ToPort=22))),
            "G lets tcp port 22 in from 10.0.0.0/16",
            id="a port",
        ),
        pytest.param(
            template(G=group(rule())),
            template(G=group(rule(CidrIp="0.0.0.0/0"))),
            "G lets tcp port 443 in from everyone (0.0.0.0/0)",
            id="a wider network",
        ),
        pytest.param(
            template(G=group(rule())),
            template(G=group(rule(FromPort=1, ToPort=1024))),
            "G lets tcp 1-1024 in from 10.0.0.0/16",
            id="a wider range",
        ),
        pytest.param(
            template(G=group()),
            template(G=group(), I=resource("EC2::SecurityGroupIngress", {"GroupId": GROUP_ID, **rule()})),
            "G lets tcp port 443 in from 10.0.0.0/16",
            id="a rule of its own",
        ),
        pytest.param(
            template(G=group(rule(), SecurityGroupEgress=[rule()])),
            template(G=resource("EC2::SecurityGroup", {"SecurityGroupIngress": [rule()]})),
            "G lets all traffic out to everyone (0.0.0.0/0)",
            id="no outbound rules at all let everything out",
        ),
        pytest.param(
            template(G=group(rule())),
            template(G=group(rule(CidrIp={"Ref": "Network"}))),
            "G lets tcp port 443 in from ${Network}",
            id="a network that cannot be compared",
        ),
        pytest.param(
            template(L=resource("ElasticLoadBalancingV2::LoadBalancer", {"Scheme": "internal"})),
            template(L=resource("ElasticLoadBalancingV2::LoadBalancer")),
            "L can be reached from the internet",
            id="a load balancer without a scheme",
        ),
        pytest.param(
            template(S=resource("EC2::Subnet", {"MapPublicIpOnLaunch": False})),
            template(S=resource("EC2::Subnet", {"MapPublicIpOnLaunch": True})),
            "S gives what starts in it a public address",
            id="public addresses in a subnet",
        ),
        pytest.param(
            template(S=resource("ECS::Service")),
            template(
                S=resource(
                    "ECS::Service", {"NetworkConfiguration": {"AwsvpcConfiguration": {"AssignPublicIp": "ENABLED"}}}
                )
            ),
            "S gives its tasks public addresses",
            id="public addresses of tasks",
        ),
        pytest.param(
            template(L=resource("ElasticLoadBalancingV2::Listener", {"Port": 443, "Protocol": "HTTPS"})),
            template(L=resource("ElasticLoadBalancingV2::Listener", {"Port": 80, "Protocol": "HTTP"})),
            "L answers HTTP on port 80",
            id="a listener without TLS",
        ),
        pytest.param(
            template(W=resource("WAFv2::WebACLAssociation")),
            template(),
            "W no longer filters requests by firewall rules",
            id="no firewall",
        ),
        pytest.param(
            template(),
            template(R=resource("EC2::Route", {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": {"Ref": "I"}})),
            "R routes 0.0.0.0/0 through an internet gateway",
            id="a way to the internet",
        ),
        pytest.param(
            template(A=resource("EC2::NetworkAclEntry", {"RuleAction": "deny", "CidrBlock": "0.0.0.0/0"})),
            template(),
            "A no longer denies what it did",
            id="a network ACL",
        ),
    ],
)
def test_what_opens_the_network_is_told(before: dict[str, Any], after: dict[str, Any], says: str) -> None:
    assert says in told(before, after, Kind.OPENS_NETWORK)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            [rule(), rule(FromPort=80, ToPort=80)], [rule(FromPort=80, ToPort=80), rule()], id="another order"
        ),
        pytest.param([rule()], [rule(CidrIp="10.0.1.0/24")], id="a part of the network"),
        pytest.param([rule(FromPort=0, ToPort=65535)], [rule()], id="a part of the range"),
        pytest.param([rule(IpProtocol="-1")], [rule()], id="one protocol of all"),
        pytest.param([rule()], [rule(IpProtocol="6")], id="a protocol by its number"),
        pytest.param([rule()], [rule(FromPort="443", ToPort="443")], id="ports as text"),
        pytest.param([rule()], [], id="closed"),
    ],
)
def test_a_rule_that_an_older_one_covers_opens_nothing(before: list[Any], after: list[Any]) -> None:
    assert told(template(G=group(*before)), template(G=group(*after)), Kind.OPENS_NETWORK) == []


def test_a_listener_that_only_redirects_opens_nothing() -> None:
    redirect = {"Port": 80, "Protocol": "HTTP", "DefaultActions": [{"Type": "redirect"}]}
    after = template(L=resource("ElasticLoadBalancingV2::Listener", redirect))
    assert told(template(), after, Kind.OPENS_NETWORK) == []


def test_the_rest_is_told_property_by_property_from_what_to_what() -> None:
    def task(image: str, release: str) -> dict[str, Any]:
        container = {"Name": "app", "Image": image, "Environment": [{"Name": "R", "Value": release}]}
        return template(T=resource("ECS::TaskDefinition", {"Family": "f", "ContainerDefinitions": [container]}))

    assert told(task("repo:1", "1"), task("repo:2", "2"), Kind.OTHER) == [
        "T is replaced: ContainerDefinitions/app/Environment/R/Value cannot be changed in place",
        "T changes ContainerDefinitions.app.Environment.R.Value from 1 to 2",
        "T changes ContainerDefinitions.app.Image from repo:1 to repo:2",
    ]


def test_a_policy_that_only_allows_less_is_among_the_rest() -> None:
    found = differences(template(P=role_policy(ALLOW, {**ALLOW, "Action": "s3:*"})), template(P=role_policy(ALLOW)))
    assert [(d.kind, d.what) for d in found] == [(Kind.OTHER, "PolicyDocument allows less")]


def test_a_stack_that_does_not_exist_yet_is_created() -> None:
    assert told(None, template(T=resource("SNS::Topic")), Kind.OTHER) == ["T is created"]


def test_metadata_and_the_analytics_resource_change_nothing() -> None:
    after = template(T=resource("SNS::Topic", Metadata={"aws:cdk:path": "x"}), C=resource("CDK::Metadata", {"A": "b"}))
    assert differences(template(T=resource("SNS::Topic")), after) == []


def test_outputs_and_parameters_are_told() -> None:
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


values = st.recursive(
    st.sampled_from(["a", "b", 1, True, {"Ref": "X"}]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Name", "Value", "K"]), inner, max_size=3)
    ),
    max_leaves=8,
)
kinds = st.sampled_from(["S3::Bucket", "IAM::Policy", "EC2::SecurityGroup", "ECS::TaskDefinition", "KMS::Key"])
templates = st.dictionaries(
    st.sampled_from("ABCD"),
    st.builds(
        resource, kinds, st.dictionaries(st.sampled_from(["BucketName", "Tags", "Roles", "Cpu"]), values, max_size=3)
    ),
    max_size=4,
).map(lambda resources: {"Resources": resources})


@given(template=templates)
def test_a_template_never_differs_from_itself(template: dict[str, Any]) -> None:
    assert differences(template, copy.deepcopy(template)) == []


@given(before=templates, after=templates)
def test_whatever_differs_is_told_and_nothing_fails(before: dict[str, Any], after: dict[str, Any]) -> None:
    def plain(value: Any) -> Any:
        return json.loads(json.dumps(value, sort_keys=True))

    if plain(before) == plain(after):
        assert differences(before, after) == []
    kept = before["Resources"].keys() & after["Resources"].keys()
    gone, new = before["Resources"].keys() - kept, after["Resources"].keys() - kept
    assert gone | new <= {d.resource for d in differences(before, after)}

"""AWS's own conditions on properties: what breaks one is refused, and what only CloudFormation knows is not."""

from collections.abc import Iterator
from typing import Any

import pytest

from nova_infra.operations.changes import resource_types
from nova_infra.operations.planner import StackKey, StackTemplate, plan
from nova_infra.operations.planner.blockers.resources.conditions import TESTS, holds

KEY = StackKey("210987654321", "eu-north-1", "carts")
IMAGE = {
    "PackageType": "Image",
    "Code": {"ImageUri": "210987654321.dkr.ecr.eu-north-1.amazonaws.com/carts:1"},
    "Role": "arn:aws:iam::210987654321:role/carts",
}
SOURCE = "arn:aws:{}:eu-north-1:210987654321:clicks"
RECORD = {"HostedZoneName": "example.com.", "Name": "shop.example.com.", "TTL": "60"}
GROUP = {"GroupDescription": "carts", "VpcId": "vpc-0123456789abcdef0"}
ROUTE = {"HttpMethod": "*", "LoggingLevel": "INFO"}
STAGE = {"RestApiId": "abc", "DeploymentId": "def"}
UNKNOWN = {"Fn::If": ["Wanted", "Image", {"Ref": "AWS::NoValue"}]}


def refused(kind: str, properties: dict[str, Any]) -> list[str]:
    template = {
        "Conditions": {"Wanted": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-north-1"]}},
        "Resources": {"It": {"Type": f"AWS::{kind}", "Properties": properties}},
    }
    found = plan([], [[StackTemplate(KEY, template)]]).refusals
    return [f"{each.where}: {each.fault}: {each.remedy}" for each in found if each.where.startswith("It.")]


@pytest.mark.parametrize(
    ("kind", "properties", "said"),
    [
        ("Lambda::Function", {**IMAGE, "Handler": "a.b"}, "It.Handler: is set, and PackageType is Image: leave it out"),
        ("Lambda::Function", {**IMAGE, "Layers": ["x"]}, "It.Layers: is set, and PackageType is Image: leave it out"),
        (
            "Lambda::EventSourceMapping",
            {"FunctionName": "carts", "EventSourceArn": SOURCE.format("kinesis")},
            f"It.StartingPosition: is missing, and EventSourceArn is {SOURCE.format('kinesis')}: add it",
        ),
        (
            "Lambda::EventSourceMapping",
            {"FunctionName": "carts", "EventSourceArn": SOURCE.format("sqs"), "StartingPosition": "LATEST"},
            f"It.StartingPosition: is set, and EventSourceArn is {SOURCE.format('sqs')}: leave it out",
        ),
        (
            "Route53::RecordSet",
            {**RECORD, "Type": "A", "ResourceRecords": ["192.0.2.1", "192.0.2.256"]},
            "It.ResourceRecords: is 192.0.2.256, and Type is A: write an address of IPv4",
        ),
        (
            "Route53::RecordSet",
            {**RECORD, "Type": "CNAME", "ResourceRecords": ["a.example.net", "b.example.net"]},
            "It.ResourceRecords: is ['a.example.net', 'b.example.net'], and Type is CNAME: make it 1 at most",
        ),
        (
            "EC2::SecurityGroup",
            {**GROUP, "SecurityGroupIngress": [{"IpProtocol": "tcp", "CidrIp": "10.0.0.0/8", "FromPort": 80}]},
            "It.SecurityGroupIngress.ToPort: is missing, and IpProtocol is tcp: add it",
        ),
        (
            "ApiGateway::Stage",
            {**STAGE, "MethodSettings": [{**ROUTE, "ResourcePath": "orders"}]},
            "It.MethodSettings.ResourcePath: is orders: write what AWS's pattern takes, ^/.*$",
        ),
        ("ApiGateway::RestApi", {"Description": "carts"}, "It.Name: is missing: add it"),
        (
            "CodeBuild::Project",
            {"Artifacts": {"Type": "S3"}},
            "It.Artifacts.Location: is missing, and Type is S3: add it",
        ),
    ],
)
def test_what_breaks_a_condition_is_refused_by_name(kind: str, properties: dict[str, Any], said: str) -> None:
    assert said in refused(kind, properties)


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("Lambda::Function", {**IMAGE}),
        ("Lambda::Function", {**IMAGE, "Handler": {"Fn::If": ["Wanted", "a.b", {"Ref": "AWS::NoValue"}]}}),
        ("Lambda::Function", {**IMAGE, "PackageType": UNKNOWN, "Handler": "a.b", "Runtime": "python3.13"}),
        ("Lambda::EventSourceMapping", {"FunctionName": "carts", "EventSourceArn": {"Fn::GetAtt": ["S", "Arn"]}}),
        ("Lambda::EventSourceMapping", {"FunctionName": "carts", "EventSourceArn": SOURCE.format("sqs")}),
        ("Route53::RecordSet", {**RECORD, "Type": "A", "ResourceRecords": ["192.0.2.1", {"Ref": "Address"}]}),
        ("Route53::RecordSet", {**RECORD, "Type": "A", "ResourceRecords": {"Ref": "Addresses"}}),
        ("Route53::RecordSet", {**RECORD, "Type": "AAAA", "ResourceRecords": ["2001:db8::1"]}),
        ("Route53::RecordSet", {**RECORD, "Type": "TXT", "ResourceRecords": ['"a" "b"', '"say \\"no\\""', '""']}),
        ("Route53::RecordSet", {**RECORD, "Type": "MX", "ResourceRecords": ["10 mail.example.com."]}),
        ("Route53::RecordSet", {**RECORD, "Type": "CAA", "ResourceRecords": ['0 issue "amazon.com"']}),
        ("Route53::RecordSet", {**RECORD, "Type": "SRV", "ResourceRecords": ["1 10 5269 x.example.com."]}),
        ("EC2::SecurityGroup", {**GROUP, "SecurityGroupIngress": [{"IpProtocol": "-1", "CidrIp": "10.0.0.0/8"}]}),
        ("ApiGateway::Stage", {**STAGE, "MethodSettings": [{**ROUTE, "ResourcePath": "/*"}]}),
        ("ApiGateway::RestApi", {"Body": {"openapi": "3.0.1"}}),
        ("CodeBuild::Project", {"Artifacts": {"Type": "CODEPIPELINE"}}),
    ],
)
def test_what_keeps_them_or_is_not_known_is_not_refused(kind: str, properties: dict[str, Any]) -> None:
    assert refused(kind, properties) == []


def _keywords(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, inner in schema.items():
            yield name
            for each in inner.values() if name == "properties" else inner if isinstance(inner, list) else (inner,):
                yield from _keywords(each) if name not in ("const", "enum", "dependentExcluded") else ()


def test_every_word_of_a_condition_is_understood() -> None:
    table = resource_types.conditions
    kinds = ("Lambda::Function", "Route53::RecordSet", "EC2::SecurityGroup", "ApiGateway::Stage")
    found = {word for kind in kinds for schema in table(f"AWS::{kind}") for word in _keywords(schema)}
    assert {"if", "allOf", "pattern", "dependentExcluded"} <= found
    assert found <= TESTS.keys() | {"if", "then", "else"}


@pytest.mark.parametrize(
    ("schema", "value", "known"),
    [
        ({"anyOf": [{"enum": ["a"]}, {"pattern": "^b"}]}, "bc", True),
        ({"anyOf": [{"enum": ["a"]}, {"pattern": "^b"}]}, "c", False),
        ({"anyOf": [{"enum": ["a"]}]}, {"Ref": "P"}, None),
        ({"not": {"required": ["A"]}}, {"A": 1}, False),
        ({"contains": {"const": "FARGATE"}}, ["EC2", {"Ref": "P"}], None),
        ({"minItems": 2}, ["a"], False),
        ({"minItems": 2}, ["a", {"Fn::If": ["Wanted", "b", "c"]}], None),
        ({"maximum": 5, "minimum": 2}, "6", False),
        ({"multipleOf": 60}, 120, True),
        ({"type": "object"}, "text", False),
        ({"properties": {"A": False}}, {"B": 1}, True),
        ({"if": {"properties": {"A": {"const": "x"}}}, "else": {"required": ["B"]}}, {"A": {"Ref": "P"}}, None),
        ({"if": {"properties": {"A": {"const": "x"}}}, "else": {"required": ["B"]}}, {"A": "y"}, False),
        ({"format": "AWS::Logs::LogGroup.Name"}, "x", None),
    ],
)
def test_a_schema_holds_is_broken_or_cannot_be_judged(schema: Any, value: Any, known: bool | None) -> None:
    assert holds(schema, value) is known

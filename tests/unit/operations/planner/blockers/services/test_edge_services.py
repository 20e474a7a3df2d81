"""Distributions without what their names need, and records that their zone does not take."""

from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.operations.planner import StackKey, StackTemplate, plan

ORIGIN: dict[str, Any] = {"Id": "files", "DomainName": "files.example.net", "CustomOriginConfig": {}}
SERVED = {"Origins": [ORIGIN], "DefaultCacheBehavior": {"TargetOriginId": "files"}}
NEAR, FAR = (f"arn:aws:acm:{region}:210987654321:certificate/1" for region in ("us-east-1", "eu-north-1"))
ZONE = {"Type": "AWS::Route53::HostedZone", "Properties": {"Name": "shop.internal."}}


def named(certificate: Any = None, **others: Any) -> dict[str, Any]:
    own = {} if certificate is None else {"ViewerCertificate": certificate}
    return {"DistributionConfig": {**SERVED, "Aliases": ["files.example.org"], **own, **others}}


def record(name: str, kind: str = "A", **zone: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": kind,
        "TTL": 60,
        "ResourceRecords": ["192.0.2.7"],
        **(zone or {"HostedZoneId": {"Ref": "Zone"}}),
    }


CASES = [
    ("CloudFront::Distribution", named(), "DistributionConfig.Aliases"),
    ("CloudFront::Distribution", named({"CloudFrontDefaultCertificate": True}), "DistributionConfig.Aliases"),
    ("CloudFront::Distribution", named({"AcmCertificateArn": NEAR}), ""),
    ("CloudFront::Distribution", named({"AcmCertificateArn": {"Ref": "AWS::AccountId"}}), ""),
    ("CloudFront::Distribution", named({"Fn::If": ["Own", {}, {}]}), ""),
    ("CloudFront::Distribution", {"DistributionConfig": SERVED}, ""),
    (
        "CloudFront::Distribution",
        named({"AcmCertificateArn": FAR}),
        "DistributionConfig.ViewerCertificate.AcmCertificateArn",
    ),
    (
        "CloudFront::Distribution",
        {"DistributionConfig": {**SERVED, "CacheBehaviors": [{"TargetOriginId": "pages"}]}},
        "DistributionConfig.CacheBehaviors.TargetOriginId",
    ),
    (
        "CloudFront::Distribution",
        {
            "DistributionConfig": {
                **SERVED,
                "OriginGroups": {"Items": [{"Id": "pages"}]},
                "CacheBehaviors": [{"TargetOriginId": "pages"}],
            }
        },
        "",
    ),
    (
        "CloudFront::Distribution",
        {
            "DistributionConfig": {
                **SERVED,
                "OriginGroups": {"Fn::If": ["Grouped", {}, {}]},
                "CacheBehaviors": [{"TargetOriginId": "pages"}],
            }
        },
        "",
    ),
    (
        "CloudFront::Distribution",
        {"DistributionConfig": {**SERVED, "Origins": [{"Id": "files", "DomainName": "files.example.net"}]}},
        "DistributionConfig.Origins",
    ),
    (
        "CloudFront::Distribution",
        {"DistributionConfig": {**SERVED, "Origins": [{**ORIGIN, "DomainName": "https://files.example.net"}]}},
        "DistributionConfig.Origins.DomainName",
    ),
    ("WAFv2::WebACL", {"Scope": "CLOUDFRONT"}, "Scope"),
    ("WAFv2::WebACL", {"Scope": "REGIONAL"}, ""),
    ("Route53::RecordSet", record("shop.internal", "CNAME"), "Type"),
    ("Route53::RecordSet", record("www.shop.internal.", "CNAME"), ""),
    ("Route53::RecordSet", record("shop.internal"), ""),
    ("Route53::RecordSet", record("www.shops.internal"), "Name"),
    ("Route53::RecordSet", record("www.shops.internal", HostedZoneId={"Fn::GetAtt": ["Found", "Value"]}), ""),
    ("Route53::RecordSet", record("www.example.org", HostedZoneName="example.com."), "Name"),
    ("Route53::RecordSet", record("example.com", "CNAME", HostedZoneName="example.com."), "Type"),
    ("Route53::RecordSet", record("www.example.org", HostedZoneId="Z1"), ""),
]


@pytest.mark.parametrize(("kind", "properties", "where"), one_of_each(CASES, lambda case: case[0]))
def test_what_users_meet_has_what_it_needs(kind: str, properties: dict[str, Any], where: str) -> None:
    found = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/zones/shop", "Type": "String", "Value": "Z7"}}
    resources = {"It": {"Type": f"AWS::{kind}", "Properties": properties}, "Zone": ZONE, "Found": found}
    stack = StackTemplate(StackKey("210987654321", "eu-north-1", "carts"), {"Resources": resources})
    refused = [each.where for each in plan([], [[stack]]).refusals]
    assert refused == ([f"It.{where}"] if where else [])


@pytest.mark.parametrize(
    ("region", "refused"),
    [("us-east-1", False), ("ca-central-1", True), ("sa-east-1", True), ("unknown-region", False)],
)
def test_a_web_acl_of_cloudfront_is_made_in_one_region_alone(region: str, refused: bool) -> None:
    resources = {"It": {"Type": "AWS::WAFv2::WebACL", "Properties": {"Scope": "CLOUDFRONT"}}}
    stack = StackTemplate(StackKey("210987654321", region, "carts"), {"Resources": resources})
    assert [each.where for each in plan([], [[stack]]).refusals] == ["It.Scope"] * refused


RENAMED = {"Moved": "Filters"}
"""What stands in its template under the name of something else."""


@pytest.mark.parametrize(
    ("after", "is_named"),
    [
        ({"Door"}, True),
        ({"Door", "Wall", "Filters"}, False),
        ({"Door", "Wall", "Replaces"}, False),
        ({"Door", "Wall", "Other", "Moved"}, True),
        (set(), False),
    ],
)
def test_a_load_balancer_that_loses_its_firewall_is_named(after: set[str], is_named: bool) -> None:
    filters: dict[str, Any] = {
        "Type": "AWS::WAFv2::WebACLAssociation",
        "Properties": {"ResourceArn": {"Ref": "Door"}, "WebACLArn": {"Fn::GetAtt": ["Wall", "Arn"]}},
    }
    moved = {**filters, "Properties": {**filters["Properties"], "ResourceArn": {"Ref": "Other"}}}
    all_of_it = {
        "Other": {"Type": "AWS::ElasticLoadBalancingV2::LoadBalancer", "Properties": {"Subnets": ["a", "b"]}},
        "Door": {"Type": "AWS::ElasticLoadBalancingV2::LoadBalancer", "Properties": {"Subnets": ["a", "b"]}},
        "Wall": {"Type": "AWS::WAFv2::WebACL", "Properties": {}},
        "Filters": filters,
        "Replaces": filters,
        "Moved": moved,
        "Topic": {"Type": "AWS::SNS::Topic"},
    }
    key = StackKey("210987654321", "eu-north-1", "shop")
    before, now = (
        StackTemplate(
            key,
            {
                "Resources": {
                    RENAMED.get(name, name): each for name, each in all_of_it.items() if name in {*names, "Topic"}
                }
            },
        )
        for names in ({"Door", "Wall", "Filters"}, after)
    )
    planned = plan([before], [[now]])
    said = [str(each) for stack in planned.stacks for each in stack.consequences if "firewall" in str(each)]
    assert said == (["shop.Door: its firewall goes: nothing filters its requests any more"] if is_named else [])

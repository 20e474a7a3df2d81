"""Accounts of earlier environments that a production template names."""

import json
from typing import Any

from helpers.small_pipeline import Template, allow, put
from nova_infra.checks.permissions.boundary import production_out_of_reach
from nova_infra.checks.rule import Finding
from nova_infra.checks.rule import Template as Loaded
from nova_infra.checks.rules import findings as all_findings
from nova_infra.checks.stages import Promotion

DEV, PROD, TOOLS = "111111111111", "333333333333", "444444444444"
PROMOTION = Promotion(TOOLS, (("Dev", DEV, False), ("Prod", PROD, True)))


def findings(template: Template, account: str, stage: str) -> list[Finding]:
    loaded = Loaded(template["Resources"], account, PROMOTION.beyond(stage), PROMOTION.before(stage))
    return list(production_out_of_reach(loaded))


def test_production_names_no_account_of_an_earlier_environment() -> None:
    """Whatever it is for: something would pass between the two that nobody has approved."""
    named: dict[str, tuple[str, dict[str, Any]]] = {
        "PeerOwnerId": ("AWS::EC2::VPCPeeringConnection", {"PeerOwnerId": DEV}),
        "QueueUrl": ("AWS::New::Thing", {"QueueUrl": f"https://sqs.us-east-1.amazonaws.com/{DEV}/orders"}),
        "Principals": ("AWS::RAM::ResourceShare", {"Principals": [DEV]}),
        "Targets": ("AWS::Events::Rule", {"Targets": [{"Arn": f"arn:aws:events:us-east-1:{DEV}:event-bus/x"}]}),
        "Layers": ("AWS::Lambda::Function", {"Layers": [{"Fn::Sub": f"arn:aws:lambda:x:{DEV}:layer:x:1"}]}),
        "ContainerDefinitions": (
            "AWS::ECS::TaskDefinition",
            {"ContainerDefinitions": [{"Image": f"{DEV}.dkr.ecr.us-east-1.amazonaws.com/shop:1"}]},
        ),
        "Code": ("AWS::Lambda::Function", {"Code": {"S3Bucket": f"cdk-hnb659fds-assets-{DEV}-us-east-1"}}),
    }
    for key, (kind, properties) in named.items():
        template: Template = {"Resources": {}}
        put(template, "Thing", kind, **properties)
        [found] = findings(template, PROD, "Prod")
        said = f"something passes between this account and {DEV}: its environment comes before the approval"
        assert (found.logical_id, found.location, found.detail) == ("Thing", f"Properties.{key}", said)
        assert findings(template, DEV, "Dev") == []
        others = json.loads(json.dumps(template).replace(DEV, f"1{DEV}"))
        assert findings(others, PROD, "Prod") == []


def test_a_policy_that_is_written_as_text_lets_no_earlier_environment_in() -> None:
    for kind, key in (
        ("AWS::Logs::Destination", "DestinationPolicy"),
        ("AWS::Elasticsearch::Domain", "AccessPolicies"),
        ("AWS::Organizations::ResourcePolicy", "Content"),
        ("AWS::New::Thing", "WhatsoeverPolicy"),
    ):
        for account, expected in ((DEV, 1), (PROD, 0)):
            template: Template = {"Resources": {}}
            text = json.dumps(allow("logs:PutSubscriptionFilter", Principal={"AWS": account}))
            put(template, "Thing", kind, **{key: text})
            said = [each.detail for each in findings(template, PROD, "Prod")]
            assert (
                said == [f"{DEV} may logs:PutSubscriptionFilter: its environment comes before the approval"] * expected
            )
    rules: Template = {"Resources": {}}
    put(rules, "Thing", "AWS::OpenSearchServerless::AccessPolicy", Policy=json.dumps([{"Principal": [f"{DEV}"]}]))
    assert [each.logical_id for each in findings(rules, PROD, "Prod")] == ["Thing"]


def test_accounts_that_mappings_and_parameters_name_are_known() -> None:
    def judged(account: Any, **more: Any) -> list[str]:
        found: Template = {"Resources": {}, **more}
        service = {"Service": "ecs-tasks.amazonaws.com"}
        queue = {"Fn::Join": [":", ["arn:aws:sqs:us-east-1", account, "orders"]]}
        policies = [{"PolicyName": "p", "PolicyDocument": allow("sqs:SendMessage", queue)}]
        trust = allow("sts:AssumeRole", Principal=service)
        put(found, "Task", "AWS::IAM::Role", AssumeRolePolicyDocument=trust, Policies=policies)
        return [each.detail for _, each in all_findings(found, account=DEV, beyond=PROMOTION.beyond("Dev"))]

    mapped, named = {"Fn::FindInMap": ["Accounts", "all", "shop"]}, {"Ref": "Account"}
    behind = [f"Task may sqs:SendMessage on arn:aws:sqs:us-east-1:{PROD}:orders: behind the approval"]
    for account, expected in ((PROD, behind), (DEV, [])):
        assert judged(mapped, Mappings={"Accounts": {"all": {"shop": account}}}) == expected
        assert judged(named, Parameters={"Account": {"Type": "String", "Default": account}}) == expected
        filled = {"Fn::Sub": "${Account}"}
        assert judged(filled, Parameters={"Account": {"Type": "Number", "Default": int(account)}}) == expected
    assert judged(mapped, Mappings={"Accounts": {"all": {"other": PROD}}}) == []
    assert judged(named, Parameters={"Account": {"Type": "String"}}) == []
    for odd in ("x", [1], {"all": None}, {"all": "x"}, {"all": {"shop": None}}):
        assert judged(mapped, Mappings={"Accounts": odd}) == []
    assert all_findings({"Mappings": {}}) == []


def test_what_code_or_people_read_may_name_any_account() -> None:
    template: Template = {"Resources": {}}
    variables = {"Environment": [{"Name": "FROM", "Value": DEV}]}
    put(template, "Task", "AWS::ECS::TaskDefinition", ContainerDefinitions=[variables], Tags=[{"Value": DEV}])
    put(template, "Alarm", "AWS::CloudWatch::Alarm", AlarmDescription=f"as in {DEV}", AlarmName=f"alike-{DEV}")
    put(
        template,
        "Site",
        "AWS::CloudFront::Distribution",
        DistributionConfig={"Comment": f"not cdk-hnb659fds-assets-{DEV}-x"},
    )
    put(template, "Logs", "AWS::S3::Bucket", BucketName=f"logs-{DEV}-of-old")
    put(template, "Role", "AWS::IAM::Role", Policies=[{"PolicyDocument": allow("sqs:*", f"arn:aws:sqs:*:{DEV}:x")}])
    reading = {"Action": "lambda:GetLayerVersion", "LayerVersionArn": "arn:x", "Principal": DEV}
    put(template, "Layer", "AWS::Lambda::LayerVersionPermission", **reading)
    assert findings(template, PROD, "Prod") == []

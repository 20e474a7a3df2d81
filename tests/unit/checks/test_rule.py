"""Policies are read however a template writes them: as an object, as text, or as what only CloudFormation knows."""

import json
from typing import Any

import pytest

from helpers.small_pipeline import allow, details, grant, put, small_pipeline
from nova_infra.checks.rules import findings

PROD = "arn:aws:iam::333333333333:role/deployer"
TEXT = json.dumps(allow("sts:AssumeRole", PROD))
HARMLESS = json.dumps(allow("cloudformation:DescribeStacks"))


WRITTEN = {
    "text": TEXT,
    "text by a substitution": {"Fn::Sub": TEXT},
    "text with variables": {"Fn::Sub": [TEXT.replace("deployer", "${Name}"), {"Name": "deployer"}]},
    "text in pieces": {"Fn::Join": ["", [TEXT[:40], TEXT[40:]]]},
    "either text": {"Fn::If": ["Wide", TEXT, HARMLESS]},
    "a file": {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://policies/wide.json"}}},
    "a parameter": {"Ref": "SomePolicy"},
    "text that is none": "see the wiki",
}


@pytest.mark.parametrize("document", WRITTEN.values(), ids=WRITTEN.keys())
@pytest.mark.parametrize("kind", ["AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy", "inline"])
def test_a_policy_counts_however_it_is_written(document: Any, kind: str) -> None:
    template = small_pipeline()
    if kind == "inline":
        grant(template, document)
    else:
        holder = (
            {"Roles": [{"Ref": "TestRole"}]} if kind.endswith("ManagedPolicy") else {"RoleName": {"Ref": "TestRole"}}
        )
        put(template, "Added", kind, PolicyDocument=document, **holder)
    assert [each for each in details(template) if each.endswith("a role in production's account")]


def test_a_trust_counts_however_it_is_written() -> None:
    template = small_pipeline()
    trust = {"Fn::Sub": json.dumps(allow("sts:AssumeRole", Principal={"AWS": "*"}))}
    template["Resources"]["PipelineRole"]["Properties"]["AssumeRolePolicyDocument"] = trust
    assert [each for each in details(template) if each.startswith("Tests assumes PipelineRole, which may")]


def test_the_policy_of_a_resource_counts_however_it_is_written() -> None:
    template = small_pipeline()
    put(template, "Key", "AWS::KMS::Key", KeyPolicy=json.dumps(allow("kms:PutKeyPolicy", Principal={"AWS": "*"})))
    put(template, "Other", "AWS::SQS::QueuePolicy", PolicyDocument={"Fn::Transform": {"Name": "AWS::Include"}})
    assert {each.partition(": ")[2] for each in details(template)} == {"the keys"}


@pytest.mark.parametrize(
    "document", [HARMLESS, {"Fn::Sub": HARMLESS}, json.loads(HARMLESS), {}, {"Ref": "AWS::NoValue"}]
)
def test_a_harmless_policy_is_no_finding_however_it_is_written(document: Any) -> None:
    template = small_pipeline()
    put(template, "Added", "AWS::IAM::Policy", PolicyDocument=document, Roles=[{"Ref": "TestRole"}])
    grant(template, document)
    assert details(template) == []


def test_a_choice_of_inline_policies_is_read_by_every_rule() -> None:
    template = small_pipeline()
    wide = [{"PolicyName": "wide", "PolicyDocument": allow("sts:AssumeRole", PROD)}]
    role = template["Resources"]["TestRole"]["Properties"]
    role["Policies"] = {"Fn::If": ["Wide", wide, {"Ref": "AWS::NoValue"}]}
    assert "NOVA-P06" in {rule.id for rule, _ in findings(template)}


def test_a_policy_of_the_template_is_read_by_its_name() -> None:
    template = small_pipeline()
    template["Resources"]["TestRole"]["Properties"]["ManagedPolicyArns"] = ["arn:aws:iam::444444444444:policy/looks"]
    assert details(template), "nobody knows what a policy of another template says"
    put(template, "Looks", "AWS::IAM::ManagedPolicy", ManagedPolicyName="looks", PolicyDocument=json.loads(HARMLESS))
    assert details(template) == []

"""What leads nowhere is no way around the approval, and a finding says which way there is."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.grants import (
    PROD,
    Template,
    action_of,
    grant,
    policy,
    role_of,
    role_of_the_tests,
    starts_another_build,
    statement,
)
from helpers.small_pipeline import small_pipeline
from nova_infra.checks.rule import Finding
from nova_infra.checks.rules import findings


def _own_key(template: Template) -> None:
    principal = {"AWS": {"Fn::GetAtt": [role_of(template, action_of(template, "Staging")), "Arn"]}}
    document = policy(statement(["kms:Decrypt", "kms:GenerateDataKey"], Principal=principal))
    template["Resources"]["Own"] = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": document}}


HARMLESS: dict[str, Callable[[Template], None]] = {
    "production's observer": lambda t: grant(t, statement("sts:AssumeRole", f"{PROD}/nova-prod-observer")),
    "its own environment": lambda t: grant(t, statement("sts:AssumeRole", "arn:aws:iam::222222222222:role/anything")),
    "reading stacks": lambda t: grant(t, statement("cloudformation:Describe*")),
    "reading the pipeline": lambda t: grant(t, statement("codepipeline:List*")),
    "pulling images": lambda t: grant(t, statement(["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"])),
    "a bucket of its own": lambda t: grant(t, statement("s3:*", "arn:aws:s3:::reports/*")),
    "packages of CodeArtifact": lambda t: grant(
        t, statement(["codeartifact:GetAuthorizationToken", "codeartifact:ReadFromRepository"])
    ),
    "reading only": lambda t: role_of_the_tests(t).update(
        ManagedPolicyArns=[
            "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",
            "arn:aws:iam::aws:policy/CloudWatchReadOnlyAccess",
        ]
    ),
    "denied again": lambda t: grant(
        t, statement("sts:AssumeRole", f"{PROD}/x"), {"Effect": "Deny", "Action": "sts:*", "Resource": f"{PROD}/*"}
    ),
    "a queue": lambda t: grant(t, statement(["sqs:SendMessage", "dynamodb:PutItem", "cloudwatch:PutMetricData"])),
    "a service of another environment": lambda t: grant(
        t, statement("ecs:*", "arn:aws:ecs:us-east-1:222222222222:service/nova-staging/*")
    ),
    "either of two that read": lambda t: grant(
        t, {"Fn::If": ["Condition", statement("iam:Get*"), statement("codepipeline:List*")]}
    ),
    "a key of its own, whose policy names it": _own_key,
    "an endpoint's policy, which grants nothing": lambda t: t["Resources"].update(
        Endpoint={
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {"PolicyDocument": policy(statement("*", Principal="*"))},
        }
    ),
    "after the approval": lambda t: grant(t, statement("sts:AssumeRole", f"{PROD}/nova-prod-release"), stage="Prod"),
}


@pytest.mark.parametrize("added", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_leads_nowhere_is_no_finding(assembly: Any, added: Callable[[Template], None]) -> None:
    template = assembly.template("NovaPipelineStack")
    added(template)
    assert findings(template) == []


@pytest.mark.exhaustive("test_what_leads_nowhere_is_no_finding")
@pytest.mark.parametrize(
    "denial",
    [
        {"Effect": "Deny", "Action": "sts:*", "Resource": f"{PROD}/y"},
        {
            "Effect": "Deny",
            "Action": "sts:*",
            "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {"Effect": "Deny", "NotAction": "sts:*", "Resource": "*"},
        {"Effect": "Deny", "NotAction": "sts:AssumeRole", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "NotResource": f"{PROD}/x"},
    ],
    ids=["another role", "under a condition", "everything else", "all but this action", "all but this role"],
)
@pytest.mark.parametrize(
    ("action", "roles"), one_of_each([("sts:AssumeRole", f"{PROD}/x"), ("sts:*", f"{PROD}/*"), ("*", "*")])
)
def test_a_denial_that_does_not_cover_a_grant_changes_nothing(
    assembly: Any, denial: dict[str, Any], action: str, roles: str
) -> None:
    template = assembly.template("NovaPipelineStack")
    grant(template, statement(action, roles), denial)
    assert {rule.id for rule, _ in findings(template)} == {"NOVA-P06"}


@pytest.mark.exhaustive("test_what_leads_nowhere_is_no_finding")
def test_a_finding_names_the_step_the_way_and_the_end(assembly: Any) -> None:
    template = assembly.template("NovaPipelineStack")
    starts_another_build(template)
    [finding, *_] = [finding for _, finding in findings(template)]
    assert isinstance(finding, Finding)
    verifier = role_of(template, action_of(template, "Prod", -1))
    assert finding.detail.startswith(
        f"{action_of(template, 'Staging')['Name']} assumes {verifier}, which may sts:AssumeRole"
    )
    assert finding.detail.endswith(": a role in production's account")
    assert "333333333333" in finding.detail


def test_the_grants_of_the_pipeline_as_it_is_lead_nowhere(assembly: Any) -> None:
    template = json.loads(assembly.texts["NovaPipelineStack"])
    assert [finding for rule, finding in findings(template) if rule.id == "NOVA-P06"] == []


@pytest.mark.parametrize("macro", ["AWS::Serverless-2016-10-31", ["AWS::LanguageExtensions", "Ours"], {"Name": "Own"}])
def test_what_a_macro_makes_is_shown_by_nobody_and_so_a_finding(macro: Any) -> None:
    template = small_pipeline() | {"Transform": macro}
    assert [finding.location for rule, finding in findings(template) if rule.id == "NOVA-P06"] == ["Transform"]
    function = {"Resources": {"Own": {"Type": "AWS::Serverless::Function"}}, "Transform": macro}
    early = findings(function, account="111111111111", beyond=frozenset({"333333333333"}))
    assert [finding.logical_id for _, finding in early] == ["Own"]
    assert findings(function, account="333333333333") == []


def test_a_macro_that_makes_no_role_of_its_own_is_no_finding() -> None:
    template = small_pipeline() | {"Transform": ["AWS::LanguageExtensions", "AWS::SecretsManager-2020-07-23"]}
    assert [finding for rule, finding in findings(template) if rule.id == "NOVA-P06"] == []

"""Grants of many kinds, each of which begins a way around the approval, and what looks like one and is none."""

from collections.abc import Callable
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.grants import (
    OWN,
    PROD,
    Template,
    action_of,
    grant,
    kind_of,
    named,
    own,
    pipeline_of,
    project_of,
    statement,
)
from nova_infra.checks.rules import findings

# What a step may do with the pipeline's own, and with nobody else's; and what no rule names.
_KEY = "arn:aws:kms:us-east-1:{}:key/11111111-2222-3333-4444-555555555555".format
GRANTS: dict[str, Callable[[Template], None]] = {
    "what another key has encrypted, under a key of one's own": named("kms:ReEncrypt*", _KEY("444444444444")),
    "whatever is encrypted": named("kms:Decrypt"),
    "what production has encrypted": named("kms:Decrypt", _KEY("333333333333")),
    "a parameter, which may be a secret": named("ssm:GetParameter", own("ssm", "parameter/registry/login")),
    "every parameter by its path": named("ssm:GetParametersByPath"),
    "the history of parameters": named("ssm:GetParameterHistory", own("ssm", "parameter/*")),
    "another connection": named("codestar-connections:UseConnection", own("codestar-connections", "connection/other")),
    "any connection": named("codeconnections:UseConnection"),
    "a connection passed on": named("codeconnections:PassConnection"),
    "a message to production": named("sns:Publish", "arn:aws:sns:us-east-1:333333333333:nova-prod-alerts"),
    "an event in production": named("events:PutEvents", "arn:aws:events:us-east-1:333333333333:event-bus/default"),
    "a log line in production": named("logs:PutLogEvents", "arn:aws:logs:us-east-1:333333333333:log-group:audit:*"),
    "who may invoke a function": named("lambda:AddPermission", own("lambda", "function:any")),
    "a target of a rule": named("events:PutTargets", own("events", "rule/any")),
    "the steps of a state machine": named("states:UpdateStateMachine", own("states", "stateMachine:any")),
    "any change set": named(["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"]),
    "a resource by Cloud Control": named("cloudformation:CreateResource"),
    "a service in production": named("ecs:UpdateService", "arn:aws:ecs:us-east-1:333333333333:service/nova-prod/*"),
    "a boundary exchanged": named("iam:PutRolePermissionsBoundary", f"{OWN}/nova-prod-verify-step"),
    "a session on a machine": named("ssm:StartSession"),
    "an automation": named("ssm:StartAutomationExecution"),
    "any bucket's policy": named("s3:PutBucketPolicy"),
    "a copy of each object": named("s3:PutReplicationConfiguration"),
    "who may send to a queue": named("sqs:AddPermission"),
    "a table's policy": named("dynamodb:PutResourcePolicy"),
    "a stream's policy": named("kinesis:PutResourcePolicy"),
    "a repository's policy": named("ecr:SetRepositoryPolicy", stage="Images"),
    "images from upstream": named("ecr:CreatePullThroughCacheRule", stage="Images"),
    "a signature revoked": named("signer:RevokeSignature", stage="Images"),
    "who may sign": named("signer:AddProfilePermission", stage="Images"),
    "all secrets where images are built": named("secretsmanager:GetSecretValue", stage="Images"),
    "by a web identity": named("sts:AssumeRoleWithWebIdentity", f"{PROD}/nova-prod-deploy"),
    "the root of an account": named("sts:AssumeRoot"),
    "certificates for a role": named("rolesanywhere:CreateProfile"),
    "all roles but one": lambda t: grant(
        t, {"Effect": "Allow", "Action": "iam:PassRole", "NotResource": f"{OWN}/nova-prod-verify-step"}
    ),
    "a condition that a missing key meets": lambda t: grant(
        t,
        statement("sts:AssumeRole", f"{PROD}/x", Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}),
    ),
    "a denial of everything else": lambda t: grant(
        t,
        statement("sts:AssumeRole", f"{PROD}/x"),
        {"Effect": "Deny", "NotAction": "sts:AssumeRole", "Resource": "*"},
    ),
    "a denial that never holds": lambda t: grant(
        t,
        statement("sts:AssumeRole", f"{PROD}/x"),
        statement("sts:*", Effect="Deny", Condition={"StringLike": {"aws:PrincipalArn": "nobody"}}),
    ),
    "a job's success": named("codepipeline:PutJobSuccessResult"),
    "a shell in a build": named("codebuild:StartSandbox"),
    "a pipe": named("pipes:CreatePipe"),
    "an experiment with faults": named("fis:StartExperiment"),
    "what reads production's logs and tables": named(
        "sts:AssumeRole", f"{PROD}/cdk-hnb659fds-lookup-role-333333333333-us-east-1"
    ),
}


@pytest.mark.parametrize("added", one_of_each(GRANTS.values(), kind_of), ids=GRANTS.keys())
def test_a_grant_of_any_kind_is_a_way_around_the_approval(assembly: Any, added: Callable[[Template], None]) -> None:
    template = assembly.template("NovaPipelineStack")
    added(template)
    assert {rule.id for rule, _ in findings(template)} == {"NOVA-P06"}


def _own_connection(template: Template) -> None:
    arn = pipeline_of(template)["Stages"][0]["Actions"][0]["Configuration"]["ConnectionArn"]
    grant(template, statement(["codestar-connections:UseConnection", "codeconnections:UseConnection"], arn))


def _role_by_its_name(template: Template) -> None:
    """A step whose role may do nothing more, and is named instead of referred to."""
    project = template["Resources"][project_of(template, action_of(template, "Staging"))]["Properties"]
    template["Resources"][project["ServiceRole"]["Fn::GetAtt"][0]]["Properties"]["RoleName"] = "tests"
    project["ServiceRole"] = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/tests"}


HARMLESS: dict[str, Callable[[Template], None]] = {
    "its own connection": _own_connection,
    "the pipeline's own key": named(
        ["kms:Decrypt", "kms:ReEncrypt*"], {"Fn::GetAtt": ["EncryptionKey3A692D6E", "Arn"]}
    ),
    "parameters of another environment": named(
        "ssm:GetParameter", "arn:aws:ssm:us-east-1:222222222222:parameter/nova/staging/release"
    ),
    "a role by its name": _role_by_its_name,
    "what looks up in another environment, and here": named(
        "sts:AssumeRole",
        [
            "arn:aws:iam::222222222222:role/cdk-hnb659fds-lookup-role-222222222222-us-east-1",
            f"{OWN}/cdk-hnb659fds-lookup-role-444444444444-us-east-1",
        ],
    ),
    "denied everywhere else": lambda t: grant(
        t,
        statement("sts:AssumeRole", f"{PROD}/x"),
        {"Effect": "Deny", "Action": "sts:*", "NotResource": "arn:aws:iam::222222222222:role/*"},
    ),
}


@pytest.mark.parametrize("added", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_keeps_to_the_pipelines_own_is_no_way(assembly: Any, added: Callable[[Template], None]) -> None:
    template = assembly.template("NovaPipelineStack")
    added(template)
    assert findings(template) == []

"""The approval as a boundary: one added grant of each kind is a way around it, and is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.checks.rule import Finding
from nova_infra.checks.rules import findings

Template = dict[str, Any]
PROD = "arn:aws:iam::333333333333:role"
OWN = "arn:aws:iam::444444444444:role"


def action_of(template: Template, stage: str, number: int = 0) -> dict[str, Any]:
    [pipeline] = [r for r in template["Resources"].values() if r["Type"] == "AWS::CodePipeline::Pipeline"]
    [found] = [each for each in pipeline["Properties"]["Stages"] if each["Name"] == stage]
    builds = [action for action in found["Actions"] if action["ActionTypeId"]["Category"] in ("Build", "Test")]
    action: dict[str, Any] = builds[number]
    return action


def project_of(template: Template, action: dict[str, Any]) -> str:
    project: str = action["Configuration"]["ProjectName"]["Ref"]
    return project


def role_of(template: Template, action: dict[str, Any]) -> str:
    project = template["Resources"][project_of(template, action)]
    role: str = project["Properties"]["ServiceRole"]["Fn::GetAtt"][0]
    return role


def statement(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource} | more


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def grant(template: Template, *statements: dict[str, Any], stage: str = "Staging") -> None:
    """Give the role of a stage's first project a policy of its own."""
    role = {"Ref": role_of(template, action_of(template, stage))}
    template["Resources"]["Added"] = {
        "Type": "AWS::IAM::Policy",
        "Properties": {"PolicyName": "added", "PolicyDocument": policy(*statements), "Roles": [role]},
    }


def role_of_the_tests(template: Template) -> dict[str, Any]:
    role: dict[str, Any] = template["Resources"][role_of(template, action_of(template, "Staging"))]["Properties"]
    return role


def managed_policy(template: Template) -> None:
    template["Resources"]["Added"] = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"PolicyDocument": policy(statement("sts:AssumeRole", f"{PROD}/deployer"))},
    }
    role_of_the_tests(template)["ManagedPolicyArns"] = [{"Ref": "Added"}]


def managed_policy_with_roles(template: Template) -> None:
    grant(template, statement("sts:AssumeRole", f"{PROD}/deployer"))
    template["Resources"]["Added"]["Type"] = "AWS::IAM::ManagedPolicy"


def role_policy(template: Template) -> None:
    template["Resources"]["Added"] = {
        "Type": "AWS::IAM::RolePolicy",
        "Properties": {
            "PolicyDocument": policy(statement("iam:AttachRolePolicy")),
            "RoleName": {"Ref": role_of(template, action_of(template, "Staging"))},
        },
    }


def inline_policy(template: Template) -> None:
    role_of_the_tests(template)["Policies"] = [
        {"PolicyDocument": policy(statement("sts:AssumeRole", f"{PROD}/deployer"))}
    ]


def administrator(template: Template) -> None:
    role_of_the_tests(template)["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/AdministratorAccess"]


def administrator_by_join(template: Template) -> None:
    arn = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::aws:policy/PowerUserAccess"]]}
    role_of_the_tests(template)["ManagedPolicyArns"] = [arn]


def trusted_by_the_pipeline(template: Template) -> None:
    """The pipeline's own role, which deploys production, says that the tests may take it."""
    [pipeline] = [r for r in template["Resources"].values() if r["Type"] == "AWS::CodePipeline::Pipeline"]
    role = template["Resources"][pipeline["Properties"]["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
    principal = {"AWS": {"Fn::GetAtt": [role_of(template, action_of(template, "Staging")), "Arn"]}}
    role["AssumeRolePolicyDocument"]["Statement"].append(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    )


def starts_another_build(template: Template) -> None:
    """A build with commands of one's own has the project's role: here that of the step that verifies production."""
    project = project_of(template, action_of(template, "Prod", -1))
    arn = {"Fn::Sub": "arn:${AWS::Partition}:codebuild:${AWS::Region}:${AWS::AccountId}:project/${" + project + "}"}
    grant(template, statement("codebuild:StartBuild", arn))


def changes_another_project(template: Template) -> None:
    project = project_of(template, action_of(template, "UpdatePipeline"))
    grant(template, statement("codebuild:UpdateProject", {"Fn::GetAtt": [project, "Arn"]}))


def overwrites_artifacts(template: Template) -> None:
    [pipeline] = [r for r in template["Resources"].values() if r["Type"] == "AWS::CodePipeline::Pipeline"]
    properties = pipeline["Properties"]
    store = properties.get("ArtifactStore") or properties["ArtifactStores"][0]["ArtifactStore"]
    bucket = store["Location"]["Ref"]
    grant(template, statement("s3:Put*", {"Fn::Join": ["", [{"Fn::GetAtt": [bucket, "Arn"]}, "/*"]]}))


def pipeline_arn(template: Template, tail: str = "") -> Any:
    return f"arn:aws:codepipeline:us-east-1:444444444444:nova-platform{tail}"


GRANTS: dict[str, Callable[[Template], None]] = {
    "a managed policy": managed_policy,
    "a managed policy that names the role": managed_policy_with_roles,
    "a policy of one role": role_policy,
    "a policy in the role": inline_policy,
    "an administrator": administrator,
    "an administrator, by a function": administrator_by_join,
    "everything but": lambda t: grant(t, {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}),
    "everywhere but": lambda t: grant(
        t, {"Effect": "Allow", "Action": "sts:AssumeRole", "NotResource": "arn:aws:iam::111111111111:role/*"}
    ),
    "lower case": lambda t: grant(t, statement("sts:assumerole", f"{PROD}/deployer")),
    "upper case": lambda t: grant(t, statement("STS:ASSUMEROLE", f"{PROD}/deployer")),
    "a wildcard in the action": lambda t: grant(t, statement("sts:Assume*", f"{PROD}/deployer")),
    "a wildcard in the service": lambda t: grant(t, statement("*:AssumeRole", f"{PROD}/deployer")),
    "a question mark": lambda t: grant(t, statement("sts:AssumeRol?", f"{PROD}/deployer")),
    "a wildcard in the account": lambda t: grant(t, statement("sts:AssumeRole", "arn:aws:iam::3333*:role/deployer")),
    "any account": lambda t: grant(t, statement("sts:AssumeRole", "arn:aws:iam::*:role/nova-prod-release")),
    "a wildcard before the account": lambda t: grant(t, statement("sts:AssumeRole", "arn:*/nova-prod-release")),
    "an unknown role": lambda t: grant(t, statement("sts:AssumeRole", {"Fn::ImportValue": "somebody"})),
    "the bootstrap's deploy role": lambda t: grant(
        t, statement("sts:AssumeRole", f"{PROD}/cdk-hnb659fds-deploy-role-333333333333-us-east-1")
    ),
    "under a condition": lambda t: grant(
        t, statement("sts:AssumeRole", f"{PROD}/deployer", Condition={"Bool": {"aws:SecureTransport": "true"}})
    ),
    "giving the approval": lambda t: grant(
        t, statement("codepipeline:PutApprovalResult", pipeline_arn(t, "/ApproveProduction/ApproveProduction"))
    ),
    "changing the pipeline": lambda t: grant(t, statement("codepipeline:Update*", pipeline_arn(t))),
    "skipping a condition": lambda t: grant(t, statement("codepipeline:OverrideStageCondition", pipeline_arn(t))),
    "starting another build": starts_another_build,
    "changing another project": changes_another_project,
    "passing a role": lambda t: grant(t, statement("iam:PassRole"), statement("codebuild:UpdateProject")),
    "widening its own role": lambda t: grant(t, statement("iam:PutRolePolicy", f"{OWN}/*")),
    "changing stacks": lambda t: grant(t, statement("cloudformation:UpdateStack")),
    "overwriting artifacts": overwrites_artifacts,
    "being trusted": trusted_by_the_pipeline,
    "pushing images by a test": lambda t: grant(t, statement("ecr:PutImage")),
    "moving tags": lambda t: grant(t, statement("ecr:PutImageTagMutability"), stage="Images"),
    "writing the ledger": lambda t: grant(t, statement("ssm:PutParameter", "*")),
    "the build itself": lambda t: grant(t, statement("sts:AssumeRole", f"{PROD}/deployer"), stage="Build"),
    "an image's build": lambda t: grant(t, statement("sts:AssumeRole", f"{PROD}/deployer"), stage="Images"),
    "the brief": lambda t: grant(t, statement("codepipeline:*", pipeline_arn(t)), stage="ApproveProduction"),
}


@pytest.mark.parametrize("added", GRANTS.values(), ids=GRANTS.keys())
def test_one_grant_is_a_way_around_the_approval(assembly: Any, added: Callable[[Template], None]) -> None:
    template = assembly.template("NovaPipelineStack")
    added(template)
    found = findings(template)
    assert {rule.id for rule, _ in found} == {"NOVA-P06"}


HARMLESS: dict[str, Callable[[Template], None]] = {
    "production's observer": lambda t: grant(t, statement("sts:AssumeRole", f"{PROD}/nova-prod-observer")),
    "its own environment": lambda t: grant(t, statement("sts:AssumeRole", "arn:aws:iam::222222222222:role/anything")),
    "reading stacks": lambda t: grant(t, statement("cloudformation:Describe*")),
    "reading the pipeline": lambda t: grant(t, statement("codepipeline:List*")),
    "pulling images": lambda t: grant(t, statement(["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"])),
    "a bucket of its own": lambda t: grant(t, statement("s3:*", "arn:aws:s3:::reports/*")),
    "reading only": lambda t: role_of_the_tests(t).update(ManagedPolicyArns=["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
    "denied again": lambda t: grant(
        t, statement("sts:AssumeRole", f"{PROD}/x"), {"Effect": "Deny", "Action": "sts:*", "Resource": f"{PROD}/*"}
    ),
    "after the approval": lambda t: grant(t, statement("sts:AssumeRole", f"{PROD}/nova-prod-release"), stage="Prod"),
}


@pytest.mark.parametrize("added", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_leads_nowhere_is_no_finding(assembly: Any, added: Callable[[Template], None]) -> None:
    template = assembly.template("NovaPipelineStack")
    added(template)
    assert findings(template) == []


@pytest.mark.parametrize(
    "denial",
    [
        {"Effect": "Deny", "Action": "sts:*", "Resource": f"{PROD}/y"},
        {"Effect": "Deny", "Action": "sts:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Effect": "Deny", "NotAction": "sts:*", "Resource": "*"},
    ],
    ids=["another role", "under a condition", "everything else"],
)
def test_a_denial_that_does_not_cover_a_grant_changes_nothing(assembly: Any, denial: dict[str, Any]) -> None:
    template = assembly.template("NovaPipelineStack")
    grant(template, statement("sts:AssumeRole", f"{PROD}/x"), denial)
    assert {rule.id for rule, _ in findings(template)} == {"NOVA-P06"}


def test_a_finding_names_the_step_the_way_and_the_end(assembly: Any) -> None:
    template = assembly.template("NovaPipelineStack")
    starts_another_build(template)
    [finding, *_] = [finding for _, finding in findings(template)]
    assert isinstance(finding, Finding)
    verifier = role_of(template, action_of(template, "Prod", -1))
    assert finding.detail.startswith(
        f"{action_of(template, 'Staging')['Name']} takes {verifier}, which may sts:AssumeRole"
    )
    assert finding.detail.endswith(": a role in production's account")
    assert "333333333333" in finding.detail


def test_the_grants_of_the_pipeline_as_it_is_lead_nowhere(assembly: Any) -> None:
    template = json.loads(assembly.texts["NovaPipelineStack"])
    assert [finding for rule, finding in findings(template) if rule.id == "NOVA-P06"] == []

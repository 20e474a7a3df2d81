"""The approval as a boundary: one added grant of each kind is a way around it, and is found."""

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
    policy,
    project_of,
    role_of,
    role_of_the_tests,
    starts_another_build,
    statement,
)
from nova_infra.checks.rules import findings


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
    """The pipeline's own role, which deploys production, says that the tests may assume it."""
    [pipeline] = [r for r in template["Resources"].values() if r["Type"] == "AWS::CodePipeline::Pipeline"]
    role = template["Resources"][pipeline["Properties"]["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
    principal = {"AWS": {"Fn::GetAtt": [role_of(template, action_of(template, "Staging")), "Arn"]}}
    role["AssumeRolePolicyDocument"]["Statement"].append(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    )


def changes_another_project(template: Template) -> None:
    project = project_of(template, action_of(template, "UpdatePipeline"))
    grant(template, statement("codebuild:UpdateProject", {"Fn::GetAtt": [project, "Arn"]}))


def overwrites_artifacts(template: Template) -> None:
    bucket = {"Fn::GetAtt": [bucket_of(template), "Arn"]}
    grant(template, statement("s3:Put*", {"Fn::Join": ["", [bucket, "/*"]]}))


def pipeline_arn(tail: str = "") -> Any:
    return f"arn:aws:codepipeline:us-east-1:444444444444:nova-platform{tail}"


GRANTS: dict[str, Callable[[Template], None]] = {
    "a managed policy": managed_policy,
    "a managed policy that names the role": managed_policy_with_roles,
    "a policy of one role": role_policy,
    "a policy in the role": inline_policy,
    "an administrator": administrator,
    "an administrator, by a function": administrator_by_join,
    "what reads every parameter": lambda t: role_of_the_tests(t).update(
        ManagedPolicyArns=["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    ),
    "what reads every secret": lambda t: role_of_the_tests(t).update(
        ManagedPolicyArns=["arn:aws:iam::aws:policy/AWSSecretsManagerClientReadOnlyAccess"]
    ),
    "everything but": lambda t: grant(t, {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}),
    "everywhere but": lambda t: grant(
        t, {"Effect": "Allow", "Action": "sts:AssumeRole", "NotResource": "arn:aws:iam::111111111111:role/*"}
    ),
    "lower case": named("sts:assumerole", f"{PROD}/deployer"),
    "upper case": named("STS:ASSUMEROLE", f"{PROD}/deployer"),
    "a wildcard in the action": named("sts:Assume*", f"{PROD}/deployer"),
    "a wildcard in the service": named("*:AssumeRole", f"{PROD}/deployer"),
    "a question mark": named("sts:AssumeRol?", f"{PROD}/deployer"),
    "a wildcard in the account": named("sts:AssumeRole", "arn:aws:iam::3333*:role/deployer"),
    "any account": named("sts:AssumeRole", "arn:aws:iam::*:role/nova-prod-release"),
    "a wildcard before the account": named("sts:AssumeRole", "arn:*/nova-prod-release"),
    "an unknown role": named("sts:AssumeRole", {"Fn::ImportValue": "somebody"}),
    "the bootstrap's deploy role": named("sts:AssumeRole", f"{PROD}/cdk-hnb659fds-deploy-role-333333333333-us-east-1"),
    "under a condition": lambda t: grant(
        t, statement("sts:AssumeRole", f"{PROD}/deployer", Condition={"Bool": {"aws:SecureTransport": "true"}})
    ),
    "giving the approval": named(
        "codepipeline:PutApprovalResult", pipeline_arn("/ApproveProduction/ApproveProduction")
    ),
    "changing the pipeline": named("codepipeline:Update*", pipeline_arn()),
    "skipping a condition": named("codepipeline:OverrideStageCondition", pipeline_arn()),
    "starting another build": starts_another_build,
    "changing another project": changes_another_project,
    "passing a role": lambda t: grant(t, statement("iam:PassRole"), statement("codebuild:UpdateProject")),
    "widening its own role": named("iam:PutRolePolicy", f"{OWN}/*"),
    "changing stacks": named("cloudformation:UpdateStack"),
    "overwriting artifacts": overwrites_artifacts,
    "being trusted": trusted_by_the_pipeline,
    "pushing images by a test": named("ecr:PutImage"),
    "moving tags": named("ecr:PutImageTagMutability", stage="Images"),
    "writing the ledger": named("ssm:PutParameter", "*"),
    "the build itself": named("sts:AssumeRole", f"{PROD}/deployer", stage="Build"),
    "an image's build": named("sts:AssumeRole", f"{PROD}/deployer", stage="Images"),
    "the brief": named("codepipeline:*", pipeline_arn(), stage="ApproveProduction"),
}


# Each begins something that ends in production, in the approval, in the ledger or in an image; none is listed in the
# rule by its name.
GRANTS |= {
    "trust of another role": named("iam:UpdateAssumeRolePolicy", {"Fn::GetAtt": ["PipelineRoleB27FAA37", "Arn"]}),
    "a policy's next version": named("iam:CreatePolicyVersion", "arn:aws:iam::444444444444:policy/any"),
    "an instance's role": named(["iam:AddRoleToInstanceProfile", "ec2:RunInstances"]),
    "a boundary taken away": named("iam:DeleteRolePermissionsBoundary", f"{OWN}/nova-prod-verify-step"),
    "an access key": named("iam:CreateAccessKey", "arn:aws:iam::444444444444:user/admin"),
    "a hook's code": named(
        "lambda:UpdateFunctionCode", "arn:aws:lambda:us-east-1:333333333333:function:nova-prod-smoke"
    ),
    "a function's code here": named("lambda:UpdateFunctionCode", own("lambda", "function:any")),
    "the ledger by name": named("ssm:PutParameter", "arn:aws:ssm:us-east-1:333333333333:parameter/nova/prod/release"),
    "a hold removed": named("ssm:DeleteParameters", own("ssm", "parameter/nova/prod/hold/*")),
    "a command on a machine": named("ssm:SendCommand", own("ec2", "instance/*")),
    "a task of one's own": named(["ecs:RegisterTaskDefinition", "ecs:RunTask"]),
    "a shell in a task": named("ecs:ExecuteCommand", "arn:aws:ecs:us-east-1:333333333333:task/nova-prod/*"),
    "a state machine started": named("states:StartExecution", own("states", "stateMachine:any")),
    "a schedule": named("scheduler:CreateSchedule"),
    "a stack's policy": named("cloudformation:SetStackPolicy", own("cloudformation", "stack/NovaPipelineStack/*")),
    "a change set by another role": named("cloudformation:CreateChangeSet", own("cloudformation", "stack/new/*")),
    "a template in the bootstrap's bucket": named(
        "s3:PutObject", "arn:aws:s3:::cdk-hnb659fds-assets-333333333333-us-east-1/*"
    ),
    "artifacts by the bucket's name": named("s3:PutObject", "arn:aws:s3:::novapipelinestack-artifactsbucket88671897-*"),
    "the bucket's policy": lambda t: grant(t, statement("s3:PutBucketPolicy", {"Fn::GetAtt": [bucket_of(t), "Arn"]})),
    "an older version deleted": lambda t: grant(
        t, statement("s3:DeleteObjectVersion", {"Fn::Sub": "${" + bucket_of(t) + ".Arn}/*"})
    ),
    "a grant of a key": named("kms:CreateGrant", {"Fn::GetAtt": ["EncryptionKey3A692D6E", "Arn"]}),
    "a key's policy": named("kms:PutKeyPolicy", own("kms", "key/any")),
    "a signature": named("signer:SignPayload"),
    "an image by its repository": named("ecr:PutImage", own("ecr", "repository/nova/carts-service")),
    "images removed": named("ecr:BatchDeleteImage", own("ecr", "repository/nova/*"), stage="Images"),
    "images expired": named("ecr:PutLifecyclePolicy", stage="Images"),
    "replicated images": named("ecr:PutReplicationConfiguration", stage="Images"),
    "the pipeline started": named("codepipeline:StartPipelineExecution", pipeline_arn()),
    "a transition stopped": named("codepipeline:DisableStageTransition", pipeline_arn()),
    "a stage retried": named("codepipeline:RetryStageExecution", pipeline_arn("/Prod")),
    "a webhook": named("codepipeline:PutWebhook", pipeline_arn()),
    "a build by name": named("codebuild:StartBuild", own("codebuild", "project/any")),
    "a build of many": named("codebuild:StartBuildBatch", own("codebuild", "project/*")),
    "a rule's target": named(["events:PutRule", "events:PutTargets"]),
    "a secret": named("secretsmanager:PutSecretValue", own("secretsmanager", "secret:github-token-*")),
    "a record in DNS": named("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z00000000000000PROD"),
    "a rule of a load balancer": named("elasticloadbalancing:ModifyRule"),
    "logs sent elsewhere": named("logs:PutSubscriptionFilter", own("logs", "log-group:/nova/*")),
    "an alarm silenced": named("cloudwatch:DisableAlarmActions"),
    "a message stopped": named("sns:Unsubscribe"),
    "a connection of one's own": named("codeconnections:CreateConnection"),
    "the deploy role of this account": named(
        "sts:AssumeRole", f"{OWN}/cdk-hnb659fds-deploy-role-444444444444-us-east-1"
    ),
    "an unknown role of this account": named("sts:AssumeRole", f"{OWN}/administrator"),
    "by single sign-on": named("sso:CreateAccountAssignment"),
    "a resource share": named("ram:CreateResourceShare"),
    "by a parameter": named("sts:AssumeRole", {"Ref": "SomeParameter"}),
    "by either branch": lambda t: grant(
        t, {"Fn::If": ["Condition", statement("sts:AssumeRole", f"{PROD}/x"), {"Ref": "AWS::NoValue"}]}
    ),
    "by an effect that depends": lambda t: grant(
        t, statement("sts:AssumeRole", f"{PROD}/x", Effect={"Fn::If": ["Condition", "Allow", "Deny"]})
    ),
    "by an action that depends": lambda t: grant(t, statement({"Fn::If": ["Condition", "iam:*", "s3:Get*"]})),
    "a name that sounds harmless": lambda t: role_of_the_tests(t).update(
        ManagedPolicyArns=["arn:aws:iam::444444444444:policy/ReadOnlyAccess"]
    ),
}


def bucket_of(template: Template) -> str:
    [pipeline] = [r for r in template["Resources"].values() if r["Type"] == "AWS::CodePipeline::Pipeline"]
    properties = pipeline["Properties"]
    store = properties.get("ArtifactStore") or properties["ArtifactStores"][0]["ArtifactStore"]
    bucket: str = store["Location"]["Ref"]
    return bucket


def principal_of(template: Template) -> dict[str, Any]:
    return {"AWS": {"Fn::GetAtt": [role_of(template, action_of(template, "Staging")), "Arn"]}}


def in_the_keys_policy(template: Template) -> None:
    [key] = [r for r in template["Resources"].values() if r["Type"] == "AWS::KMS::Key"]
    key["Properties"]["KeyPolicy"]["Statement"].append(statement("kms:*", Principal=principal_of(template)))


def in_the_buckets_policy(template: Template) -> None:
    [policy_] = [r for r in template["Resources"].values() if r["Type"] == "AWS::S3::BucketPolicy"]
    arn = {"Fn::Sub": "${" + bucket_of(template) + ".Arn}/*"}
    policy_["Properties"]["PolicyDocument"]["Statement"].append(
        statement("s3:PutObject", arn, Principal=principal_of(template))
    )


def for_everybody_in_the_topics_policy(template: Template) -> None:
    [policy_] = [r for r in template["Resources"].values() if r["Type"] == "AWS::SNS::TopicPolicy"]
    policy_["Properties"]["PolicyDocument"]["Statement"].append(statement("sns:SetTopicAttributes", Principal="*"))


def in_a_repositorys_policy(template: Template) -> None:
    template["Resources"]["Images"] = {
        "Type": "AWS::ECR::Repository",
        "Properties": {
            "RepositoryPolicyText": policy(
                {"Effect": "Allow", "Action": "ecr:PutImage", "Principal": principal_of(template)}
            )
        },
    }


def in_a_functions_policy(template: Template) -> None:
    name = {"Fn::GetAtt": [role_of(template, action_of(template, "Staging")), "Arn"]}
    template["Resources"]["Permission"] = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {"Action": "lambda:UpdateFunctionCode", "FunctionName": "hook", "Principal": name},
    }


def trusted_by_name(template: Template) -> None:
    """The role that verifies production says that a role of this name may assume it."""
    verifier = template["Resources"][role_of(template, action_of(template, "Prod", -1))]["Properties"]
    role_of_the_tests(template)["RoleName"] = "tests"
    verifier["AssumeRolePolicyDocument"]["Statement"].append(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"{OWN}/tests"}}
    )


def attached_by_name(template: Template) -> None:
    role_of_the_tests(template)["RoleName"] = "tests"
    grant(template, statement("sts:AssumeRole", f"{PROD}/x"))
    template["Resources"]["Added"]["Properties"]["Roles"] = [{"Fn::Sub": "tests"}]


def attached_to_whom_a_parameter_says(template: Template) -> None:
    grant(template, statement("sts:AssumeRole", f"{PROD}/x"))
    template["Resources"]["Added"]["Properties"]["Roles"] = [{"Ref": "SomeParameter"}]


def a_project_by_its_name(template: Template) -> None:
    grant(template, statement("sts:AssumeRole", f"{PROD}/x"))
    action = action_of(template, "Staging")
    template["Resources"][project_of(template, action)]["Properties"]["Name"] = "tests"
    action["Configuration"]["ProjectName"] = "tests"


def a_role_that_is_not_shown(template: Template) -> None:
    project = template["Resources"][project_of(template, action_of(template, "Staging"))]["Properties"]
    project["ServiceRole"] = f"{OWN}/administrator"


def a_role_by_its_arn(template: Template) -> None:
    """The tests run by the role that verifies production."""
    project = template["Resources"][project_of(template, action_of(template, "Staging"))]["Properties"]
    project["ServiceRole"] = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/nova-prod-verify-step"}


def commands_of_the_pipeline_itself(template: Template) -> None:
    """An action that runs commands by the pipeline's own role, which deploys production."""
    [pipeline] = [r for r in template["Resources"].values() if r["Type"] == "AWS::CodePipeline::Pipeline"]
    source = pipeline["Properties"]["Stages"][0]["Actions"][0]["OutputArtifacts"]
    pipeline["Properties"]["Stages"][1]["Actions"].append(
        {
            "Name": "Commands",
            "ActionTypeId": {"Category": "Compute", "Owner": "AWS", "Provider": "Commands", "Version": "1"},
            "Configuration": {},
            "Commands": ["make anything"],
            "InputArtifacts": source,
            "RunOrder": 1,
        }
    )


def a_step_of_the_assembly(template: Template) -> None:
    """What a build has made runs in the next one."""
    grant(template, statement("sts:AssumeRole", f"{PROD}/x"))
    action_of(template, "Staging")["InputArtifacts"] = action_of(template, "UpdatePipeline")["InputArtifacts"]


def a_privileged_test(template: Template) -> None:
    project = template["Resources"][project_of(template, action_of(template, "Staging"))]["Properties"]
    project["Environment"]["PrivilegedMode"] = True
    grant(template, statement("ecr:PutImage", own("ecr", "repository/nova/*")))


STRUCTURES = (
    *(in_the_keys_policy, in_the_buckets_policy, for_everybody_in_the_topics_policy, in_a_repositorys_policy),
    *(in_a_functions_policy, trusted_by_name, attached_by_name, attached_to_whom_a_parameter_says),
    *(a_project_by_its_name, a_role_that_is_not_shown, a_role_by_its_arn, commands_of_the_pipeline_itself),
    *(a_step_of_the_assembly, a_privileged_test),
)
GRANTS |= {each.__name__.replace("_", " "): each for each in STRUCTURES}


@pytest.mark.parametrize("added", one_of_each(GRANTS.values(), kind_of), ids=GRANTS.keys())
def test_one_grant_is_a_way_around_the_approval(assembly: Any, added: Callable[[Template], None]) -> None:
    template = assembly.template("NovaPipelineStack")
    added(template)
    found = findings(template)
    assert {rule.id for rule, _ in found} == {"NOVA-P06"}

"""Where a way begins: whatever runs the repository's code, and each role that it may have."""

import copy
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.small_pipeline import Template, action, allow, arn, deployment, grant, put, small_pipeline
from nova_infra.checks.permissions.edges.run_steps import project_of
from nova_infra.checks.rule import Template as Loaded
from nova_infra.checks.rules import findings

PROD = "arn:aws:iam::333333333333:role/deployer"


def stage(template: Template, name: str) -> list[dict[str, Any]]:
    stages = template["Resources"]["Pipeline"]["Properties"]["Stages"]
    return next(each["Actions"] for each in stages if each["Name"] == name)


def found(template: Template, rule: str = "NOVA-P06") -> list[str]:
    return [finding.detail for each, finding in findings(template) if each.id == rule]


def powerful(template: Template, logical_id: str = "Powerful") -> dict[str, Any]:
    put(template, logical_id, "AWS::IAM::Role", Policies=[{"PolicyDocument": allow("sts:AssumeRole", PROD)}])
    return arn(logical_id)


def role_of_a_batch(template: Template) -> None:
    template["Resources"]["Test"]["Properties"]["BuildBatchConfig"] = {"ServiceRole": powerful(template)}


def function_in_the_pipeline(template: Template) -> None:
    put(template, "Function", "AWS::Lambda::Function", Role=powerful(template))
    stage(template, "Staging").append(action("Invoke", "Invoke", {"FunctionName": {"Ref": "Function"}}))


def state_machine_in_the_pipeline(template: Template) -> None:
    put(template, "Machine", "AWS::StepFunctions::StateMachine", RoleArn=powerful(template))
    stage(template, "Staging").append(action("Invoke", "Invoke", {"StateMachineArn": {"Ref": "Machine"}}))


def function_of_another_template(template: Template) -> None:
    stage(template, "Staging").append(action("Invoke", "Invoke", {"FunctionName": "elsewhere"}))


def started_in_another_account(template: Template) -> None:
    """A project of that name, but of production's account."""
    stage(template, "Staging")[1]["RoleArn"] = PROD


NOTHING = {"Type": "NO_SOURCE", "BuildSpec": "version: 0.2"}


def project_that_a_push_starts(template: Template) -> None:
    source = {"Type": "GITHUB", "Location": "https://github.com/org/shop"}
    put(template, "Beside", "AWS::CodeBuild::Project", ServiceRole=powerful(template), Source=source)


def project_with_a_second_source(template: Template) -> None:
    """A schedule may start it; what it fetches is whatever the branch then has."""
    second = [{"Type": "GITHUB", "Location": "https://github.com/org/shop", "SourceIdentifier": "shop"}]
    role = powerful(template)
    put(template, "Beside", "AWS::CodeBuild::Project", ServiceRole=role, Source=NOTHING, SecondarySources=second)


def another_pipeline(template: Template) -> None:
    other = copy.deepcopy(template["Resources"]["Pipeline"])
    other["Properties"]["Stages"] = other["Properties"]["Stages"][:2]
    other["Properties"]["Stages"][1]["Actions"] = [action("Nightly", "Build", {"ProjectName": {"Ref": "Other"}})]
    template["Resources"]["OtherPipeline"] = other
    put(template, "Other", "AWS::CodeBuild::Project", ServiceRole=powerful(template), Source={"Type": "CODEPIPELINE"})


def another_pipeline_that_follows_by_name(template: Template) -> None:
    another_pipeline(template)
    template["Resources"]["Promotion"] = template["Resources"].pop("OtherPipeline")


def only_environment(template: Template) -> None:
    """One environment, which waits for an approval."""
    stages = template["Resources"]["Pipeline"]["Properties"]["Stages"]
    stages[:] = [each for each in stages if each["Name"] != "Staging"]
    grant(template, allow("sts:AssumeRole", PROD), role="BuildRole")


def policy_by_a_condition(template: Template) -> None:
    grant(template, {"Fn::If": ["Wide", allow("sts:AssumeRole", PROD), {"Ref": "AWS::NoValue"}]})


def trust_by_a_condition(template: Template) -> None:
    trust = allow("sts:AssumeRole", Principal={"AWS": arn("TestRole")})
    role = template["Resources"]["PipelineRole"]["Properties"]
    role["AssumeRolePolicyDocument"] = {"Fn::If": ["Wide", trust, role["AssumeRolePolicyDocument"]]}


def role_by_letters(template: Template) -> None:
    """It might be an observer, and might be the release role."""
    grant(template, allow("sts:AssumeRole", "arn:aws:iam::333333333333:role/nova-pro?????????"))


def bootstrap_role_by_letters(template: Template) -> None:
    grant(template, allow("sts:AssumeRole", "arn:aws:iam::333333333333:role/cdk-x-??????-role-333333333333-us-east-1"))


def commands_as_a_condition(template: Template) -> None:
    """By the pipeline's own role, which deploys production."""
    rule = {"Name": "Look", "RuleTypeId": {"Category": "Rule", "Provider": "Commands"}, "Commands": ["make look"]}
    staging = template["Resources"]["Pipeline"]["Properties"]["Stages"][2]
    staging["BeforeEntry"] = {"Conditions": [{"Result": "FAIL", "Rules": [rule]}]}


def account_of_an_earlier_environment(template: Template) -> None:
    trust = allow("sts:AssumeRole", Principal={"AWS": "arn:aws:iam::222222222222:root"})
    template["Resources"]["PipelineRole"]["Properties"]["AssumeRolePolicyDocument"] = trust


BEGINNINGS = (
    *(commands_as_a_condition, account_of_an_earlier_environment),
    *(role_of_a_batch, function_in_the_pipeline, state_machine_in_the_pipeline, function_of_another_template),
    *(started_in_another_account, project_that_a_push_starts, another_pipeline, only_environment),
    *(policy_by_a_condition, trust_by_a_condition, role_by_letters, bootstrap_role_by_letters),
    *(project_with_a_second_source, another_pipeline_that_follows_by_name),
)


@pytest.mark.parametrize("change", BEGINNINGS)
def test_whatever_runs_the_repositorys_code_begins_a_way(change: Any) -> None:
    template = small_pipeline()
    assert found(template) == []
    change(template)
    assert len(found(template)) == 1


def without_approval(template: Template) -> None:
    """Whoever has one environment, and nobody to ask, delivers there."""
    only_environment(template)
    stages = template["Resources"]["Pipeline"]["Properties"]["Stages"]
    stages[:] = [each for each in stages if each["Name"] != "ApproveProd"]


def approval_of_the_update_alone(template: Template) -> None:
    without_approval(template)
    stages = template["Resources"]["Pipeline"]["Properties"]["Stages"]
    approval = {"Name": "ApprovePipeline", "Actions": [action("Approve", "Approval", {}, inputs=[])]}
    stages[2:2] = [approval, {"Name": "UpdatePipeline", "Actions": []}]


@pytest.mark.parametrize("change", [without_approval, approval_of_the_update_alone])
def test_where_nobody_is_asked_there_is_no_boundary(change: Any) -> None:
    template = small_pipeline()
    change(template)
    assert found(template) == []


# Services that no rule names: each holds a role, runs something, or hands out credentials.
ACTIONS = (
    *("glue:StartJobRun", "glue:UpdateJob", "sagemaker:CreatePresignedNotebookInstanceUrl", "pipes:UpdatePipe"),
    *("cloud9:CreateEnvironmentEC2", "amplify:StartJob", "elasticbeanstalk:UpdateEnvironment", "fis:StartExperiment"),
    *("imagebuilder:StartImagePipelineExecution", "appsync:UpdateResolver", "apigateway:PUT", "execute-api:Invoke"),
    *("backup:StartRestoreJob", "rolesanywhere:CreateTrustAnchor", "proton:UpdateServicePipeline", "sts:TagSession"),
    *("sso:GetRoleCredentials", "cognito-identity:GetCredentialsForIdentity", "secretsmanager:GetSecretValue"),
    *("sts:SetSourceIdentity", "sts:AssumeRoot", "iam:AddUserToGroup", "batch:SubmitJob", "newservice:DoAnything"),
)


@pytest.mark.parametrize("name", one_of_each(ACTIONS))
def test_a_service_that_no_rule_names_counts(name: str) -> None:
    template = small_pipeline()
    grant(template, allow(name))
    assert len(found(template)) == 1


IN_PRODUCTION = (
    ("dynamodb:UpdateItem", "arn:aws:dynamodb:us-east-1:333333333333:table/orders"),
    ("sqs:SendMessage", "arn:aws:sqs:us-east-1:333333333333:orders"),
    ("logs:GetLogEvents", "arn:aws:logs:us-east-1:333333333333:log-group:/nova/*"),
    ("dynamodb:Query", "arn:aws:dynamodb:*:333333333333:table/*"),
)


@pytest.mark.parametrize(("name", "resource"), IN_PRODUCTION)
def test_productions_data_and_logs_are_out_of_reach_by_their_name(name: str, resource: str) -> None:
    template = small_pipeline()
    grant(template, allow(name, resource))
    assert found(template) != []
    other = small_pipeline()
    grant(other, allow(name, resource.replace("333333333333", "222222222222")))
    assert found(other) == []


def test_what_builds_images_reads_the_logins_that_are_named_and_no_others() -> None:
    named = "arn:aws:secretsmanager:us-east-1:444444444444:secret:acme/registry-??????"
    template = small_pipeline()
    grant(template, allow("secretsmanager:GetSecretValue", named), role="BuildRole")
    [detail] = found(template)
    assert detail == f"Synth may secretsmanager:GetSecretValue on {named}: secrets"
    template["Resources"]["Build"]["Properties"]["Environment"] = {"PrivilegedMode": True}
    assert found(template) == []
    grant(template, allow("secretsmanager:GetSecretValue", named.replace("acme/", "*")), role="BuildRole")
    assert len(found(template)) == 1


def test_an_access_point_is_another_way_to_the_artifacts() -> None:
    template = small_pipeline()
    grant(template, allow("s3:PutObject", "arn:aws:s3:us-east-1:444444444444:accesspoint/artifacts/object/*"))
    assert {each.partition(": ")[2] for each in found(template)} == {"the templates that are deployed"}


def stack_of_production(template: Template) -> None:
    stage(template, "Staging").append(deployment("nova-prod-shop", "222222222222"))


def account_of_production(template: Template) -> None:
    stage(template, "Staging").append(deployment("nova-staging-more", "333333333333"))


def another_service_of_deployments(template: Template) -> None:
    early = action("Sneak", "Deploy", {"ClusterName": "nova-prod"}) | {"RoleArn": PROD}
    stage(template, "Build").append(early)


@pytest.mark.parametrize("change", [stack_of_production, account_of_production, another_service_of_deployments])
def test_an_earlier_stage_that_acts_on_production_is_a_finding(change: Any) -> None:
    template = small_pipeline()
    assert found(template, "NOVA-P01") == []
    change(template)
    [detail] = found(template, "NOVA-P01")
    assert detail.endswith("acts on production before the approval")


@pytest.mark.parametrize(
    ("stack", "account", "where"),
    [
        ("NovaPipelineStack", "444444444444", "444444444444"),
        ("NovaPipelineStack", "222222222222", "NovaPipelineStack"),
        ("nova-dev-shop", "222222222222", "nova-dev-shop"),
        ("nova-staging-more", "222222222222", None),
    ],
)
def test_a_stage_deploys_its_own_environment_and_not_what_delivers(stack: str, account: str, where: str | None) -> None:
    """By the toolchain's roles, a stage before the approval could change the pipeline that asks for it."""
    template = small_pipeline()
    stage(template, "Staging").insert(0, deployment("nova-staging-platform", "222222222222"))
    stage(template, "Staging").append(deployment(stack, account))
    said = f"{stack}.Deploy of Staging acts on {where}, which is not of its environment"
    assert found(template, "NOVA-P01") == ([said] if where else [])


def test_environments_that_share_an_account_deploy_there_each_its_own_stacks() -> None:
    template = small_pipeline()
    stage(template, "Staging")[0] = deployment("nova-staging-shop", "333333333333")
    assert found(template, "NOVA-P01") == []


@pytest.mark.parametrize(
    ("named", "known"), [("tests", True), ({"Ref": "Test"}, True), ("others", False), (None, False)]
)
def test_a_project_is_known_by_its_reference_and_by_its_name(named: Any, known: bool) -> None:
    template = small_pipeline()
    project = template["Resources"]["Test"]["Properties"]
    project["Name"] = "tests"
    started = action("Tests", "Build", {} if named is None else {"ProjectName": named})
    assert project_of(Loaded(template["Resources"]), started).get("Name") == ("tests" if known else None)


@pytest.mark.parametrize(
    ("maker", "taker", "expected"),
    [
        ("Staging", "Prod", ["Look takes what Tests makes before the approval: Made"]),
        ("Staging", "ApproveProd", ["Look takes what Tests makes before the approval: Made"]),
        ("Staging", "Staging", []),
        ("Build", "Prod", []),
    ],
)
def test_nothing_that_a_test_makes_gets_past_the_approval(maker: str, taker: str, expected: list[str]) -> None:
    """Only what was synthesized does, which is compared by its digest."""
    template = small_pipeline()
    stage(template, maker)[-1]["OutputArtifacts"] = [{"Name": "Made"}]
    stage(template, taker).append(action("Look", "Build", {"ProjectName": {"Ref": "Build"}}, inputs=["Made"]))
    assert [each for each in found(template) if "takes what" in each] == expected

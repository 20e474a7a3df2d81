import json

import pytest

from helpers.assembly import Assembly
from helpers.delivery_pipeline import ROOT, STACK, commands, pipeline, project, stage
from nova_infra.checks.pipeline import MAX_ACTIONS_PER_STAGE
from nova_infra.config import Config
from nova_infra.config.rules.contradictions import MAX_ACTIONS, actions_besides
from nova_infra.machine.pythons import DELIVERED


def test_the_stages_are_those_of_the_design(assembly: Assembly) -> None:
    assert [stage["Name"] for stage in pipeline(assembly)["Stages"]] == [
        "Source",
        "Build",
        "ApprovePipeline",
        "UpdatePipeline",
        "Images",
        "Dev",
        "Staging",
        "ApproveProduction",
        "Prod",
    ]


def test_updating_itself_deploys_the_registry_first_so_that_a_new_service_has_a_repository(assembly: Assembly) -> None:
    [update] = stage(assembly, "UpdatePipeline")["Actions"]
    assert any(f"deploy {STACK} --require-approval=never" in command for command in commands(assembly, update))
    assert assembly.order[STACK] == {"NovaRegistryStack"}


def test_it_is_a_named_v2_pipeline(assembly: Assembly) -> None:
    assert (pipeline(assembly)["Name"], pipeline(assembly)["PipelineType"]) == ("nova-platform", "V2")
    assert pipeline(assembly)["RestartExecutionOnUpdate"] is True


def test_each_stack_takes_one_action_by_the_roles_that_deploy_it(assembly: Assembly) -> None:
    for name in ("Dev", "Staging", "Prod"):
        deployed = [a for a in stage(assembly, name)["Actions"] if a["ActionTypeId"]["Provider"] == "CloudFormation"]
        assert {action["Configuration"]["ActionMode"] for action in deployed} == {"CREATE_UPDATE"}
        assert len({action["Configuration"]["StackName"] for action in deployed}) == len(deployed)


def test_steps_get_the_source_with_its_history(assembly: Assembly) -> None:
    [source] = stage(assembly, "Source")["Actions"]
    assert source["Configuration"]["OutputArtifactFormat"] == "CODEBUILD_CLONE_REF"


def test_a_stage_can_be_rolled_back_which_no_pipeline_can_that_runs_executions_in_parallel(assembly: Assembly) -> None:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html."""
    assert pipeline(assembly).get("ExecutionMode", "SUPERSEDED") == "SUPERSEDED"


def test_the_pipelines_own_role_starts_every_build_and_reads_the_source(assembly: Assembly) -> None:
    for stage_ in pipeline(assembly)["Stages"]:
        for action in stage_["Actions"]:
            assert ("RoleArn" in action) is (action["ActionTypeId"]["Provider"] == "CloudFormation"), action["Name"]


def test_builds_run_on_an_image_that_codebuild_maintains(assembly: Assembly) -> None:
    images = {each["Environment"]["Image"] for each in assembly.properties(STACK, "AWS::CodeBuild::Project")}
    assert images == {"aws/codebuild/standard:8.0"}


def test_every_build_runs_the_delivered_python_and_not_the_build_images_default(assembly: Assembly) -> None:
    for each in assembly.properties(STACK, "AWS::CodeBuild::Project"):
        install = json.loads(each["Source"]["BuildSpec"])["phases"]["install"]
        assert install["runtime-versions"] == {"python": DELIVERED}


def test_pushes_to_the_branch_start_it_unless_they_change_documentation_only(assembly: Assembly) -> None:
    [trigger] = pipeline(assembly)["Triggers"]
    [push] = trigger["GitConfiguration"]["Push"]
    assert push == {"Branches": {"Includes": ["main"]}, "FilePaths": {"Excludes": ["docs/**", "*.md"]}}
    assert trigger["GitConfiguration"]["SourceActionName"] == stage(assembly, "Source")["Actions"][0]["Name"]


def test_the_source_is_a_full_clone(assembly: Assembly) -> None:
    [action] = stage(assembly, "Source")["Actions"]
    assert action["ActionTypeId"]["Provider"] == "CodeStarSourceConnection"
    assert action["Configuration"]["OutputArtifactFormat"] == "CODEBUILD_CLONE_REF"


def test_whoever_reads_the_source_may_use_the_connection_by_its_old_name_and_its_new_one(assembly: Assembly) -> None:
    readers: dict[str, set[str]] = {"codestar-connections:UseConnection": set(), "codeconnections:UseConnection": set()}
    for policy in assembly.properties(STACK, "AWS::IAM::Policy"):
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = statement["Action"] if statement["Effect"] == "Allow" else []
            for action in readers.keys() & ({actions} if isinstance(actions, str) else set(actions)):
                assert statement["Resource"].startswith("arn:aws:codeconnections:us-east-1:444444444444:connection/")
                readers[action] |= {role["Ref"] for role in policy["Roles"]}
    old, new = readers.values()
    assert old == new
    build_roles = {
        project(assembly, action)["ServiceRole"]["Fn::GetAtt"][0]
        for name in ("Build", "Images", "Dev", "Staging")
        for action in stage(assembly, name)["Actions"]
        if action["ActionTypeId"]["Provider"] == "CodeBuild" and action["Name"] != "Compare"  # it has the assembly
    }
    assert build_roles < new


def test_nova_toml_counts_what_a_stage_does_besides_deploying_services(assembly: Assembly, config: Config) -> None:
    services = dict(enumerate(config.services))
    for environment in config.environments:
        besides = len(stage(assembly, environment.stage)["Actions"]) - len(services)
        assert actions_besides(environment, services) == besides, environment.name
    assert MAX_ACTIONS == MAX_ACTIONS_PER_STAGE


def test_no_build_runs_for_longer_than_an_hour_but_that_of_all_images(assembly: Assembly) -> None:
    [images] = stage(assembly, "Images")["Actions"]
    own = project(assembly, images)
    assert own["TimeoutInMinutes"] == 240
    others = [each for each in assembly.properties(STACK, "AWS::CodeBuild::Project") if each != own]
    assert {each["TimeoutInMinutes"] for each in others} == {10, 60}


def test_a_token_is_read_from_secrets_manager_and_sets_no_trigger(variant: Assembly) -> None:
    [action] = stage(variant, "Source")["Actions"]
    assert action["ActionTypeId"]["Provider"] == "GitHub"
    assert action["Configuration"]["OAuthToken"] == "{{resolve:secretsmanager:github-token:SecretString:::}}"
    assert "Triggers" not in pipeline(variant)


def test_every_command_is_a_make_target_or_a_nova_command(assembly: Assembly, variant: Assembly) -> None:
    for each in (assembly, variant):
        for stage_ in pipeline(each)["Stages"]:
            for action in stage_["Actions"]:
                own = stage_["Name"] == "UpdatePipeline" or action["Name"] == "Compare"
                if action["ActionTypeId"]["Provider"] == "CodeBuild" and not own:
                    for command in commands(each, action):
                        # CDK links an artifact of another step, here that of the tools.
                        assert command.split()[0] == "make" or "CODEBUILD_SRC_DIR_" in command, command


def test_build_checks_before_it_synthesizes(assembly: Assembly) -> None:
    action, _ = stage(assembly, "Build")["Actions"]
    assert commands(assembly, action) == ["make setup", "make check", "make audit", "make tools", "make synth"]


def test_the_pipeline_changes_itself_only_after_an_approval_that_is_skipped_where_nothing_changes(
    assembly: Assembly,
) -> None:
    compare = stage(assembly, "Build")["Actions"][1]
    assert compare["InputArtifacts"] == [{"Name": "Synth_Output"}]
    assert compare["Namespace"] == "Compare"
    # The pipeline's own role, which nothing but the service may take, starts it.
    assert "RoleArn" not in compare
    spec = json.loads(project(assembly, compare)["Source"]["BuildSpec"])
    assert spec["env"] == {"exported-variables": ["PIPELINE", "ASSEMBLY"]}
    asked = stage(assembly, "ApprovePipeline")
    assert asked["Actions"][0]["Configuration"]["CustomData"] == "#{Compare.PIPELINE}"
    assert [action["ActionTypeId"]["Category"] for action in asked["Actions"]] == ["Approval"]
    [condition] = asked["BeforeEntry"]["Conditions"]
    assert condition["Result"] == "SKIP"
    [rule] = condition["Rules"]
    assert rule["RuleTypeId"]["Provider"] == "VariableCheck"
    assert rule["Configuration"] == {"Variable": "#{Compare.PIPELINE}", "Value": "same", "Operator": "NE"}


def test_no_two_builds_of_a_stage_run_at_once_which_a_new_accounts_quota_refuses(
    assembly: Assembly, variant: Assembly
) -> None:
    for each in (assembly, variant):
        for stage_ in pipeline(each)["Stages"]:
            builds = [a["RunOrder"] for a in stage_["Actions"] if a["ActionTypeId"]["Provider"] == "CodeBuild"]
            assert len(builds) == len(set(builds)), stage_["Name"]


def test_one_build_makes_the_images_of_an_architecture_and_may_write_to_the_installations_repositories(
    assembly: Assembly, service_names: list[str]
) -> None:
    [action] = stage(assembly, "Images")["Actions"]
    assert commands(assembly, action)[-1] == "make images ARCHITECTURE=x86-64"
    role = project(assembly, action)["ServiceRole"]["Fn::GetAtt"][0]
    [policy] = [p for p in assembly.properties(STACK, "AWS::IAM::Policy") if {"Ref": role} in p["Roles"]]
    [written] = [s["Resource"] for s in policy["PolicyDocument"]["Statement"] if "ecr:PutImage" in s["Action"]]
    assert json.dumps(written).endswith('repository/nova/*"')
    assert not any(service in json.dumps(policy) for service in service_names)


def test_updating_itself_adopts_the_repository_of_a_service_whose_name_is_used_again(assembly: Assembly) -> None:
    [update] = stage(assembly, "UpdatePipeline")["Actions"]
    variables = project(assembly, update)["Environment"]["EnvironmentVariables"]
    assert {"Name": "CDK_IMPORT_EXISTING_RESOURCES", "Type": "PLAINTEXT", "Value": "true"} in variables


def test_only_image_builds_are_privileged(assembly: Assembly) -> None:
    for stage_ in pipeline(assembly)["Stages"]:
        for action in stage_["Actions"]:
            if action["ActionTypeId"]["Provider"] == "CodeBuild":
                privileged = project(assembly, action)["Environment"]["PrivilegedMode"]
                assert privileged is (stage_["Name"] == "Images"), action["Name"]


def test_an_image_is_built_where_it_can_run(assembly: Assembly, variant: Assembly) -> None:
    def kind(each: Assembly) -> str:
        found: str = project(each, stage(each, "Images")["Actions"][0])["Environment"]["Type"]
        return found

    assert (kind(assembly), kind(variant)) == ("LINUX_CONTAINER", "ARM_CONTAINER")


@pytest.mark.parametrize(("name", "tests"), [("Dev", "integration"), ("Staging", "e2e")])
def test_an_environment_is_tested_at_its_url_after_all_its_stacks(
    assembly: Assembly, service_names: list[str], name: str, tests: str
) -> None:
    actions = stage(assembly, name)["Actions"]
    deployments = [action for action in actions if action["ActionTypeId"]["Provider"] == "CloudFormation"]
    [test] = [action for action in actions if action["Name"].endswith("Tests")]
    assert len(deployments) == len(["platform", *service_names, "overview"])
    assert all(test["RunOrder"] > action["RunOrder"] for action in deployments)
    assert commands(assembly, test)[-1] == f"make {tests}"
    assert "BASE_URL" in test["Configuration"]["EnvironmentVariables"]


@pytest.mark.parametrize("name", ["Dev", "Staging", "Prod"])
def test_what_runs_is_verified_after_all_stacks_and_then_tested(assembly: Assembly, name: str) -> None:
    actions = stage(assembly, name)["Actions"]
    [verify] = [action for action in actions if action["Name"] == "Verify"]
    assert commands(assembly, verify)[-1] == f"make verify ENVIRONMENT={name.lower()}"
    for action in actions:
        if action["ActionTypeId"]["Provider"] == "CloudFormation":
            assert action["RunOrder"] < verify["RunOrder"]
        if action["Name"].endswith("Tests"):
            assert action["RunOrder"] > verify["RunOrder"]


def test_whoever_approves_is_told_what_before_they_are_asked(assembly: Assembly) -> None:
    brief, approval = sorted(stage(assembly, "ApproveProduction")["Actions"], key=lambda action: action["RunOrder"])
    assert (brief["Name"], approval["ActionTypeId"]["Category"]) == ("Brief", "Approval")
    assert brief["RunOrder"] < approval["RunOrder"]
    assert commands(assembly, brief)[-1] == "make brief ENVIRONMENT=prod"


def test_production_is_entered_through_the_preflight_after_the_approval(assembly: Assembly) -> None:
    actions = stage(assembly, "Prod")["Actions"]
    [preflight] = [action for action in actions if action["Name"] == "Preflight"]
    assert commands(assembly, preflight)[-1] == "make preflight ENVIRONMENT=prod"
    assert all(action["RunOrder"] > preflight["RunOrder"] for action in actions if action is not preflight)
    assert [
        a["Name"] for s in ("Dev", "Staging") for a in stage(assembly, s)["Actions"] if a["Name"] == "Preflight"
    ] == []


def test_services_deploy_in_parallel(assembly: Assembly) -> None:
    orders = {action["Name"]: action["RunOrder"] for action in stage(assembly, "Prod")["Actions"]}
    assert len({order for name, order in orders.items() if "service" in name}) == 1


def test_the_tools_have_the_versions_of_package_json(assembly: Assembly) -> None:
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    [action] = stage(assembly, "UpdatePipeline")["Actions"]
    assert f"npm install -g --offline /tmp/aws-cdk-{pinned['aws-cdk']}.tgz" in commands(assembly, action)


def test_a_failed_production_stage_rolls_back_to_its_last_good_execution(assembly: Assembly) -> None:
    assert stage(assembly, "Prod")["OnFailure"] == {"Result": "ROLLBACK"}
    assert "OnFailure" not in stage(assembly, "Dev")


def test_a_failed_stage_may_be_retried(variant: Assembly) -> None:
    assert stage(variant, "TestEu")["OnFailure"] == {
        "Result": "RETRY",
        "RetryConfiguration": {"RetryMode": "FAILED_ACTIONS"},
    }


def test_a_stage_is_entered_in_its_window_only(variant: Assembly) -> None:
    [condition] = stage(variant, "Live")["BeforeEntry"]["Conditions"]
    [rule] = condition["Rules"]
    assert condition["Result"] == "FAIL"
    assert rule["RuleTypeId"]["Provider"] == "DeploymentWindow"
    assert rule["Configuration"] == {"Cron": "* * 9-17 ? * MON-THU", "TimeZone": "Asia/Tokyo"}


def test_failures_and_waiting_approvals_are_announced(assembly: Assembly) -> None:
    rule = assembly.only(STACK, "AWS::CodeStarNotifications::NotificationRule")
    assert rule["EventTypeIds"] == [
        "codepipeline-pipeline-pipeline-execution-failed",
        "codepipeline-pipeline-manual-approval-needed",
    ]
    [topic] = assembly.resources(STACK, "AWS::SNS::Topic")
    assert rule["Targets"] == [{"TargetAddress": {"Ref": topic}, "TargetType": "SNS"}]


def test_artifacts_are_encrypted_private_and_forgotten(assembly: Assembly) -> None:
    bucket = assembly.only(STACK, "AWS::S3::Bucket")
    [encryption] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == 90


def test_environments_in_other_accounts_can_read_the_artifacts(assembly: Assembly) -> None:
    key = assembly.only(STACK, "AWS::KMS::Key")
    for account in ("111111111111", "222222222222", "333333333333"):
        assert account in json.dumps(key["KeyPolicy"])


def test_builds_log_encrypted_for_three_months(assembly: Assembly) -> None:
    [(log_group_id, log_group)] = assembly.resources(STACK, "AWS::Logs::LogGroup").items()
    assert log_group["Properties"]["RetentionInDays"] == 90
    for build in assembly.properties(STACK, "AWS::CodeBuild::Project"):
        assert build["LogsConfig"]["CloudWatchLogs"]["GroupName"] == {"Ref": log_group_id}

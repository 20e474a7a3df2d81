"""What runs with which rights in the pipeline, and what it may reach."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.assembly import Assembly
from helpers.delivery_pipeline import ROOT, STACK, commands, pipeline, project, stage
from nova_infra.checks.permissions.edges.run_steps import DIGEST, EMPTY
from nova_infra.constructs.pipeline.built_assembly import refuse_another, refuse_others
from nova_infra.machine.tools import digest_of_tools


def test_what_compares_runs_nothing_of_the_commit_and_may_only_read_the_two_stacks(assembly: Assembly) -> None:
    compare = stage(assembly, "Build")["Actions"][1]
    command, digest = commands(assembly, compare)
    assert digest == f"ASSEMBLY=$({DIGEST}) && export ASSEMBLY && echo $ASSEMBLY"
    assert (ROOT / "nova_infra/constructs/pipeline/compare_pipeline.py").read_text() in command
    assert "make" not in command.split()
    role = project(assembly, compare)["ServiceRole"]["Fn::GetAtt"][0]
    [policy] = [p for p in assembly.properties(STACK, "AWS::IAM::Policy") if {"Ref": role} in p["Roles"]]
    granted = {
        action
        for each in policy["PolicyDocument"]["Statement"]
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
        if not action.startswith(("logs:", "codebuild:", "kms:", "s3:Get", "s3:List"))
    }
    assert granted == {"cloudformation:DescribeStacks", "cloudformation:GetTemplate"}


def test_what_is_deployed_is_what_the_brief_the_approval_the_preflight_and_verify_are_about(assembly: Assembly) -> None:
    about = {}
    for stage_ in pipeline(assembly)["Stages"]:
        for action in stage_["Actions"]:
            if "#{Compare.ASSEMBLY}" in json.dumps(action):
                about[f"{stage_['Name']}: {action['Name']}"] = action
    names = ("Dev: Verify", "Staging: Verify", "ApproveProduction: Brief", "Prod: Preflight", "Prod: Verify")
    assert set(about) == {*names, "ApproveProduction: ApproveProduction", "UpdatePipeline: SelfMutate"}
    del about["UpdatePipeline: SelfMutate"]  # it has the assembly as its own source: see below
    assert "#{Compare.ASSEMBLY}" in about.pop("ApproveProduction: ApproveProduction")["Configuration"]["CustomData"]
    for action in about.values():
        source, *_, built = action["InputArtifacts"]
        assert built == {"Name": "Synth_Output"}
        assert action["Configuration"]["PrimarySource"] == source["Name"]
        [variable] = json.loads(action["Configuration"]["EnvironmentVariables"])
        assert variable == {"name": "ASSEMBLY", "type": "PLAINTEXT", "value": "#{Compare.ASSEMBLY}"}


def test_what_synthesizes_writes_its_own_artifact_and_deletes_nothing(assembly: Assembly) -> None:
    role = project(assembly, stage(assembly, "Build")["Actions"][0])["ServiceRole"]["Fn::GetAtt"][0]
    [policy] = [p for p in assembly.properties(STACK, "AWS::IAM::Policy") if {"Ref": role} in p["Roles"]]
    denied = {
        each["Action"]: each
        for each in policy["PolicyDocument"]["Statement"]
        if each["Effect"] == "Deny" and "UseConnection" not in each["Action"]
    }
    assert set(denied) == {"s3:DeleteObject*", "s3:PutObject*"}
    assert denied["s3:DeleteObject*"]["Resource"] == "*"
    own = [each["Fn::Join"][1][1] for each in denied["s3:PutObject*"]["NotResource"]]
    made = [each["Name"] for each in stage(assembly, "Build")["Actions"][0]["OutputArtifacts"]]
    assert sorted(own) == sorted(f"/*/{name[:8]}*" for name in made)
    assert "/*/Synth_Ou*" in own


def test_the_connection_reads_this_repository_and_nothing_else(assembly: Assembly) -> None:
    """Whoever may use it is denied other repositories, and whatever needs to write."""
    policies = [p["PolicyDocument"]["Statement"] for p in assembly.properties(STACK, "AWS::IAM::Policy")]
    users = [each for each in policies if "UseConnection" in json.dumps(each)]
    assert len(users) > 5
    for statements in users:
        denied = [s for s in statements if s["Effect"] == "Deny" and "UseConnection" in s["Action"]]
        for prefix in ("codestar-connections", "codeconnections"):
            repository, permissions = f"{prefix}:FullRepositoryId", f"{prefix}:ProviderPermissionsRequired"
            conditions = [s["Condition"] for s in denied if s["Action"] == f"{prefix}:UseConnection"]
            assert {
                "StringNotEquals": {repository: "org/nova-platform"},
                "Null": {repository: "false"},
            } in conditions
            assert {"StringEquals": {permissions: "read_write"}} in conditions
        assert {s["Resource"] for s in denied} == {"*"}


def test_steps_install_what_the_commands_or_the_tests_need_and_nothing_else(assembly: Assembly) -> None:
    installed = {
        action["Name"]: variable["Value"]
        for stage_ in pipeline(assembly)["Stages"]
        for action in stage_["Actions"]
        if action["ActionTypeId"]["Provider"] == "CodeBuild"
        for variable in project(assembly, action)["Environment"].get("EnvironmentVariables", [])
        if variable["Name"] == "NOVA_SETUP"
    }
    assert installed == {
        **dict.fromkeys(("x86-64", "Verify", "Brief", "Preflight"), "runtime"),
        **dict.fromkeys(("IntegrationTests", "E2ETests"), "tests"),
    }


def after_build(assembly: Assembly) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every step that runs commands after Build, with its project: of the comparison beside Build, too."""
    for stage_ in pipeline(assembly)["Stages"]:
        for action in stage_["Actions"]:
            if action["ActionTypeId"]["Provider"] == "CodeBuild" and action["Name"] != "Synth":
                yield action, project(assembly, action)


@pytest.mark.parametrize("fixture", ["assembly", "variant"])
def test_no_step_after_build_needs_a_registry_of_packages(
    request: pytest.FixtureRequest, fixture: str, example: Path
) -> None:
    assembly = request.getfixturevalue(fixture)
    [packed] = [
        artifact["Name"]
        for artifact in stage(assembly, "Build")["Actions"][0]["OutputArtifacts"]
        if artifact["Name"] != "Synth_Output"
    ]
    seen = set()
    for action, own in after_build(assembly):
        phases = json.loads(own["Source"]["BuildSpec"])["phases"].values()
        run = [command for phase in phases for command in phase.get("commands", ())]
        # `make` installs by set-up, whatever the target.
        sets_up = any(re.match(r"make ", command) for command in run)
        fetched = [command for command in run if re.search(r"\b(pip|npm|npx|uvx?|pipx|yarn|curl|wget) ", command)]
        if sets_up:
            assert packed in {each["Name"] for each in action["InputArtifacts"]}, action["Name"]
            variables = {each["Name"]: each["Value"] for each in own["Environment"]["EnvironmentVariables"]}
            assert variables["NOVA_TOOLS"] == ".nova/tools", action["Name"]
            assert variables["NOVA_SETUP"] in ("runtime", "tests"), action["Name"]
            # Before anything of the commit runs, and so before its own comparison.
            assert run[0].endswith(f'ln -s -- "$CODEBUILD_SRC_DIR_{packed}" ".nova/tools"')
        if action["Name"] in ("Preflight", "Verify", "Brief"):
            others = refuse_others(digest_of_tools(example))
            assert run[1:3] == [f"{{ {refuse_another()}; }} && {{ {others}; }}", "make setup"]
        if action["Name"] == "SelfMutate":
            assert [each["Name"] for each in action["InputArtifacts"]] == ["Synth_Output", packed]
            assert action["Configuration"]["PrimarySource"] == "Synth_Output"
            # npm is asked where the archive has another version, and what comes from there has the lock's hash, too.
            taken, _, asked = fetched.pop(0).partition(" || ")
            assert re.fullmatch(rf'cp "\$CODEBUILD_SRC_DIR_{packed}/cli/aws-cdk-[0-9.]+\.tgz" /tmp/', taken)
            assert asked.startswith("npm pack ")
            assert [command.startswith("npm install -g --offline /tmp/") for command in fetched] == [True]
            fetched = []
        assert not fetched, action["Name"]
        seen.add(action["Name"])
    wanted = {"assembly": {"x86-64", "IntegrationTests", "E2ETests"}, "variant": {"arm64", "Gate"}}[fixture]
    assert seen >= wanted | {"Compare", "SelfMutate", "Preflight", "Verify", "Brief"}


def test_the_pipeline_updates_itself_by_the_cli_of_the_lock_and_by_no_other(assembly: Assembly) -> None:
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]["node_modules/aws-cdk"]
    digest = base64.b64decode(locked["integrity"].removeprefix("sha512-")).hex()
    [action] = stage(assembly, "UpdatePipeline")["Actions"]
    checked = commands(assembly, action)[3]
    assert checked.startswith(f'echo "{digest}  /tmp/aws-cdk-{locked["version"]}.tgz" | sha512sum --check --quiet || ')
    assert checked.endswith("false; }")


def test_the_pipeline_updates_itself_from_the_compared_assembly_where_nothing_of_the_commit_is(
    assembly: Assembly,
) -> None:
    """npm reads an ``.npmrc`` where it runs, and the CDK CLI plugins that a ``cdk.json`` names."""
    [action] = stage(assembly, "UpdatePipeline")["Actions"]
    refuse, elsewhere, *_, again, update = commands(assembly, action)
    assert refuse == refuse_another("$CODEBUILD_SRC_DIR")
    assert (elsewhere, again) == (f"mkdir {EMPTY} && cd {EMPTY}", f"cd {EMPTY}")
    assert update == f'cdk -a "$CODEBUILD_SRC_DIR" deploy {STACK} --require-approval=never --verbose'
    config_hash, wanted = json.loads(action["Configuration"]["EnvironmentVariables"])
    assert config_hash["name"] == "_PROJECT_CONFIG_HASH"
    assert wanted == {"name": "ASSEMBLY", "type": "PLAINTEXT", "value": "#{Compare.ASSEMBLY}"}


def test_a_vulnerability_that_becomes_known_later_reaches_the_topic(assembly: Assembly) -> None:
    rule = assembly.only(STACK, "AWS::Events::Rule")
    assert rule["EventPattern"]["source"] == ["aws.inspector2"]
    detail = rule["EventPattern"]["detail"]
    assert detail["severity"] == ["CRITICAL", "HIGH"]
    assert detail["resources"]["details"]["awsEcrContainerImage"]["repositoryName"] == [{"prefix": "nova/"}]
    [topic] = assembly.resources(STACK, "AWS::SNS::Topic")
    assert rule["Targets"][0]["Arn"] == {"Ref": topic}
    publishers = [
        (statement["Principal"].get("Service"), statement.get("Condition"))
        for policy in assembly.properties(STACK, "AWS::SNS::TopicPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if "sns:Publish" in statement["Action"] and statement["Effect"] == "Allow"
    ]
    # EventBridge supports no condition on the way to an encrypted topic: with one the message would be lost.
    assert [condition for service, condition in publishers if service == "events.amazonaws.com"] == [None]
    keys = json.dumps(assembly.properties(STACK, "AWS::KMS::Key"))
    assert "events.amazonaws.com" in keys, "a message that cannot be encrypted is lost"


def test_a_suite_that_answers_gates_runs_beside_the_deployments_that_wait_for_it(variant: Assembly) -> None:
    actions = {action["Name"]: action for action in stage(variant, "TestEu")["Actions"]}
    gate = actions["Gate"]
    assert gate["RunOrder"] == actions["acme-test-eu-search.Deploy"]["RunOrder"]
    assert actions["acme-test-eu-platform.Deploy"]["RunOrder"] < gate["RunOrder"] < actions["Verify"]["RunOrder"]
    assert commands(variant, gate)[-3:] == ["make setup", "make browser", "make gate ENVIRONMENT=test-eu"]
    built = project(variant, gate)
    told = {each["Name"]: each["Value"] for each in built["Environment"]["EnvironmentVariables"]}
    suite = {"GATED": "search", "LOADED": "search", "SUITE": "make e2e"}
    assert told == {**suite, "NOVA_SETUP": "tests", "NOVA_TOOLS": ".nova/tools"}
    bakes, waits = 4 * 5 + 6, 60 + 60 + 35  # its own gate, and the others of its release
    assert built["TimeoutInMinutes"] == bakes + waits + 60
    assert "Gate" not in [action["Name"] for action in stage(variant, "Live")["Actions"]]


def test_who_answers_for_the_suite_may_answer_and_write_that_down_and_nothing_else(variant: Assembly) -> None:
    platform = "acme-test-eu-platform"
    [role] = [r for r in variant.properties(platform, "AWS::IAM::Role") if r.get("RoleName") == "acme-test-eu-gate"]
    trusted = json.dumps(role["AssumeRolePolicyDocument"])
    assert "role/acme-test-eu-gate-step" in trusted
    assert "verify-step" not in trusted
    [name] = [
        key
        for key, each in variant.templates[platform]["Resources"].items()
        if each["Type"] == "AWS::IAM::Role" and each["Properties"].get("RoleName") == "acme-test-eu-gate"
    ]
    [policy] = [p for p in variant.properties(platform, "AWS::IAM::Policy") if {"Ref": name} in p["Roles"]]
    actions = [
        action
        for statement in policy["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    ]
    changes = {a for a in actions if not a.split(":")[1].startswith(("Describe", "List", "Get", "BatchGet"))}
    assert changes == {
        "ecs:ContinueServiceDeployment",
        "ecs:StopServiceDeployment",
        "events:PutEvents",
        "ssm:PutParameter",
    }


def test_no_build_has_a_cache_that_another_one_has_written(assembly: Assembly, variant: Assembly) -> None:
    for each in (assembly, variant):
        for built in each.properties(STACK, "AWS::CodeBuild::Project"):
            assert built.get("Cache", {"Type": "NO_CACHE"}) == {"Type": "NO_CACHE"}
            assert "cache" not in json.loads(built["Source"]["BuildSpec"])


def test_a_release_tool_may_take_its_own_environment_s_role_and_no_other(assembly: Assembly) -> None:
    taken = {}
    for name in ("Dev", "Staging", "ApproveProduction", "Prod"):
        for action in stage(assembly, name)["Actions"]:
            if action["Name"] in ("Brief", "Preflight", "Verify"):
                role = project(assembly, action)["ServiceRole"]["Fn::GetAtt"][0]
                assert assembly.templates[STACK]["Resources"][role]["Properties"]["RoleName"].endswith("-step")
                [policy] = [p for p in assembly.properties(STACK, "AWS::IAM::Policy") if {"Ref": role} in p["Roles"]]
                taken[name, action["Name"]] = [
                    statement["Resource"]
                    for statement in policy["PolicyDocument"]["Statement"]
                    if statement["Action"] == "sts:AssumeRole"
                ]
    assert taken == {
        ("Dev", "Verify"): ["arn:aws:iam::111111111111:role/nova-dev-release"],
        ("Staging", "Verify"): ["arn:aws:iam::222222222222:role/nova-staging-release"],
        ("ApproveProduction", "Brief"): ["arn:aws:iam::333333333333:role/nova-prod-observer"],
        ("Prod", "Preflight"): ["arn:aws:iam::333333333333:role/nova-prod-observer"],
        ("Prod", "Verify"): ["arn:aws:iam::333333333333:role/nova-prod-release"],
    }

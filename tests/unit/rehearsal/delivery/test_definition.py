import json
from typing import Any

import pytest

from nova_infra.assembly import AssemblyError
from nova_infra.checks.permissions.edges.run_steps import PUBLISH
from nova_infra.errors import NovaError
from nova_infra.rehearsal.delivery.definition import (
    ApprovalAction,
    BuildAction,
    DeployAction,
    Pipeline,
    PrepareAction,
    SourceAction,
    Stage,
    read_pipeline,
)
from nova_infra.rehearsal.delivery.delivery import bake_minutes
from nova_infra.rehearsal.tasks.task import SECRET


def action(name: str, category: str, provider: str, *, order: int = 1, **configuration: Any) -> dict[str, Any]:
    kind = {"Category": category, "Provider": provider}
    return {"Name": name, "RunOrder": order, "ActionTypeId": kind, "Configuration": configuration}


def template(*actions: dict[str, Any], spec: Any = None, **project: Any) -> dict[str, Any]:
    spec = spec or {"phases": {"install": {"commands": ["get"]}, "build": {"commands": ["make", "check"]}}}
    return {
        "Resources": {
            "Pipe": {
                "Type": "AWS::CodePipeline::Pipeline",
                "Properties": {"Name": "nova", "Stages": [{"Name": "Only", "Actions": list(actions)}]},
            },
            "Project": {
                "Type": "AWS::CodeBuild::Project",
                "Properties": {"Source": {"BuildSpec": json.dumps(spec)}, "Environment": project},
            },
        }
    }


def read_one(definition: dict[str, Any], **project: Any) -> Any:
    [stage] = read_pipeline(template(definition, **project)).stages
    return stage.actions[0]


def test_a_source_is_read_from_either_provider() -> None:
    connection = action("Source", "Source", "CodeStarSourceConnection", FullRepositoryId="o/r", BranchName="main")
    assert read_one(connection) == SourceAction("Source", 1, repository="o/r", branch="main")
    github = action("Source", "Source", "GitHub", Repo="r", Branch="b")
    assert read_one(github) == SourceAction("Source", 1, repository="r", branch="b")


def test_a_build_has_the_commands_of_all_phases_and_the_variables_of_project_and_action() -> None:
    variables = json.dumps(
        [{"name": "URL", "type": "PLAINTEXT", "value": "#{Dev.Url}"}, {"name": "_HASH", "value": "x"}]
    )
    build = action("Test", "Build", "CodeBuild", ProjectName={"Ref": "Project"}, EnvironmentVariables=variables)
    spec = {
        "phases": {"post_build": {"commands": ["c"]}, "pre_build": {"commands": ["a"]}, "build": {"commands": ["b"]}}
    }
    read = read_one(
        build, spec=spec, EnvironmentVariables=[{"Name": "A", "Value": "1"}, {"Name": "URL", "Value": "no"}]
    )
    assert isinstance(read, BuildAction)
    assert read.commands == ("a", "b", "c")
    assert read.environment == {"A": "1", "URL": "#{Dev.Url}"}
    assert not read.privileged
    assert not read.updates_pipeline


@pytest.mark.parametrize(
    ("command", "updates"),
    [("npx/cdk deploy Pipe", True), ("cdk -a . deploy P", True), ("cdk synth", False), ("make", False)],
)
def test_the_step_that_updates_the_pipeline_is_recognized_by_its_command(command: str, updates: bool) -> None:
    build = action("Mutate", "Build", "CodeBuild", ProjectName={"Ref": "Project"})
    assert read_one(build, spec={"phases": {"build": {"commands": [command]}}}).updates_pipeline is updates


def test_a_deployment_names_its_stack_and_template() -> None:
    deploy = action(
        "Deploy", "Deploy", "CloudFormation", ActionMode="CREATE_UPDATE", StackName="s", TemplatePath="Synth::a/b.json"
    )
    assert read_one(deploy | {"Namespace": "N"}) == DeployAction(
        "Deploy", 1, stack_name="s", template_path="a/b.json", namespace="N"
    )


def test_a_change_set_is_prepared_and_what_executes_it_deploys_its_template() -> None:
    prepare = action(
        "Prepare", "Deploy", "CloudFormation", ActionMode="CHANGE_SET_REPLACE", StackName="s",
        TemplatePath="Synth::a/b.json", ChangeSetName="c",
    )  # fmt: skip
    execute = action(
        "Deploy", "Deploy", "CloudFormation", order=2, ActionMode="CHANGE_SET_EXECUTE", StackName="s", ChangeSetName="c"
    )
    [stage] = read_pipeline(template(prepare, execute)).stages
    assert stage.actions == (
        PrepareAction("Prepare", 1, stack_name="s", template_path="a/b.json"),
        DeployAction("Deploy", 2, stack_name="s", template_path="a/b.json", namespace=None),
    )


def test_a_change_set_that_nothing_prepares_is_refused() -> None:
    execute = action("Deploy", "Deploy", "CloudFormation", ActionMode="CHANGE_SET_EXECUTE", StackName="s")
    with pytest.raises(AssemblyError, match="CHANGE_SET_EXECUTE"):
        read_one(execute)


@pytest.mark.parametrize(
    ("command", "publishes"),
    [
        ('cdk-assets --path "a.json" --verbose publish "x"', True),
        (f"python3 - {PUBLISH}", True),
        ("cdk-assets --help", False),
        ("make image", False),
    ],
)
def test_the_step_that_publishes_assets_is_recognized_by_its_command(command: str, publishes: bool) -> None:
    build = action("Assets", "Build", "CodeBuild", ProjectName={"Ref": "Project"})
    assert read_one(build, spec={"phases": {"build": {"commands": [command]}}}).publishes_assets is publishes


def test_an_approval_is_an_action_of_its_own() -> None:
    assert read_one(action("Ask", "Approval", "Manual")) == ApprovalAction("Ask", 1)


@pytest.mark.parametrize(
    ("minutes", "limit"),
    [(None, "7 days"), (1440, "1 day"), (86400, "60 days"), (90, "1 h 30 min"), (10085, "168 h 05 min")],
)
def test_an_approval_waits_for_a_week_unless_the_template_says_otherwise(minutes: int | None, limit: str) -> None:
    given = {} if minutes is None else {"TimeoutInMinutes": minutes}
    approval = {**action("Ask", "Approval", "Manual"), **given}
    assert read_one(approval).limit == limit
    assert f"expires after {limit}" in read_pipeline(template(approval)).what_takes_days


@pytest.mark.parametrize(
    ("mode", "said", "unsafe"),
    [
        ({}, "replaces this one", False),
        ({"ExecutionMode": "SUPERSEDED"}, "replaces this one", False),
        ({"ExecutionMode": "QUEUED"}, "executions that wait for this one", False),
        ({"ExecutionMode": "PARALLEL"}, "", True),
    ],
)
def test_what_happens_to_executions_that_meet_is_reported(mode: dict[str, str], said: str, unsafe: bool) -> None:
    """Source: How pipeline executions work."""
    content = template(action("Build", "Build", "CodeBuild", ProjectName={"Ref": "Project"}))
    content["Resources"]["Pipe"]["Properties"].update(mode)
    pipeline = read_pipeline(content)
    assert said in pipeline.what_takes_days
    assert bool(pipeline.what_takes_days) is bool(said)
    assert any("PARALLEL" in clause for clause in pipeline.unsafe) is unsafe


def test_actions_with_one_run_order_are_a_wave() -> None:
    actions = [action(name, "Approval", "Manual", order=order) for name, order in [("c", 3), ("a", 1), ("b", 1)]]
    [stage] = read_pipeline(template(*actions)).stages
    assert [[a.name for a in wave] for wave in stage.waves()] == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        (action("Odd", "Invoke", "Lambda"), "a Invoke action by Lambda"),
        (action("Odd", "Deploy", "CloudFormation", ActionMode="DELETE_ONLY"), "DELETE_ONLY"),
        (action("Odd", "Build", "CodeBuild", ProjectName="elsewhere"), "CodeBuild project is not in"),
    ],
)
def test_an_action_that_is_not_known_is_refused_by_stage_and_name(definition: dict[str, Any], said: str) -> None:
    with pytest.raises(AssemblyError, match=r"Only\.Odd: ") as error:
        read_one(definition)
    assert said in str(error.value)


def test_a_stage_says_what_follows_its_failure_and_when_it_may_be_entered() -> None:
    pipeline = template(action("Yes", "Approval", "Manual"))
    properties = pipeline["Resources"]["Pipe"]["Properties"]
    rule = {
        "Name": "Window",
        "RuleTypeId": {"Provider": "DeploymentWindow"},
        "Configuration": {"Cron": "* * 9-17 ? * MON-THU", "TimeZone": "Asia/Tokyo"},
    }
    properties["Stages"][0] |= {
        "OnFailure": {"Result": "RETRY", "RetryConfiguration": {"RetryMode": "ALL_ACTIONS"}},
        "BeforeEntry": {"Conditions": [{"Result": "FAIL", "Rules": [rule]}]},
    }
    properties["DisableInboundStageTransitions"] = [{"StageName": "Only", "Reason": "a freeze"}]
    [stage] = read_pipeline(pipeline).stages
    assert (stage.on_failure, stage.retries_all) == ("RETRY", True)
    assert (stage.window, stage.closed_because) == (
        "* * 9-17 ? * MON-THU Asia/Tokyo",
        "the transition into Only is disabled: a freeze",
    )


def test_a_stage_that_is_skipped_for_a_reason_names_it() -> None:
    pipeline = template(action("Yes", "Approval", "Manual"))
    rule = {
        "Name": "Changes",
        "RuleTypeId": {"Provider": "VariableCheck"},
        "Configuration": {"Variable": "#{Compare.PIPELINE}", "Operator": "NE", "Value": "same"},
    }
    stages = pipeline["Resources"]["Pipe"]["Properties"]["Stages"]
    stages[0]["BeforeEntry"] = {"Conditions": [{"Result": "SKIP", "Rules": [rule]}]}
    [stage] = read_pipeline(pipeline).stages
    assert (stage.skipped_unless, stage.window) == ("PIPELINE of Compare is not 'same'", None)


@pytest.mark.parametrize(("result", "provider"), [("SKIP", "LambdaInvoke"), ("FAIL", "VariableCheck")])
def test_a_rule_of_entry_that_is_not_known_is_refused(result: str, provider: str) -> None:
    pipeline = template(action("Yes", "Approval", "Manual"))
    rule = {"Name": "X", "RuleTypeId": {"Provider": provider}, "Configuration": {}}
    stages = pipeline["Resources"]["Pipe"]["Properties"]["Stages"]
    stages[0]["BeforeEntry"] = {"Conditions": [{"Result": result, "Rules": [rule]}]}
    with pytest.raises(NovaError, match=provider):
        read_pipeline(pipeline)


def test_a_stage_that_says_nothing_of_its_failure_ends_with_it() -> None:
    [stage] = read_pipeline(template(action("Yes", "Approval", "Manual"))).stages
    assert (stage.on_failure, stage.retries_all, stage.window, stage.closed_because) == (None, False, None, None)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"phases": {}, "batch": {}}, "'batch'"),
        ({"phases": {"deploy": {"commands": []}}}, "'deploy'"),
        ({"phases": {}, "env": {"git-credential-helper": "yes"}}, "env.git-credential-helper"),
    ],
)
def test_a_build_spec_that_is_not_known_is_refused_by_stage_and_name(spec: Any, said: str) -> None:
    with pytest.raises(AssemblyError, match=r"Only\.T: ") as error:
        read_pipeline(template(action("T", "Build", "CodeBuild", ProjectName={"Ref": "Project"}), spec=spec))
    assert said in str(error.value)


def test_a_variable_that_aws_looks_up_has_a_made_up_value_and_is_named() -> None:
    variables = json.dumps([{"name": "TOKEN", "type": "SECRETS_MANAGER", "value": "npm:token"}])
    build = action("T", "Build", "CodeBuild", ProjectName={"Ref": "Project"}, EnvironmentVariables=variables)
    env = {"secrets-manager": {"KEY": "k"}, "parameter-store": {"PLACE": "/p"}, "variables": {"MODE": "fast"}}
    read = read_one(
        build,
        spec={"phases": {}, "env": env},
        EnvironmentVariables=[
            {"Name": "MODE", "Value": "/mode", "Type": "PARAMETER_STORE"},
            {"Name": "LEVEL", "Value": "/level", "Type": "PARAMETER_STORE"},
        ],
    )
    assert sorted(read.secrets) == ["KEY", "LEVEL", "PLACE", "TOKEN"]
    assert read.environment == {**dict.fromkeys(read.secrets, SECRET), "MODE": "fast"}


def test_a_pipeline_can_be_cut_after_a_stage() -> None:
    pipeline = Pipeline("p", tuple(Stage(name, ()) for name in ("Source", "Dev", "Prod")))
    assert [stage.name for stage in pipeline.until("Dev").stages] == ["Source", "Dev"]
    assert pipeline.until(None) == pipeline


def test_a_stage_that_is_not_in_the_template_is_refused_with_those_that_are() -> None:
    pipeline = Pipeline("p", tuple(Stage(name, ()) for name in ("Source", "Dev", "Prod")))
    with pytest.raises(AssemblyError, match="'Qa' is not a stage of p: choose one of Source, Dev, Prod"):
        pipeline.until("Qa")


@pytest.mark.parametrize(
    ("deployment", "minutes"),
    [
        ({"BakeTimeInMinutes": 7}, 7),
        ({"BakeTimeInMinutes": 7, "LifecycleHooks": {"Fn::If": ["Gated", [], []]}}, 0),
        ({"BakeTimeInMinutes": {"Ref": "Minutes"}}, 0),
        ({"BakeTimeInMinutes": 7, "Strategy": ["CANARY"]}, 0),
    ],
)
def test_a_bake_that_only_cloudformation_knows_counts_as_none(deployment: dict[str, Any], minutes: int) -> None:
    service = {"Type": "AWS::ECS::Service", "Properties": {"DeploymentConfiguration": deployment}}
    assert bake_minutes({"Resources": {"Shop": service, "Bare": {"Type": "AWS::ECS::Service"}}}) == minutes

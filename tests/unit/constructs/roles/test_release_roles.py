import json
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import pytest

from helpers.assembly import Assembly

WRITES = (
    *("Cancel", "Continue", "Create", "Update", "Delete", "Put", "Execute"),
    *("Register", "Deregister", "Pass", "Assume", "Run", "Stop"),
)


def role(assembly: Assembly, environment: str, name: str) -> tuple[str, dict[str, Any]]:
    [found] = [
        (key, resource["Properties"])
        for key, resource in assembly.resources(f"nova-{environment}-platform", "AWS::IAM::Role").items()
        if resource["Properties"].get("RoleName") == f"nova-{environment}-{name}"
    ]
    return found


def statements(assembly: Assembly, environment: str, name: str) -> list[dict[str, Any]]:
    key, _ = role(assembly, environment, name)
    [policy] = [
        properties
        for properties in assembly.properties(f"nova-{environment}-platform", "AWS::IAM::Policy")
        if {"Ref": key} in properties["Roles"]
    ]
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def allowed(assembly: Assembly, environment: str, name: str) -> dict[str, list[Any]]:
    """Action to the resources that it is allowed on."""
    found = {}
    for statement in statements(assembly, environment, name):
        if statement["Effect"] == "Deny":
            continue
        actions, resources = statement["Action"], statement["Resource"]
        for action in [actions] if isinstance(actions, str) else actions:
            found[action] = [resources] if isinstance(resources, str) else resources
    return found


def takers(assembly: Assembly, environment: str, name: str) -> list[str]:
    """The roles that may assume the role."""
    _, properties = role(assembly, environment, name)
    [statement] = properties["AssumeRolePolicyDocument"]["Statement"]
    found = statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]
    principals = json.dumps(statement["Principal"]["AWS"])
    roles = [found] if isinstance(found, str) else found
    assert all(arn.split(":")[4] in principals for arn in roles)
    return roles


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_the_observer_changes_nothing(assembly: Assembly, environment: str) -> None:
    for action in allowed(assembly, environment, "observer"):
        assert not action.partition(":")[2].startswith(WRITES), action
        assert "*" not in action


@pytest.mark.parametrize("role_name", ["observer", "release"])
def test_only_the_records_among_parameters_are_read_and_no_secret(assembly: Assembly, role_name: str) -> None:
    """A service's secret may be a parameter below the same path, encrypted by the key that every role here may use."""
    parameter = "arn:aws:ssm:us-east-1:333333333333:parameter/nova/prod/{}".format
    records = [parameter(name) for name in ("accepted", "accepted/*", "hold", "hold/*", "release", "rollback")]
    readable = allowed(assembly, "prod", role_name)
    assert {action: sorted(readable[action]) for action in readable if action.startswith("ssm:GetParameter")} == {
        "ssm:GetParameterHistory": records,
        "ssm:GetParametersByPath": records,
    } | ({"ssm:GetParameters": readable["ssm:GetParameters"]} if role_name == "release" else {})
    for resources in readable.values():
        assert not any(fnmatchcase(parameter("carts/database-password"), each) for each in resources if each != "*")


def test_the_observer_alone_sees_which_secrets_exist_and_nobody_reads_one(assembly: Assembly) -> None:
    looking = {"secretsmanager:DescribeSecret", "ssm:DescribeParameters"}
    for name in ("observer", "release"):
        actions = {
            each for each in allowed(assembly, "prod", name) if each.startswith("secretsmanager:") or each in looking
        }
        assert actions == (looking if name == "observer" else set())
    secrets = allowed(assembly, "prod", "observer")["secretsmanager:DescribeSecret"]
    assert secrets == ["arn:aws:secretsmanager:us-east-1:333333333333:secret:*"]


def test_the_release_role_changes_its_environment_s_services_tasks_and_parameters_alone(assembly: Assembly) -> None:
    writes = {
        action: resources
        for action, resources in allowed(assembly, "prod", "release").items()
        if action.partition(":")[2].startswith(WRITES)
    }
    stack = "arn:aws:cloudformation:us-east-1:333333333333:stack/nova-prod-{}/*"
    stacks = [stack.format("*")]
    [denied] = [each for each in statements(assembly, "prod", "release") if each["Effect"] == "Deny"]
    assert denied["Resource"] == [stack.format("overview"), stack.format("platform")]
    assert set(denied["Action"]) >= {action for action in writes if action.startswith("cloudformation:")}
    assert {action: sorted(resources) for action, resources in writes.items()} == {
        "cloudformation:CancelUpdateStack": stacks,
        "cloudformation:ContinueUpdateRollback": stacks,
        "cloudformation:CreateChangeSet": stacks,
        "cloudformation:DeleteChangeSet": stacks,
        "cloudformation:ExecuteChangeSet": stacks,
        "events:PutEvents": ["arn:aws:events:us-east-1:333333333333:event-bus/default"],
        "ecs:ContinueServiceDeployment": ["arn:aws:ecs:us-east-1:333333333333:service-deployment/nova-prod/*"],
        "ecs:StopServiceDeployment": ["arn:aws:ecs:us-east-1:333333333333:service-deployment/nova-prod/*"],
        "ecs:StopTask": ["arn:aws:ecs:us-east-1:333333333333:task/nova-prod/*"],
        "ssm:PutParameter": [
            f"arn:aws:ssm:us-east-1:333333333333:parameter/nova/prod/{name}"
            for name in ("accepted/*", "hold/*", "release", "rollback")
        ],
    }


def test_the_release_role_finds_the_change_sets_that_a_killed_rollback_left(assembly: Assembly) -> None:
    assert "cloudformation:ListChangeSets" in allowed(assembly, "prod", "release")


@pytest.mark.parametrize("name", ["observer", "release"])
def test_what_a_role_looks_at_is_of_its_environment_wherever_aws_can_tell_that_apart(
    assembly: Assembly, name: str
) -> None:
    found = allowed(assembly, "prod", name)
    everywhere = {action for action, resources in found.items() if resources == ["*"]}
    assert everywhere == {
        *("cloudwatch:DescribeAlarms", "ecs:DescribeTaskDefinition"),  # knows no narrower resource
        *("cloudwatch:GetMetricData", "elasticloadbalancing:DescribeRules"),  # nor do these
        "states:ListStateMachines",  # nor does this
        *("ecs:ListServices", "ecs:ListTasks"),  # by a condition: see below
        *("cloudformation:DescribeStacks", "cloudformation:ListStacks"),  # all stacks in one call, or none
        *(["ssm:DescribeParameters"] if name == "observer" else []),  # knows no narrower resource
    }
    for statement in statements(assembly, "prod", name):
        if "ecs:ListTasks" in statement["Action"] or statement["Action"] == "ecs:StopTask":
            own = "arn:aws:ecs:us-east-1:333333333333:cluster/nova-prod"
            assert statement["Condition"] == {"ArnEquals": {"ecs:cluster": own}}
    shared = {
        "acm:DescribeCertificate": "certificate/*",
        "events:PutEvents": "event-bus/default",  # by a condition: only of its own kind
        "sqs:GetQueueAttributes": "*",  # queues have the names that the configuration gives them
        "servicequotas:GetServiceQuota": "fargate/*",
        "secretsmanager:DescribeSecret": "secret:*",  # a release brings names that the deployed role cannot know
        "ssm:GetParameters": "parameter/cdk-bootstrap/*",
    }
    for action in found.keys() - everywhere:
        for resource in found[action]:
            name_of = resource.split(":", 5)[5]
            if action in shared:
                assert name_of == shared[action]
            elif action in ("ecr:BatchGetImage", "ecr:DescribeImageSigningStatus"):
                assert name_of == "repository/nova/*"
            else:
                parts = ("/nova-prod", "/nova/prod/", ":nova-prod-")
                assert any(each in name_of for each in parts), (action, resource)


def test_neither_role_may_pass_a_role_or_read_a_secret(assembly: Assembly) -> None:
    for environment in ("dev", "staging", "prod"):
        for name in ("observer", "release"):
            actions = allowed(assembly, environment, name).keys() - {"secretsmanager:DescribeSecret"}
            assert not [a for a in actions if a.startswith(("iam:", "sts:", "secretsmanager:", "kms:", "s3:"))]


def test_a_step_before_the_approval_may_take_the_observer_at_most(assembly: Assembly) -> None:
    steps = {f"arn:aws:iam::444444444444:role/nova-prod-{step}-step" for step in ("brief", "preflight")}
    assert steps <= set(takers(assembly, "prod", "observer"))
    assert not steps & set(takers(assembly, "prod", "release"))


def test_the_release_role_is_taken_by_the_verify_step_the_deployer_and_nobody_else(assembly: Assembly) -> None:
    assert sorted(takers(assembly, "prod", "release")) == [
        "arn:aws:iam::333333333333:role/nova-prod-deploy",
        "arn:aws:iam::444444444444:role/nova-prod-verify-step",
    ]


def test_every_principal_is_narrowed_to_named_roles(assembly: Assembly) -> None:
    for environment in ("dev", "staging", "prod"):
        for name in ("observer", "release"):
            _, properties = role(assembly, environment, name)
            for statement in properties["AssumeRolePolicyDocument"]["Statement"]:
                arns = statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]
                for arn in [arns] if isinstance(arns, str) else arns:
                    assert "*" not in arn


ON_CALL = "arn:aws:iam::999999999999:role/on-call"


@pytest.fixture(scope="module")
def operated(synthesize: Callable[..., Assembly]) -> Assembly:
    """The assembly of an environment that has operators."""
    import tomllib
    from pathlib import Path

    from nova_infra.config import parse_config

    raw = tomllib.loads((Path(__file__).parents[2] / "nova.toml").read_text(encoding="utf-8"))
    raw["environments"][0]["operators"] = [ON_CALL]
    return synthesize(parse_config(raw), environment="dev")


@pytest.mark.exhaustive("test_the_observer_changes_nothing")
def test_operators_may_roll_back_where_the_configuration_names_them(operated: Assembly) -> None:
    assert ON_CALL in takers(operated, "dev", "release")


def test_logs_shells_tasks_and_capacity_are_for_operators_alone_and_no_step_of_the_pipeline(
    assembly: Assembly, operated: Assembly
) -> None:
    assert takers(operated, "dev", "operator") == [ON_CALL]
    theirs = ("logs:", "ecs:RunTask", "ecs:ExecuteCommand", "application-autoscaling:", "iam:")
    for environment in ("dev", "staging", "prod"):
        for name in ("observer", "release"):
            found = allowed(assembly, environment, name)
            assert not [action for action in found if action.startswith(theirs)], (environment, name)
    names = [r.get("RoleName") for r in assembly.properties("nova-prod-platform", "AWS::IAM::Role")]
    assert "nova-prod-operator" not in names


def test_only_the_release_role_and_the_operator_answer_deployments_and_only_their_environments(
    assembly: Assembly, operated: Assembly
) -> None:
    steering = {"ecs:ContinueServiceDeployment", "ecs:StopServiceDeployment"}
    for synthesized, name in ((assembly, "release"), (operated, "operator")):
        found = allowed(synthesized, "dev", name)
        assert {str(found[action]) for action in steering} == {
            "['arn:aws:ecs:us-east-1:111111111111:service-deployment/nova-dev/*']"
        }
    assert not steering & allowed(operated, "dev", "observer").keys()


def test_an_operator_passes_roles_to_tasks_alone_and_changes_nothing_of_other_environments(operated: Assembly) -> None:
    found = allowed(operated, "dev", "operator")
    assert found["ssm:PutParameter"] == ["arn:aws:ssm:us-east-1:111111111111:parameter/nova/dev/release"]
    assert found["ecs:RunTask"] == ["arn:aws:ecs:us-east-1:111111111111:task-definition/nova-dev-*:*"]
    [passing] = [s for s in statements(operated, "dev", "operator") if s["Action"] == "iam:PassRole"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    assert passing["Resource"].endswith(":iam::111111111111:role/nova-dev-*")
    for statement in statements(operated, "dev", "operator"):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if {"ecs:RunTask", "ecs:ExecuteCommand"} & set(actions):
            assert statement["Condition"] == {
                "ArnEquals": {"ecs:cluster": "arn:aws:ecs:us-east-1:111111111111:cluster/nova-dev"}
            }


IAM_NAMES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas", "stepfunctions": "states"}
"""A service as the SDK calls it to what policies call it, where they differ."""


@pytest.mark.parametrize(
    ("module", "roles"),
    {
        "background.py": ["observer"],
        # Records, holds and waivers are written by who releases; logs are read by a person.
        "environment.py": ["observer", "release", "operator"],
        "measurements.py": ["observer"],
        "rollouts.py": ["observer", "release"],
        "stacks.py": ["release"],
        "tasks.py": ["operator"],
    }.items(),
)
def test_what_the_release_tools_call_is_allowed(
    assembly: Assembly, operated: Assembly, module: str, roles: Sequence[str]
) -> None:
    import re
    from pathlib import Path

    from botocore.session import get_session

    source = (Path(__file__).parents[4] / "nova_infra" / "deployed" / "aws" / module).read_text()
    called = set(re.findall(r'"([a-z][a-z0-9-]+)",\s+"([a-z]+_[a-z_]+)"', source))
    called |= {("application-autoscaling", o) for o in re.findall(r'_change\(\s*"([a-z_]+)"', source)}
    services = {*get_session().get_available_services()}
    names = {
        f"{IAM_NAMES.get(service, service)}:{''.join(word.capitalize() for word in operation.split('_'))}"
        for service, operation in called
        if service in services
    }
    assert len(names) >= 2
    for role_name in roles:
        names -= allowed(operated if role_name == "operator" else assembly, "dev", role_name).keys()
    assert names == set()


def test_a_job_s_executions_are_described_where_its_machine_is_listed(assembly: Assembly) -> None:
    found = allowed(assembly, "prod", "observer")
    of = "arn:aws:states:us-east-1:333333333333:{}".format
    assert found["states:ListExecutions"] == [of("stateMachine:nova-prod-*")]
    assert found["states:DescribeExecution"] == [of("execution:nova-prod-*:*")]


def synthesized(*, operators: Sequence[str], others: Sequence[str] = ()) -> dict[str, Any]:
    """The roles alone, in a stack of their own."""
    import aws_cdk as cdk
    from aws_cdk.assertions import Template

    from nova_infra.constructs.roles.release_roles import ReleaseRoles, RoleUsers

    flags = ("@aws-cdk/aws-iam:minimizePolicies", "@aws-cdk/core:enablePartitionLiterals")
    parent = cdk.App(context=dict.fromkeys(flags, True), analytics_reporting=False)
    stack = cdk.Stack(parent, "Stack", env=cdk.Environment(account="333333333333", region="ap-northeast-1"))
    ReleaseRoles(
        stack,
        "Roles",
        prefix=f"{'p' * 12}-{'e' * 16}",
        cluster="c" * 255,
        parameters=f"/{'p' * 12}/{'e' * 16}",
        others=others,
        repositories=f"arn:aws:ecr:ap-northeast-1:444444444444:repository/{'p' * 12}/*",
        users=RoleUsers(
            observers=[f"arn:aws:iam::444444444444:role/{step}-step" for step in ("brief", "preflight")],
            releasers=["arn:aws:iam::444444444444:role/verify-step", *operators],
            operators=operators,
        ),
    )
    found: dict[str, Any] = Template.from_stack(stack).to_json()
    return found


def test_the_longest_names_and_six_operators_of_six_accounts_fit_into_every_policy() -> None:
    from nova_infra.checks.permissions.policies import POLICY_RULES
    from nova_infra.checks.rules import findings

    operators = [f"arn:aws:iam::{number:012}:role/AWSReservedSSO_{'x' * 40}_{number:016}" for number in range(6)]
    template = synthesized(operators=operators)
    limits = {rule.id for rule in POLICY_RULES}
    assert [(rule.id, finding) for rule, finding in findings(template) if rule.id in limits] == []
    for each in template["Resources"].values():
        if each["Type"] == "AWS::IAM::Role":
            assert len(each["Properties"]["AssumeRolePolicyDocument"]["Statement"]) == 1
    crowd = [f"{arn}{number}" for arn in operators for number in range(5)]
    assert {rule.id for rule, _ in findings(synthesized(operators=crowd))} & limits == {"NOVA-L03"}


def test_the_release_role_keeps_out_of_an_environment_whose_name_begins_like_its_own() -> None:
    template = synthesized(operators=[], others=["shop-prod-eu"])
    [denied] = [
        statement["Resource"]
        for each in template["Resources"].values()
        for statement in each["Properties"].get("PolicyDocument", {}).get("Statement", ())
        if statement["Effect"] == "Deny"
    ]
    assert "arn:aws:cloudformation:ap-northeast-1:333333333333:stack/shop-prod-eu-*/*" in denied

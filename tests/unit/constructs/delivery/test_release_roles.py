import json

import pytest

WRITES = (
    *("Cancel", "Continue", "Create", "Update", "Delete", "Put", "Execute"),
    *("Register", "Deregister", "Pass", "Assume", "Run", "Stop"),
)


def role(assembly, environment, name):
    [found] = [
        (key, resource["Properties"])
        for key, resource in assembly.resources(f"nova-{environment}-platform", "AWS::IAM::Role").items()
        if resource["Properties"].get("RoleName") == f"nova-{environment}-{name}"
    ]
    return found


def statements(assembly, environment, name):
    key, _ = role(assembly, environment, name)
    [policy] = [
        properties
        for properties in assembly.properties(f"nova-{environment}-platform", "AWS::IAM::Policy")
        if {"Ref": key} in properties["Roles"]
    ]
    return policy["PolicyDocument"]["Statement"]


def allowed(assembly, environment, name):
    """Action to the resources that it is allowed on."""
    found = {}
    for statement in statements(assembly, environment, name):
        assert statement["Effect"] == "Allow"
        actions, resources = statement["Action"], statement["Resource"]
        for action in [actions] if isinstance(actions, str) else actions:
            found[action] = [resources] if isinstance(resources, str) else resources
    return found


def takers(assembly, environment, name):
    """Account of each principal to the roles of it that may take the role."""
    _, properties = role(assembly, environment, name)
    return {
        json.dumps(statement["Principal"]["AWS"]): statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]
        for statement in properties["AssumeRolePolicyDocument"]["Statement"]
    }


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_the_observer_changes_nothing(assembly, environment):
    for action in allowed(assembly, environment, "observer"):
        assert not action.partition(":")[2].startswith(WRITES), action
        assert "*" not in action


def test_the_release_role_changes_its_environment_s_services_tasks_and_parameters_alone(assembly, service_names):
    writes = {
        action: resources
        for action, resources in allowed(assembly, "prod", "release").items()
        if action.partition(":")[2].startswith(WRITES)
    }
    names = sorted(service_names)
    stacks = [f"arn:aws:cloudformation:us-east-1:333333333333:stack/nova-prod-{service}/*" for service in names]
    assert {action: sorted(resources) for action, resources in writes.items()} == {
        "cloudformation:CancelUpdateStack": stacks,
        "cloudformation:ContinueUpdateRollback": stacks,
        "cloudformation:CreateChangeSet": stacks,
        "cloudformation:DeleteChangeSet": stacks,
        "cloudformation:ExecuteChangeSet": stacks,
        "ecs:ContinueServiceDeployment": ["arn:aws:ecs:us-east-1:333333333333:service-deployment/nova-prod/*"],
        "ecs:StopServiceDeployment": ["arn:aws:ecs:us-east-1:333333333333:service-deployment/nova-prod/*"],
        "ecs:StopTask": ["arn:aws:ecs:us-east-1:333333333333:task/nova-prod/*"],
        "ssm:PutParameter": [
            f"arn:aws:ssm:us-east-1:333333333333:parameter/nova/prod/{name}"
            for name in ("accepted/*", "hold/*", "release", "rollback")
        ],
    }


@pytest.mark.parametrize("name", ["observer", "release"])
def test_what_a_role_looks_at_is_of_its_environment_wherever_aws_can_tell_that_apart(assembly, name):
    found = allowed(assembly, "prod", name)
    everywhere = {action for action, resources in found.items() if resources == ["*"]}
    assert everywhere == {
        *("cloudwatch:DescribeAlarms", "ecs:DescribeTaskDefinition"),  # knows no narrower resource
        *("cloudwatch:GetMetricData", "elasticloadbalancing:DescribeRules"),  # nor do these
        *("ecs:ListServices", "ecs:ListTasks"),  # by a condition: see below
        *("cloudformation:DescribeStacks", "cloudformation:ListStacks"),  # all stacks in one call, or none
    }
    for statement in statements(assembly, "prod", name):
        if "ecs:ListTasks" in statement["Action"] or statement["Action"] == "ecs:StopTask":
            own = "arn:aws:ecs:us-east-1:333333333333:cluster/nova-prod"
            assert statement["Condition"] == {"ArnEquals": {"ecs:cluster": own}}
    shared = {
        "acm:DescribeCertificate": "certificate/*",
        "servicequotas:GetServiceQuota": "fargate/*",
        "ssm:GetParameters": "parameter/cdk-bootstrap/*",
    }
    for action in found.keys() - everywhere:
        for resource in found[action]:
            name_of = resource.split(":", 5)[5]
            if action in shared:
                assert name_of == shared[action]
            elif action == "ecr:BatchGetImage":
                assert name_of.startswith("repository/nova/")
                assert "*" not in name_of
            else:
                assert "/nova-prod" in name_of or "/nova/prod/" in name_of, (action, resource)


def test_neither_role_may_pass_a_role_or_read_a_secret(assembly):
    for environment in ("dev", "staging", "prod"):
        for name in ("observer", "release"):
            actions = allowed(assembly, environment, name)
            assert not [a for a in actions if a.startswith(("iam:", "sts:", "secretsmanager:", "kms:", "s3:"))]


def test_a_step_before_the_approval_may_take_the_observer_at_most(assembly):
    steps = {"444444444444": [f"arn:aws:iam::444444444444:role/nova-prod-{s}-step" for s in ("brief", "preflight")]}
    everybody = takers(assembly, "prod", "observer")
    assert set(steps["444444444444"]) <= set(next(v for k, v in everybody.items() if "444444444444" in k))
    assert not [arn for arns in takers(assembly, "prod", "release").values() for arn in arns if "brief" in arn]


def test_the_release_role_is_taken_by_the_verify_step_the_deployer_and_nobody_else(assembly):
    found = takers(assembly, "prod", "release")
    assert sorted(arn for arns in found.values() for arn in ([arns] if isinstance(arns, str) else arns)) == [
        "arn:aws:iam::333333333333:role/nova-prod-deploy",
        "arn:aws:iam::444444444444:role/nova-prod-verify-step",
    ]


def test_every_principal_is_narrowed_to_named_roles(assembly):
    for environment in ("dev", "staging", "prod"):
        for name in ("observer", "release"):
            _, properties = role(assembly, environment, name)
            for statement in properties["AssumeRolePolicyDocument"]["Statement"]:
                arns = statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]
                for arn in [arns] if isinstance(arns, str) else arns:
                    assert "*" not in arn


ON_CALL = "arn:aws:iam::999999999999:role/on-call"


@pytest.fixture(scope="module")
def operated(synthesize):
    """The assembly of an environment that has operators."""
    import tomllib
    from pathlib import Path

    from nova_infra.config import parse_config

    raw = tomllib.loads((Path(__file__).parents[2] / "nova.toml").read_text(encoding="utf-8"))
    raw["environments"][0]["operators"] = [ON_CALL]
    return synthesize(parse_config(raw), environment="dev")


def test_operators_may_roll_back_where_the_configuration_names_them(operated):
    found = takers(operated, "dev", "release")
    assert ON_CALL in [arn for arns in found.values() for arn in ([arns] if isinstance(arns, str) else arns)]


def test_logs_shells_tasks_and_capacity_are_for_operators_alone_and_no_step_of_the_pipeline(assembly, operated):
    assert takers(operated, "dev", "operator") == {'"arn:aws:iam::999999999999:root"': [ON_CALL]}
    theirs = ("logs:", "ecs:RunTask", "ecs:ExecuteCommand", "application-autoscaling:", "iam:")
    for environment in ("dev", "staging", "prod"):
        for name in ("observer", "release"):
            found = allowed(assembly, environment, name)
            assert not [action for action in found if action.startswith(theirs)], (environment, name)
    names = [r.get("RoleName") for r in assembly.properties("nova-prod-platform", "AWS::IAM::Role")]
    assert "nova-prod-operator" not in names


def test_only_the_release_role_and_the_operator_answer_deployments_and_only_their_environments(assembly, operated):
    steering = {"ecs:ContinueServiceDeployment", "ecs:StopServiceDeployment"}
    for synthesized, name in ((assembly, "release"), (operated, "operator")):
        found = allowed(synthesized, "dev", name)
        assert {str(found[action]) for action in steering} == {
            "['arn:aws:ecs:us-east-1:111111111111:service-deployment/nova-dev/*']"
        }
    assert not steering & allowed(operated, "dev", "observer").keys()


def test_an_operator_passes_roles_to_tasks_alone_and_changes_nothing_of_other_environments(operated):
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


MODULES = {"environment.py": "operator", "stacks.py": "release", "tasks.py": "operator"}


@pytest.mark.parametrize("module", MODULES)
def test_what_the_release_tools_call_is_allowed(assembly, operated, module):
    import re
    from pathlib import Path

    source = (Path(__file__).parents[4] / "nova_infra" / "deployed" / "aws" / module).read_text()
    called = set(re.findall(r'"([a-z][a-z-]+)",\s+"([a-z]+_[a-z_]+)"', source))
    called |= {("application-autoscaling", o) for o in re.findall(r'_change\(\s*"([a-z_]+)"', source)}
    names = {f"{s}:{''.join(word.capitalize() for word in o.split('_'))}" for s, o in called}
    names = {n.replace("service-quotas:", "servicequotas:") for n in names}
    services = {"ecs", "ecr", "ssm", "acm", "cloudformation", "logs", "servicequotas", "application-autoscaling"}
    names = {n for n in names if n.partition(":")[0] in services}
    assert len(names) >= 8
    role_of = MODULES[module]
    allowed_ = allowed(operated, "dev", role_of) if role_of == "operator" else allowed(assembly, "prod", role_of)
    # What the operator does not change, such as a stack, the release role does.
    assert names - set(allowed_) - set(allowed(assembly, "prod", "release")) == set()

"""Roles that may not do their part: each case takes a permission, or a trust, from a stack that has all of them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.operations.planner import Plan, StackKey, StackTemplate, plan

ECR = "arn:aws:ecr:eu-north-1:210987654321:repository"
KEY = StackKey("210987654321", "eu-north-1", "carts")


def allow(*actions: str, on: Any = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


def role(service: str, *statements: dict[str, Any], managed: tuple[str, ...] = ()) -> dict[str, Any]:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
    properties: dict[str, Any] = {"AssumeRolePolicyDocument": trust, "ManagedPolicyArns": list(managed)}
    if statements:
        properties["Policies"] = [{"PolicyName": "p", "PolicyDocument": {"Statement": list(statements)}}]
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def resources() -> dict[str, Any]:
    """A service and a job whose roles may do all that they have to."""
    image = {"Fn::Join": ["", ["210987654321.dkr.ecr.eu-north-1.", {"Ref": "AWS::URLSuffix"}, "/shop/carts:0123"]]}
    log = {"LogDriver": "awslogs", "Options": {"awslogs-group": {"Ref": "Logs"}}}
    secrets = [
        {"Name": "TOKEN", "ValueFrom": {"Fn::Join": ["", [{"Ref": "Token"}, ":field::"]]}},
        {"Name": "KEY", "ValueFrom": "arn:aws:secretsmanager:eu-north-1:210987654321:secret:carts/key"},
        {"Name": "LIMIT", "ValueFrom": "/carts/limit"},
    ]
    container = {"Name": "app", "Image": image, "LogConfiguration": log, "Secrets": secrets}
    login = "arn:aws:secretsmanager:eu-north-1:210987654321:secret:carts/login"
    sidecar = {"Name": "log", "Image": "ghcr.io/acme/log:1", "RepositoryCredentials": {"CredentialsParameter": login}}
    secret = "arn:aws:secretsmanager:eu-north-1:210987654321:secret:carts/key-??????"
    job = {"States": {"Run": {"Resource": "arn:aws:states:::ecs:runTask.sync", "Parameters": {"TaskDefinition": "{}"}}}}
    text = json.dumps(job).split("{}")
    rule = "arn:aws:events:eu-north-1:210987654321:rule/StepFunctionsGetEventsForECSTaskRule"
    return {
        "Logs": {"Type": "AWS::Logs::LogGroup"},
        "Key": {"Type": "AWS::KMS::Key"},
        "Token": {"Type": "AWS::SecretsManager::Secret", "Properties": {"KmsKeyId": {"Fn::GetAtt": ["Key", "Arn"]}}},
        "Start": role(
            "ecs-tasks.amazonaws.com",
            allow("ecr:GetAuthorizationToken"),
            allow("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", on=f"{ECR}/shop/*"),
            allow("logs:CreateLogStream", "logs:PutLogEvents", on={"Fn::GetAtt": ["Logs", "Arn"]}),
            allow("secretsmanager:GetSecretValue", on=[{"Ref": "Token"}, secret, f"{login}-??????"]),
            allow("ssm:GetParameters", on="arn:aws:ssm:eu-north-1:210987654321:parameter/carts/*"),
            allow("kms:Decrypt", on={"Fn::GetAtt": ["Key", "Arn"]}),
        ),
        "Own": role("ecs-tasks.amazonaws.com"),
        "Task": {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {
                "ContainerDefinitions": [container, sidecar],
                "ExecutionRoleArn": {"Fn::GetAtt": ["Start", "Arn"]},
                "TaskRoleArn": {"Fn::GetAtt": ["Own", "Arn"]},
            },
        },
        "Smoke": {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["Caller", "Arn"]}}},
        "Caller": role("lambda.amazonaws.com"),
        "Hook": role("ecs.amazonaws.com", allow("lambda:InvokeFunction", on={"Fn::GetAtt": ["Smoke", "Arn"]})),
        "Shift": role("ecs.amazonaws.com", allow("elasticloadbalancing:Modify*")),
        "Service": {
            "Type": "AWS::ECS::Service",
            "Properties": {
                "DeploymentConfiguration": {
                    "LifecycleHooks": [
                        {
                            "HookTargetArn": {"Fn::GetAtt": ["Smoke", "Arn"]},
                            "RoleArn": {"Fn::GetAtt": ["Hook", "Arn"]},
                        }
                    ]
                },
                "LoadBalancers": [{"AdvancedConfiguration": {"RoleArn": {"Fn::GetAtt": ["Shift", "Arn"]}}}],
            },
        },
        "Runner": role(
            "states.amazonaws.com",
            allow("ecs:RunTask", on={"Ref": "Task"}),
            allow("iam:PassRole", on=[{"Fn::GetAtt": ["Start", "Arn"]}, {"Fn::GetAtt": ["Own", "Arn"]}]),
            allow("events:PutRule", "events:PutTargets", on=rule),
        ),
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": {"Fn::GetAtt": ["Runner", "Arn"]},
                "DefinitionString": {"Fn::Join": ["", [text[0], {"Ref": "Task"}, text[1]]]},
            },
        },
        "Clock": role("scheduler.amazonaws.com", allow("states:StartExecution", on={"Ref": "Machine"})),
        "Nightly": {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {"Target": {"Arn": {"Ref": "Machine"}, "RoleArn": {"Fn::GetAtt": ["Clock", "Arn"]}}},
        },
    }


def planned(given: dict[str, Any]) -> Plan:
    return plan([], [[StackTemplate(KEY, {"Resources": given})]])


def statements(given: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = given[name]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    return found


def without(name: str, action: str) -> Callable[[dict[str, Any]], None]:
    def change(given: dict[str, Any]) -> None:
        for statement in statements(given, name):
            statement["Action"] = [each for each in statement["Action"] if each != action]

    return change


def on(name: str, action: str, resource: Any) -> Callable[[dict[str, Any]], None]:
    def change(given: dict[str, Any]) -> None:
        [statement] = [each for each in statements(given, name) if action in each["Action"]]
        statement["Resource"] = resource

    return change


def test_a_stack_whose_roles_may_do_their_part_is_not_refused() -> None:
    assert planned(resources()).refusals == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("Start", "ecr:GetAuthorizationToken"), "carts.Task: Start may not ecr:GetAuthorizationToken on *"),
        (without("Start", "ecr:BatchGetImage"), "so its image cannot be pulled: grant ecr:BatchGetImage to Start"),
        (on("Start", "ecr:BatchGetImage", f"{ECR}/other/*"), f"may not ecr:BatchGetImage on {ECR}/shop/carts"),
        (on("Start", "ecr:BatchGetImage", f"{ECR}/shop/cart"), f"may not ecr:BatchGetImage on {ECR}/shop/carts"),
        (without("Start", "logs:CreateLogStream"), "may not logs:CreateLogStream on ${Logs}"),
        (on("Start", "secretsmanager:GetSecretValue", {"Ref": "Token"}), "without the secret KEY"),
        (on("Start", "secretsmanager:GetSecretValue", {"Ref": "Token"}), "that log needs to log in"),
        (on("Start", "secretsmanager:GetSecretValue", "arn:*:secret:carts/key-??????"), "without the secret TOKEN"),
        (without("Start", "ssm:GetParameters"), "on arn:aws:ssm:eu-north-1:210987654321:parameter/carts/limit"),
        (without("Start", "kms:Decrypt"), "may not kms:Decrypt on ${Key}, so its tasks cannot"),
        (without("Hook", "lambda:InvokeFunction"), "carts.Service: Hook may not lambda:InvokeFunction on ${Smoke}"),
        (without("Shift", "elasticloadbalancing:Modify*"), "so ECS cannot shift its traffic"),
        (without("Runner", "ecs:RunTask"), "carts.Machine: Runner may not ecs:RunTask on ${Task}, so its runs fail"),
        (on("Runner", "iam:PassRole", {"Fn::GetAtt": ["Own", "Arn"]}), "may not iam:PassRole on ${Start}"),
        (without("Runner", "events:PutRule"), "it cannot wait for its task"),
        (without("Clock", "states:StartExecution"), "carts.Nightly: Clock may not states:StartExecution on ${Machine}"),
        (
            lambda given: statements(given, "Start").append({"Effect": "Deny", "Action": "ecr:*", "Resource": "*"}),
            "may not ecr:GetAuthorizationToken",
        ),
        (
            lambda given: given.update(Own=role("ec2.amazonaws.com")),
            "carts.Task.TaskRoleArn: ecs-tasks.amazonaws.com cannot assume Own",
        ),
        (
            lambda given: given.update(Caller=role("edgelambda.amazonaws.com")),
            "carts.Smoke.Role: lambda.amazonaws.com cannot assume Caller, because its trust does not name it: let",
        ),
    ],
)  # fmt: skip
def test_a_role_that_may_not_do_its_part_is_named_with_what_it_lacks(
    change: Callable[[dict[str, Any]], None], said: str
) -> None:
    given = resources()
    change(given)
    refusals = planned(given).refusals
    assert said in "\n".join(map(str, refusals))
    assert {refusal.verdict for refusal in refusals} == {"this would fail"}


@pytest.mark.parametrize(
    "start",
    [
        # What the template does not hold may allow it: nothing is said.
        role("ecs-tasks.amazonaws.com", managed=("arn:aws:iam::210987654321:policy/ours",)),
        role("ecs-tasks.amazonaws.com", managed=("arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly",)),
    ],
)
def test_what_is_not_known_counts_as_given(start: dict[str, Any]) -> None:
    assert planned({**resources(), "Start": start}).refusals == []
    imported = resources()
    del imported["Start"]
    imported["Runner"] = json.loads(json.dumps(imported["Runner"]).replace("Start", "Own"))
    imported["Task"]["Properties"]["ExecutionRoleArn"] = "arn:aws:iam::210987654321:role/theirs"
    assert planned(imported).refusals == []


def test_awss_own_policy_for_starting_tasks_allows_images_and_logs_and_no_secrets() -> None:
    policy = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    refused = planned({**resources(), "Start": role("ecs-tasks.amazonaws.com", managed=(policy,))}).refusals
    lacking = {str(refusal).partition(" may not ")[2].partition(" ")[0] for refusal in refused}
    assert lacking == {"secretsmanager:GetSecretValue", "ssm:GetParameters", "kms:Decrypt"}


@pytest.mark.parametrize(
    ("cpu", "memory", "said"),
    [
        ("256", "512", ""),
        ("512", "4096", ""),
        ("16384", "122880", ""),
        ("256", "256", "Task.Memory: Fargate has no task size of 256 CPU units and 256 MiB: give it 512 MiB"),
        ("1024", "9216", "Task.Memory: Fargate has no task size of 1024 CPU units and 9216 MiB: give it 8192 MiB"),
        ("300", "512", "Task.Cpu: Fargate has no task size of 300 CPU units and 512 MiB: choose one of 256, 512,"),
        ({"Fn::Select": [0, ["Cpu"]]}, "300", ""),
    ],
)
def test_a_size_that_fargate_does_not_have_is_refused(cpu: Any, memory: Any, said: str) -> None:
    """Source: Fargate task sizes, "Task CPU and memory"."""
    task = {"RequiresCompatibilities": ["FARGATE"], "NetworkMode": "awsvpc", "Cpu": cpu, "Memory": memory}
    refused = planned({"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task}}).refusals
    assert bool(refused) is bool(said)
    assert said in "".join(map(str, refused))


@pytest.mark.parametrize(
    ("asked", "granted", "refused"),
    [
        ("Attached", "Attached", False),
        ("Attached", "Token", False),
        ("Token", "Attached", False),
        ("Attached", "Key", True),
        ("Elsewhere", "Token", False),
    ],
)
def test_a_database_s_attachment_is_the_secret_that_it_attaches(asked: str, granted: str, refused: bool) -> None:
    """What a resource of another kind refers to, such as a custom one, only CloudFormation knows."""
    found = resources()
    attached = {"SecretId": {"Ref": "Token"}, "TargetType": "AWS::RDS::DBInstance", "TargetId": "db"}
    found["Attached"] = {"Type": "AWS::SecretsManager::SecretTargetAttachment", "Properties": attached}
    found["Elsewhere"] = {"Type": "Custom::Secret"}
    text = json.dumps(found).replace('[{"Ref": "Token"}, ":field::"]', json.dumps([{"Ref": asked}, ":password::"]))
    text = text.replace('"Resource": [{"Ref": "Token"}', '"Resource": [' + json.dumps({"Ref": granted}))
    stack = StackTemplate(KEY, {"Resources": json.loads(text)})
    assert any("GetSecretValue" in str(each) for each in plan([], [[stack]]).refusals) == refused
    assert not any("ssm:GetParameters" in str(each) for each in plan([], [[stack]]).refusals)


BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
READS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def reading(
    queue: dict[str, Any], *granted: dict[str, Any], managed: tuple[str, ...] = (BASIC,), **function: Any
) -> dict[str, Any]:
    """A function that reads from a queue, with what its role may do."""
    work = {"Role": {"Fn::GetAtt": ["May", "Arn"]}, "Code": {"ZipFile": "pass"}, "Timeout": 20, **function}
    reads = {"EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}, "FunctionName": {"Ref": "Work"}}
    return {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": queue},
        "May": role("lambda.amazonaws.com", *granted, managed=managed),
        "Work": {"Type": "AWS::Lambda::Function", "Properties": work},
        "Reads": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": reads},
    }


@pytest.mark.parametrize(
    ("function", "action"),
    [
        ({}, "sqs:ReceiveMessage"),
        ({"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}, "ec2:CreateNetworkInterface"),
        ({"DeadLetterConfig": {"TargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}}}, "sqs:SendMessage"),
    ],
)
@pytest.mark.parametrize("managed", [(), (BASIC,)])
def test_lambda_tries_out_what_a_function_s_role_may_do(
    function: dict[str, Any], action: str, managed: tuple[str, ...]
) -> None:
    statements = [
        allow(*READS, on={"Fn::GetAtt": ["Queue", "Arn"]}),
        allow("sqs:SendMessage", on={"Fn::GetAtt": ["Dead", "Arn"]}),
        allow("ec2:CreateNetworkInterface"),
    ]

    def said(*granted: dict[str, Any], of_aws: tuple[str, ...] = managed) -> list[str]:
        stack = {"Dead": {"Type": "AWS::SQS::Queue"}, **reading({}, *granted, managed=of_aws, **function)}
        return [str(each) for each in planned(stack).refusals]

    assert said(*statements) == []
    [refused] = said(*(each for each in statements if action not in each["Action"]), allow("sqs:Delete*", "sqs:Get*"))[
        :1
    ]
    assert f"May may not {action} on" in refused
    assert said(of_aws=("arn:aws:iam::210987654321:policy/own",)) == []


OWN = {"Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:orders"}
BY_REFERENCE = {"Fn::Sub": "arn:aws:sqs:${AWS::Region}:*:${Queue.QueueName}"}


@pytest.mark.parametrize(
    ("queue", "statement", "refused"),
    [
        ({"QueueName": "orders"}, allow(*READS, on="arn:aws:sqs:eu-north-1:210987654321:orders"), False),
        ({"QueueName": "orders"}, allow(*READS, on=OWN), False),
        ({"QueueName": "orders"}, allow(*READS, on=BY_REFERENCE), False),
        ({"QueueName": {"Ref": "AWS::StackName"}}, allow(*READS, on=OWN), False),
        ({"QueueName": "orders"}, allow(*READS, on="arn:aws:sqs:eu-north-1:210987654321:parcels"), True),
        ({"QueueName": "orders"}, allow(*READS, on="arn:aws:sqs:eu-west-1:*:orders"), True),
        ({}, allow(*READS, on="arn:aws:sqs:*:*:*"), False),
        ({}, allow(*READS, on="arn:aws:sqs:*:*:carts-Queue-*"), False),
        ({}, allow(*READS, on="arn:aws:sqs:*:*:orders"), True),
        ({}, allow(*READS, on=OWN), True),
        ({}, allow("*"), False),
        ({}, allow("logs:*"), True),
    ],
)
def test_a_policy_may_name_a_source_by_its_arn(queue: dict[str, Any], statement: dict[str, Any], refused: bool) -> None:
    found = planned(reading(queue, statement)).refusals
    assert {each.where for each in found} == ({"Reads"} if refused else set())


def test_lambda_does_not_try_out_again_what_does_not_change() -> None:
    running, told = reading({}, allow("logs:*")), {"Told": {"Type": "AWS::SNS::Topic"}}
    before, after = (StackTemplate(KEY, {"Resources": each}) for each in (running, {**running, **told}))
    assert plan([before], [[after]]).refusals == []


NAMED = "arn:aws:{}:eu-north-1:210987654321:{}".format


@pytest.mark.parametrize(
    ("kind", "name", "asked", "arn", "may"),
    [
        ("Token", {"Name": "carts/token"}, "Start", NAMED("secretsmanager", "secret:carts/token-??????"), True),
        ("Token", {"Name": "carts/token"}, "Start", NAMED("secretsmanager", "secret:carts/other-??????"), False),
        ("Token", {}, "Start", NAMED("secretsmanager", "secret:Token-*"), True),
        ("Logs", {"LogGroupName": "/carts"}, "Start", NAMED("logs", "log-group:/carts:*"), True),
        ("Logs", {"LogGroupName": "/carts"}, "Start", NAMED("logs", "log-group:/shop:*"), False),
        ("Key", {}, "Start", NAMED("kms", "key/*"), True),
        ("Key", {}, "Start", NAMED("kms", "alias/carts"), False),
        ("Machine", {"StateMachineName": "nightly"}, "Clock", NAMED("states", "stateMachine:nightly"), True),
        ("Machine", {"StateMachineName": "nightly"}, "Clock", NAMED("states", "stateMachine:weekly"), False),
    ],
)
def test_so_it_may_what_else_a_role_needs(kind: str, name: dict[str, Any], asked: str, arn: str, may: bool) -> None:
    given = resources()
    given[kind].setdefault("Properties", {}).update(name)
    reference = {"Ref": kind}, {"Fn::GetAtt": [kind, "Arn"]}
    for statement in statements(given, asked):
        named = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        statement["Resource"] = [arn if each in reference else each for each in named]
    assert (planned(given).refusals == []) is may

"""A service's own resources: plain CDK, in its stack, with its grants and variables, and kept when the stack goes."""

import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms

from helpers.exhaustive import one_of_each
from nova_infra.checks.acknowledge import NIST
from nova_infra.config import Config, Runtime, Service
from nova_infra.constructs.tasks.service import outbound_group
from nova_infra.constructs.tasks.task import FargateTask
from nova_infra.errors import ConfigError
from nova_infra.stacks.platform import PlatformStack
from nova_infra.stacks.services.infrastructure import Extension, extend, load_extensions

SHOP = """
from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_s3 as s3

def resources(service):
    table = dynamodb.Table(
        service.stack, "Orders", partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    )
    table.grant_read_data(service.task_role)
    service.add_variable("TABLE", table.table_name)
    sqs.Queue(service.stack, "Mail", queue_name=f"{service.prefix}-mail-{service.environment}")
    s3.Bucket(service.stack, "Scratch", removal_policy=RemovalPolicy.DESTROY)
    logs.LogGroup(service.stack, "Audit", log_group_name=f"/audit/{service.prefix}")
"""


def project(tmp_path: Path, text: str) -> dict[str, Extension]:
    path = tmp_path / "services" / "shop" / "infrastructure.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    config = SimpleNamespace(services=[Service(name="shop"), Service(name="other")])
    return load_extensions(tmp_path, cast("Config", config))


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Any]:
    return made_by(tmp_path, SHOP)


def made_by(tmp_path: Path, text: str, *, stage: str = "") -> dict[str, Any]:
    """The resources of a stack whose service has a file."""
    found: dict[str, Any] = assertions.Template.from_stack(stack_by(tmp_path, text, stage)).to_json()["Resources"]
    return found


def stack_by(tmp_path: Path, text: str, stage: str = "") -> cdk.Stack:
    extensions = project(tmp_path, text)
    app = cdk.App()
    stack = cdk.Stack(cdk.Stage(app, stage) if stage else app, "shop", stack_name="nova-live-shop")
    task = FargateTask(
        stack,
        "Task",
        name="nova-live-shop",
        image=ecs.ContainerImage.from_registry("example/shop:1"),
        service=Service(name="shop"),
        runtime=Runtime(),
    )
    vpc = ec2.Vpc(stack, "Vpc", max_azs=1)
    group = outbound_group(stack, "nova-live-shop", vpc, [])
    stand_in = SimpleNamespace(
        cluster=SimpleNamespace(vpc=vpc),
        key=kms.Key(stack, "Key"),
        stack_name="nova-live-platform",
    )
    extend(
        extensions["shop"],
        stack,
        task,
        name="shop",
        environment="live",
        platform=cast("PlatformStack", stand_in),
        security_group=group,
    )
    return stack


def of_type(resources: dict[str, Any], kind: str) -> tuple[str, dict[str, Any]]:
    [(logical_id, found)] = [(key, each) for key, each in resources.items() if each["Type"] == kind]
    return logical_id, found


@pytest.mark.exhaustive("test_no_task_starts_before_what_it_may_know_by_name_alone")
def test_it_is_made_in_the_services_stack_with_its_grants_and_variables(made: dict[str, Any]) -> None:
    table, _ = of_type(made, "AWS::DynamoDB::Table")
    _, definition = of_type(made, "AWS::ECS::TaskDefinition")
    [container] = definition["Properties"]["ContainerDefinitions"]
    assert {"Name": "TABLE", "Value": {"Ref": table}} in container["Environment"]
    granted = [each for each in made.values() if each["Type"] == "AWS::IAM::Policy" and table in str(each)]
    assert len(granted) == 1
    assert of_type(made, "AWS::SQS::Queue")[1]["Properties"]["QueueName"] == "nova-live-shop-mail-live"


def test_what_the_pages_example_grants_is_no_finding(tmp_path: Path) -> None:
    page = (Path(__file__).parents[4] / "docs" / "services.md").read_text(encoding="utf-8")
    example = page.partition("    from aws_cdk import aws_dynamodb")[2].partition("\n\n`service` has")[0]
    text = textwrap.dedent(f"    from aws_cdk import aws_dynamodb{example}")
    granted, written = ("TaskRole", f"{NIST}-IAMNoInlinePolicy"), ("Orders", f"{NIST}-DynamoDBInBackupPlan")
    assert accepted(stack_by(tmp_path, text)) >= {granted, written}
    without = "\n".join(line for line in text.splitlines() if not line.strip().startswith("acknowledge("))
    assert written not in accepted(stack_by(tmp_path, without)), "the page needs its line"


def accepted(stack: cdk.Stack) -> set[tuple[str, str]]:
    return {
        (each.node.id, rule)
        for each in stack.node.find_all()
        for entry in each.node.metadata
        if entry.type == "aws:cdk:acknowledged-rules"
        for rule in entry.data
    }


def test_no_task_starts_before_what_it_may_know_by_name_alone(made: dict[str, Any]) -> None:
    _, definition = of_type(made, "AWS::ECS::TaskDefinition")
    kinds = ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::S3::Bucket")
    assert set(definition["DependsOn"]) == {of_type(made, kind)[0] for kind in kinds}


DATABASE = """
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds

def resources(service):
    database = rds.DatabaseCluster(
        service.stack,
        "Database",
        engine=rds.DatabaseClusterEngine.aurora_postgres(version=rds.AuroraPostgresEngineVersion.VER_16_6),
        writer=rds.ClusterInstance.serverless_v2("Writer"),
        vpc=service.vpc,
        port=5433,
    )
    database.connections.allow_default_port_from(service.security_group)
    own = ec2.SecurityGroup(service.stack, "Own", vpc=service.vpc)
    own.add_ingress_rule(service.security_group, ec2.Port.tcp(6379), "the cache of shop")
"""


PORTS = """\
    for port in (ec2.Port.udp(53), ec2.Port.all_traffic(), ec2.Port.icmp_type(8), ec2.Port.tcp_range(8000, 8009)):
        own.connections.allow_from(service.security_group, port)
"""


def test_a_database_of_its_own_lets_its_tasks_in_before_they_start(tmp_path: Path) -> None:
    found = made_by(tmp_path, DATABASE)
    [group] = [key for key, each in found.items() if "tasks, reached by" in str(each)]
    rules = {key: each for key, each in found.items() if "::SecurityGroup" in each["Type"] and "gress" in each["Type"]}
    ends = ("SourceSecurityGroupId", "GroupId")
    assert sorted(
        next(end for end in ends if group in str(each["Properties"].get(end))) for each in rules.values()
    ) == ["GroupId", "SourceSecurityGroupId", "SourceSecurityGroupId"], "out of the tasks, into both others"
    _, definition = of_type(found, "AWS::ECS::TaskDefinition")
    assert rules.keys() <= set(definition["DependsOn"])


@pytest.mark.exhaustive("test_a_database_of_its_own_lets_its_tasks_in_before_they_start")
def test_a_database_of_its_own_opens_the_same_rules_by_a_direct_deployment(tmp_path: Path) -> None:
    """Another logical id for the same rule would create it before the old one is deleted, which EC2 refuses."""
    direct, delivered = (made_by(tmp_path, f"{DATABASE}{PORTS}", stage=stage) for stage in ("", "Live"))
    kinds = ("AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress")
    rules = [{key: each for key, each in of.items() if each["Type"] in kinds} for of in (direct, delivered)]
    assert rules[0] == rules[1]
    assert sum(each["Properties"]["Description"] == "the cache of shop" for each in rules[0].values()) == 1


def test_the_same_rule_twice_is_left_to_the_planner(tmp_path: Path) -> None:
    twice = """
from aws_cdk import aws_ec2 as ec2

def resources(service):
    for name in "AB":
        shared = ec2.SecurityGroup.from_security_group_id(service.stack, name, "sg-0123456789abcdef0")
        service.security_group.connections.allow_to(shared, ec2.Port.tcp(5432))
"""
    rules = [each for each in made_by(tmp_path, twice).values() if each["Type"] == "AWS::EC2::SecurityGroupEgress"]
    assert len(rules) == 2
    assert rules[0]["Properties"] == rules[1]["Properties"]


def test_what_holds_data_is_kept_unless_the_file_says_otherwise(made: dict[str, Any]) -> None:
    kinds = ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::S3::Bucket")
    found = {kind: of_type(made, kind)[1] for kind in kinds}
    assert {kind: (each["DeletionPolicy"], each["UpdateReplacePolicy"]) for kind, each in found.items()} == {
        "AWS::DynamoDB::Table": ("RetainExceptOnCreate", "Retain"),
        "AWS::SQS::Queue": ("RetainExceptOnCreate", "Retain"),
        "AWS::S3::Bucket": ("Delete", "Delete"),
    }


def test_a_first_deployment_that_failed_leaves_no_name_of_the_file_taken(made: dict[str, Any]) -> None:
    [audit] = [each for each in made.values() if "LogGroupName" in each.get("Properties", {})]
    assert (audit["DeletionPolicy"], audit["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ("", None),
        ("log_group.apply_removal_policy(RemovalPolicy.DESTROY)", "Delete"),
        ("log_group.apply_removal_policy(RemovalPolicy.RETAIN)", "RetainExceptOnCreate"),
    ],
)
def test_a_named_log_group_keeps_the_policy_that_the_file_gives_it(
    tmp_path: Path, options: str, policy: str | None
) -> None:
    text = f"""
from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs

def resources(service):
    log_group = logs.CfnLogGroup(service.stack, "Trace", log_group_name="/trace/live")
    {options}
"""
    [trace] = [each for each in made_by(tmp_path, text).values() if "LogGroupName" in each.get("Properties", {})]
    assert trace.get("DeletionPolicy") == policy


def log_group(name: str) -> str:
    return f"""
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs

def resources(service):
    own = kms.Key(service.stack, "Own")
    logs.LogGroup(service.stack, "Audit", {name})
"""


@pytest.mark.parametrize("name", ["/audit/nova-live-shop", "nova-live", "/aws/lambda/other-live-shop"])
def test_a_log_group_that_the_key_may_not_encrypt_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as fault:
        made_by(tmp_path, log_group(f"log_group_name={name!r}, encryption_key=service.key"))
    assert f"the log group {name!r} is encrypted with service.key, which is only for the environment's groups" in str(
        fault.value
    )


@pytest.mark.parametrize(
    "options",
    one_of_each(
        [
            "encryption_key=service.key",
            "log_group_name=f'{service.prefix}-audit', encryption_key=service.key",
            "log_group_name=f'/aws/lambda/{service.prefix}-audit', encryption_key=service.key",
            "log_group_name='/audit/anything', encryption_key=own",
            "log_group_name='/audit/anything'",
        ]
    ),
)
def test_a_log_group_of_the_environment_or_without_its_key_is_not(tmp_path: Path, options: str) -> None:
    found = made_by(tmp_path, log_group(options))
    assert len([each for each in found.values() if each["Type"] == "AWS::Logs::LogGroup"]) == 2  # with the task's


@pytest.mark.parametrize(
    "grant",
    [
        "service.key.grant_encrypt_decrypt(iam.ServicePrincipal('logs.amazonaws.com'))",
        "service.key.grant_encrypt_decrypt(iam.ServicePrincipal(f'logs.{service.stack.region}.amazonaws.com'))",
        "service.key.add_to_resource_policy(iam.PolicyStatement(principals=[iam.AnyPrincipal()], actions=['kms:*'], "
        "resources=['*'], conditions={'StringLike': {'kms:EncryptionContext:aws:logs:arn': '*:/audit/*'}}))",
    ],
)
def test_a_log_group_that_the_file_lets_the_key_encrypt_is_not_refused(tmp_path: Path, grant: str) -> None:
    text = log_group("log_group_name='/audit/anything', encryption_key=service.key")
    made_by(tmp_path, text.replace("own = ", f"from aws_cdk import aws_iam as iam\n    {grant}\n    own = "))


def test_a_grant_to_another_service_does_not_let_the_key_encrypt_a_log_group(tmp_path: Path) -> None:
    grant = "service.key.grant_encrypt_decrypt(iam.ServicePrincipal('sqs.amazonaws.com'))"
    text = log_group("log_group_name='/audit/anything', encryption_key=service.key")
    with pytest.raises(ConfigError, match=r"'/audit/anything' is encrypted with service\.key, which is only for"):
        made_by(tmp_path, text.replace("own = ", f"from aws_cdk import aws_iam as iam\n    {grant}\n    own = "))


def test_a_service_without_the_file_has_nothing_of_its_own(tmp_path: Path) -> None:
    assert set(project(tmp_path, "def resources(service): pass")) == {"shop"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import a_module_that_nobody_has", "shop/infrastructure.py, line 1: ModuleNotFoundError: No module named"),
        ("x = 1", "shop/infrastructure.py: defines no resources(service): define it, or remove the file"),
        ("def resources(service)\n", "shop/infrastructure.py, line 1: SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as raised:
        project(tmp_path, text)
    assert fault in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_function_that_fails_is_one_line_with_its_place(tmp_path: Path) -> None:
    extension = project(tmp_path, "def resources(service):\n    raise ValueError('no such thing')\n")["shop"]
    stack = cdk.Stack()
    task = FargateTask(
        stack,
        "Task",
        name="shop",
        image=ecs.ContainerImage.from_registry("example/shop:1"),
        service=Service(name="shop"),
        runtime=Runtime(),
    )
    stand_in = SimpleNamespace(cluster=SimpleNamespace(vpc=None), key=None)
    with pytest.raises(ConfigError, match=r"infrastructure.py, line 2: ValueError: no such thing: fix it"):
        extend(
            extension,
            stack,
            task,
            name="shop",
            environment="live",
            platform=cast("PlatformStack", stand_in),
            security_group=cast("ec2.ISecurityGroup", None),
        )

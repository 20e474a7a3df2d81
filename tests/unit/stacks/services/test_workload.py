"""Services of any image: one behind host names with all that a service may need, an internal one, and one of gRPC."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.assembly import Assembly
from nova_infra.config import parse_config
from nova_infra.rehearsal.pipeline.precheck import StageReading

DIGEST = f"sha256:{'a' * 64}"
MIXED = """
[toolchain]
account = "444444444444"
region = "us-east-1"
[source]
repository = "acme/platform"
token_secret = "github-token"
[[environments]]
name = "live"
account = "444444444444"
region = "us-east-1"
domain = { name = "acme.example.com", zone_id = "Z0123456789", zone_name = "example.com" }
rollout = { strategy = "canary" }
[environments.network]
vpc = "vpc-0123456789abcdef0"
cidr = "10.0.0.0/16"
zones = ["a", "c"]
public_subnets = ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"]
private_subnets = ["subnet-0123456789abcdef3", "subnet-0123456789abcdef4"]
[[services]]
name = "shop"
image = "ghcr.io/acme/shop:1.4@DIGEST"
hosts = ["shop.example.com", "{environment}.acme.example.com"]
command = ["serve", "--fast"]
user = "1000:1000"
port = 80
stop_seconds = 75
before_deploy = ["shop", "migrate"]
readonly_root = false
readonly_root_reason = "It compiles templates beside its sources."
health = { path = "/up", interval = 20, timeout = 7, start_seconds = 90 }
connects_to = ["db.internal:5432", "10.9.0.0/16:6379"]
environment = { DATABASE_URL = "postgres://db.internal/shop", WHERE = "{region}/{account}" }
[services.secrets]
PASSWORD = "nova/db:password"
TOKEN = "ssm:/acme/token"
[services.secrets.KEYED]
secret = "acme/keyed"
key = "arn:aws:kms:us-east-1:444444444444:key/1234abcd-12ab-34cd-56ef-1234567890ab"
[services.scaling]
min_tasks = 3
max_tasks = 9
spot = { percent = 75, base = 2 }
schedules = [
    { schedule = "0 20 * * 1-5", time_zone = "Asia/Tokyo", min_tasks = 0, max_tasks = 0 },
    { schedule = "cron(0 7 ? * MON-FRI *)", min_tasks = 3, max_tasks = 12 },
]
[[services.permissions]]
actions = ["dynamodb:GetItem", "dynamodb:Query"]
resources = ["arn:aws:dynamodb:{region}:{account}:table/shop-{environment}"]
[[services.permissions]]
actions = ["s3:Get*"]
resources = ["arn:aws:s3:::acme-{environment}/*"]
reason = "It reads every object of its bucket."
[[services.sidecars]]
name = "otel"
image = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.0@DIGEST"
memory = 128
health = { command = ["/healthcheck"], interval = 12, timeout = 4, start_seconds = 45 }
[services.sidecars.credentials]
secret = "acme/registry"
key = "arn:aws:kms:us-east-1:444444444444:key/5678abcd-12ab-34cd-56ef-1234567890ab"
[[services]]
name = "stock"
internal = true
image = "ghcr.io/acme/stock@DIGEST"
[[services]]
name = "quotes"
protocol = "grpc"
paths = ["/acme.Quotes/*"]
image = "ghcr.io/acme/quotes@DIGEST"
health = { path = "/grpc.health.v1.Health/Check" }
"""
SHOP, STOCK, QUOTES, PLATFORM = (f"nova-live-{name}" for name in ("shop", "stock", "quotes", "platform"))


@pytest.fixture(scope="session")
def mixed(synthesize: Callable[..., Assembly]) -> Assembly:
    return synthesize(parse_config(tomllib.loads(MIXED.replace("DIGEST", DIGEST))), environment="live")


def containers(assembly: Assembly, stack: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = assembly.only(stack, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    return found


@pytest.mark.exhaustive("test_an_image_runs_its_own_command_as_its_own_user_unless_told_otherwise")
def test_every_check_passes(mixed: Assembly) -> None:
    for report in mixed.report["pluginReports"]:
        assert report["violations"] == []


def test_an_image_runs_its_own_command_as_its_own_user_unless_told_otherwise(mixed: Assembly) -> None:
    shop, _ = containers(mixed, SHOP)
    [stock] = containers(mixed, STOCK)
    assert (shop["Command"], shop["User"]) == (["serve", "--fast"], "1000:1000")
    assert {"Command", "EntryPoint", "User", "HealthCheck"}.isdisjoint(stock)


def test_a_ready_image_comes_from_the_projects_own_repository(mixed: Assembly) -> None:
    for stack, name in ((SHOP, "shop"), (STOCK, "stock")):
        image = containers(mixed, stack)[0]["Image"]["Fn::Join"][1]
        assert image[-1] == f"/nova/{name}:abc123"
        assert image[0].startswith("444444444444.dkr.ecr.")


def test_the_file_system_is_writable_only_where_a_reason_is_given(mixed: Assembly) -> None:
    assert [containers(mixed, stack)[0]["ReadonlyRootFilesystem"] for stack in (SHOP, STOCK)] == [False, True]


def test_health_and_stopping_are_as_configured(mixed: Assembly) -> None:
    groups = mixed.properties(SHOP, "AWS::ElasticLoadBalancingV2::TargetGroup")
    assert len(groups) == 2
    for group in groups:
        assert (group["HealthCheckPath"], group["HealthCheckIntervalSeconds"]) == ("/up", 20)
        assert group["HealthCheckTimeoutSeconds"] == 7
        assert {"Key": "deregistration_delay.timeout_seconds", "Value": "65"} in group["TargetGroupAttributes"]
    assert [each["StopTimeout"] for each in containers(mixed, SHOP)] == [75, 75]
    assert mixed.only(SHOP, "AWS::ECS::Service")["HealthCheckGracePeriodSeconds"] == 120


def test_placeholders_are_filled_in(mixed: Assembly) -> None:
    shop, _ = containers(mixed, SHOP)
    assert {"Name": "WHERE", "Value": "us-east-1/444444444444"} in shop["Environment"]


def test_secrets_come_by_field_and_from_parameters_and_with_a_customers_key(mixed: Assembly) -> None:
    shop, _ = containers(mixed, SHOP)
    arns = {each["Name"]: each["ValueFrom"] for each in shop["Secrets"]}
    assert arns == {
        "PASSWORD": "arn:aws:secretsmanager:us-east-1:444444444444:secret:nova/db:password::",
        "TOKEN": "arn:aws:ssm:us-east-1:444444444444:parameter/acme/token",
        "KEYED": "arn:aws:secretsmanager:us-east-1:444444444444:secret:acme/keyed",
    }
    decrypts = [each for each in mixed.statements(SHOP, "ExecutionRole") if each["Action"] == "kms:Decrypt"]
    assert [each["Resource"] for each in decrypts] == [
        [
            f"arn:aws:kms:us-east-1:444444444444:key/{key}-12ab-34cd-56ef-1234567890ab"
            for key in ("1234abcd", "5678abcd")
        ]
    ]


def test_the_task_role_may_do_what_is_permitted_and_no_more(mixed: Assembly) -> None:
    allowed = mixed.statements(SHOP, "TaskRole")
    assert [(each["Action"], each["Resource"]) for each in allowed] == [
        (["dynamodb:GetItem", "dynamodb:Query"], "arn:aws:dynamodb:us-east-1:444444444444:table/shop-live"),
        ("s3:Get*", "arn:aws:s3:::acme-live/*"),
    ]
    assert mixed.statements(STOCK, "TaskRole") == []


def test_a_command_runs_before_the_service_takes_the_new_image(mixed: Assembly) -> None:
    [(logical_id, run)] = mixed.resources(SHOP, "Custom::NovaBeforeDeploy").items()
    assert run["Properties"]["Command"] == ["shop", "migrate"]
    assert run["Properties"]["Family"] == SHOP
    [service] = mixed.resources(SHOP, "AWS::ECS::Service").values()
    [definition] = mixed.resources(SHOP, "AWS::ECS::TaskDefinition")
    assert logical_id in service["DependsOn"]
    assert definition in run["DependsOn"]
    network = service["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert (run["Properties"]["Subnets"], run["Properties"]["SecurityGroups"]) == (
        network["Subnets"],
        network["SecurityGroups"],
    )
    assert mixed.properties(STOCK, "AWS::Lambda::Function") == []


def test_the_key_lets_every_log_group_be_encrypted(mixed: Assembly) -> None:
    groups = mixed.log_groups()
    assert any("-BeforeDeployLogs" in name for name in groups)
    assert [name for name, allowed in groups.items() if not allowed] == []


def test_going_back_to_an_image_changes_nothing_of_what_ran_before_it(mixed: Assembly) -> None:
    """So CloudFormation does not call it: nova rollback changes only the task definition's image."""
    [run] = mixed.properties(SHOP, "Custom::NovaBeforeDeploy")
    [definition] = mixed.resources(SHOP, "AWS::ECS::TaskDefinition")
    assert definition not in json.dumps(run)
    assert "abc123" not in json.dumps(run)


def test_the_function_may_run_this_service_and_nothing_else(mixed: Assembly) -> None:
    allowed = mixed.statements(SHOP, "BeforeDeployRole")
    actions = {each["Action"] if isinstance(each["Action"], str) else tuple(each["Action"]) for each in allowed}
    assert ("ecs:DescribeTasks", "ecs:StopTask") in actions
    [run] = [each for each in allowed if each["Action"] == "ecs:RunTask"]
    assert json.dumps(run["Resource"]).count("nova-live-shop:*") == 1
    assert "Condition" in run
    assert all(each["Resource"] != "*" for each in allowed)


def test_a_connection_opens_its_port_and_no_other(mixed: Assembly) -> None:
    def reach(stack: str) -> set[tuple[str, int, int]]:
        [group] = mixed.properties(stack, "AWS::EC2::SecurityGroup")
        return {(each["CidrIp"], each["FromPort"], each["ToPort"]) for each in group["SecurityGroupEgress"]}

    always = {("0.0.0.0/0", 80, 80), ("0.0.0.0/0", 443, 443)}
    assert reach(STOCK) == always
    assert reach(SHOP) - always == {("0.0.0.0/0", 5432, 5432), ("10.9.0.0/16", 6379, 6379)}


def test_the_registry_of_a_sidecar_gets_the_login_that_the_execution_role_may_read(mixed: Assembly) -> None:
    _, sidecar = containers(mixed, SHOP)
    secret = json.dumps(sidecar["RepositoryCredentials"])
    assert "secret:acme/registry" in secret
    read = [
        each for each in mixed.statements(SHOP, "ExecutionRole") if "acme/registry-" in json.dumps(each["Resource"])
    ]
    assert [each["Action"] for each in read] == [["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]]


def test_a_sidecar_starts_first_where_it_can_say_that_it_is_healthy(mixed: Assembly) -> None:
    shop, sidecar = containers(mixed, SHOP)
    assert shop["DependsOn"] == [{"Condition": "HEALTHY", "ContainerName": "otel"}]
    assert (sidecar["Name"], sidecar["Essential"], sidecar["Memory"]) == ("otel", False, 128)
    assert sidecar["LogConfiguration"] == shop["LogConfiguration"]
    assert sidecar["HealthCheck"] == {
        "Command": ["CMD", "/healthcheck"],
        "Interval": 12,
        "Timeout": 4,
        "Retries": 3,
        "StartPeriod": 45,
    }


def test_a_host_gets_its_rule_certificate_and_record(mixed: Assembly) -> None:
    hosts = ["shop.example.com", "live.acme.example.com"]
    [rule] = mixed.properties(SHOP, "AWS::ElasticLoadBalancingV2::ListenerRule")
    assert rule["Conditions"] == [{"Field": "host-header", "HostHeaderConfig": {"Values": hosts}}]
    certificate = mixed.only(SHOP, "AWS::CertificateManager::Certificate")
    assert [certificate["DomainName"], *certificate["SubjectAlternativeNames"]] == hosts
    assert len(mixed.properties(SHOP, "AWS::ElasticLoadBalancingV2::ListenerCertificate")) == 1
    assert [each["Name"] for each in mixed.properties(SHOP, "AWS::Route53::RecordSet")] == [f"{h}." for h in hosts]


def test_a_service_is_deployed_after_what_answers_for_its_hosts(mixed: Assembly) -> None:
    """Its smoke test asks https://<host> as soon as it runs."""
    [service] = mixed.resources(SHOP, "AWS::ECS::Service").values()
    records = mixed.resources(SHOP, "AWS::Route53::RecordSet")
    certificates = mixed.resources(SHOP, "AWS::ElasticLoadBalancingV2::ListenerCertificate")
    assert {*records, *certificates} <= {*service["DependsOn"]}
    assert (len(records), len(certificates)) == (2, 1)


def test_an_internal_service_is_behind_the_private_load_balancer_and_every_service_knows_it(mixed: Assembly) -> None:
    schemes = {each["Scheme"] for each in mixed.properties(PLATFORM, "AWS::ElasticLoadBalancingV2::LoadBalancer")}
    assert schemes == {"internal", "internet-facing"}
    rules = {
        stack: mixed.only(stack, "AWS::ElasticLoadBalancingV2::ListenerRule")["ListenerArn"]["Fn::ImportValue"]
        for stack in (SHOP, STOCK)
    }
    assert "PrivateIngress" in rules[STOCK]
    assert "PrivateIngress" not in rules[SHOP]
    for stack in (SHOP, STOCK, QUOTES):
        [url] = [e["Value"] for e in containers(mixed, stack)[0]["Environment"] if e["Name"] == "NOVA_INTERNAL_URL"]
        assert "PrivateIngress" in json.dumps(url)


def test_the_platform_sets_the_variables_that_the_page_names(mixed: Assembly) -> None:
    page = (Path(__file__).parents[4] / "docs" / "services.md").read_text(encoding="utf-8")
    said = page.partition("The platform sets ")[2].partition(". ")[0]
    container, _ = containers(mixed, SHOP)
    assert set(re.findall(r"`([A-Z_]+)`", said)) <= {each["Name"] for each in container["Environment"]}


def test_only_the_vpc_reaches_the_private_load_balancer(mixed: Assembly) -> None:
    [group] = [
        each
        for each in mixed.properties(PLATFORM, "AWS::EC2::SecurityGroup")
        if "private load balancer" in each["GroupDescription"]
    ]
    assert [(each["CidrIp"], each["FromPort"]) for each in group["SecurityGroupIngress"]] == [("10.0.0.0/16", 80)]


def test_grpc_is_spoken_to_the_container(mixed: Assembly) -> None:
    for group in mixed.properties(QUOTES, "AWS::ElasticLoadBalancingV2::TargetGroup"):
        assert (group["ProtocolVersion"], group["Matcher"]) == ("GRPC", {"GrpcCode": "0"})
    for group in mixed.properties(SHOP, "AWS::ElasticLoadBalancingV2::TargetGroup"):
        assert "ProtocolVersion" not in group


def test_tasks_come_and_go_by_the_clock(mixed: Assembly) -> None:
    target = mixed.only(SHOP, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (3, 9)
    assert [
        (each["Schedule"], each["Timezone"], each["ScalableTargetAction"]) for each in target["ScheduledActions"]
    ] == [
        ("cron(0 20 ? * MON-FRI *)", "Asia/Tokyo", {"MinCapacity": 0, "MaxCapacity": 0}),
        ("cron(0 7 ? * MON-FRI *)", "UTC", {"MinCapacity": 3, "MaxCapacity": 12}),
    ]
    assert "ScheduledActions" not in mixed.only(STOCK, "AWS::ApplicationAutoScaling::ScalableTarget")


def test_too_few_tasks_are_fewer_than_wanted_where_there_may_be_none(mixed: Assembly) -> None:
    def running(stack: str) -> dict[str, Any]:
        [alarm] = [a for a in mixed.properties(stack, "AWS::CloudWatch::Alarm") if a["AlarmName"].endswith("-running")]
        return alarm

    assert running(SHOP)["Metrics"][-1]["Expression"] == "IF(FILL(running,0)<FILL(desired,0),1,0)"
    assert running(STOCK)["Metrics"][-1]["Expression"] == "IF(running<1,IF(running<desired,1,IF(desired<1,1,0)),0)"


def test_some_tasks_run_on_spot_beyond_those_that_always_run(mixed: Assembly) -> None:
    assert mixed.only(SHOP, "AWS::ECS::Service")["CapacityProviderStrategy"] == [
        {"CapacityProvider": "FARGATE", "Base": 2, "Weight": 25},
        {"CapacityProvider": "FARGATE_SPOT", "Weight": 75},
    ]
    for service in (mixed.only(SHOP, "AWS::ECS::Service"), stock := mixed.only(STOCK, "AWS::ECS::Service")):
        assert "LaunchType" not in service  # with one, `spot` could be neither added nor removed later
    assert stock["CapacityProviderStrategy"] == [{"CapacityProvider": "FARGATE", "Weight": 1}]


def test_the_rehearsal_knows_everything_of_them(mixed: Assembly) -> None:
    reading = StageReading()
    for stack in (PLATFORM, SHOP, STOCK, QUOTES):
        reading.read(stack, mixed.templates[stack])
    assert reading.sidecars == {"otel"}


def test_an_environment_in_a_network_that_exists_adds_nothing_to_it(mixed: Assembly) -> None:
    for kind in ("VPC", "Subnet", "NatGateway", "VPCEndpoint", "FlowLog", "Route"):
        assert mixed.properties(PLATFORM, f"AWS::EC2::{kind}") == []
    private, public = ["subnet-0123456789abcdef3", "subnet-0123456789abcdef4"], "subnet-0123456789abcdef1"
    network = mixed.only(SHOP, "AWS::ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["Subnets"] == private
    balancers = {
        b["Scheme"]: b["Subnets"] for b in mixed.properties(PLATFORM, "AWS::ElasticLoadBalancingV2::LoadBalancer")
    }
    assert balancers["internal"] == private
    assert balancers["internet-facing"][0] == public
    assert mixed.properties(SHOP, "AWS::EC2::SecurityGroup")[0]["VpcId"] == "vpc-0123456789abcdef0"

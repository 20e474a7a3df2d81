"""Names, words and combinations that AWS does not take, and the nearest ones that it does."""

from typing import Any

import pytest

from helpers.changes import nested
from nova_infra.operations.planner import Refusal, StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")
GIVEN = {"Ref": "Given"}


def refusals(kind: str, properties: dict[str, Any], **others: Any) -> list[Refusal]:
    resources = {"It": {"Type": kind, "Properties": properties}, **others}
    template = {"Parameters": {"Given": {"Type": "String"}}, "Resources": resources}
    return [each for each in plan([], [[StackTemplate(KEY, template)]]).refusals if each.where.startswith("It.")]


WRONG_CRONS = ["cron(0 12 * * *)", "cron(0 12 * * * *)", "cron(0 12 ? * ? *)"]
ELB = "AWS::ElasticLoadBalancingV2::"
NAMES = [
    (
        "AWS::CloudWatch::Alarm",
        "ExtendedStatistic",
        ["p99.9", "p100", "P99", "tm95", "TM(5%:)", "PR(-5:10)", "IQM"],
        ["p101", "q9", "p"],
    ),
    ("AWS::DynamoDB::Table", "GlobalSecondaryIndexes[].IndexName", ["by-day"], ["x"]),
    (
        "AWS::CertificateManager::Certificate",
        "DomainName",
        ["x" * 60 + ".com", "*." + "x" * 58 + ".com"],
        ["x" * 61 + ".com", "*." + "x" * 59 + ".com", "a.*.com"],
    ),
    ("AWS::CertificateManager::Certificate", "SubjectAlternativeNames[]", ["*.a.com", "b.com"], ["*.*.a.com"]),
    ("AWS::OpenSearchService::Domain", "DomainName", ["carts-2"], ["Carts", "ca", "2carts", "x" * 29]),
    (
        "AWS::ElastiCache::ReplicationGroup",
        "ReplicationGroupId",
        ["carts-2"],
        ["2carts", "carts--2", "x" * 41, "a-" * 20 + "b"],
    ),
    ("AWS::ECS::TaskDefinition", "Family", ["shop-cart_2", "x" * 255], ["shop cart", "shop.cart", "x" * 256]),
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions[].Name", ["app-1"], ["app 1", ""]),
    ("AWS::ECS::TaskDefinition", "RuntimePlatform.CpuArchitecture", ["ARM64", "X86_64"], ["x86_64", "AMD64"]),
    ("AWS::ECS::Service", "ServiceName", ["cart"], ["cart.eu"]),
    ("AWS::ECS::Service", "PlatformVersion", ["LATEST", "1.4.0", "1.3.0", "1.0.0"], ["latest", "1.5.0", "1.1.0"]),
    (
        f"{ELB}LoadBalancer",
        "Name",
        ["shop", "x" * 32, "my-internal-one"],
        ["-shop", "shop-", "internal-shop", "x" * 33],
    ),
    (f"{ELB}TargetGroup", "Name", ["cart-blue", "internal-cart"], ["cart_blue", "cart-", "x" * 33]),
    (f"{ELB}TargetGroup", "HealthCheckPath", ["/", "/up?deep=1"], ["up", ""]),
    (f"{ELB}TargetGroup", "Matcher.HttpCode", ["200", "200,204", "200-599"], ["199", "200-600", "ok"]),
    ("AWS::SNS::Topic", "TopicName", ["alerts", "alerts.fifo"], ["all alerts", "x" * 257]),
    ("AWS::S3::Bucket", "BucketName", ["my.bucket-1"], ["MyBucket", "ab", "-bucket", "a..b", "x" * 64]),
    ("AWS::SQS::Queue", "QueueName", ["mails"], ["mails.fifo", "my mails", "x" * 81]),
    ("AWS::Logs::LogGroup", "LogGroupName", ["/shop/web_1", "a.b#c", "x" * 512], ["shop web", "aws/shop", "x" * 513]),
    (
        "AWS::SSM::Parameter",
        "Name",
        ["key", "/nova/prod/key", "/awsome/key"],
        ["/aws/key", "/SSM/key", "awskey", "Ssm-key", "my key", "/nova//key"],
    ),
    ("AWS::SSM::Parameter", "Type", ["String", "StringList"], ["SecureString"]),
    (
        "AWS::Events::Rule",
        "ScheduleExpression",
        ["rate(1 hour)", "rate(5 minutes)", "cron(0 12 * * ? *)", "cron(0 12 ? * MON-FRI *)"],
        ["rate(1 hours)", "rate(5 minute)", "rate(0 days)", "every hour", "at(2030-01-01T00:00:00)", *WRONG_CRONS],
    ),
    (
        "AWS::Scheduler::Schedule",
        "ScheduleExpression",
        ["at(2030-01-01T00:00:00)", "rate(2 days)", "rate(1 days)", "rate(1 hours)"],
        ["rate(0 days)", "rate(1.5 hours)", "rate(1 week)", "cron(0 12 * * *)", "in(1 day)"],
    ),
    ("AWS::Scheduler::Schedule", "ScheduleExpressionTimezone", ["Asia/Tokyo", "UTC"], ["Asia/Tokio"]),
]


@pytest.mark.parametrize(
    ("kind", "path", "taken", "refused"), NAMES, ids=[f"{kind} {path}" for kind, path, *_ in NAMES]
)
def test_a_word_that_aws_does_not_take_is_refused_by_its_property(
    kind: str, path: str, taken: list[str], refused: list[str]
) -> None:
    for value in (*taken, GIVEN, {"Fn::Sub": "${Given} it"}):
        assert refusals(kind, nested(path, value)) == [], value
    for value in refused:
        [found] = refusals(kind, nested(path, value))
        assert (found.stack, found.where) == ("carts", f"It.{path}"), value
        assert found.remedy


@pytest.mark.parametrize("protocol", ["HTTP", "HTTPS"])
def test_an_application_load_balancer_takes_no_server_error_for_health(protocol: str) -> None:
    for codes, fits in (("200,204", True), ("200-499", True), ("200-500", False), ("503", False)):
        properties = {"Protocol": protocol, "Matcher": {"HttpCode": codes}}
        found = [each.where for each in refusals(f"{ELB}TargetGroup", properties)]
        assert found == ([] if fits else ["It.Matcher.HttpCode"]), codes


NETWORK = "NetworkConfiguration.AwsvpcConfiguration"
HASH = {"AttributeName": "id", "KeyType": "HASH"}


def logged(**options: str) -> dict[str, Any]:
    return nested("ContainerDefinitions[].LogConfiguration", {"LogDriver": "awslogs", "Options": options})


def table(*attributes: str, **more: Any) -> dict[str, Any]:
    return {
        "KeySchema": [HASH],
        "AttributeDefinitions": [{"AttributeName": each, "AttributeType": "S"} for each in attributes],
        **more,
    }


def conditions(values: list[str]) -> dict[str, Any]:
    return {"Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": values}}]}


INDEX = [{"IndexName": "by-day", "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}]}]
TOGETHER = [
    ("AWS::ECS::TaskDefinition", logged(**{"awslogs-region": "x"}), "lacks awslogs-group, which awslogs needs"),
    ("AWS::ECS::TaskDefinition", logged(**{"awslogs-region": "x", "awslogs-group": "y"}), None),
    ("AWS::ECS::Service", nested(f"{NETWORK}.SecurityGroups", list("abcdef")), "has 6 entries, but AWS allows 5"),
    ("AWS::ECS::Service", nested(f"{NETWORK}.SecurityGroups", list("abcde")), None),
    ("AWS::ECS::Service", nested(f"{NETWORK}.Subnets", [f"s{n}" for n in range(17)]), "has 17 entries"),
    (f"{ELB}ListenerRule", {"Conditions": []}, "is empty, and a rule needs a condition"),
    (f"{ELB}ListenerRule", conditions([]), "has a condition without values"),
    (f"{ELB}ListenerRule", conditions(["/a"]), None),
    ("AWS::SQS::Queue", {"QueueName": "mails", "FifoQueue": True}, "is mails, and the queue is a FIFO queue"),
    ("AWS::SQS::Queue", {"QueueName": "mails.fifo", "FifoQueue": "true"}, None),
    ("AWS::DynamoDB::Table", table("other"), "has the key id, which AttributeDefinitions lacks"),
    ("AWS::DynamoDB::Table", table("id", "day"), "has day, which is not a key of the table or an index"),
    ("AWS::DynamoDB::Table", table("id", "day", GlobalSecondaryIndexes=INDEX), None),
    ("AWS::DynamoDB::Table", table("other", GlobalSecondaryIndexes={"Fn::If": ["Big", INDEX, GIVEN]}), None),
    ("AWS::SQS::Queue", {"QueueName": "mails.fifo", "FifoQueue": GIVEN}, None),
]


@pytest.mark.parametrize(("kind", "properties", "fault"), TOGETHER)
def test_what_does_not_go_together_is_refused(kind: str, properties: dict[str, Any], fault: str | None) -> None:
    found = refusals(kind, properties)
    assert len(found) == (fault is not None)
    assert all(fault is not None and fault in each.fault for each in found)


@pytest.mark.parametrize(("mine", "dead", "fits"), [(True, True, True), (False, False, True), (True, False, False)])
def test_a_dead_letter_queue_is_of_the_same_kind(mine: bool, dead: bool, fits: bool) -> None:
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 2}
    other = {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": dead}}
    found = refusals("AWS::SQS::Queue", {"FifoQueue": mine, "RedrivePolicy": redrive}, Dead=other)
    faults = [] if fits else ["leads from a FIFO queue to a standard one"]
    assert [each.fault for each in found] == faults


@pytest.mark.parametrize(("status", "is_refused"), [("HTTP_301", False), ("HTTP_302", False), ("HTTP_308", True)])
def test_a_redirect_has_one_of_two_statuses(status: str, is_refused: bool) -> None:
    action = {"Type": "redirect", "RedirectConfig": {"StatusCode": status, "Path": "/elsewhere"}}
    condition = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/here"]}}
    found = refusals(f"{ELB}ListenerRule", {"Priority": 3, "Conditions": [condition], "Actions": [action]})
    assert [each.where for each in found] == ["It.Actions[].RedirectConfig.StatusCode"] * is_refused

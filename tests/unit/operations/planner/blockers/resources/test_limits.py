"""Values, texts and lists just beyond what AWS takes, and just within."""

from typing import Any

import pytest

from helpers.changes import nested
from nova_infra.operations.planner import Refusal, StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")


def refusals(kind: str, properties: dict[str, Any]) -> list[Refusal]:
    given = {name: {"Type": "String"} for name in ("Given", "Last")}
    template = {"Parameters": given, "Resources": {"It": {"Type": kind, "Properties": properties}}}
    return plan([], [[StackTemplate(KEY, template)]]).refusals


NUMBERS = [
    ("AWS::SQS::Queue", "VisibilityTimeout", 0, 43_200),
    ("AWS::SQS::Queue", "MessageRetentionPeriod", 60, 1_209_600),
    ("AWS::SQS::Queue", "DelaySeconds", 0, 900),
    ("AWS::SQS::Queue", "ReceiveMessageWaitTimeSeconds", 0, 20),
    ("AWS::SQS::Queue", "RedrivePolicy.maxReceiveCount", 1, 1000),
    ("AWS::Scheduler::Schedule", "Target.RetryPolicy.MaximumRetryAttempts", 0, 185),
    ("AWS::Scheduler::Schedule", "Target.RetryPolicy.MaximumEventAgeInSeconds", 60, 86_400),
    ("AWS::Scheduler::Schedule", "FlexibleTimeWindow.MaximumWindowInMinutes", 1, 1440),
    ("AWS::Events::Rule", "Targets[].RetryPolicy.MaximumRetryAttempts", 0, 185),
    ("AWS::IAM::Role", "MaxSessionDuration", 3600, 43_200),
    ("AWS::KMS::Key", "PendingWindowInDays", 7, 30),
    ("AWS::CodeBuild::Project", "TimeoutInMinutes", 5, 2160),
    ("AWS::CodeBuild::Project", "QueuedTimeoutInMinutes", 5, 480),
    ("AWS::WAFv2::WebACL", "Rules[].Statement.RateBasedStatement.Limit", 10, 2_000_000_000),
    ("AWS::Lambda::Function", "Timeout", 1, 900),
    ("AWS::Lambda::Function", "MemorySize", 128, 10_240),
    ("AWS::Lambda::Function", "EphemeralStorage.Size", 512, 10_240),
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions[].StartTimeout", 2, 120),
    ("AWS::ElasticLoadBalancingV2::ListenerRule", "Actions[].ForwardConfig.TargetGroups[].Weight", 0, 999),
    ("AWS::SecretsManager::Secret", "GenerateSecretString.PasswordLength", 1, 4096),
    ("AWS::ECS::Service", "DesiredCount", 0, 2_147_483_647),
    ("AWS::ElasticLoadBalancingV2::TargetGroup", "Port", 1, 65_535),
    ("AWS::ElasticLoadBalancingV2::Listener", "Port", 1, 65_535),
]


@pytest.mark.parametrize(("kind", "path", "least", "most"), NUMBERS, ids=[path for _, path, *_ in NUMBERS])
def test_a_number_is_taken_up_to_its_limits_and_refused_beyond(kind: str, path: str, least: int, most: int) -> None:
    for value in (least, most, str(most), {"Ref": "Given"}):
        assert [each for each in refusals(kind, nested(path, value)) if each.where == f"It.{path}"] == []
    for value in (least - 1, most + 1, str(most + 1)):
        [found] = [each for each in refusals(kind, nested(path, value)) if each.where == f"It.{path}"]
        assert (found.stack, found.where) == ("carts", f"It.{path}")
        assert found.fault == f"is {int(value):,}"
        assert found.remedy == f"choose {least:,} to {most:,}"


@pytest.mark.parametrize(
    ("kind", "name", "key", "least", "most"),
    [
        ("TargetGroup", "TargetGroupAttributes", "deregistration_delay.timeout_seconds", 0, 3600),
        ("TargetGroup", "TargetGroupAttributes", "slow_start.duration_seconds", 30, 900),
        ("TargetGroup", "TargetGroupAttributes", "stickiness.lb_cookie.duration_seconds", 1, 604_800),
        ("LoadBalancer", "LoadBalancerAttributes", "idle_timeout.timeout_seconds", 1, 4000),
    ],
)
def test_an_attribute_is_taken_up_to_its_limits_and_refused_beyond(
    kind: str, name: str, key: str, least: int, most: int
) -> None:
    kind = f"AWS::ElasticLoadBalancingV2::{kind}"
    for value in (str(least), str(most)):
        assert refusals(kind, {name: [{"Key": key, "Value": value}]}) == []
    for value in (str(least - 1), str(most + 1)):
        [found] = refusals(kind, {name: [{"Key": key, "Value": value}]})
        assert (found.where, found.remedy) == (f"It.{name}.{key}", f"choose {least:,} to {most:,}")


@pytest.mark.parametrize(("key", "most"), [("MemorySize", 32_768), ("Timeout", 5400)])
def test_a_function_on_instances_of_its_own_may_be_larger(key: str, most: int) -> None:
    provider: dict[str, Any] = {"CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {}}}
    assert refusals("AWS::Lambda::Function", {key: most, **provider}) == []
    assert [each.where for each in refusals("AWS::Lambda::Function", {key: most + 1, **provider})] == [f"It.{key}"]
    assert [each.where for each in refusals("AWS::Lambda::Function", {key: most})] == [f"It.{key}"]


def test_no_slow_start_is_written_as_zero() -> None:
    attribute = {"Key": "slow_start.duration_seconds", "Value": "0"}
    assert refusals("AWS::ElasticLoadBalancingV2::TargetGroup", {"TargetGroupAttributes": [attribute]}) == []


LENGTHS = [
    ("AWS::Scheduler::Schedule", "Name", 64),
    ("AWS::IAM::Role", "RoleName", 64),
    ("AWS::IAM::Role", "Description", 1000),
    ("AWS::CloudWatch::Alarm", "AlarmName", 255),
    ("AWS::CloudWatch::Alarm", "AlarmDescription", 1024),
    ("AWS::CloudWatch::CompositeAlarm", "AlarmRule", 10_240),
    ("AWS::Logs::MetricFilter", "FilterPattern", 1024),
    ("AWS::CodePipeline::Pipeline", "Stages[].Name", 100),
    ("AWS::CodePipeline::Pipeline", "Stages[].Actions[].Name", 100),
    ("AWS::CodePipeline::Pipeline", "Stages[].Actions[].OutputArtifacts[].Name", 100),
    ("AWS::CodePipeline::Pipeline", "Stages[].Actions[].Configuration.CustomData", 1000),
    ("AWS::StepFunctions::StateMachine", "StateMachineName", 80),
    ("AWS::ECR::Repository", "LifecyclePolicy.LifecyclePolicyText", 30_720),
    ("AWS::WAFv2::WebACL", "Name", 128),
]


@pytest.mark.parametrize(("kind", "path", "most"), LENGTHS, ids=[path for _, path, _ in LENGTHS])
def test_a_text_is_taken_up_to_its_limit_and_refused_beyond(kind: str, path: str, most: int) -> None:
    assert [each for each in refusals(kind, nested(path, "x" * most)) if each.where != "It.Stages"] == []
    [found] = [each for each in refusals(kind, nested(path, "x" * (most + 1))) if each.where != "It.Stages"]
    assert (found.fault, found.remedy) == (f"has {most + 1:,} characters, but AWS allows {most:,}", "shorten it")


@pytest.mark.parametrize(
    ("kind", "path", "taken", "refused", "fault"),
    [
        ("AWS::RDS::DBCluster", "DBClusterIdentifier", "orders-2", "orders--2", "is orders--2"),
        ("AWS::Kinesis::Stream", "Name", "clicks.v1", "clicks v1", "is clicks v1"),
        ("AWS::Lambda::Permission", "SourceAccount", "210987654321", "2109876543-1", "is 2109876543-1"),
        ("AWS::Backup::BackupVault", "BackupVaultName", "shop", "shop one", "is shop one"),
        ("AWS::CloudWatch::Alarm", "Namespace", "Shop", ":Shop", "is :Shop"),
        ("AWS::Lambda::Function", "Handler", "shop.main", "shop main", "is shop main"),
        ("AWS::IAM::Role", "Path", "/shop/", "shop", "is shop"),
        ("AWS::ElastiCache::ReplicationGroup", "UserGroupIds[]", "shop", "1shop", "is 1shop"),
        (
            "AWS::EFS::FileSystem",
            "LifecyclePolicies[].TransitionToIA",
            "AFTER_7_DAYS",
            "AFTER_8_DAYS",
            "is AFTER_8_DAYS",
        ),
        ("AWS::CodePipeline::Pipeline", "Stages", [{}, {}], [{}], "has 1 entries, but AWS needs 2"),
        ("AWS::Synthetics::Canary", "Name", "shop", "Shop", "is Shop"),
        ("AWS::Pipes::Pipe", "Name", "shop", "shop/1", "is shop/1"),
        ("AWS::RDS::DBInstance", "MonitoringInterval", 60, 20, "is 20"),
        ("AWS::Budgets::Budget", "Budget.TimeUnit", "MONTHLY", "WEEKLY", "is WEEKLY"),
        ("AWS::ApiGateway::UsagePlan", "Quota.Period", "DAY", "YEAR", "is YEAR"),
        ("AWS::WAFv2::IPSet", "Addresses[]", "10.0.0.1/32", "10.0.0.1", "is 10.0.0.1"),
    ],
)
def test_what_only_the_schema_says_of_a_property_is_refused(
    kind: str, path: str, taken: Any, refused: Any, fault: str
) -> None:
    place = f"It.{path.replace('[]', '')}"

    def found(value: Any) -> list[str]:
        return [e.fault for e in refusals(kind, nested(path, value)) if e.where.replace("[]", "") == place]

    assert found(taken) == []
    assert found({"Ref": "Given"}) == []
    assert found(refused) == [fault]


@pytest.mark.parametrize(
    ("kind", "path", "known", "other", "nearest"),
    [
        ("AWS::Lambda::Function", "Runtime", "python3.13", "pyhton3.13", "the nearest is python3.13"),
        ("AWS::DynamoDB::Table", "TableClass", "STANDARD", "ICE", "make it STANDARD or STANDARD_INFREQUENT_ACCESS"),
        (
            "AWS::S3::Bucket",
            "LifecycleConfiguration.Rules[].Transitions[].StorageClass",
            "GLACIER",
            "GLACIR",
            "GLACIER",
        ),
        (
            "AWS::AutoScaling::AutoScalingGroup",
            "MixedInstancesPolicy.LaunchTemplate.Overrides[].InstanceRequirements.AcceleratorNames[]",
            "a100",
            "v1000",
            "the nearest is v100",
        ),
        ("AWS::MSK::Cluster", "EnhancedMonitoring", "DEFAULT", "DEFALT", "the nearest is DEFAULT"),
    ],
)
def test_a_word_of_a_list_that_grows_is_doubted_and_not_refused(
    kind: str, path: str, known: str, other: str, nearest: str
) -> None:
    def doubts(word: Any) -> list[str]:
        stack = StackTemplate(KEY, {"Resources": {"It": {"Type": kind, "Properties": nested(path, word)}}})
        [planned] = plan([], [[stack]]).stacks
        assert [each for each in planned.refusals if each.where.startswith(f"It.{path}")] == []
        return [each.what for each in planned.consequences if each.hurts and each.where == f"It.{path}"]

    assert doubts(known) == doubts({"Fn::Sub": "${AWS::Region}"}) == []
    [what] = doubts(other)
    assert what.startswith(f"is {other}, which AWS's schema did not have")
    assert what.endswith(nearest)


COUNTS = [
    ("AWS::CloudWatch::Alarm", "AlarmActions", 5),
    ("AWS::CloudWatch::CompositeAlarm", "OKActions", 5),
    ("AWS::Events::Rule", "Targets", 5),
]


@pytest.mark.parametrize(("kind", "path", "most"), COUNTS, ids=[path for _, path, _ in COUNTS])
def test_a_list_is_taken_up_to_its_limit_and_refused_beyond(kind: str, path: str, most: int) -> None:
    nothing = {"Ref": "AWS::NoValue"}
    maybe = [nothing, {"Fn::If": ["Some", {"Number": -1}, nothing]}]
    needed = {"ScheduleExpression": "rate(5 minutes)"} if kind == "AWS::Events::Rule" else {}
    assert refusals(kind, {**needed, path: [{"Number": n} for n in range(most)] + maybe}) == []
    [found] = refusals(kind, {**needed, path: [{"Number": n} for n in range(most + 1)] + maybe})
    assert (found.fault, found.remedy) == (f"has {most + 1} entries, but AWS allows {most}", "divide them")


def test_a_composite_alarm_has_a_hundred_others_below_it() -> None:
    def combined(number: int) -> dict[str, Any]:
        parts = " OR ".join(f'ALARM("a{n}")' for n in [*range(number), 0])
        return {"AlarmRule": {"Fn::Join": ["", [parts, ' OR ALARM("', {"Ref": "Last"}, '")']]}}

    assert refusals("AWS::CloudWatch::CompositeAlarm", combined(99)) == []
    [found] = refusals("AWS::CloudWatch::CompositeAlarm", combined(100))
    assert found.fault == "refers to 101 alarms, but AWS allows 100"


@pytest.mark.parametrize(
    ("properties", "fault"),
    [
        ({"Value": "é" * 2049}, "has 4,098 bytes, and a standard parameter holds 4,096"),
        ({"Value": "é" * 2048}, None),
        ({"Value": "é" * 2049, "Tier": "Advanced"}, None),
    ],
)
def test_a_standard_parameter_holds_4_kib(properties: dict[str, Any], fault: str | None) -> None:
    assert [each.fault for each in refusals("AWS::SSM::Parameter", properties)] == ([fault] if fault else [])


def test_two_rules_of_a_firewall_have_two_priorities() -> None:
    assert refusals("AWS::WAFv2::WebACL", {"Rules": [{"Priority": 3}, {"Priority": 4}]}) == []
    [found] = refusals("AWS::WAFv2::WebACL", {"Rules": [{"Priority": 3}, {"Priority": 3}]})
    assert found.fault == "has 3 twice"


@pytest.mark.parametrize(
    ("tags", "fault"),
    [
        ([{"Key": f"k{n}", "Value": "v"} for n in range(51)], "has 51 tags, but AWS allows 50"),
        ([{"Key": f"k{n}", "Value": "v"} for n in range(50)], None),
        ([{"Key": "AWS:mine", "Value": "v"}], "has AWS:mine, and AWS keeps names that begin with aws: for itself"),
        ({"aws:mine": "v"}, "has aws:mine, and AWS keeps names that begin with aws: for itself"),
        ([{"Key": "k" * 129, "Value": "v"}], "has a key of 129 characters, but AWS allows 128"),
        ([{"Key": "k" * 128, "Value": {"Ref": "Given"}}], None),
        ([{"Key": "k", "Value": "v" * 257}], "has a value of 257 characters, but AWS allows 256"),
    ],
)
def test_tags_are_those_that_aws_takes(tags: Any, fault: str | None) -> None:
    assert [each.fault for each in refusals("AWS::Logs::LogGroup", {"Tags": tags})] == ([fault] if fault else [])

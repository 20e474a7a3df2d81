"""What is lost with a resource that is deleted or replaced."""

from typing import Any

import pytest

from nova_infra.operations.changes.resource_types import resource_type
from nova_infra.operations.planner import StackKey, StackTemplate, plan
from nova_infra.operations.planner.blockers.resources.losses import lost

KEY = StackKey("210987654321", "eu-north-1", "nova-prod-mails")
OTHER = {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardBody": "{}"}}


def said(before: dict[str, Any], after: dict[str, Any] | None) -> list[str]:
    """What a plan says of a resource besides what happens to it."""
    stacks = [
        StackTemplate(KEY, {"Resources": {"Other": OTHER} | ({"It": each} if each else {})}) for each in (before, after)
    ]
    [planned] = plan(stacks[:1], [stacks[1:]]).stacks
    return [str(each).partition(".It: ")[2] for each in planned.consequences if each.loses]


def resource(kind: str, *, delete: str = "", replace: str = "", **properties: Any) -> dict[str, Any]:
    policies = {"DeletionPolicy": delete, "UpdateReplacePolicy": replace}
    return {"Type": kind, "Properties": properties, **{key: value for key, value in policies.items() if value}}


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("AWS::SQS::Queue", "its messages are lost"),
        ("AWS::DynamoDB::Table", "its items are lost"),
        ("AWS::S3::Bucket", "CloudFormation deletes it if it is empty, and otherwise leaves it with its objects"),
        ("AWS::Logs::LogGroup", "its log events are lost"),
        ("AWS::ECR::Repository", "CloudFormation deletes it if it is empty, and otherwise leaves it with its images"),
        ("AWS::SecretsManager::Secret", "its value is lost"),
        ("AWS::KMS::Key", "what it encrypted cannot be read any more"),
        ("AWS::Kinesis::Stream", "its records are lost"),
        ("AWS::EFS::FileSystem", "its files are lost"),
        ("AWS::EC2::EIP", "its address, which others may have allowed in, is released"),
        ("AWS::SNS::Topic", "its subscribers are lost"),
        ("AWS::Redshift::Cluster", "what it holds is lost"),
        ("AWS::RDS::DBCluster", "only a snapshot of what it holds is left"),
        ("AWS::RDS::DBInstance", "only a snapshot of what it holds is left"),
        ("AWS::IAM::Role", None),
        ("AWS::ECS::TaskDefinition", None),
    ],
)
def test_what_holds_something_is_deleted_with_it(kind: str, loss: str | None) -> None:
    assert [each.startswith(f"is deleted: {loss}") for each in said(resource(kind), None)] == [True] * (
        loss is not None
    )
    assert said(resource(kind, delete="Retain"), None) == []
    assert said(resource(kind, delete="RetainExceptOnCreate"), None) == []


ENDS = {"TimeToLiveSpecification": {"AttributeName": "ends", "Enabled": True}}


def expiring(**rule: Any) -> dict[str, Any]:
    return {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled"} | rule]}}


def versioned(status: Any = "Enabled", **rule: Any) -> dict[str, Any]:
    return expiring(**rule) | {"VersioningConfiguration": {"Status": status}}


def former(days: int, *, keep: int = 0, status: Any = "Enabled") -> dict[str, Any]:
    kept = {"NewerNoncurrentVersions": keep} if keep else {}
    return versioned(status, NoncurrentVersionExpiration={"NoncurrentDays": days, **kept})


def two(**second: Any) -> dict[str, Any]:
    """Everything below logs/ for five days, and a second rule."""
    [rule] = expiring(ExpirationInDays=5, Prefix="logs/")["LifecycleConfiguration"]["Rules"]
    return {"LifecycleConfiguration": {"Rules": [rule, rule | second]}}


LATER = {"Ref": "Days"}
SMALL = {"ExpirationInDays": 5, "ObjectSizeLessThan": "1000"}


def test_every_type_that_holds_data_has_a_loss() -> None:
    held = [kind for kind in ("AWS::QLDB::Ledger", "AWS::FSx::FileSystem", "AWS::SSM::Parameter") if lost(kind)]
    assert len(held) == 3
    assert all(lost(kind) is None for kind in ("AWS::EC2::Subnet", "AWS::CloudWatch::Alarm", "Custom::Anything"))
    assert resource_type("AWS::QLDB::Ledger").stateful


@pytest.mark.parametrize(
    ("policies", "loss"),
    [
        (
            {},
            "is replaced by an empty one: its items are lost; to keep it, first deploy it with UpdateReplacePolicy",
        ),
        ({"delete": "Retain"}, "is replaced by an empty one: its items are lost"),
        ({"replace": "Retain"}, "is replaced by an empty one, and the old one is kept outside of any stack"),
        ({"replace": "Snapshot"}, "is replaced by an empty one: only a snapshot of what it holds is left"),
    ],
)
def test_a_table_of_another_key_is_an_empty_one(policies: dict[str, str], loss: str) -> None:
    def table(key: str) -> dict[str, Any]:
        schema = [{"AttributeName": key, "KeyType": "HASH"}]
        return resource("AWS::DynamoDB::Table", KeySchema=schema, **policies)

    assert [each.startswith(loss) for each in said(table("id"), table("order"))] == [True]
    assert said(table("id"), table("id") | {"Metadata": {"a": "b"}}) == []


def test_a_database_of_a_cluster_leaves_no_snapshot() -> None:
    assert said(resource("AWS::RDS::DBInstance", DBClusterIdentifier="orders"), None)[0].startswith(
        "is deleted: what it holds is lost"
    )


def test_a_repository_that_is_emptied_loses_its_images() -> None:
    emptied = resource("AWS::ECR::Repository", EmptyOnDelete=True)
    assert said(emptied, None)[0].startswith("is deleted: its images are lost")


LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"


@pytest.mark.parametrize(
    ("kind", "properties", "stays"),
    [
        (LOAD_BALANCER, {"LoadBalancerAttributes": [{"Key": "deletion_protection.enabled", "Value": "true"}]}, True),
        (LOAD_BALANCER, {"LoadBalancerAttributes": [{"Key": "deletion_protection.enabled", "Value": "false"}]}, False),
        (LOAD_BALANCER, {"LoadBalancerAttributes": [{"Key": "idle_timeout.timeout_seconds", "Value": "60"}]}, False),
        (LOAD_BALANCER, {}, False),
        ("AWS::DynamoDB::Table", {"DeletionProtectionEnabled": True}, True),
        ("AWS::RDS::DBInstance", {"DeletionProtection": "true"}, True),
        ("AWS::Cognito::UserPool", {"DeletionProtection": "ACTIVE"}, True),
        ("AWS::Cognito::UserPool", {"DeletionProtection": "INACTIVE"}, False),
    ],
)
def test_what_is_protected_from_deletion_stays(kind: str, properties: dict[str, Any], stays: bool) -> None:
    def told(before: dict[str, Any], after: dict[str, Any] | None) -> list[str]:
        stacks = [{"Other": OTHER} | ({"It": each} if each else {}) for each in (before, after)]
        old, new = (StackTemplate(KEY, {"Resources": each}) for each in stacks)
        [planned] = plan([old], [[new]]).stacks
        return [str(each) for each in planned.consequences if "its deletion protection is on" in str(each)]

    before = resource(kind, **properties)
    assert [each.startswith("nova-prod-mails.It: is deleted, but") for each in told(before, None)] == [True] * stays
    assert not any("is deleted:" in each for each in said(before, None)) or not stays
    assert told(resource(kind, delete="Retain", **properties), None) == []
    assert told(before, before | {"Metadata": {"a": "b"}}) == []


@pytest.mark.parametrize("policy", ["", "Retain", "Snapshot", "Delete"])
@pytest.mark.parametrize(
    ("kind", "protected", "old", "new"),
    [
        ("AWS::DynamoDB::Table", {"DeletionProtectionEnabled": True}, {"TableName": "a"}, {"TableName": "b"}),
        ("AWS::DynamoDB::Table", {"DeletionProtectionEnabled": True}, {"KeySchema": ["a"]}, {"KeySchema": ["b"]}),
        ("AWS::RDS::DBInstance", {"DeletionProtection": True}, {"StorageEncrypted": False}, {"StorageEncrypted": True}),
        ("AWS::RDS::DBCluster", {"DeletionProtection": True}, {"StorageEncrypted": False}, {"StorageEncrypted": True}),
        (
            "AWS::DynamoDB::GlobalTable",
            {"Replicas": [{"Region": "eu-north-1"}, {"Region": "us-east-2", "DeletionProtectionEnabled": "true"}]},
            {"TableName": "a"},
            {"TableName": "b"},
        ),
    ],
)
def test_users_miss_what_a_protected_resource_holds_when_it_is_replaced(
    kind: str, protected: dict[str, Any], old: dict[str, Any], new: dict[str, Any], policy: str
) -> None:
    before, after = (resource(kind, replace=policy, **protected, **each) for each in (old, new))
    [loss] = [each for each in said(before, after) if "by an empty one" in each]
    assert loss.endswith(
        "by an empty one, and the old one is kept outside of any stack: move what it holds before users miss it"
    )


def test_what_is_left_by_its_protection_is_not_deleted_before_what_it_holds_is_moved() -> None:
    protected = resource("AWS::DynamoDB::Table", DeletionProtectionEnabled=True)
    [left] = said(protected, None)
    assert left.endswith("is paid for: move what it holds first, then turn the protection off by hand and delete it")


def test_a_protected_load_balancer_keeps_its_name_until_the_protection_is_off() -> None:
    attributes = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    it = resource("AWS::ElasticLoadBalancingV2::LoadBalancer", LoadBalancerAttributes=attributes)
    before, after = (StackTemplate(KEY, {"Resources": {"Other": OTHER, **more}}) for more in ({"It": it}, {}))
    [planned] = plan([before], [[after]]).stacks
    [left] = [each.what for each in planned.consequences if each.where == "It" and "protection" in each.what]
    assert "before you deliver this, turn the protection off, so that CloudFormation deletes it and its name" in left
    assert "aws elbv2 modify-load-balancer-attributes" in left


def test_a_global_table_is_protected_only_where_a_replica_is() -> None:
    replicas = [{"Region": "eu-north-1", "DeletionProtectionEnabled": False}, {"Region": "us-east-2"}]
    [loss] = said(resource("AWS::DynamoDB::GlobalTable", Replicas=replicas), None)
    assert loss.startswith("is deleted: its items are lost")


@pytest.mark.parametrize(
    ("kind", "before", "after", "loss"),
    [
        ("AWS::Logs::LogGroup", {"RetentionInDays": 365}, {"RetentionInDays": 90}, "log events older than"),
        ("AWS::Logs::LogGroup", {}, {"RetentionInDays": 90}, "log events older than"),
        ("AWS::Logs::LogGroup", {"RetentionInDays": 30}, {"RetentionInDays": 90}, ""),
        ("AWS::Logs::LogGroup", {"RetentionInDays": 30}, {"RetentionInDays": {"Ref": "Days"}}, ""),
        ("AWS::SQS::Queue", {}, {"MessageRetentionPeriod": 3600}, "messages older than"),
        ("AWS::SQS::Queue", {}, {"MessageRetentionPeriod": 1209600}, ""),
        ("AWS::RDS::DBInstance", {"BackupRetentionPeriod": 14}, {"BackupRetentionPeriod": 7}, "backups older than"),
        ("AWS::S3::Bucket", expiring(), expiring(ExpirationInDays=5), "objects"),
        ("AWS::S3::Bucket", expiring(ExpirationInDays=50), expiring(ExpirationInDays="5"), "objects"),
        ("AWS::S3::Bucket", expiring(ExpirationInDays=5), expiring(ExpirationInDays=5, Prefix="a"), ""),
        ("AWS::S3::Bucket", expiring(ExpirationInDays=5), expiring(ExpirationInDays=50), ""),
        ("AWS::S3::Bucket", expiring(), expiring(ExpirationInDays=5, Status="Disabled"), ""),
        ("AWS::S3::Bucket", expiring(), expiring(ExpirationInDays={"Ref": "Days"}), ""),
        ("AWS::S3::Bucket", expiring(), expiring(ExpirationDate="2031-01-01T00:00:00Z"), ""),
        ("AWS::DynamoDB::Table", {}, ENDS, "items that ends has let expire"),
        ("AWS::DynamoDB::GlobalTable", {}, ENDS, "items that ends has let expire"),
        ("AWS::DynamoDB::Table", ENDS, ENDS | {"TableClass": "STANDARD"}, ""),
        ("AWS::DynamoDB::Table", ENDS, {}, ""),
        ("AWS::DynamoDB::Table", {}, {"TimeToLiveSpecification": {"Enabled": True}}, ""),
        ("AWS::DynamoDB::Table", {"TimeToLiveSpecification": {"AttributeName": "a", "Enabled": LATER}}, ENDS, ""),
        ("AWS::DynamoDB::Table", {"TimeToLiveSpecification": LATER}, ENDS, ""),
        (
            "AWS::DynamoDB::Table",
            {},
            {"TimeToLiveSpecification": {"AttributeName": {"Ref": "Name"}, "Enabled": "true"}},
            "items that ${Name} has let expire",
        ),
        ("AWS::S3::Bucket", expiring(ExpirationInDays=LATER), expiring(ExpirationInDays=5), ""),
        ("AWS::S3::Bucket", {"LifecycleConfiguration": LATER}, expiring(ExpirationInDays=5), ""),
        ("AWS::S3::Bucket", expiring(), expiring(ExpirationInDays=5, Prefix={"Ref": "Place"}), ""),
        ("AWS::S3::Bucket", two(), two(Prefix="logs/app/", ExpirationInDays=7), ""),
        ("AWS::S3::Bucket", two(), two(Prefix="logs/app/", ExpirationInDays=3), "objects older than 3 days"),
        ("AWS::S3::Bucket", two(), two(Prefix="logs", ExpirationInDays=7), "objects older than 7 days"),
        ("AWS::S3::Bucket", expiring(**SMALL), expiring(ExpirationInDays=5), "objects older than 5 days"),
        ("AWS::S3::Bucket", expiring(ExpirationInDays=5), expiring(**SMALL), ""),
        ("AWS::S3::Bucket", expiring(**SMALL), expiring(**SMALL, Prefix="a"), ""),
        ("AWS::S3::Bucket", expiring(**SMALL), expiring(**SMALL | {"ObjectSizeLessThan": "2000"}), "objects older"),
        ("AWS::S3::Bucket", expiring(), versioned({"Ref": "Status"}, ExpirationInDays=5), ""),
        (
            "AWS::S3::Bucket",
            versioned("Suspended"),
            versioned("Suspended", ExpirationInDays=5),
            "objects older than 5 days, also those that are there already, are deleted for good, unless they have a",
        ),
        ("AWS::S3::Bucket", former(30), former(3), "former versions of objects older than 3 days, also"),
        ("AWS::S3::Bucket", former(3), former(30), ""),
        ("AWS::S3::Bucket", former(30, status="Suspended"), former(3, status="Suspended"), "former versions"),
        ("AWS::S3::Bucket", expiring(), expiring(NoncurrentVersionExpirationInDays=3), ""),
        ("AWS::S3::Bucket", expiring(), former(3), ""),
        ("AWS::S3::Bucket", former(30, status={"Ref": "Status"}), former(3), ""),
        ("AWS::S3::Bucket", versioned(), versioned(NoncurrentVersionExpirationInDays=3), "former versions of objects"),
        ("AWS::S3::Bucket", former(30, keep=10), former(30), "former versions of objects older than 30 days, also"),
        (
            "AWS::S3::Bucket",
            former(30, keep=10),
            former(30, keep=2),
            "former versions of objects older than 30 days but",
        ),
        ("AWS::S3::Bucket", former(30), former(30, keep=10), ""),
        (
            "AWS::SecretsManager::Secret",
            {"GenerateSecretString": {"PasswordLength": 32}},
            {"GenerateSecretString": {"PasswordLength": 40}},
            "a new value is generated",
        ),
        (
            "AWS::SecretsManager::Secret",
            {"GenerateSecretString": {}},
            {"GenerateSecretString": {}, "Description": "a"},
            "",
        ),
    ],
)
def test_what_an_update_makes_aws_delete_by_itself_is_said(
    kind: str, before: dict[str, Any], after: dict[str, Any], loss: str
) -> None:
    found = [each.partition(": ")[2] for each in shortened_of(kind, before, after)]
    assert [each[: len(loss)] for each in found] == ([loss] if loss else [])


@pytest.mark.parametrize(
    ("bucket", "lost_later"),
    [
        (versioned(), False),
        ({"ObjectLockEnabled": True}, False),
        (former(30), True),
    ],
)
def test_objects_of_a_versioned_bucket_are_only_hidden_unless_its_former_versions_expire(
    bucket: dict[str, Any], lost_later: bool
) -> None:
    [rule] = bucket.get("LifecycleConfiguration", expiring()["LifecycleConfiguration"])["Rules"]
    after = bucket | {"LifecycleConfiguration": {"Rules": [rule | {"ExpirationInDays": 5}]}}
    stacks = [
        StackTemplate(KEY, {"Resources": {"It": {"Type": "AWS::S3::Bucket", "Properties": each}}})
        for each in (bucket, after)
    ]
    [planned] = plan(stacks[:1], [stacks[1:]]).stacks
    found = [each for each in planned.consequences if "older than" in str(each)]
    assert [("hidden behind a delete marker" in str(each), each.loses) for each in found] == [(True, lost_later)]


def shortened_of(kind: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What a plan says is lost of a resource that stays."""
    stacks = [StackTemplate(KEY, {"Resources": {"It": {"Type": kind, "Properties": each}}}) for each in (before, after)]
    [planned] = plan(stacks[:1], [stacks[1:]]).stacks
    return [str(each).partition(f"{KEY.name}.")[2] for each in planned.consequences if each.loses]


@pytest.mark.parametrize(
    ("rule", "stays"),
    [
        ('ALARM("letters-errors") OR ALARM("other")', True),
        ("ALARM(letters-errors)", True),
        ("ALARM(arn:aws:cloudwatch:eu-north-1:210987654321:alarm:letters-errors)", True),
        ('ALARM("letters-errors-of-old")', False),
    ],
)
def test_an_alarm_that_another_stack_s_alarm_names_is_not_deleted(rule: str, stays: bool) -> None:
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"AlarmName": "letters-errors"}}
    composite = {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {"AlarmName": "all", "AlarmRule": rule}}
    overview = StackTemplate(StackKey(*KEY[:2], "overview"), {"Resources": {"All": composite}})
    stacks = [StackTemplate(KEY, {"Resources": {"Other": OTHER} | more}) for more in ({"It": alarm}, {})]
    [planned] = plan([*stacks[:1], overview], [stacks[1:], [overview]]).stacks
    assert ["while overview still names it" in each.what for each in planned.consequences] == [True] * stays

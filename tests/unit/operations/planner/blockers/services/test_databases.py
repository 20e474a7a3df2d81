"""Changes of databases and volumes that AWS does not take back, and restarts that services notice."""

from typing import Any

import pytest

from nova_infra.operations.planner import Plan, StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")
GIVEN = {"Engine": "postgres", "EngineVersion": "16.8", "AllocatedStorage": "100", "DBInstanceClass": "db.t4g.medium"}
MYSQL = {"Engine": "mysql", "EngineVersion": "8.0.35"}
AURORA = {"Engine": "aurora-mysql", "EngineVersion": "8.0.mysql_aurora.3.05.2"}


def planned(kind: str, before: dict[str, Any] | None, after: dict[str, Any]) -> Plan:
    def stack(properties: dict[str, Any]) -> StackTemplate:
        return StackTemplate(KEY, {"Resources": {"It": {"Type": kind, "Properties": properties}}})

    return plan([stack(before)] if before else [], [[stack(after)]])


@pytest.mark.parametrize(
    ("kind", "before", "change", "where"),
    [
        ("RDS::DBInstance", GIVEN, {"EngineVersion": "15.12"}, "EngineVersion"),
        ("RDS::DBInstance", GIVEN, {"EngineVersion": "16.7"}, "EngineVersion"),
        ("RDS::DBInstance", GIVEN, {"EngineVersion": "17.4"}, "AllowMajorVersionUpgrade"),
        ("RDS::DBInstance", GIVEN, {"EngineVersion": "17.4", "AllowMajorVersionUpgrade": True}, ""),
        ("RDS::DBInstance", GIVEN, {"EngineVersion": "16.9"}, ""),
        ("RDS::DBInstance", GIVEN, {"EngineVersion": "16"}, ""),
        ("RDS::DBInstance", MYSQL, {"EngineVersion": "8.4.3"}, "AllowMajorVersionUpgrade"),
        ("RDS::DBInstance", MYSQL, {"EngineVersion": "8.0.41"}, ""),
        ("RDS::DBCluster", AURORA, {"EngineVersion": "8.0.mysql_aurora.3.04.0"}, "EngineVersion"),
        ("RDS::DBCluster", AURORA, {"EngineVersion": "8.0.mysql_aurora.3.08.0"}, ""),
        ("RDS::DBInstance", GIVEN, {"AllocatedStorage": "50"}, "AllocatedStorage"),
        ("RDS::DBInstance", GIVEN, {"AllocatedStorage": 200}, ""),
        ("EC2::Volume", {"Size": 20, "AvailabilityZone": "a"}, {"Size": 10}, "Size"),
        ("RDS::DBInstance", GIVEN, {"AllocatedStorage": "50", "AvailabilityZone": "b"}, ""),
        ("ElastiCache::ReplicationGroup", {"EngineVersion": "7.1"}, {"EngineVersion": "6.2"}, "EngineVersion"),
        ("ElastiCache::ReplicationGroup", {"EngineVersion": "6.2"}, {"EngineVersion": "7.1"}, ""),
        ("RDS::DBInstance", GIVEN, {"EngineVersion": {"Fn::ImportValue": "version"}}, ""),
        ("RDS::DBInstance", GIVEN, {"BackupRetentionPeriod": 36}, "BackupRetentionPeriod"),
        ("RDS::DBInstance", GIVEN, {"StorageType": "io1"}, "Iops"),
        ("RDS::DBInstance", {**GIVEN, "DBSnapshotIdentifier": "carts"}, {"StorageType": "io1"}, ""),
        ("RDS::DBInstance", GIVEN, {"StorageType": "io1", "Iops": 3000}, ""),
        ("RDS::DBInstance", {**GIVEN, "AllocatedStorage": "5"}, {"StorageType": "gp3"}, "AllocatedStorage"),
    ],
)
def test_no_database_goes_back_or_shrinks(
    kind: str, before: dict[str, Any], change: dict[str, Any], where: str
) -> None:
    found = planned(f"AWS::{kind}", before, {**before, **change}).refusals
    assert [each.where for each in found if each.where] == ([f"It.{where}"] if where else [])


@pytest.mark.parametrize(
    ("kind", "name", "window", "fault"),
    [
        ("RDS::DBInstance", "PreferredBackupWindow", "03:00-03:30", None),
        ("RDS::DBInstance", "PreferredBackupWindow", "23:50-00:20", None),
        ("RDS::DBInstance", "PreferredBackupWindow", "03:00-03:10", "lasts 10 minutes"),
        ("RDS::DBCluster", "PreferredBackupWindow", "3:00-4:00", "is 3:00-4:00"),
        ("RDS::DBCluster", "PreferredBackupWindow", "sun:03:00-sun:04:00", "is sun:03:00-sun:04:00"),
        ("RDS::DBCluster", "PreferredMaintenanceWindow", "Sun:23:45-mon:00:30", None),
        ("DocDB::DBCluster", "PreferredMaintenanceWindow", "sun:03:00-sun:03:20", "lasts 20 minutes"),
        ("Neptune::DBCluster", "PreferredMaintenanceWindow", "03:00-04:00", "is 03:00-04:00"),
        ("RDS::DBInstance", "PreferredMaintenanceWindow", "day:03:00-day:04:00", "is day:03:00-day:04:00"),
        ("ElastiCache::ReplicationGroup", "SnapshotWindow", "03:00-03:45", "lasts 45 minutes"),
        ("ElastiCache::CacheCluster", "PreferredMaintenanceWindow", "tue:03:00-tue:04:00", None),
        ("RDS::DBInstance", "PreferredBackupWindow", {"Ref": "AWS::StackName"}, None),
    ],
)
def test_a_window_lasts_as_long_as_the_service_needs(kind: str, name: str, window: Any, fault: str | None) -> None:
    found = planned(f"AWS::{kind}", None, {name: window}).refusals
    assert [each.fault for each in found if each.where == f"It.{name}"] == ([fault] if fault else [])


@pytest.mark.parametrize(
    ("engine", "name", "refused"),
    [
        ("postgres", "admin", True),
        ("aurora-postgresql", "rdsadmin", True),
        ("mysql", "admin", False),
        ("postgres", "app", False),
    ],
)
def test_a_master_user_has_no_name_that_the_engine_keeps(engine: str, name: str, refused: bool) -> None:
    found = planned("AWS::RDS::DBInstance", None, {"Engine": engine, "MasterUsername": name}).refusals
    assert [each.where for each in found] == (["It.MasterUsername"] if refused else [])


@pytest.mark.parametrize(
    ("kind", "properties", "where"),
    [
        ("DBInstance", {"Engine": "postgres", "DBName": "nova-search"}, "It.DBName"),
        ("DBInstance", {"Engine": "postgres", "DBName": "nova_search2"}, None),
        ("DBInstance", {"Engine": "mysql", "DBName": "2nd"}, "It.DBName"),
        ("DBInstance", {"Engine": "mariadb", "DBName": "größe"}, "It.DBName"),
        ("DBInstance", {"Engine": "sqlserver-ex", "DBName": "shop"}, "It.DBName"),
        ("DBInstance", {"Engine": "sqlserver-ex", "DBName": ""}, None),
        ("DBInstance", {"Engine": "postgres", "DBName": "x" * 64}, "It.DBName"),
        ("DBInstance", {"Engine": "mysql", "DBName": "x" * 64}, None),
        ("DBInstance", {"Engine": "aurora-mysql", "DBName": "is-ignored"}, None),
        ("DBInstance", {"Engine": "oracle-se2", "DBName": "ORCL"}, None),
        ("DBInstance", {"Engine": "postgres", "DBName": {"Ref": "AWS::StackName"}}, None),
        ("DBCluster", {"Engine": "aurora-postgresql", "DatabaseName": "my shop"}, "It.DatabaseName"),
        ("DBCluster", {"Engine": "aurora-mysql", "DatabaseName": "shop"}, None),
        ("DBInstance", {"Engine": "postgres", "MasterUserPassword": "secret"}, "It.MasterUserPassword"),
        ("DBInstance", {"Engine": "postgres", "MasterUserPassword": "pass@word1"}, "It.MasterUserPassword"),
        (
            "DBInstance",
            {"Engine": "mysql", "MasterUserPassword": "{{resolve:secretsmanager:a:SecretString:c}}"},
            None,
        ),
        ("DBInstance", {"Engine": "mysql", "MasterUserPassword": "long enough"}, None),
    ],
)
def test_a_first_database_and_a_password_are_such_as_the_engine_takes(
    kind: str, properties: dict[str, Any], where: str | None
) -> None:
    found = planned(f"AWS::RDS::{kind}", None, properties).refusals
    assert [each.where for each in found] == ([where] if where else [])


@pytest.mark.parametrize(
    ("change", "hurts"),
    [
        ({"DBInstanceClass": "db.t4g.large"}, True),
        ({"EngineVersion": "16.9"}, True),
        ({"BackupRetentionPeriod": 14, "MultiAZ": True}, False),
    ],
)
def test_a_database_that_restarts_is_missed_meanwhile(change: dict[str, Any], hurts: bool) -> None:
    [stack] = planned("AWS::RDS::DBInstance", GIVEN, {**GIVEN, **change}).stacks
    assert [each.where for each in stack.consequences if each.hurts] == (["It"] if hurts else [])


@pytest.mark.parametrize(
    ("version", "refused"), [("OpenSearch_1.3", False), ("Elasticsearch_7.9", True), ("Elasticsearch_7.11", False)]
)
def test_opensearch_follows_elasticsearch_whose_numbers_are_higher(version: str, refused: bool) -> None:
    """https://docs.aws.amazon.com/opensearch-service/latest/developerguide/version-migration.html."""

    def stack(of: str) -> StackTemplate:
        upgrades = {"UpdatePolicy": {"EnableVersionUpgrade": True}, "Properties": {"EngineVersion": of}}
        return StackTemplate(KEY, {"Resources": {"It": {"Type": "AWS::OpenSearchService::Domain", **upgrades}}})

    found = plan([stack("Elasticsearch_7.10")], [[stack(version)]]).refusals
    assert [each.where for each in found] == ["It.EngineVersion"] * refused

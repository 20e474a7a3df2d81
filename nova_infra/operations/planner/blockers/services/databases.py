"""Databases (RDS, DynamoDB), caches, search domains, EBS volumes: refused sizes and keys, no way back, restarts.

https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html,
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.Upgrading.html,
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.Modifying.html,
https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyReplicationGroup.html,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVolume.html,
https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html,
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html,
https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-multiaz.html,
https://docs.aws.amazon.com/opensearch-service/latest/APIReference/API_ClusterConfig.html (dedicated masters),
https://docs.aws.amazon.com/opensearch-service/latest/developerguide/fgac.html.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.stated_values import (
    is_function,
    is_given,
    is_known,
    is_off,
    is_on,
    number,
    table,
    tables,
    values_at,
)
from nova_infra.operations.planner.model import Action, Consequence, Refusal
from nova_infra.operations.planner.step import Fault, Judges, Step

_DATABASES = ("AWS::RDS::DBInstance", "AWS::RDS::DBCluster")
_VERSIONED = (
    *(*_DATABASES, "AWS::DocDB::DBCluster", "AWS::Neptune::DBCluster"),
    *("AWS::ElastiCache::ReplicationGroup", "AWS::ElastiCache::CacheCluster", "AWS::OpenSearchService::Domain"),
)
_GROWS_ONLY = {**dict.fromkeys(_DATABASES, "AllocatedStorage"), "AWS::EC2::Volume": "Size"}
_LEAST = 20
"""GiB of a disk of type gp2 or gp3."""
_RDS, _CACHE = (
    dict.fromkeys((backup, "PreferredMaintenanceWindow"), least)
    for backup, least in (("PreferredBackupWindow", 30), ("SnapshotWindow", 60))
)
_WINDOWS = {**dict.fromkeys(_VERSIONED[:4], _RDS), **dict.fromkeys(_VERSIONED[4:6], _CACHE)}
"""Type and property to the fewest minutes that a window may last: API_CreateDBInstance, API_CreateReplicationGroup."""
_WINDOW = re.compile(r"(?:(\w{3}):)?(\d\d):([0-5]\d)-(?:(\w{3}):)?(\d\d):([0-5]\d)")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RESTARTS = ("DBInstanceClass", "EngineVersion")
_KEPT_NAMES = {"postgres": ("admin", "rdsadmin", "rds_superuser"), "mysql": ("rdsadmin",), "mariadb": ("rdsadmin",)}
"""Engine to names that no master user may have."""
_FIRST_DATABASE = re.compile(r"[A-Za-z]\w*", re.ASCII)
_PASSWORD = re.compile(r'[^/"@]{8,}')
_FAILOVER = "AutomaticFailoverEnabled"
_KEYS = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")


def refused_databases(step: Step) -> Iterator[Refusal]:
    """Refuse what no database does: go back to an older version, shrink, or take a name that its engine refuses."""
    yield from step.judged_by(_JUDGES)
    for action, before, after in _databases(step):
        yield from step.refuse_each(
            action.logical_id,
            (*_transition(action.type, before, after), *_names(after), *_disk(after), *_windows(action.type, after)),
        )


def restarted_databases(step: Step) -> Iterator[Consequence]:
    """Warn about an instance that is not there for minutes while it gets another size or version."""
    for action, before, after in _databases(step):
        changed = [key for key in _RESTARTS if before and before.get(key) != after.get(key)]
        if action.type in _DATABASES and changed:
            said = f"{changed[0]} changes, which restarts the database: services get errors until it is back"
            yield step.note(action.logical_id, said, hurts=True)


def _databases(step: Step) -> Iterator[tuple[Any, Mapping[str, Any], Mapping[str, Any]]]:
    """What happens to each, with its properties before, if it is certain to stay the same one, and after."""
    for action in step.actions:
        if action.type in (*_VERSIONED, *_GROWS_ONLY) and action.changes:
            stays = step.before is not None and action.action is Action.UPDATE
            before = step.before.resources[action.logical_id] if stays and step.before is not None else {}
            after = step.after.resources[action.logical_id]
            yield action, table(before.get("Properties")), table(after.get("Properties"))


def _transition(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Fault]:
    had, wanted = (_numbers(each.get("EngineVersion")) for each in (before, after))
    said = f"goes from {before.get('EngineVersion')} to {after.get('EngineVersion')}"
    common = min(len(had), len(wanted)) if _product(before) == _product(after) else 0
    if kind in _VERSIONED and wanted[:common] < had[:common]:
        yield "EngineVersion", f"{said}, and no database goes back", "restore an older one from a backup, or keep this"
    is_upgrade = kind in _DATABASES and common > 0 and _major(had, after) < _major(wanted, after)
    if is_upgrade and str(after.get("AllowMajorVersionUpgrade", False)).lower() == "false":
        yield "AllowMajorVersionUpgrade", f"is not true, and its version {said}", "set it, after a trial on a copy"
    key = _GROWS_ONLY.get(kind, "")
    least, most = (each[0] if (each := _numbers(one.get(key))) else None for one in (before, after))
    if least is not None and most is not None and most < least:
        yield key, f"shrinks from {least} to {most} GiB, and it can only grow", "keep its size, or make another one"


def _names(after: Mapping[str, Any]) -> Iterator[Fault]:
    """As CreateDBInstance and CreateDBCluster say them for each engine, ``DBName`` and ``DatabaseName``."""
    engine = next((each for each in _KEPT_NAMES if each in str(after.get("Engine"))), "")
    if after.get("MasterUsername") in _KEPT_NAMES.get(engine, ()):
        yield "MasterUsername", f"is {after['MasterUsername']}, which {engine} keeps for itself", "choose another one"
    for key in ("DBName", "DatabaseName"):
        name, is_member = after.get(key), key == "DBName" and "aurora" in str(after.get("Engine"))
        longest = 63 if engine == "postgres" else 64
        if not name or is_member:  # An Aurora cluster's instance makes no database.
            continue
        if isinstance(name, str) and engine and not (_FIRST_DATABASE.fullmatch(name) and len(name) <= longest):
            yield (
                key,
                f"is {name[:70]}",
                f"begin with a letter, then letters, digits and underscores, {longest} at most",
            )
        elif is_given(after, key) and "sqlserver" in str(after.get("Engine")):
            yield key, "is set, and SQL Server begins without a database", "leave it out"
    password = after.get("MasterUserPassword")
    if isinstance(password, str) and "{{resolve:" not in password and not _PASSWORD.fullmatch(password):
        yield "MasterUserPassword", 'is shorter than 8 characters, or has / " or @', "have Secrets Manager make one"


def _disk(after: Mapping[str, Any]) -> Iterator[Fault]:
    """https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html."""
    is_copy = not after.keys().isdisjoint(("DBSnapshotIdentifier", "SourceDBInstanceIdentifier"))
    if after.get("StorageType") in ("io1", "io2") and "Iops" not in after and not is_copy:
        yield "Iops", f"is missing, and StorageType is {after['StorageType']}", "add it, or make the type gp3"
    least = number(after.get("AllocatedStorage"))
    if str(after.get("StorageType", "")).startswith("gp") and least is not None and least < _LEAST:
        yield "AllocatedStorage", f"is {least:g}, and a disk of its type has {_LEAST} GiB", "raise it"


def _major(version: tuple[int, ...], properties: Mapping[str, Any]) -> tuple[int, ...]:
    """The part of a version whose change is an upgrade that has to be allowed: one number, or MySQL's two."""
    engine = str(properties.get("Engine"))
    return version[:1] if "postgres" in engine else version[:2] if re.search("mysql|mariadb", engine) else ()


def _product(properties: Mapping[str, Any]) -> str:
    """The word before a version's number, as OpenSearch has one, whose numbers start again after Elasticsearch's."""
    return re.split(r"\d", str(properties.get("EngineVersion")))[0]


def _windows(kind: str, properties: Mapping[str, Any]) -> Iterator[Fault]:
    for name, least in _WINDOWS.get(kind, {}).items():
        if not isinstance(text := properties.get(name), str):
            continue
        is_weekly = name == "PreferredMaintenanceWindow"
        lasts = _minutes(text, is_weekly=is_weekly)
        if lasts is None:
            shape = "sun:03:00-sun:04:00" if is_weekly else "03:00-04:00"
            yield name, f"is {text[:60]}", f"write it in UTC, such as {shape}"
        elif lasts < least:
            yield name, f"lasts {lasts} minutes", f"make it {least} at least"


def _minutes(window: str, *, is_weekly: bool) -> int | None:
    """How long a window lasts; None if it is none."""
    if (match := _WINDOW.fullmatch(window)) is None:
        return None
    day, hour, minute, last_day, last_hour, last_minute = match.groups()
    days = [str(each).lower() for each in (day, last_day)]
    if max(int(hour), int(last_hour)) > 24 or [each in _DAYS for each in days] != [is_weekly] * 2:
        return None
    first, last = (_DAYS.index(each) * 1440 if is_weekly else 0 for each in days)
    lasts = last + int(last_hour) * 60 + int(last_minute) - first - int(hour) * 60 - int(minute)
    return lasts % (7 * 1440 if is_weekly else 1440)


def _numbers(version: Any) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", str(version)))) if isinstance(version, str | int) else ()


def _cache(properties: Mapping[str, Any]) -> Iterator[Fault]:
    fails_over, zones = (is_on(properties.get(key)) for key in (_FAILOVER, "MultiAZEnabled"))
    if zones and _is_off(properties.get(_FAILOVER)):
        yield "MultiAZEnabled", f"is on, and {_FAILOVER} is not", f"set {_FAILOVER}, or leave it out"
    nodes, replicas = (number(properties.get(key)) for key in ("NumCacheClusters", "ReplicasPerNodeGroup"))
    if fails_over and nodes is not None and nodes < 2:
        yield "NumCacheClusters", f"is {nodes:g}, and automatic failover needs a second node", "make it 2 at least"
    elif fails_over and zones and nodes is None and replicas == 0:
        yield "ReplicasPerNodeGroup", "is 0, and there is no other zone to fail over to", "make it 1 at least"


def _domain(properties: Mapping[str, Any]) -> Iterator[Fault]:
    cluster = table(properties.get("ClusterConfig"))
    nodes = number(cluster.get("InstanceCount", 1))
    zones = number(table(cluster.get("ZoneAwarenessConfig")).get("AvailabilityZoneCount", 2))
    where = "ClusterConfig.InstanceCount"
    if is_on(cluster.get("ZoneAwarenessEnabled")) and nodes is not None and zones is not None:
        if nodes < zones:
            yield where, f"is {nodes:g}, for {zones:g} zones", "have a node in each zone at least"
        elif zones == 2 and nodes % 2:
            yield where, f"is {nodes:g}, an odd number for two zones", "make it even"
    masters = number(cluster.get("DedicatedMasterCount"))
    if is_on(cluster.get("DedicatedMasterEnabled")) and masters is not None and (masters < 3 or masters == 4):
        yield "ClusterConfig.DedicatedMasterCount", f"is {masters:g}", "make it 3 or 5"
    if not is_on(table(properties.get("AdvancedSecurityOptions")).get("Enabled")):
        return
    for name, key in (
        ("EncryptionAtRestOptions", "Enabled"),
        ("NodeToNodeEncryptionOptions", "Enabled"),
        ("DomainEndpointOptions", "EnforceHTTPS"),
    ):
        if not is_function(properties.get(name)) and _is_off(table(properties.get(name)).get(key)):
            yield f"{name}.{key}", "is off, and fine-grained access control needs it", "switch it on"


def _cluster(properties: Mapping[str, Any]) -> Iterator[Fault]:
    scaling = table(properties.get("ServerlessV2ScalingConfiguration"))
    least, most = (scaling.get(key) for key in ("MinCapacity", "MaxCapacity"))
    if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        yield "ServerlessV2ScalingConfiguration.MinCapacity", f"is {least}, above a maximum of {most}", "lower it"


def _table(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if properties.get("BillingMode") == "PAY_PER_REQUEST" and is_given(properties, "ProvisionedThroughput"):
        yield "ProvisionedThroughput", "is set, and the table pays per request", "leave it out"
    for key in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        for each in tables([*values_at(properties, f"{key}[].Projection")]):
            if each.get("ProjectionType") in ("ALL", "KEYS_ONLY") and each.get("NonKeyAttributes", []) != []:
                fault = f"is set, and the index projects {each['ProjectionType']}"
                yield f"{key}.Projection.NonKeyAttributes", fault, "leave it out, or project INCLUDE"
    keys = properties.get("KeySchema")
    if isinstance(keys, list) and is_known(keys) and [each.get("KeyType") for each in tables(keys)].count("HASH") != 1:
        yield "KeySchema", "has not one key of type HASH", "make one key HASH, and another RANGE at most"
    yield from _attributes(properties)


def _attributes(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if not all(is_known(properties.get(name)) for name in _KEYS):
        return
    indexes = ("GlobalSecondaryIndexes[].KeySchema[]", "LocalSecondaryIndexes[].KeySchema[]", "KeySchema[]")
    used = {str(name) for path in indexes for name in values_at(properties, f"{path}.AttributeName")}
    if not (defined := set(map(str, values_at(properties, "AttributeDefinitions[].AttributeName")))):
        return
    if missing := sorted(used - defined):
        yield "KeySchema", f"has the key {missing[0]}, which AttributeDefinitions lacks", "define it there"
    elif spare := sorted(defined - used):
        yield "AttributeDefinitions", f"has {spare[0]}, which is not a key of the table or an index", "leave it out"


def _is_off(value: Any) -> bool:
    return value is None or is_off(value)


_JUDGES: Judges = {
    "AWS::DynamoDB::Table": _table,
    "AWS::ElastiCache::ReplicationGroup": _cache,
    "AWS::OpenSearchService::Domain": _domain,
    "AWS::RDS::DBCluster": _cluster,
}

"""What data is lost when a resource is deleted or replaced: DeletionPolicy, retention. A plan lists it first.

A resource is kept only where its template says so: DeletionPolicy for what leaves a stack, UpdateReplacePolicy for what
is replaced. Without them CloudFormation deletes it, except for databases of RDS, of which it keeps a snapshot:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html,
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-updatereplacepolicy.html.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.resource_types import resource_type
from nova_infra.operations.changes.stated_values import is_known, is_on, number, table, tables, values_at
from nova_infra.operations.changes.template_values import shown
from nova_infra.operations.planner.model import Action, Consequence
from nova_infra.operations.planner.step import Step

_KEPT = ("Retain", "RetainExceptOnCreate")
_BUCKET, _REPOSITORY = "AWS::S3::Bucket", "AWS::ECR::Repository"
_LOST = {
    "AWS::CloudFormation::Stack": "all of its resources that it does not retain are deleted",
    "AWS::Cognito::UserPool": "its users are lost",
    "AWS::DSQL::Cluster": "what it holds is lost",
    "AWS::DynamoDB::GlobalTable": "its items are lost",
    "AWS::DynamoDB::Table": "its items are lost",
    "AWS::EC2::EIP": "its address, which others may have allowed in, is released",
    "AWS::ECR::Repository": "its images are lost",
    "AWS::EFS::FileSystem": "its files are lost",
    "AWS::FSx::FileSystem": "its files are lost",
    "AWS::KMS::Key": "what it encrypted cannot be read any more when its waiting period is over",
    "AWS::Kinesis::Stream": "its records are lost",
    "AWS::Logs::LogGroup": "its log events are lost",
    "AWS::Route53::HostedZone": "its records are lost, and its name servers change",
    "AWS::SNS::Topic": "its subscribers are lost, and those by email have to confirm again",
    "AWS::SQS::Queue": "its messages are lost",
    "AWS::SSM::Parameter": "its value and its history are lost",
    "AWS::SecretsManager::Secret": "its value is lost",
}
"""What is lost or kept of a resource's content when it is deleted, by type."""
_OF_USERS = (
    *("AWS::Cognito::UserPool", "AWS::DSQL::Cluster", "AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table"),
    *("AWS::DocDB::DBCluster", "AWS::EFS::FileSystem", "AWS::FSx::FileSystem", "AWS::MemoryDB::Cluster"),
    *("AWS::Neptune::DBCluster", "AWS::OpenSearchService::Domain", "AWS::RDS::DBCluster", "AWS::RDS::DBInstance"),
    *("AWS::Redshift::Cluster", "AWS::Timestream::Table"),
)
"""Types whose content users miss at once when an empty one takes its place."""
_LEFT_UNLESS_EMPTY = {_BUCKET: "objects", _REPOSITORY: "images"}
"""Types that CloudFormation deletes only when they are empty, with what they hold then.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html and
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecr-repository.html, EmptyOnDelete.
"""


_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
_COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
_UNPROTECT = (
    "turn the protection off, so that CloudFormation deletes it and its name is free: aws elbv2 "
    "modify-load-balancer-attributes --attributes Key=deletion_protection.enabled,Value=false --load-balancer-arn <ARN>"
)
_PROTECTED_BY = {
    "AWS::Cognito::UserPool": "DeletionProtection",
    "AWS::DSQL::Cluster": "DeletionProtectionEnabled",
    "AWS::DocDB::DBCluster": "DeletionProtection",
    "AWS::DynamoDB::GlobalTable": "Replicas[].DeletionProtectionEnabled",
    "AWS::DynamoDB::Table": "DeletionProtectionEnabled",
    "AWS::Logs::LogGroup": "DeletionProtectionEnabled",
    "AWS::Neptune::DBCluster": "DeletionProtection",
    "AWS::QLDB::Ledger": "DeletionProtection",
    "AWS::RDS::DBCluster": "DeletionProtection",
    "AWS::RDS::DBInstance": "DeletionProtection",
}
"""Type to the path of the property by which its service refuses to delete it."""


def protected_leftovers(step: Step) -> Iterator[Consequence]:
    """Warn about what CloudFormation cannot delete and leaves in no stack (ELB: deletion-protection)."""
    for action in step.actions:
        before = step.before.resources.get(action.logical_id) if step.before is not None else None
        if before is None or not _goes(action.action, before) or not _is_protected(before):
            continue
        holds = lost(before["Type"]) is not None
        if holds and action.action is not Action.DELETE:
            continue  # What it holds is missed: see lost_data.
        remedy = (
            "move what it holds first, then turn the protection off by hand and delete it"
            if holds
            else f"before you deliver this, {_UNPROTECT}"
            if before["Type"] == _BALANCER
            else "turn the protection off by hand and delete it afterwards"
        )
        yield step.note(
            action.logical_id,
            f"{action.action}, but its deletion protection is on, so the old one stays outside of any stack and is "
            f"paid for: {remedy}",
            loses=holds,
        )


def alarms_in_use(step: Step) -> Iterator[Consequence]:
    """Warn about alarms that another stack's composite alarm keeps (cloud-custodian/cloud-custodian#7763)."""
    users = [each for each in step.world.holding((_COMPOSITE,)) if each.key[:2] == step.after.key[:2]]
    for action in step.actions if users else ():
        before = step.before.resources.get(action.logical_id) if step.before is not None else None
        if (
            before is None
            or action.type not in ("AWS::CloudWatch::Alarm", _COMPOSITE)
            or not _goes(action.action, before)
        ):
            continue
        name = table(before.get("Properties")).get("AlarmName", "?")
        for stack in (each for each in users if each.key != step.after.key):
            rules = [shown(each.get("AlarmRule")) for _, each in stack.of_type(_COMPOSITE)]
            if any(re.search(rf"[(\":]{re.escape(shown(name))}[\")]", rule) for rule in rules):
                said = f"is deleted while {stack.key.name} still names it, so it stays outside of any stack"
                yield step.note(action.logical_id, f"{said}: delete it by hand when this is delivered")


def _goes(action: Action, resource: Mapping[str, Any]) -> bool:
    """Whether CloudFormation tries to delete a resource."""
    attribute = "DeletionPolicy" if action is Action.DELETE else "UpdateReplacePolicy"
    return action in (Action.DELETE, Action.REPLACE) and _policy(resource, attribute) not in _KEPT


def _is_protected(resource: Mapping[str, Any]) -> bool:
    properties = table(resource.get("Properties"))
    if resource["Type"] == _BALANCER:
        attributes = tables(properties.get("LoadBalancerAttributes"))
        return any(each.get("Key") == "deletion_protection.enabled" and is_on(each.get("Value")) for each in attributes)
    path = _PROTECTED_BY.get(resource["Type"])
    return path is not None and any(str(each).lower() in ("true", "active") for each in values_at(properties, path))


def lost_data(step: Step) -> Iterator[Consequence]:
    """Warn about resources that hold something and are deleted, or replaced by empty ones."""
    for action in step.actions:
        before = step.before.resources.get(action.logical_id) if step.before is not None else None
        if before is None or (what := lost(before["Type"])) is None:
            continue
        protected = _is_protected(before)
        if action.action is Action.DELETE:
            said, attribute = "is deleted", "DeletionPolicy"
        elif action.action in (Action.REPLACE, Action.MAY_REPLACE):
            said, attribute = f"{action.action} by an empty one", "UpdateReplacePolicy"
        else:
            continue
        fate = _policy(before, attribute)
        unnamed = step.identity_before(action.logical_id) is None
        if action.action is not Action.DELETE and (protected or (fate in _KEPT and unnamed)):
            kept = f"{said}, and the old one is kept outside of any stack: move what it holds before users miss it"
            yield step.note(action.logical_id, kept, loses=True)
        if fate in _KEPT or protected:
            continue
        yield step.note(
            action.logical_id,
            f"{said}: {_lost_with(before, what, fate)}; to keep it, first deploy it with {attribute}: Retain",
            hurts=action.action is Action.REPLACE and before["Type"] in _OF_USERS,
            loses=True,
        )


# Type to the property that says for how long something is kept, of what, and for how long without it.
_KEEPS: Mapping[str, tuple[str, str, float]] = {
    "AWS::Logs::LogGroup": ("RetentionInDays", "log events", math.inf),
    "AWS::SQS::Queue": ("MessageRetentionPeriod", "messages", 345_600),
    "AWS::Kinesis::Stream": ("RetentionPeriodHours", "records", 24),
    "AWS::RDS::DBInstance": ("BackupRetentionPeriod", "backups", 1),
    "AWS::RDS::DBCluster": ("BackupRetentionPeriod", "backups", 1),
}


def shortened(step: Step) -> Iterator[Consequence]:
    """Warn about what an update makes AWS delete by itself: what is older than a retention, a generated value."""
    for action in step.actions:
        if step.before is None or action.action is not Action.UPDATE:
            continue
        old, new = (table(each.resources[action.logical_id].get("Properties")) for each in (step.before, step.after))
        key, what, default = _KEEPS.get(action.type, ("", "", 0.0))
        had, has = (_number(each.get(key, default)) for each in (old, new))
        said = f"{what} older than its new {key} of {has:g} (before: {had:g}) are deleted for good"
        if action.type == "AWS::SecretsManager::Secret" and "GenerateSecretString" in new:
            key = "GenerateSecretString"
            had, has = float(old.get(key, new[key]) != new[key]), 0.0
            said = "a new value is generated; tasks that run keep the old one, and so does whatever was told it by hand"
        if action.type in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
            key = "TimeToLiveSpecification"
            ends = table(new.get(key))
            had = float(is_known(old.get(key)) and not is_on(table(old.get(key)).get("Enabled")))
            has = float(not (is_on(ends.get("Enabled")) and ends.get("AttributeName")))
            said = f"items that {shown(ends.get('AttributeName'))} has let expire are deleted for good"
        if has < had:
            yield step.note(f"{action.logical_id}.{key}", said, loses=True)
        if action.type == _BUCKET:
            for said, loses in _expiring_sooner(old, new):
                yield step.note(f"{action.logical_id}.LifecycleConfiguration", said, loses=loses)


_EXPIRES = {
    "objects": (("ExpirationInDays",), ""),
    "former versions of objects": (
        ("NoncurrentVersionExpiration.NoncurrentDays", "NoncurrentVersionExpirationInDays"),
        "NoncurrentVersionExpiration.NewerNoncurrentVersions",
    ),
}
"""What a bucket's rule lets expire, the paths of the days, and that of how many it keeps anyway."""
_WHEN_VERSIONED = {
    "Enabled": "are hidden behind a delete marker until a rule for former versions deletes them",
    "Suspended": "are deleted for good, unless they have a version id: those are hidden behind a delete marker",
}
"""What becomes of objects that expire, by the state of versioning.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-expire-general-considerations.html
"""


def _expiring_sooner(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """What a bucket's new rules let expire earlier, and whether it is lost. They hold for what is in it already.

    Nothing is said where the former rules, or versioning, are not wholly known; ExpirationDate is not read.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
    """
    if not is_known([old.get("LifecycleConfiguration"), *(each.get("VersioningConfiguration") for each in (old, new))]):
        return
    for what in _EXPIRES:
        former = what != "objects"
        if former and _versioning(old) not in _WHEN_VERSIONED:
            continue
        fate = "are deleted for good" if former else _WHEN_VERSIONED.get(_versioning(new), "are deleted for good")
        loses = former or _versioning(new) != "Enabled" or any(_expiries(new, "former versions of objects"))
        for scope, days, kept in _expiries(new, what):
            wider = (rest for place, *rest in _expiries(old, what) if _covers(place, scope))
            if not any(was <= days and spared <= kept for was, spared in wider):
                but = f" but the newest {kept:g}" if kept else ""
                yield f"{what} older than {days:g} days{but}, also those that are there already, {fate}", loses


def _versioning(bucket: Mapping[str, Any]) -> str:
    """The state of a bucket's versioning, which Object Lock turns on; empty if it was never on."""
    on = is_on(bucket.get("ObjectLockEnabled"))
    return "Enabled" if on else str(table(bucket.get("VersioningConfiguration")).get("Status", ""))


def _expiries(bucket: Mapping[str, Any], what: str) -> Iterator[tuple[Mapping[str, str], float, float]]:
    """The filters of each rule in force that is known, its days, and how many of the newest it keeps."""
    paths, sparing = _EXPIRES[what]
    for rule in filter(is_known, tables(table(bucket.get("LifecycleConfiguration")).get("Rules"))):
        days = next((number(each) for path in paths for each in values_at(rule, path)), None)
        if rule.get("Status") == "Enabled" and days is not None:
            filters = ("Prefix", "TagFilters", "ObjectSizeGreaterThan", "ObjectSizeLessThan")
            kept = next((number(each) for each in values_at(rule, sparing)), None)
            yield {key: shown(rule[key]) for key in filters if rule.get(key)}, days, kept or 0


def _covers(wide: Mapping[str, str], narrow: Mapping[str, str]) -> bool:
    """Whether a rule's filters let through all that another's do."""
    beginning = narrow.get("Prefix", "").startswith(wide.get("Prefix", ""))
    return beginning and all(narrow.get(key) == value for key, value in wide.items() if key != "Prefix")


def _number(value: Any) -> float:
    """A number that the template states; NaN, which is less than none, for another value."""
    return float(value) if isinstance(value, int | float) or str(value).isdecimal() else math.nan


def lost(kind: str) -> str | None:
    """What happens to a resource's content, by type, as a clause; None if it holds nothing."""
    return _LOST.get(kind) or ("what it holds is lost" if resource_type(kind).stateful else None)


def _policy(resource: Mapping[str, Any], attribute: str) -> str:
    if (written := resource.get(attribute)) is not None:
        return str(written)
    alone = resource["Type"] == "AWS::RDS::DBInstance" and "DBClusterIdentifier" not in resource.get("Properties", {})
    by_default = resource["Type"] == "AWS::RDS::DBCluster" or alone
    return "Snapshot" if by_default and attribute == "DeletionPolicy" else "Delete"


def _lost_with(resource: Mapping[str, Any], what: str, fate: str) -> str:
    """What is lost, as a clause."""
    if fate == "Snapshot":
        return "only a snapshot of what it holds is left"
    if resource["Type"] in _LEFT_UNLESS_EMPTY and resource.get("Properties", {}).get("EmptyOnDelete") is not True:
        held = _LEFT_UNLESS_EMPTY[resource["Type"]]
        return f"CloudFormation deletes it if it is empty, and otherwise leaves it with its {held} outside of any stack"
    return what

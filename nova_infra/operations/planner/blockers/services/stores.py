"""S3 buckets (lifecycle, replication), parameters, KMS keys, Kinesis streams, file systems: refused properties.

Sentences of API_PutBucketLifecycleConfiguration and API_PutBucketReplication (S3), API_PutParameter (Systems Manager),
API_CreateKey (KMS), API_CreateStream (Kinesis), API_CreateFileSystem (EFS), AWS::SSM::Parameter (CloudFormation), and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.operations.changes.stated_values import is_given, is_on, may_be_given, table, tables, values_at, whole
from nova_infra.operations.planner.model import Consequence
from nova_infra.operations.planner.step import Fault, Judges, Step

_EXPIRES = ("Expiration", "Transition", "Abort", "NoncurrentVersion", "ExpiredObject")
_ADVANCED_PARAMETER = 8192
_DAYS_TO_INFREQUENT = 30


def _bucket(properties: Mapping[str, Any]) -> Iterator[Fault]:
    for rule in tables([*values_at(properties, "LifecycleConfiguration.Rules[]")]):
        if not any(key.startswith(_EXPIRES) for key in rule):
            yield "LifecycleConfiguration.Rules", "has a rule that does nothing", "say what expires, and when"
        yield from _transitions(rule)
    versioning = properties.get("VersioningConfiguration", {"Status": "Suspended"})
    for key in ("ReplicationConfiguration", "ObjectLockEnabled"):
        # Object lock turns versioning on by itself, unless the template says otherwise.
        off = versioning == {"Status": "Suspended"} and (key[0] == "R" or "VersioningConfiguration" in properties)
        if off and is_given(properties, key):
            yield key, "needs versioning, which is off", "enable VersioningConfiguration"


def _transitions(rule: Mapping[str, Any]) -> Iterator[Fault]:
    moves = tables([*as_list(rule.get("Transitions")), *as_list(rule.get("Transition"))])
    for move in moves:
        days, kind = whole(move.get("TransitionInDays")), str(move.get("StorageClass"))
        if days is not None and kind in ("STANDARD_IA", "ONEZONE_IA") and days < _DAYS_TO_INFREQUENT:
            fault = f"is {days} for {kind}"
            yield (
                "LifecycleConfiguration.Rules.TransitionInDays",
                fault,
                f"wait {_DAYS_TO_INFREQUENT} days at least",
            )
    latest = max((whole(move.get("TransitionInDays")) or 0 for move in moves), default=0)
    ends = whole(rule.get("ExpirationInDays"))
    if ends is not None and moves and ends <= latest:
        fault = f"is {ends}, and objects move on after {latest}"
        yield "LifecycleConfiguration.Rules.ExpirationInDays", fault, "let them expire later, or not move"


def _parameter(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if properties.get("Type") == "SecureString":
        yield "Type", "is SecureString, which CloudFormation cannot create", "use a Secrets Manager secret"
    value, pattern = properties.get("Value"), properties.get("AllowedPattern")
    if not isinstance(value, str):
        return
    if properties.get("Tier") == "Advanced" and (size := len(value.encode())) > _ADVANCED_PARAMETER:
        yield "Value", f"has {size:,} bytes, and a parameter holds {_ADVANCED_PARAMETER:,}", "put it into a file"
    if isinstance(pattern, str) and pattern.startswith("^") and pattern.endswith("$"):
        try:
            matches = re.search(pattern, value) is not None
        except re.error:
            return  # Java, which AWS uses, may know it
        if not matches:
            yield "Value", f"does not match {pattern}, its AllowedPattern", "correct one of them"


def _key(properties: Mapping[str, Any]) -> Iterator[Fault]:
    spec, usage = properties.get("KeySpec", "SYMMETRIC_DEFAULT"), properties.get("KeyUsage", "ENCRYPT_DECRYPT")
    if not isinstance(spec, str):
        return
    symmetric = spec == "SYMMETRIC_DEFAULT"
    if is_on(properties.get("EnableKeyRotation")) and not symmetric:
        yield "EnableKeyRotation", f"is on, and {spec} has no rotation", "leave it out"
    if symmetric and isinstance(usage, str) and usage != "ENCRYPT_DECRYPT":
        yield "KeyUsage", f"is {usage}, and a symmetric key only encrypts", "choose another KeySpec"


def _stream(properties: Mapping[str, Any]) -> Iterator[Fault]:
    mode = table(properties.get("StreamModeDetails")).get("StreamMode")
    if mode == "ON_DEMAND" and is_given(properties, "ShardCount"):
        yield "ShardCount", "is set, and the stream is ON_DEMAND", "leave it out"


def _file_system(properties: Mapping[str, Any]) -> Iterator[Fault]:
    needed = "ProvisionedThroughputInMibps"
    if properties.get("ThroughputMode") == "provisioned" and not may_be_given(properties, needed):
        yield needed, "is missing, and ThroughputMode is provisioned", "add it, or make the mode elastic"


def closed_directories(step: Step) -> Iterator[Consequence]:
    """Warn about access points that make a directory closed to their own user (efs-access-points)."""
    for logical_id, properties in step.given_of_type("AWS::EFS::AccessPoint"):
        user = table(properties.get("PosixUser"))
        made = table(table(properties.get("RootDirectory")).get("CreationInfo"))
        uid, owner, mode = user.get("Uid"), made.get("OwnerUid"), made.get("Permissions")
        groups = {str(each) for each in (user.get("Gid"), *as_list(user.get("SecondaryGids")))}
        known = all(str(each).isdigit() for each in (uid, owner, made.get("OwnerGid"), *groups))
        if not known or not re.fullmatch("0?[0-7]{3}", str(mode)) or str(uid) == "0":
            continue
        whose = 0 if str(uid) == str(owner) else 1 if str(made.get("OwnerGid")) in groups else 2
        if not int(str(mode)[-3:][whose]) & 1:
            what = (
                f"its user {uid} may not enter the directory that it makes, which belongs to {owner} with {mode}: "
                "tasks that write there fail, unless it is there already"
            )
            yield step.note(f"{logical_id}.RootDirectory.CreationInfo", what, hurts=True)


JUDGES: Judges = {
    "AWS::S3::Bucket": _bucket,
    "AWS::SSM::Parameter": _parameter,
    "AWS::KMS::Key": _key,
    "AWS::Kinesis::Stream": _stream,
    "AWS::EFS::FileSystem": _file_system,
}

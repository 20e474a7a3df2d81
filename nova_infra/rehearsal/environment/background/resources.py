"""Creates queues, tables, buckets, parameters and secrets of templates in the server that stands in for AWS."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nova_infra.deployed.aws.client.stand_in import StandInAws
from nova_infra.names import BEFORE_DEPLOY
from nova_infra.rehearsal.cloudformation import physical
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.tasks.task import SECRET


@dataclass(frozen=True)
class Resource:
    """What a template declares."""

    kind: str
    name: str
    properties: Mapping[str, Any]


def in_order(resources: list[Resource]) -> list[Resource]:
    """Resources in an order in which each finds what it names: a queue its dead-letter queue."""
    return sorted(resources, key=lambda each: "RedrivePolicy" in each.properties)


def make(aws: StandInAws, resource: Resource, before: Resource | None, *, seconds: float) -> None:
    """Create a resource, or update it.

    Args:
        seconds: How long a second of the template lasts here: messages are hidden in simulated time.
    """
    if resource.kind == physical.QUEUE:
        _queue(aws, resource, before, seconds)
    else:
        _MAKERS[resource.kind](aws, resource, before)


def _queue(aws: StandInAws, resource: Resource, before: Resource | None, seconds: float) -> None:
    given = resource.properties
    attributes = {
        "VisibilityTimeout": str(max(1, round(float(given.get("VisibilityTimeout", 30)) * seconds))),
        "DelaySeconds": str(round(float(given.get("DelaySeconds", 0)) * seconds)),
    }
    for key in ("MaximumMessageSize", "ReceiveMessageWaitTimeSeconds", "MessageRetentionPeriod"):
        if key in given:
            attributes[key] = str(given[key])
    for key in ("FifoQueue", "ContentBasedDeduplication"):
        if given.get(key) in (True, "true"):
            attributes[key] = "true"
    if policy := given.get("RedrivePolicy"):
        attributes["RedrivePolicy"] = json.dumps({**policy, "maxReceiveCount": int(policy["maxReceiveCount"])})
    if before is None:
        aws.call("sqs", "create_queue", QueueName=resource.name, Attributes=attributes)
        return
    url = aws.call("sqs", "get_queue_url", QueueName=resource.name)["QueueUrl"]
    attributes.pop("FifoQueue", None)
    aws.call("sqs", "set_queue_attributes", QueueUrl=url, Attributes=attributes)


def _table(aws: StandInAws, resource: Resource, before: Resource | None) -> None:
    given = resource.properties
    for key in ("KeySchema", "AttributeDefinitions"):
        if not given.get(key):
            raise ValueError(f"{key} is missing, and DynamoDB makes no table without it")
    indexes = {key: given[key] for key in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes") if given.get(key)}
    wanted = {
        **{key: given[key] for key in ("AttributeDefinitions", "KeySchema") if key in given},
        **{key: [_index(each) for each in value] for key, value in indexes.items()},
    }
    if before is not None:
        _change_indexes(aws, resource, before)
    else:
        stream = (
            {"StreamSpecification": {"StreamEnabled": True, **given["StreamSpecification"]}}
            if ("StreamSpecification" in given)
            else {}
        )
        aws.call("dynamodb", "create_table", TableName=resource.name, BillingMode="PAY_PER_REQUEST", **wanted, **stream)
    before_ttl = before.properties.get("TimeToLiveSpecification") if before is not None else None
    if (ttl := given.get("TimeToLiveSpecification")) and ttl != before_ttl:
        specification = {"AttributeName": ttl["AttributeName"], "Enabled": ttl.get("Enabled") in (True, "true")}
        aws.call("dynamodb", "update_time_to_live", TableName=resource.name, TimeToLiveSpecification=specification)


def _index(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: given[key] for key in ("IndexName", "KeySchema", "Projection") if key in given}


def _change_indexes(aws: StandInAws, resource: Resource, before: Resource) -> None:
    key = "GlobalSecondaryIndexes"
    old = {each["IndexName"]: _index(each) for each in before.properties.get(key, ())}
    new = {each["IndexName"]: _index(each) for each in resource.properties.get(key, ())}
    changes = [{"Delete": {"IndexName": name}} for name in old if name not in new]
    changes += [{"Create": index} for name, index in new.items() if name not in old]
    for change in changes:
        aws.call(
            "dynamodb",
            "update_table",
            TableName=resource.name,
            AttributeDefinitions=resource.properties["AttributeDefinitions"],
            GlobalSecondaryIndexUpdates=[change],
        )


def _bucket(aws: StandInAws, resource: Resource, before: Resource | None) -> None:
    given = resource.properties
    if before is None:
        elsewhere = {"LocationConstraint": aws.region} if aws.region != "us-east-1" else {}
        place = {"CreateBucketConfiguration": elsewhere} if elsewhere else {}
        aws.call("s3", "create_bucket", Bucket=resource.name, **place)
    if versioning := given.get("VersioningConfiguration"):
        aws.call("s3", "put_bucket_versioning", Bucket=resource.name, VersioningConfiguration=versioning)


def _parameter(aws: StandInAws, resource: Resource, _: Resource | None) -> None:
    value, kind = str(resource.properties["Value"]), str(resource.properties.get("Type", "String"))
    aws.call("ssm", "put_parameter", Name=resource.name, Value=value, Type=kind, Overwrite=True)


def _secret(aws: StandInAws, resource: Resource, before: Resource | None) -> None:
    # Its value is made once: a new template gives it no other one, unless it writes the value down.
    if before is None:
        aws.call("secretsmanager", "create_secret", Name=resource.name, SecretString=secret_value(resource.properties))
    elif (value := resource.properties.get("SecretString")) is not None:
        aws.call("secretsmanager", "put_secret_value", SecretId=resource.name, SecretString=str(value))


def secret_value(properties: Mapping[str, Any]) -> str:
    """A secret's value: as its template states it, or generated in the same form."""
    if "SecretString" in properties:
        return str(properties["SecretString"])
    made = properties.get("GenerateSecretString") or {}
    if key := made.get("GenerateStringKey"):
        return json.dumps({**json.loads(made.get("SecretStringTemplate", "{}")), key: SECRET})
    return SECRET


def fields_of(stack: PlayedStack, secret: str) -> frozenset[str] | None:
    """The fields that a template gives a secret; None if it does not say, or something else of it may add others."""
    properties, kinds = stack.properties(secret), {str(each["Type"]) for each in stack.template["Resources"].values()}
    adds = any(each.startswith(_FILLERS) and each != BEFORE_DEPLOY for each in kinds)
    if adds or not {"SecretString", "GenerateSecretString"} & properties.keys():
        return None
    try:
        found = json.loads(secret_value(properties))
    except (TypeError, ValueError):  # no JSON, or a template of it that is no object
        found = None
    return frozenset(found if isinstance(found, dict) else ())


_FILLERS = (
    *("AWS::SecretsManager::SecretTargetAttachment", "AWS::SecretsManager::RotationSchedule"),
    *("AWS::CloudFormation::CustomResource", "Custom::"),
)
_Make = Callable[[StandInAws, Resource, Resource | None], None]

_MAKERS: dict[str, _Make] = {
    physical.TABLE: _table,
    physical.GLOBAL_TABLE: _table,
    physical.BUCKET: _bucket,
    physical.PARAMETER: _parameter,
    physical.SECRET: _secret,
}

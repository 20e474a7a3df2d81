"""Physical names, ``Ref`` and ``Fn::GetAtt`` of queues, tables, buckets and others that tasks use by name.

CloudFormation makes up a name where a template gives none. Here it is made of the stack and the logical id, without
letters that differ each time. What ``Ref`` and ``Fn::GetAtt`` give: "Return values" of each type in
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nova_infra.names import domain_of, partition_of

QUEUE = "AWS::SQS::Queue"
TABLE = "AWS::DynamoDB::Table"
GLOBAL_TABLE = "AWS::DynamoDB::GlobalTable"
BUCKET = "AWS::S3::Bucket"
PARAMETER = "AWS::SSM::Parameter"
SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a type


@dataclass(frozen=True)
class Home:
    """Where a stack is."""

    account: str = "000000000000"
    region: str = "local"


@dataclass(frozen=True)
class _Kind:
    """A type of resource.

    Attributes:
        longest: How long a name may be.
        allowed: Characters of a name that is made up, as a class of a regular expression.
    """

    key: str
    longest: int
    allowed: str = r"\w.-"
    lower: bool = False


_KINDS = {
    QUEUE: _Kind("QueueName", 80, r"\w-"),
    TABLE: _Kind("TableName", 255),
    GLOBAL_TABLE: _Kind("TableName", 255),
    BUCKET: _Kind("BucketName", 63, "a-z0-9-", lower=True),
    PARAMETER: _Kind("Name", 1011, r"\w./-"),
    SECRET: _Kind("Name", 512, r"\w/+=.@-"),
}
STOOD_IN_FOR = frozenset(_KINDS)
"""Types that a server on this machine stands in for."""


def name_of(resource_type: str, properties: Mapping[str, Any], stack: str, logical_id: str) -> str:
    """The physical name of a resource: the one that its template gives it, or one that is made up."""
    kind = _KINDS[resource_type]
    if given := properties.get(kind.key):
        return str(given)
    fifo = ".fifo" if properties.get("FifoQueue") in (True, "true") else ""
    made = f"{stack}-{logical_id}"
    if kind.lower:
        made = made.lower()
    made = re.sub(f"[^{kind.allowed}]", "-", made, flags=re.ASCII)
    if len(made) + len(fifo) > kind.longest:
        made = f"{made[: kind.longest - len(fifo) - 9]}-{hashlib.sha256(made.encode()).hexdigest()[:8]}"
    return f"{made}{fifo}"


def reference(resource_type: str, name: str, home: Home) -> str:
    """What ``Ref`` gives for a resource of a name."""
    match resource_type:
        case "AWS::SQS::Queue":
            return queue_url(name, home)
        case "AWS::SecretsManager::Secret":
            return arn(resource_type, name, home)
    return name


def attribute(resource_type: str, name: str, wanted: str, properties: Mapping[str, Any], home: Home) -> str:
    """What ``Fn::GetAtt`` gives.

    Raises:
        ValueError: The type has no such attribute.
    """
    found = _ATTRIBUTES.get((resource_type.replace("GlobalTable", "Table"), wanted))
    if found is None:
        raise ValueError(f"{resource_type} has no attribute {wanted}")
    return found(name, properties, home)


def full_name_of(load_balancer: str) -> str:
    """The name in CloudWatch, ``app/<name>/<id>``, of a load balancer with an ARN."""
    if "loadbalancer/" in load_balancer:
        return load_balancer.rpartition("loadbalancer/")[2]
    stack, _, logical_id = load_balancer.partition("/")
    return f"app/{stack}/{logical_id}"


def host_of(load_balancer: str, home: Home) -> str:
    """The host name of a load balancer with an ARN: AWS makes it of its name, of at most 32 letters, and a number."""
    full_name = full_name_of(load_balancer)
    name, number = full_name.split("/")[1][:32], int(hashlib.sha256(full_name.encode()).hexdigest(), 16) % 10**10
    return f"{name}-{number:010}.{home.region}.elb.{domain_of(home.region)}".lower()


def queue_url(name: str, home: Home) -> str:
    """The address of a queue in AWS."""
    return f"https://sqs.{_address(home)}/{home.account}/{name}"


def _address(home: Home) -> str:
    """The end of a regional host name."""
    return f"{home.region}.{domain_of(home.region)}"


def arn(resource_type: str, name: str, home: Home) -> str:
    """The ARN of a resource."""
    aws, place = partition_of(home.region), f"{home.region}:{home.account}"
    match resource_type:
        case "AWS::SQS::Queue":
            return f"arn:{aws}:sqs:{place}:{name}"
        case "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable":
            return f"arn:{aws}:dynamodb:{place}:table/{name}"
        case "AWS::S3::Bucket":
            return f"arn:{aws}:s3:::{name}"
        case "AWS::SSM::Parameter":
            return f"arn:{aws}:ssm:{place}:parameter/{name.lstrip('/')}"
        case _:  # Without the six letters that Secrets Manager adds, by which nothing has to find it.
            return f"arn:{aws}:secretsmanager:{place}:secret:{name}"


_Attribute = Callable[[str, Mapping[str, Any], Home], str]


def _arn(resource_type: str) -> _Attribute:
    return lambda name, _, home: arn(resource_type, name, home)


_ATTRIBUTES: dict[tuple[str, str], _Attribute] = {
    (QUEUE, "Arn"): _arn(QUEUE),
    (QUEUE, "QueueName"): lambda name, _, __: name,
    (QUEUE, "QueueUrl"): lambda name, _, home: queue_url(name, home),
    (TABLE, "Arn"): _arn(TABLE),
    (TABLE, "StreamArn"): lambda name, _, home: f"{arn(TABLE, name, home)}/stream/2026-01-01T00:00:00.000",
    (TABLE, "TableId"): lambda name, _, __: name,
    (BUCKET, "Arn"): _arn(BUCKET),
    (BUCKET, "DomainName"): lambda name, _, home: f"{name}.s3.{domain_of(home.region)}",
    (BUCKET, "DualStackDomainName"): lambda name, _, home: f"{name}.s3.dualstack.{_address(home)}",
    (BUCKET, "RegionalDomainName"): lambda name, _, home: f"{name}.s3.{_address(home)}",
    (BUCKET, "WebsiteURL"): lambda name, _, home: f"http://{name}.s3-website-{_address(home)}",
    (PARAMETER, "Type"): lambda _, properties, __: str(properties.get("Type", "String")),
    (PARAMETER, "Value"): lambda _, properties, __: str(properties.get("Value", "")),
    (SECRET, "Id"): _arn(SECRET),
}

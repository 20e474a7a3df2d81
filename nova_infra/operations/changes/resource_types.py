"""Facts about resource types: which properties force a replacement, what they may be, and which types hold data.

Which properties can only be set when a resource is created is in AWS's resource schemas. ``resource_types.json`` is
drawn from those that cfn-lint ships, for every type in us-east-1: reading it takes milliseconds, where cfn-lint would
be one more dependency, of 70 MB, on every laptop that asks for a brief. ``make docs`` writes it, and a test fails when
it is not what the installed schemas say.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

# Types that hold data or what cannot be had again, beside those that cfn-lint lists for its rule I3011
# (https://github.com/aws-cloudformation/cfn-lint, StatefulResources.json).
_FURTHER_STATEFUL = {
    "AWS::Cassandra::Table",
    "AWS::ECR::Repository",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::MemoryDB::Cluster",
    "AWS::RDS::GlobalCluster",
    "AWS::Route53::HostedZone",
    "AWS::S3Express::DirectoryBucket",
    "AWS::SSM::Parameter",
    "AWS::Timestream::Table",
}


_ALWAYS = {
    **dict.fromkeys(("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"), ("KeySchema",)),
    "AWS::CertificateManager::Certificate": ("ValidationMethod",),
    "AWS::Route53::RecordSet": ("Name",),
}
"""What replaces a resource under any condition, by its page of the template reference, and its schema does not say."""
_UNLESS = {
    "AWS::Elasticsearch::Domain": {"ElasticsearchVersion": "EnableVersionUpgrade"},
    "AWS::OpenSearchService::Domain": {"EngineVersion": "EnableVersionUpgrade"},
    "AWS::ElastiCache::ReplicationGroup": dict.fromkeys(
        ("NodeGroupConfiguration", "NumNodeGroups"), "UseOnlineResharding"
    ),
}
"""Properties whose change replaces a resource, unless its update policy has a certain key:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-updatepolicy.html."""
_NEVER = {
    "AWS::RDS::DBInstance": (
        *("AutoMinorVersionUpgrade", "BackupRetentionPeriod", "DBParameterGroupName", "MultiAZ"),
        "PreferredMaintenanceWindow",
    )
}
"""What its schema calls a condition of a replacement, and RDS changes in place:
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html."""

_LIMITED = re.compile(
    "AWS::(ApiGatewayV2|ApplicationAutoScaling|CertificateManager|CloudWatch|CodeBuild|CodePipeline|Cognito|DynamoDB"
    "|ECR|ECS|EFS|ElastiCache|ElasticLoadBalancingV2|Events|IAM|KMS|Kinesis|Lambda|Logs|RDS|Route53|SNS|SQS|SSM"
    "|Scheduler|SecretsManager|StepFunctions)::(?!ResourcePolicy)"
    r"(Alarm|Api|Certificate|Cluster|DB\w+|EventSourceMapping|FileSystem|Function|Group|HealthCheck|Integration|Key"
    r"|Listener|ListenerRule|LoadBalancer|LogGroup|MetricFilter|Parameter|Permission|Pipeline|Policy|Project|Queue"
    r"|RecordSet|ReplicationGroup|Repository|Role|RotationSchedule|Route|Rule|ScalableTarget|ScalingPolicy|Schedule"
    r"|Secret|Service|StateMachine|Stream|Subscription|SubscriptionFilter|Table|TargetGroup|TaskDefinition|Topic|Url"
    r"|UserPool)|AWS::S3::Bucket|AWS::EC2::(FlowLog|NatGateway|Subnet|VPC|VPCEndpoint)"
)
"""The types whose limits are kept: those of the templates, and what is usual beside them."""
_OPEN = re.compile(
    r"Runtime|Engine|Class|InstanceType|NodeType|Policy$|Version|Unit|Image(Id|Type)?$|Family|Region|StorageType|ComputeType"
    r"|MetricType|Dimension|Namespace|Provider|Event|Driver|Architecture|Spec|Algorithm|PropagateTags|ProtocolVersion"
)
"""Properties whose words AWS keeps adding to: the schemas may be older."""
_MOST_WORDS = 12
_DEEPEST = 6


@dataclass(frozen=True)
class ResourceType:
    """What a change of a resource of one type does.

    Attributes:
        replaced_by: Properties whose change always replaces the resource, as paths with slashes.
        perhaps_replaced_by: Properties whose change replaces it under conditions that AWS's schema does not state.
    """

    replaced_by: tuple[str, ...] = ()
    perhaps_replaced_by: tuple[str, ...] = ()
    stateful: bool = False
    known: bool = True


def resource_type(name: str) -> ResourceType:
    """The facts about a type, such as ``AWS::S3::Bucket``."""
    table = _table()
    entry = table["types"].get(name)
    stateful = name in table["stateful"]
    if entry is None:
        return ResourceType(stateful=stateful, known=False)
    always, perhaps = entry
    perhaps = [each for each in perhaps if each not in _NEVER.get(name, ())]
    return ResourceType((*always, *_ALWAYS.get(name, ())), tuple(perhaps), stateful)


def replaced_by(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """The properties whose change always replaces a resource, as paths with slashes."""
    policy = resource.get("UpdatePolicy")
    unless = _UNLESS.get(resource["Type"], {}) if isinstance(policy or {}, Mapping) else {}
    kept = [name for name, key in unless.items() if str((policy or {}).get(key, False)).lower() == "false"]
    return (*resource_type(resource["Type"]).replaced_by, *kept)


def limits(name: str) -> Mapping[str, Sequence[Any]]:
    """The words that properties of a type may have, or the least and the most number.

    By paths, as ``values_at`` takes them.
    """
    found: Mapping[str, Sequence[Any]] = _table()["limits"].get(name, {})
    return found


@cache
def _table() -> dict[str, Any]:
    file = resources.files(__package__) / "resource_types.json"
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return table


def drawn_from_schemas() -> str:
    """The content of ``resource_types.json``, one line a type, from the schemas of the installed cfn-lint."""
    data = resources.files("cfnlint.data")

    def read(path: str) -> Any:
        return json.loads((data / path).read_text(encoding="utf-8"))

    lines, limited = [], []
    for name, schema_id in sorted(read("schemas/providers/us-east-1.json").items()):
        schema = read(f"schemas/resources/{schema_id}.json")
        paths = (
            sorted(path.removeprefix("/properties/") for path in schema.get(key, []))
            for key in ("createOnlyProperties", "conditionalCreateOnlyProperties")
        )
        lines.append(f"{json.dumps(name)}:{json.dumps(list(paths), separators=(',', ':'))}")
        if _LIMITED.fullmatch(name) and (found := dict(sorted(_limits(schema, schema, "")))):
            limited.append(f"{json.dumps(name)}:{json.dumps(found, separators=(',', ':'))}")
    stateful = sorted({*read("AdditionalSpecs/StatefulResources.json")["ResourceTypes"], *_FURTHER_STATEFUL})
    types, most = ",\n".join(lines), ",\n".join(limited)
    return f'{{"stateful":{json.dumps(stateful)},\n"limits":{{\n{most}\n}},\n"types":{{\n{types}\n}}}}\n'


def _limits(schema: Mapping[str, Any], part: Mapping[str, Any], path: str) -> Iterator[tuple[str, list[Any]]]:
    """Every property below a part of a schema that has limits of its own."""
    if path.count(".") >= _DEEPEST:
        return
    if (reference := part.get("$ref", "")).startswith("#/definitions/"):
        part = schema["definitions"].get(reference.removeprefix("#/definitions/"), {})
    words = part.get("enum", [])
    if words and len(words) <= _MOST_WORDS and not _OPEN.search(path.rpartition(".")[2]):
        yield path, [str(each).lower() if isinstance(each, bool) else str(each) for each in words]
    elif part.get("type") in ("integer", "number") and {"minimum", "maximum"} <= part.keys():
        yield path, [part["minimum"], part["maximum"]]
    if "items" in part:
        yield from _limits(schema, part["items"], f"{path}[]")
    read_only = {each.removeprefix("/properties/") for each in schema.get("readOnlyProperties", ())}
    for name, inner in part.get("properties", {}).items():
        if path or name not in read_only:
            yield from _limits(schema, inner, f"{path}.{name}" if path else name)


if __name__ == "__main__":
    print(drawn_from_schemas(), end="")

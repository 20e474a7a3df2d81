"""Facts from AWS's schemas: create-only properties, patterns, limits and conditions, types that hold data.

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
from importlib import metadata, resources
from pathlib import Path
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
_OTHERS = re.compile(
    r"AWS::EC2::(EIP|Instance|Volume)|AWS::ApiGateway::(RestApi|Stage|UsagePlan)|AWS::AppRunner::Service|AWS::AutoScaling::AutoScalingGroup"
    r"|AWS::Backup::Backup(Plan|Vault)|AWS::Budgets::Budget|AWS::CloudFront::Distribution|AWS::CloudTrail::Trail"
    r"|AWS::(DocDB|Neptune)::DB(Cluster|Instance)|AWS::KinesisFirehose::DeliveryStream|AWS::MSK::Cluster"
    r"|AWS::MemoryDB::Cluster|AWS::OpenSearchService::Domain|AWS::Pipes::Pipe|AWS::Redshift::Cluster"
    r"|AWS::ServiceDiscovery::(Service|PrivateDnsNamespace)|AWS::SES::EmailIdentity|AWS::Synthetics::Canary"
    r"|AWS::WAFv2::IPSet|AWS::AmazonMQ::Broker|AWS::ElastiCache::(CacheCluster|ServerlessCache)"
)
"""The types whose limits are kept: those of the templates, and what is usual beside them; of the latter, words that
are not ``_CLOSED`` count as growing."""
_CONDITIONS = (
    ("AWS::ApiGateway::RestApi", "openapi_properties"),
    ("AWS::ApiGateway::Stage/MethodSettings/*", "method_settings_resource_path"),
    ("AWS::CodeBuild::Project/Artifacts", "s3_locations"),
    ("AWS::EC2::SecurityGroup/SecurityGroupEgress/*", "protocols_and_port_ranges_include"),
    ("AWS::EC2::SecurityGroup/SecurityGroupIngress/*", "protocols_and_port_ranges_include"),
    ("AWS::Lambda::EventSourceMapping", "eventsourcearn_sqs_exclusive"),
    ("AWS::Lambda::EventSourceMapping", "eventsourcearn_stream_inclusive"),
    ("AWS::Lambda::Function", "packagetype_image_exclusions"),
    ("AWS::Route53::RecordSet", "recordset_pattern"),
)
"""Types, with paths in them, and the files of cfn-lint's conditions on them: those of its errors that AWS refuses."""
_CLOSED = re.compile(
    r"Status$|State$|Enabled$|Action$|Scope$|ReadWriteType|RestrictionType|SslSupportMethod|LaunchType|AssignPublicIp"
    r"|InvocationType|StartingPosition|DeletionProtection|Mode$|Period$|HttpTokens|Behavior$|ClientBroker|BareMetal"
    r"|BurstablePerformance|LocalStorage|NoEncryptionConfig|HECEndpointType|ContentEncoding"
)
_OPEN = re.compile(
    r"Runtime|Engine|Class|InstanceType|NodeType|Policy$|Version|Unit|Image(Id|Type)?$|Family|Region|StorageType|ComputeType"
    r"|MetricType|Dimension|Namespace|Provider|Event|Driver|Architecture|Spec|Algorithm|PropagateTags|ProtocolVersion"
)
"""Properties whose words AWS keeps adding to: the schemas may be older."""
_SWITCH = {"true", "false", "enabled", "disabled", "on", "off", "active", "inactive"}
_MOST_WORDS, _MOST_GROWING = 12, 60
_DEEPEST = 6
_OF_REPOSITORIES = r"([a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*)"
_BOUNDS = (("number", "minimum", "maximum"), ("text", "minLength", "maxLength"), ("list", "minItems", "maxItems"))


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


@cache
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


@dataclass(frozen=True)
class Bounds:
    """What a property may be, by the schema of its type.

    Attributes:
        of: What has the bounds: "number", "text" for its characters, "list" for its entries; "words" has none.
        pattern: What a text has to match somewhere; empty where anything will do.
        grows: Whether AWS adds to the words, so that the schema may be older than AWS.
    """

    of: str
    least: float | None = None
    most: float | None = None
    pattern: str = ""
    words: tuple[str, ...] = ()
    grows: bool = False


@cache
def limits(name: str) -> Mapping[str, Bounds]:
    """The limits of a type's properties, by their paths as ``values_at`` takes them."""
    found = {}
    for path, (of, *given) in _table()["limits"].get(name, {}).items():
        is_words = of in ("words", "growing")
        found[path] = Bounds("words", words=tuple(given), grows=of == "growing") if is_words else Bounds(of, *given)
    return found


def conditions(name: str) -> Sequence[Mapping[str, Any]]:
    """AWS's conditions on a type's properties: JSON schemas, without references."""
    found: Sequence[Mapping[str, Any]] = _table()["conditions"].get(name, ())
    return found


@cache
def _table() -> dict[str, Any]:
    file = resources.files(__package__) / "resource_types.json"
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return table


def drawn_from_schemas() -> str:
    """The content of ``resource_types.json``, one line a type, from the schemas of the installed cfn-lint."""
    data = Path(str(metadata.distribution("cfn-lint").locate_file("cfnlint/data")))  # importing it takes a second

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
        is_limited = _LIMITED.fullmatch(name) or _OTHERS.fullmatch(name)
        if is_limited and (found := dict(sorted(_limits(schema, schema, "")))):
            limited.append(f"{json.dumps(name)}:{json.dumps(found, separators=(',', ':'))}")
    stateful = sorted({*read("AdditionalSpecs/StatefulResources.json")["ResourceTypes"], *_FURTHER_STATEFUL})
    types, most = ",\n".join(lines), ",\n".join(limited)
    held: dict[str, list[Any]] = {}
    for place, file in _CONDITIONS:
        kind, _, path = place.partition("/")
        schema = read(f"schemas/extensions/{kind.lower().replace('::', '_')}/{file}.json")
        held.setdefault(kind, []).append(_at(path, _whole(schema, schema.get("definitions", {}))))
    needed = ",\n".join(f"{json.dumps(kind)}:{json.dumps(each, separators=(',', ':'))}" for kind, each in held.items())
    return (
        f'{{"stateful":{json.dumps(stateful)},\n"limits":{{\n{most}\n}},\n"conditions":{{\n{needed}\n}},\n'
        f'"types":{{\n{types}\n}}}}\n'
    )


def _whole(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema with what it refers to in the place of each reference, and without what only describes it."""
    if isinstance(schema, list):
        return [_whole(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _whole(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    left_out = ("definitions", "description", "additionalProperties")
    return {key: _whole(each, definitions) for key, each in schema.items() if key not in left_out}


def _at(path: str, schema: Any) -> Any:
    """The schema of an object in which another one is at a path; ``*`` stands for the entries of a list."""
    for name in reversed(path.split("/") if path else ()):
        schema = {"items": schema} if name == "*" else {"properties": {name: schema}}
    return schema


def _limits(schema: Mapping[str, Any], part: Mapping[str, Any], path: str) -> Iterator[tuple[str, list[Any]]]:
    """Every property below a part of a schema that has limits of its own."""
    if path.count(".") >= _DEEPEST or path.endswith("Tags"):
        return
    if (reference := part.get("$ref", "")).startswith("#/definitions/"):
        part = schema["definitions"].get(reference.removeprefix("#/definitions/"), {})
    if (limit := _limit(part, path, closed=_OTHERS.fullmatch(schema["typeName"]) is None)) is not None:
        yield path, limit
    if "items" in part:
        yield from _limits(schema, part["items"], f"{path}[]")
    read_only = {each.removeprefix("/properties/") for each in schema.get("readOnlyProperties", ())}
    for name, inner in part.get("properties", {}).items():
        if path or name not in read_only:
            yield from _limits(schema, inner, f"{path}.{name}" if path else name)


def _limit(part: Mapping[str, Any], path: str, *, closed: bool) -> list[Any] | None:
    """The limit of one property: its kind, then its words, or its least, its most and its pattern.

    Args:
        closed: Whether words count as all that there are where nothing says that they grow.
    """
    words = [str(each).lower() if isinstance(each, bool) else str(each) for each in part.get("enum", ())]
    if words:
        name = path.rpartition(".")[2]
        is_switch = len(words) < 3 and {each.lower() for each in words} <= _SWITCH
        grows = len(words) > _MOST_WORDS or _OPEN.search(name) or not (closed or is_switch or _CLOSED.search(name))
        return ["growing" if grows else "words", *words] if len(words) <= _MOST_GROWING else None
    for of, least, most in _BOUNDS:
        pattern = _pattern(part) if of == "text" else []
        if pattern or least in part or most in part:
            return [of, part.get(least), part.get(most), *pattern]
    return None


def _pattern(part: Mapping[str, Any]) -> list[str]:
    """The pattern of a text, where it says which texts match and Python reads it in time, as its authors do."""
    pattern = part.get("pattern", "")
    if not pattern.startswith("^") or pattern in ("^.*$", "^.+$") or repeats_repetition(pattern):
        return []
    try:
        re.compile(pattern)
    except re.error:  # classes such as \p{L}, which Python does not have
        return []
    return [pattern]


def repeats_repetition(pattern: str) -> bool:
    """Whether a pattern may try a text in more ways than anybody waits for: ``(-?[a-z]+)*``.

    A repository's name is left out of that: its parts are separated by what no part has, so there is one way only.
    """
    plain = re.sub(r"\\.", "e", re.sub(r"\[(?:\\.|[^\]\\])*\]", "c", pattern.replace(_OF_REPOSITORIES, "")))
    innermost = re.compile(r"\(([^()]*)\)([*+]|\{\d+,\})?")
    while (group := innermost.search(plain)) is not None:
        repeats = re.search(r"[*+]|\{\d+,\}", group[1]) is not None
        if repeats and group[2]:
            return True
        plain = f"{plain[: group.start()]}c{group[2] or ('*' if repeats else '')}{plain[group.end() :]}"
    return False


if __name__ == "__main__":
    print(drawn_from_schemas(), end="")

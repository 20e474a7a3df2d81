"""Properties that exclude or need one another, and texts that only their neighbours show to be wrong.

Each is a sentence of the service's API reference: API_CreateQueue (SQS), API_Subscribe and API_CreateTopic (SNS),
API_CreateSecret (Secrets Manager), API_PutMetricAlarm, API_PutCompositeAlarm and API_PutMetricFilter (CloudWatch),
API_PutTargets (EventBridge), API_CreateSchedule (Scheduler), API_CreateKey (KMS), API_CreateTable (DynamoDB),
API_CreateService and API_EFSVolumeConfiguration (ECS), API_PutBucketLifecycleConfiguration, API_PutBucketReplication
and API_PutBucketWebsite (S3), API_PutParameter (Systems Manager), API_PutScalingPolicy (Application Auto Scaling),
API_CreateWebACL (WAF), API_CreateRole (IAM), API_ResourceRecordSet (Route 53), API_CreateDBInstance and
API_CreateDBCluster (RDS), API_CreateReplicationGroup (ElastiCache), API_CreateUserPool (Cognito), API_CreateStream
(Kinesis), API_CreateFileSystem (EFS), API_CreateProject (CodeBuild), and the Amazon States Language.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.operations.changes.certain import (
    is_function,
    is_known,
    is_off,
    is_on,
    may_be_left_out,
    table,
    tables,
    values_at,
)
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Fault, Judges, Step

# Type, and path of an object, to the properties of which it may have one.
_APART: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "AWS::SecretsManager::Secret": {"": ("SecretString", "GenerateSecretString")},
    "AWS::CloudWatch::Alarm": {"": ("Statistic", "ExtendedStatistic"), " ": ("MetricName", "Metrics")},
    "AWS::Events::Rule": {"Targets[]": ("Input", "InputPath", "InputTransformer")},
    "AWS::WAFv2::WebACL": {"DefaultAction": ("Allow", "Block")},
    "AWS::S3::Bucket": {
        "WebsiteConfiguration": ("RedirectAllRequestsTo", "IndexDocument"),
        "LifecycleConfiguration.Rules[]": ("ExpiredObjectDeleteMarker", "ExpirationInDays", "ExpirationDate"),
    },
    "AWS::Cognito::UserPool": {"": ("UsernameAttributes", "AliasAttributes")},
    "AWS::Logs::MetricFilter": {"MetricTransformations[]": ("DefaultValue", "Dimensions")},
    "AWS::RDS::DBInstance": {
        "": ("MasterUserPassword", "ManageMasterUserPassword"),
        " ": ("AvailabilityZone", "MultiAZ"),
    },
    "AWS::Route53::RecordSet": {"": ("AliasTarget", "TTL"), " ": ("HostedZoneId", "HostedZoneName")},
    "AWS::SQS::Queue": {"": ("KmsMasterKeyId", "SqsManagedSseEnabled")},
}
# Type, and path of an object, to one of its properties and those that it needs there, one of each alternative.
_NEEDS: Mapping[str, Mapping[str, tuple[tuple[str, str], ...]]] = {
    "AWS::SecretsManager::Secret": {
        "GenerateSecretString": (
            ("GenerateStringKey", "SecretStringTemplate"),
            ("SecretStringTemplate", "GenerateStringKey"),
        )
    },
    "AWS::SQS::Queue": {"RedrivePolicy": (("maxReceiveCount", "deadLetterTargetArn"),)},
    "AWS::CloudWatch::Alarm": {"": (("MetricName", "Threshold|ThresholdMetricId"),)},
    "AWS::CloudWatch::CompositeAlarm": {
        "": (
            ("ActionsSuppressor", "ActionsSuppressorWaitPeriod"),
            ("ActionsSuppressor", "ActionsSuppressorExtensionPeriod"),
        )
    },
    "AWS::Route53::RecordSet": {
        "": tuple((each, "SetIdentifier") for each in ("Weight", "Failover", "Region", "GeoLocation"))
    },
    "AWS::ElastiCache::ReplicationGroup": {"": (("AuthToken", "TransitEncryptionEnabled"),)},
    "AWS::ECS::TaskDefinition": {"Volumes[].EFSVolumeConfiguration": (("AuthorizationConfig", "TransitEncryption"),)},
    "AWS::S3::Bucket": {"": (("ObjectLockConfiguration", "ObjectLockEnabled"),)},
    "AWS::EFS::FileSystem": {"": (("KmsKeyId", "Encrypted"),)},
}
_EXPIRES = ("Expiration", "Transition", "Abort", "NoncurrentVersion", "ExpiredObject")
_ENDING = ("Choice", "Succeed", "Fail")
_STATES = ("Task", "Pass", "Wait", "Parallel", "Map", *_ENDING)
_ADVANCED_PARAMETER = 8192


def refused_combinations(step: Step) -> Iterator[Refusal]:
    """Refuse properties that the service behind a resource does not take together."""
    for logical_id, resource in step.given.items():
        properties, kind = resource.get("Properties"), str(resource.get("Type"))
        if isinstance(properties, Mapping) and not is_function(properties):
            yield from step.refuse_each(logical_id, _faults(kind, properties))


def _faults(kind: str, properties: Mapping[str, Any]) -> Iterator[Fault]:
    for path, names in _APART.get(kind, {}).items():
        for each in _objects(properties, path.strip()):
            if len(found := [name for name in names if _is_given(each, name)]) > 1:
                fault = f"is set together with {found[1]}"
                yield ".".join(filter(None, [path.strip(), found[0]])), fault, "keep one of them"
    for path, pairs in _NEEDS.get(kind, {}).items():
        for each in _objects(properties, path):
            for name, needed in pairs:
                others = needed.split("|")
                if _is_given(each, name) and not any(_may_be_given(each, one) for one in others):
                    fault = f"is missing or off, and {name} needs it"
                    yield ".".join(filter(None, [path, needed.partition("|")[0]])), fault, "add it"
    if kind in _JUDGES:
        yield from _JUDGES[kind](properties)


def _objects(properties: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
    return tables([*values_at(properties, path)]) if path else [properties]


def _is_given(properties: Mapping[str, Any], name: str) -> bool:
    """Whether a property is certain to be there, and not switched off."""
    value = properties.get(name)
    return value is not None and not may_be_left_out(value) and not is_off(value)


def _may_be_given(properties: Mapping[str, Any], name: str) -> bool:
    return properties.get(name) not in (None, {"Ref": "AWS::NoValue"}) and not is_off(properties[name])


def _queue(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if is_on(properties.get("ContentBasedDeduplication")) and not _may_be_given(properties, "FifoQueue"):
        yield "ContentBasedDeduplication", "is on, and only a FIFO queue has it", "add FifoQueue, or leave it out"
    by_group = properties.get("FifoThroughputLimit") == "perMessageGroupId"
    if by_group and properties.get("DeduplicationScope", "queue") == "queue":
        yield "DeduplicationScope", "is queue, and FifoThroughputLimit is perMessageGroupId", "make it messageGroup"
    allows = table(properties.get("RedriveAllowPolicy"))
    if allows.get("redrivePermission") == "byQueue" and not _may_be_given(allows, "sourceQueueArns"):
        yield "RedriveAllowPolicy.sourceQueueArns", "is missing, and redrivePermission is byQueue", "name the queues"


def _topic(properties: Mapping[str, Any]) -> Iterator[Fault]:
    name = properties.get("TopicName")
    if isinstance(name, str) and is_on(properties.get("FifoTopic")) and not name.endswith(".fifo"):
        yield "TopicName", f"is {name[:60]}, and the topic is a FIFO topic", "end the name in .fifo"
    if is_on(properties.get("ContentBasedDeduplication")) and not _may_be_given(properties, "FifoTopic"):
        yield "ContentBasedDeduplication", "is on, and only a FIFO topic has it", "add FifoTopic, or leave it out"


def _subscription(properties: Mapping[str, Any]) -> Iterator[Fault]:
    protocol, endpoint = properties.get("Protocol"), properties.get("Endpoint")
    if isinstance(endpoint, str) and "{{" not in endpoint:
        if protocol in ("http", "https") and not endpoint.startswith(f"{protocol}://"):
            yield "Endpoint", f"is {endpoint}, and the protocol is {protocol}", f"begin it with {protocol}://"
        if protocol in ("email", "email-json") and "@" not in endpoint:
            yield "Endpoint", f"is {endpoint}, which is no e-mail address", "name one"
    if protocol in ("email", "email-json", "sms", "lambda") and is_on(properties.get("RawMessageDelivery")):
        yield "RawMessageDelivery", f"is on, and {protocol} has none", "leave it out"


def _event_rule(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if not any(_may_be_given(properties, each) for each in ("EventPattern", "ScheduleExpression")):
        yield (
            "EventPattern",
            "is missing, as is ScheduleExpression, and a rule needs one of them",
            "say when it applies",
        )
    for text in values_at(properties, "Targets[].Input"):
        if isinstance(text, str) and _parsed(text) is None:
            yield "Targets.Input", "is no JSON", "write a text in quotation marks, or an object"
    for pattern in values_at(properties, "EventPattern"):
        plain = [key for key, each in table(pattern).items() if isinstance(each, str | int)]
        if plain:
            yield f"EventPattern.{plain[0]}", "is no list of values", "put the value into a list"


def _schedule(properties: Mapping[str, Any]) -> Iterator[Fault]:
    start, end = (properties.get(key) for key in ("StartDate", "EndDate"))
    if isinstance(start, str) and isinstance(end, str) and start.endswith("Z") and end.endswith("Z") and end <= start:
        yield "EndDate", f"is {end}, and the schedule starts on {start}", "end it after its start"


def _key(properties: Mapping[str, Any]) -> Iterator[Fault]:
    spec, usage = properties.get("KeySpec", "SYMMETRIC_DEFAULT"), properties.get("KeyUsage", "ENCRYPT_DECRYPT")
    if not isinstance(spec, str):
        return
    symmetric = spec == "SYMMETRIC_DEFAULT"
    if is_on(properties.get("EnableKeyRotation")) and not symmetric:
        yield "EnableKeyRotation", f"is on, and {spec} has no rotation", "leave it out"
    if symmetric and isinstance(usage, str) and usage != "ENCRYPT_DECRYPT":
        yield "KeyUsage", f"is {usage}, and a symmetric key only encrypts", "choose another KeySpec"


def _dynamo_table(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if properties.get("BillingMode") == "PAY_PER_REQUEST" and _is_given(properties, "ProvisionedThroughput"):
        yield "ProvisionedThroughput", "is set, and the table pays per request", "leave it out"
    for key in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        for each in tables([*values_at(properties, f"{key}[].Projection")]):
            if each.get("ProjectionType") in ("ALL", "KEYS_ONLY") and each.get("NonKeyAttributes", []) != []:
                fault = f"is set, and the index projects {each['ProjectionType']}"
                yield f"{key}.Projection.NonKeyAttributes", fault, "leave it out, or project INCLUDE"
    keys = properties.get("KeySchema")
    if isinstance(keys, list) and is_known(keys) and [each.get("KeyType") for each in tables(keys)].count("HASH") != 1:
        yield "KeySchema", "has not one key of type HASH", "make one key HASH, and another RANGE at most"


def _service(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if properties.get("LaunchType") == "FARGATE":
        for key in ("PlacementStrategies", "PlacementConstraints"):
            if properties.get(key, []) != [] and _is_given(properties, key):
                yield key, "is set, and Fargate places tasks itself", "leave it out"
    bases = [
        each for each in tables(properties.get("CapacityProviderStrategy")) if each.get("Base") not in (None, 0, "0")
    ]
    if len(bases) > 1:
        yield "CapacityProviderStrategy.Base", f"is set for {len(bases)} providers", "keep one of them"
    controller = table(properties.get("DeploymentController")).get("Type")
    breaker = table(table(properties.get("DeploymentConfiguration")).get("DeploymentCircuitBreaker"))
    if controller in ("CODE_DEPLOY", "EXTERNAL") and is_on(breaker.get("Enable")):
        where = "DeploymentConfiguration.DeploymentCircuitBreaker"
        yield where, f"is on, and {controller} has none", "make the controller ECS, or leave it out"


def _bucket(properties: Mapping[str, Any]) -> Iterator[Fault]:
    for rule in tables([*values_at(properties, "LifecycleConfiguration.Rules[]")]):
        if not any(key.startswith(_EXPIRES) for key in rule):
            yield "LifecycleConfiguration.Rules", "has a rule that does nothing", "say what expires, and when"
    versioning = properties.get("VersioningConfiguration", {"Status": "Suspended"})
    for key in ("ReplicationConfiguration", "ObjectLockEnabled"):
        # Object lock turns versioning on by itself, unless the template says otherwise.
        off = versioning == {"Status": "Suspended"} and (key[0] == "R" or "VersioningConfiguration" in properties)
        if off and _is_given(properties, key):
            yield key, "needs versioning, which is off", "enable VersioningConfiguration"


def _parameter(properties: Mapping[str, Any]) -> Iterator[Fault]:
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


def _policy(properties: Mapping[str, Any]) -> Iterator[Fault]:
    where = "TargetTrackingScalingPolicyConfiguration"
    for kind in ("StepScaling", "TargetTrackingScaling"):
        if properties.get("PolicyType") == kind and not _may_be_given(properties, f"{kind}PolicyConfiguration"):
            yield f"{kind}PolicyConfiguration", f"is missing, and PolicyType is {kind}", "add it, or correct the type"
    if [] in values_at(properties, "StepScalingPolicyConfiguration.StepAdjustments"):
        yield "StepScalingPolicyConfiguration.StepAdjustments", "is empty", "say how far to scale"
    metric = table(table(properties.get(where)).get("PredefinedMetricSpecification"))
    if metric.get("PredefinedMetricType") == "ALBRequestCountPerTarget" and not _may_be_given(metric, "ResourceLabel"):
        yield f"{where}.PredefinedMetricSpecification.ResourceLabel", "is missing", "name the target group"


def _role(properties: Mapping[str, Any]) -> Iterator[Fault]:
    place = "AssumeRolePolicyDocument.Statement"
    for statement in tables(table(properties.get("AssumeRolePolicyDocument")).get("Statement")):
        if key := next((key for key in ("Resource", "NotResource") if key in statement), ""):
            yield f"{place}.{key}", "is set, and a trust has none: the role is its resource", "leave it out"
        for action in as_list(statement.get("Action", [])):
            if isinstance(action, str) and not re.match(r"(?i)sts:|\*", action):
                yield f"{place}.Action", f"is {action}, and a trust is about sts: actions", "make it sts:AssumeRole"
        if "*" in as_list(table(statement.get("Principal")).get("Service")):
            yield f"{place}.Principal.Service", "is *", "name the service, such as ecs-tasks.amazonaws.com"


def _machine(properties: Mapping[str, Any]) -> Iterator[Fault]:
    text = properties.get("DefinitionString")
    states = table(table(_parsed(text) if isinstance(text, str) else None).get("States"))
    for name, state in states.items() if "DefinitionSubstitutions" not in properties else ():
        if not isinstance(state, Mapping) or state.get("Type") in _ENDING:
            continue
        if state.get("Type") not in _STATES:
            yield "DefinitionString", f"has {name} of type {state.get('Type')}", f"make it one of {', '.join(_STATES)}"
        elif "Next" not in state and state.get("End") is not True:
            yield "DefinitionString", f"does not say what comes after {name}", "add Next or End to that state"
        elif isinstance(state.get("Next"), str) and state["Next"] not in states:
            yield "DefinitionString", f"goes from {name} to {state['Next']}, which is none of its states", "correct it"


def _acl(properties: Mapping[str, Any]) -> Iterator[Fault]:
    """API_Rule: a rule has an Action, one that refers to a group of rules an OverrideAction."""
    rules = tables(properties.get("Rules"))
    names = Counter(each["Name"] for each in rules if isinstance(each.get("Name"), str))
    if twice := [name for name, count in names.items() if count > 1]:
        yield "Rules.Name", f"has {twice[0]} twice", "give each rule a name of its own"
    for each in rules:
        of_group = {"ManagedRuleGroupStatement", "RuleGroupReferenceStatement"} & table(each.get("Statement")).keys()
        needed, other = ("OverrideAction", "Action") if of_group else ("Action", "OverrideAction")
        if _is_given(each, other) and is_known(each.get("Statement")):
            what = "refers to a group of rules" if of_group else "has a statement of its own"
            yield f"Rules.{other}", f"is set in {each.get('Name')}, which {what}", f"make it {needed}"


def _stream(properties: Mapping[str, Any]) -> Iterator[Fault]:
    mode = table(properties.get("StreamModeDetails")).get("StreamMode")
    if mode == "ON_DEMAND" and _is_given(properties, "ShardCount"):
        yield "ShardCount", "is set, and the stream is ON_DEMAND", "leave it out"


def _file_system(properties: Mapping[str, Any]) -> Iterator[Fault]:
    needed = "ProvisionedThroughputInMibps"
    if properties.get("ThroughputMode") == "provisioned" and not _may_be_given(properties, needed):
        yield needed, "is missing, and ThroughputMode is provisioned", "add it, or make the mode elastic"


def _cluster(properties: Mapping[str, Any]) -> Iterator[Fault]:
    scaling = table(properties.get("ServerlessV2ScalingConfiguration"))
    least, most = (scaling.get(key) for key in ("MinCapacity", "MaxCapacity"))
    if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        yield "ServerlessV2ScalingConfiguration.MinCapacity", f"is {least}, above a maximum of {most}", "lower it"


def _project(properties: Mapping[str, Any]) -> Iterator[Fault]:
    source = table(properties.get("Source"))
    if source.get("Type") == "NO_SOURCE" and not _may_be_given(source, "BuildSpec"):
        yield "Source.BuildSpec", "is missing, and there is no source to have one", "write it here"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


_JUDGES: Judges = {
    "AWS::SQS::Queue": _queue,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": _topic,
    "AWS::WAFv2::WebACL": _acl,
    "AWS::Kinesis::Stream": _stream,
    "AWS::EFS::FileSystem": _file_system,
    "AWS::RDS::DBCluster": _cluster,
    "AWS::CodeBuild::Project": _project,
    "AWS::Events::Rule": _event_rule,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::KMS::Key": _key,
    "AWS::DynamoDB::Table": _dynamo_table,
    "AWS::ECS::Service": _service,
    "AWS::S3::Bucket": _bucket,
    "AWS::SSM::Parameter": _parameter,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _policy,
    "AWS::IAM::Role": _role,
    "AWS::StepFunctions::StateMachine": _machine,
}

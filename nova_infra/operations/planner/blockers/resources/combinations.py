"""Properties that exclude or need one another, and texts that only their neighbours show to be wrong.

Each is a sentence of the service's API reference: API_CreateQueue (SQS), API_Subscribe (SNS), API_CreateSecret (Secrets
Manager), API_PutMetricAlarm (CloudWatch), API_PutTargets (EventBridge), API_CreateSchedule (Scheduler), API_CreateKey
(KMS), API_CreateTable (DynamoDB), API_CreateRule, API_CreateListener and API_CreateTargetGroup (Elastic Load
Balancing), API_CreateService (ECS), API_PutBucketLifecycleConfiguration and API_PutBucketReplication (S3),
API_PutParameter (Systems Manager), API_PutScalingPolicy (Application Auto Scaling), API_CreateVpcEndpoint and
API_AuthorizeSecurityGroupIngress (EC2), API_CreateWebACL (WAF), API_CreateRole (IAM), and the Amazon States Language.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.operations.changes.certain import is_function, is_known, may_be_left_out, table, tables, values_at
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Step

_Fault = tuple[str, str, str]

# Type, and path of an object, to the properties of which it may have one.
_APART: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "AWS::SecretsManager::Secret": {"": ("SecretString", "GenerateSecretString")},
    "AWS::CloudWatch::Alarm": {"": ("Statistic", "ExtendedStatistic"), " ": ("MetricName", "Metrics")},
    "AWS::Events::Rule": {"Targets[]": ("Input", "InputPath", "InputTransformer")},
    "AWS::WAFv2::WebACL": {"DefaultAction": ("Allow", "Block")},
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
    "AWS::S3::Bucket": {"": (("ObjectLockConfiguration", "ObjectLockEnabled"),)},
}
_EXPIRES = ("Expiration", "Transition", "Abort", "NoncurrentVersion", "ExpiredObject")
_FINAL = ("forward", "redirect", "fixed-response")
_ENDING = ("Choice", "Succeed", "Fail")
_DESCRIPTION = re.compile(r"[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{0,255}")
_OWN_COOKIES = ("AWSALB", "AWSALBAPP", "AWSALBTG")
_ADVANCED_PARAMETER = 8192


def refused_combinations(step: Step) -> Iterator[Refusal]:
    """Refuse properties that the service behind a resource does not take together."""
    for logical_id, resource in step.after.resources.items() if step.actions else ():
        properties, kind = resource.get("Properties"), str(resource.get("Type"))
        if isinstance(properties, Mapping) and not is_function(properties):
            for where, fault, remedy in _faults(kind, properties):
                yield step.refuse(f"{logical_id}.{where}", fault, remedy)


def _faults(kind: str, properties: Mapping[str, Any]) -> Iterator[_Fault]:
    for path, names in _APART.get(kind, {}).items():
        for each in _objects(properties, path.strip()):
            if len(found := [name for name in names if _is_given(each, name)]) > 1:
                fault = f"is set together with {found[1]}"
                yield ".".join(filter(None, [path.strip(), found[0]])), fault, "keep one of them"
    for path, pairs in _NEEDS.get(kind, {}).items():
        for each in _objects(properties, path):
            for name, needed in pairs:
                if _is_given(each, name) and not any(_may_be_given(each, one) for one in needed.split("|")):
                    fault = f"is missing, and {name} needs it"
                    yield ".".join(filter(None, [path, needed.partition("|")[0]])), fault, "add it"
    if kind in _JUDGES:
        yield from _JUDGES[kind](properties)


def _objects(properties: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
    return tables([*values_at(properties, path)]) if path else [properties]


def _is_given(properties: Mapping[str, Any], name: str) -> bool:
    """Whether a property is certain to be there, and not switched off."""
    value = properties.get(name)
    return value is not None and not may_be_left_out(value) and not _is(value, "false")


def _may_be_given(properties: Mapping[str, Any], name: str) -> bool:
    return properties.get(name) not in (None, {"Ref": "AWS::NoValue"})


def _is(value: Any, word: str) -> bool:
    return str(value).lower() == word


def _queue(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    if _is(properties.get("ContentBasedDeduplication"), "true") and not _may_be_given(properties, "FifoQueue"):
        yield "ContentBasedDeduplication", "is on, and only a FIFO queue has it", "add FifoQueue, or leave it out"


def _subscription(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    protocol, endpoint = properties.get("Protocol"), properties.get("Endpoint")
    if isinstance(endpoint, str) and "{{" not in endpoint:
        if protocol in ("http", "https") and not endpoint.startswith(f"{protocol}://"):
            yield "Endpoint", f"is {endpoint}, and the protocol is {protocol}", f"begin it with {protocol}://"
        if protocol in ("email", "email-json") and "@" not in endpoint:
            yield "Endpoint", f"is {endpoint}, which is no e-mail address", "name one"
    if protocol in ("email", "email-json", "sms", "lambda") and _is(properties.get("RawMessageDelivery"), "true"):
        yield "RawMessageDelivery", f"is on, and {protocol} has none", "leave it out"


def _event_rule(properties: Mapping[str, Any]) -> Iterator[_Fault]:
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


def _schedule(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    start, end = (properties.get(key) for key in ("StartDate", "EndDate"))
    if isinstance(start, str) and isinstance(end, str) and start.endswith("Z") and end.endswith("Z") and end <= start:
        yield "EndDate", f"is {end}, and the schedule starts on {start}", "end it after its start"


def _key(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    spec, usage = properties.get("KeySpec", "SYMMETRIC_DEFAULT"), properties.get("KeyUsage", "ENCRYPT_DECRYPT")
    if not isinstance(spec, str):
        return
    symmetric = spec == "SYMMETRIC_DEFAULT"
    if _is(properties.get("EnableKeyRotation"), "true") and not symmetric:
        yield "EnableKeyRotation", f"is on, and {spec} has no rotation", "leave it out"
    if symmetric and isinstance(usage, str) and usage != "ENCRYPT_DECRYPT":
        yield "KeyUsage", f"is {usage}, and a symmetric key only encrypts", "choose another KeySpec"


def _dynamo_table(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    if properties.get("BillingMode") == "PAY_PER_REQUEST" and _is_given(properties, "ProvisionedThroughput"):
        yield "ProvisionedThroughput", "is set, and the table pays per request", "leave it out"
    keys = properties.get("KeySchema")
    if isinstance(keys, list) and is_known(keys) and [each.get("KeyType") for each in tables(keys)].count("HASH") != 1:
        yield "KeySchema", "has not one key of type HASH", "make one key HASH, and another RANGE at most"


def _listener_rule(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    kinds = [each.get("Type") for each in tables(properties.get("Actions"))]
    if kinds and is_known(kinds) and len(kinds) == len(as_list(properties.get("Actions"))):
        last = sum(kind in _FINAL for kind in kinds)
        if last != 1:
            yield "Actions", f"has {last} actions that answer or forward", "give it one, as the last"


def _listener(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    for key in ("SslPolicy", "Certificates"):
        if properties.get("Protocol") == "HTTP" and _is_given(properties, key) and properties[key] != []:
            yield key, "is set, and the listener speaks HTTP", "leave it out, or make the protocol HTTPS"


def _target_group(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    for each in tables(properties.get("TargetGroupAttributes")):
        key, value = each.get("Key"), each.get("Value")
        if key == "stickiness.app_cookie.cookie_name" and value in _OWN_COOKIES:
            yield f"TargetGroupAttributes.{key}", f"is {value}, which the load balancer keeps for itself", "rename it"
    if [*values_at(properties, "Matcher.GrpcCode")] and properties.get("ProtocolVersion", "HTTP1") in (
        "HTTP1",
        "HTTP2",
    ):
        yield "Matcher.GrpcCode", "is set, and the group does not speak gRPC", "use HttpCode"


def _service(properties: Mapping[str, Any]) -> Iterator[_Fault]:
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
    if controller in ("CODE_DEPLOY", "EXTERNAL") and _is(breaker.get("Enable"), "true"):
        where = "DeploymentConfiguration.DeploymentCircuitBreaker"
        yield where, f"is on, and {controller} has none", "make the controller ECS, or leave it out"


def _bucket(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    for rule in tables([*values_at(properties, "LifecycleConfiguration.Rules[]")]):
        if not any(key.startswith(_EXPIRES) for key in rule):
            yield "LifecycleConfiguration.Rules", "has a rule that does nothing", "say what expires, and when"
    versioning = properties.get("VersioningConfiguration", {"Status": "Suspended"})
    for key in ("ReplicationConfiguration", "ObjectLockEnabled"):
        # Object lock turns versioning on by itself, unless the template says otherwise.
        off = versioning == {"Status": "Suspended"} and (key[0] == "R" or "VersioningConfiguration" in properties)
        if off and _is_given(properties, key):
            yield key, "needs versioning, which is off", "enable VersioningConfiguration"


def _parameter(properties: Mapping[str, Any]) -> Iterator[_Fault]:
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


def _policy(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    where = "TargetTrackingScalingPolicyConfiguration"
    metric = table(table(properties.get(where)).get("PredefinedMetricSpecification"))
    if metric.get("PredefinedMetricType") == "ALBRequestCountPerTarget" and not _may_be_given(metric, "ResourceLabel"):
        yield f"{where}.PredefinedMetricSpecification.ResourceLabel", "is missing", "name the target group"


def _endpoint(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    if properties.get("VpcEndpointType", "Gateway") == "Gateway":
        for key in ("SubnetIds", "SecurityGroupIds"):
            if _is_given(properties, key) and properties[key] != []:
                yield key, "is set, and a gateway endpoint has none", "name its RouteTableIds instead"


def _security_group(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    for key in ("SecurityGroupIngress", "SecurityGroupEgress"):
        seen = []
        for rule in tables(properties.get(key)):
            if not _DESCRIPTION.fullmatch(text := str(rule.get("Description", "-"))) and is_known(rule):
                yield f"{key}.Description", f"is {text}", "use up to 255 letters of ASCII, digits and signs"
            for name in ("CidrIp", "CidrIpv6"):
                if isinstance(rule.get(name), str) and not _is_network(rule[name]):
                    yield (
                        f"{key}.{name}",
                        f"is {rule[name]}, which is no address range",
                        "write one such as 10.0.0.0/16",
                    )
            meant = {name: str(each) for name, each in rule.items() if name != "Description"}
            if meant in seen:
                yield key, "has the same rule twice", "keep one of them"
            seen.append(meant)


def _role(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    place = "AssumeRolePolicyDocument.Statement"
    for statement in tables(table(properties.get("AssumeRolePolicyDocument")).get("Statement")):
        if key := next((key for key in ("Resource", "NotResource") if key in statement), ""):
            yield f"{place}.{key}", "is set, and a trust has none: the role is its resource", "leave it out"
        for action in as_list(statement.get("Action", [])):
            if isinstance(action, str) and not re.match(r"(?i)sts:|\*", action):
                yield f"{place}.Action", f"is {action}, and a trust is about sts: actions", "make it sts:AssumeRole"
        if "*" in as_list(table(statement.get("Principal")).get("Service")):
            yield f"{place}.Principal.Service", "is *", "name the service, such as ecs-tasks.amazonaws.com"


def _machine(properties: Mapping[str, Any]) -> Iterator[_Fault]:
    text = properties.get("DefinitionString")
    states = table(table(_parsed(text) if isinstance(text, str) else None).get("States"))
    for name, state in states.items() if "DefinitionSubstitutions" not in properties else ():
        if not isinstance(state, Mapping) or state.get("Type") in _ENDING:
            continue
        if "Next" not in state and state.get("End") is not True:
            yield "DefinitionString", f"does not say what comes after {name}", "add Next or End to that state"
        elif isinstance(state.get("Next"), str) and state["Next"] not in states:
            yield "DefinitionString", f"goes from {name} to {state['Next']}, which is none of its states", "correct it"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _is_network(text: str) -> bool:
    try:
        return bool(ip_network(text, strict=False))
    except ValueError:
        return False


_JUDGES: Mapping[str, Callable[[Mapping[str, Any]], Iterator[_Fault]]] = {
    "AWS::SQS::Queue": _queue,
    "AWS::SNS::Subscription": _subscription,
    "AWS::Events::Rule": _event_rule,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::KMS::Key": _key,
    "AWS::DynamoDB::Table": _dynamo_table,
    "AWS::ElasticLoadBalancingV2::ListenerRule": _listener_rule,
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
    "AWS::ElasticLoadBalancingV2::TargetGroup": _target_group,
    "AWS::ECS::Service": _service,
    "AWS::S3::Bucket": _bucket,
    "AWS::SSM::Parameter": _parameter,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _policy,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::EC2::SecurityGroup": _security_group,
    "AWS::IAM::Role": _role,
    "AWS::StepFunctions::StateMachine": _machine,
}

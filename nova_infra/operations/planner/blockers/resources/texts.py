"""Names, words and combinations that the service behind a resource does not accept.

Each is a pattern, a list of valid values or a sentence of the service's API reference: API_RegisterTaskDefinition,
API_CreateService, API_RuntimePlatform, API_AwsVpcConfiguration and the awslogs log driver (ECS), API_CreateTargetGroup,
API_Matcher and API_CreateRule (Elastic Load Balancing), API_CreateQueue (SQS), API_CreateTopic (SNS), API_CreateTable
(DynamoDB), bucket naming rules (S3), AWS::SSM::Parameter (CloudFormation), API_PutParameter (Systems Manager),
API_PutMetricAlarm (CloudWatch), API_CreateLogGroup (CloudWatch Logs), API_CreateAlias (KMS), API_CreateSecret (Secrets
Manager), API_CreateFunction (Lambda), API_CreateRepository (ECR), API_CreateSecurityGroup (EC2), API_Subscribe (SNS),
cron and rate expressions (EventBridge and its Scheduler).
"""

import functools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import available_timezones

from nova_infra.checks.rule import referenced
from nova_infra.documents.text import shortened
from nova_infra.operations.changes.certain import is_function, is_known, is_on, tables, values_at
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Fault, Judges, Step

_ECS_NAME = (r"[A-Za-z0-9_-]{1,255}", "use up to 255 letters, digits, hyphens and underscores")
_ELB_NAME = (
    r"(?!-)(?!internal-)[A-Za-z0-9-]{1,32}(?<!-)",
    "use up to 32 letters, digits and hyphens, none of them at an end, and do not begin with internal-",
)
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_FixedResponseActionConfig.html
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RedirectActionConfig.html
_ACTIONS = {
    "Actions[].RedirectConfig.Port": (r"#\{port\}|[1-9]\d{0,4}", "make it #{port}, or a port"),
    "Actions[].FixedResponseConfig.StatusCode": (r"[245]\d\d", "answer 2XX, 4XX or 5XX, or redirect"),
    "Actions[].FixedResponseConfig.ContentType": (
        "text/(plain|css|html)|application/(javascript|json)",
        "make it one such as text/plain, text/html or application/json",
    ),
}
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
_STATISTIC = r"(?i:(p|tm|wm|tc|ts)(\d\d?(\.\d*)?|100(\.0*)?)|(tm|wm|tc|ts|pr)\([^()]*:[^()]*\)|iqm)"
# Type, and path of a text, to the pattern that it must match as a whole, and what to do.
_PATTERNS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "AWS::ECS::TaskDefinition": {
        "Family": _ECS_NAME,
        "ContainerDefinitions[].Name": _ECS_NAME,
        "RuntimePlatform.CpuArchitecture": ("X86_64|ARM64", "make it X86_64 or ARM64"),
    },
    "AWS::ECS::Service": {
        "ServiceName": _ECS_NAME,
        "PlatformVersion": (r"LATEST|1\.[034]\.0", "make it LATEST, or leave it out"),
        "PropagateTags": ("SERVICE|TASK_DEFINITION|NONE", "make it SERVICE, TASK_DEFINITION or NONE"),
    },
    "AWS::ElasticLoadBalancingV2::ListenerRule": {
        "Conditions[].Field": (
            "path-pattern|host-header|http-header|http-request-method|query-string|source-ip",
            "make it one such as path-pattern",
        ),
        "Conditions[].HttpRequestMethodConfig.Values[]": ("[A-Z_-]{1,40}", "write it in capitals"),
        "Conditions[].PathPatternConfig.Values[]": (r"\S+", "use no space"),
        "Conditions[].HostHeaderConfig.Values[]": (r"\S+", "use no space"),
        "Conditions[].SourceIpConfig.Values[]": (r"[\da-fA-F.:]+/\d{1,3}", "write a range, such as 10.0.0.1/32"),
        "Conditions[].HttpHeaderConfig.HttpHeaderName": ("(?i:(?!host$).+)", "use the condition host-header"),
        **_ACTIONS,
    },
    "AWS::ElasticLoadBalancingV2::Listener": {f"Default{path}": each for path, each in _ACTIONS.items()},
    "AWS::ECS::Cluster": {"ClusterName": _ECS_NAME},
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {"Name": _ELB_NAME},
    "AWS::ElasticLoadBalancingV2::TargetGroup": {
        "Name": (_ELB_NAME[0].replace("(?!internal-)", ""), _ELB_NAME[1].partition(", and")[0]),
        "HealthCheckPath": (r"/.*", "begin it with a slash"),
        "HealthCheckPort": (r"traffic-port|\d{1,5}", "make it traffic-port or a number"),
        "ProtocolVersion": ("HTTP1|HTTP2|GRPC", "make it HTTP1, HTTP2 or GRPC"),
        "TargetGroupAttributes[].Key": (
            r"(deregistration_delay|stickiness|load_balancing|slow_start|lambda|proxy_protocol_v2|preserve_client_ip"
            r"|target_\w+)\..+",
            "correct the name, such as deregistration_delay.timeout_seconds",
        ),
    },
    # API_CreateLogGroup in the API reference.
    "AWS::Logs::LogGroup": {
        "LogGroupName": (
            r"(?!aws/)[A-Za-z0-9_/.#-]{1,512}",
            "use letters, digits and _ - / . #, and do not begin with aws/",
        )
    },
    # https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
    "AWS::SSM::Parameter": {
        "Name": (
            r"(?i:(?!/(?:aws|ssm)/))(?:/[A-Za-z0-9_.-]+){1,16}|(?i:(?!aws|ssm))[A-Za-z0-9_.-]+",
            "use letters, digits and _ . - between slashes, and begin with neither aws nor ssm",
        )
    },
    "AWS::SNS::Topic": {"TopicName": (r"[A-Za-z0-9_-]{1,256}(\.fifo)?", "use letters, digits, hyphens, underscores")},
    "AWS::S3::Bucket": {
        "BucketName": (
            r"(?!xn--)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]",
            "use 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends",
        )
    },
    "AWS::KMS::Alias": {
        "AliasName": (r"alias/(?!aws/)[A-Za-z0-9:/_-]{1,250}", "begin it with alias/, but not with alias/aws/"),
        "TargetKeyId": (r"(?!alias/|arn:[^/]*:alias/).+", "name a key, by its id or ARN"),
    },
    "AWS::SecretsManager::Secret": {
        "Name": (r"[A-Za-z0-9/_+=.@-]{1,512}", "use up to 512 letters, digits and the signs / _ + = . @ -")
    },
    "AWS::ElastiCache::ReplicationGroup": {
        "ReplicationGroupId": (
            r"(?=.{1,40}$)[A-Za-z](?:-?[A-Za-z0-9])*",
            "use up to 40 letters, digits and single hyphens",
        )
    },
    "AWS::OpenSearchService::Domain": {"DomainName": (r"[a-z][a-z0-9-]{2,27}", "use 3 to 28 small letters and digits")},
    "AWS::Lambda::Function": {
        "FunctionName": (r"[\w-]{1,64}|arn:.+", "use up to 64 letters, digits, hyphens and underscores")
    },
    "AWS::CloudWatch::Alarm": {"ExtendedStatistic": (_STATISTIC, "write one such as p99 or tm95")},
    "AWS::DynamoDB::Table": dict.fromkeys(
        ("TableName", "GlobalSecondaryIndexes[].IndexName", "LocalSecondaryIndexes[].IndexName"),
        (r"[\w.-]{3,255}", "use 3 to 255 letters, digits, and . _ -"),
    ),
    "AWS::ECR::Repository": {
        "RepositoryName": (
            r"(?=.{2,256}$)[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*",
            "use 2 to 256 lower-case letters and digits, with . _ - / between them",
        )
    },
    "AWS::EC2::SecurityGroup": {
        "GroupName": (
            r"(?!sg-)[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{1,255}",
            "do not begin it with sg-, and use no letters but those of ASCII",
        ),
        "GroupDescription": (
            r"[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{1,255}",
            "use up to 255 letters of ASCII, digits and signs",
        ),
    },
    "AWS::CodeBuild::Project": {
        "Name": (r"[A-Za-z0-9][A-Za-z0-9_-]{1,254}", "use up to 255 letters, digits, hyphens and underscores"),
        "Environment.Type": (r"\w+_(CONTAINER|EC2|ARM)", "make it one such as LINUX_CONTAINER or ARM_CONTAINER"),
        "Environment.ComputeType": (
            r"BUILD_(GENERAL1|LAMBDA)_\w+|ATTRIBUTE_BASED_COMPUTE|CUSTOM_INSTANCE_TYPE",
            "make it one such as BUILD_GENERAL1_SMALL",
        ),
    },
    "AWS::CertificateManager::Certificate": {
        "DomainName": (r"(?=.{1,64}$)(\*\.)?[^*]+", "use up to 64 characters, and a * only as its first label"),
        "SubjectAlternativeNames[]": (r"(\*\.)?[^*]+", "use a * only as its first label"),
        "ValidationMethod": ("DNS|EMAIL|HTTP", "make it DNS or EMAIL"),
    },
    "AWS::CodePipeline::Pipeline": dict.fromkeys(
        ("Name", "Stages[].Name", "Stages[].Actions[].Name"), ("[A-Za-z0-9.@_-]+", "use letters, digits and . @ _ -")
    ),
    "AWS::Logs::MetricFilter": {
        "MetricTransformations[].MetricNamespace": (r"[^:*$]{1,255}", "leave out : and * and $")
    },
    "AWS::WAFv2::IPSet": {"Addresses[]": (r"[\da-fA-F.:]+/\d{1,3}", "write a range, such as 10.0.0.1/32")},
    "AWS::ApiGatewayV2::Api": {"ProtocolType": ("HTTP|WEBSOCKET", "make it HTTP or WEBSOCKET")},
    "AWS::StepFunctions::StateMachine": {
        "StateMachineName": (r"""[^\s<>{}\[\]?*"#%\\^|~`$&,;:/]+""", "use letters, digits, hyphens and underscores")
    },
    "AWS::SNS::Subscription": {
        "Protocol": ("https?|email|email-json|sms|sqs|application|lambda|firehose", "make it one such as email or sqs")
    },
}
_CRON = (
    *(("minutes", 0, 59), ("hours", 0, 23), ("day of the month", 1, 31), ("month", 1, 12)),
    *(("weekday", 1, 7), ("year", 1970, 2199)),
)
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#slow-start-mode
_NO_SLOW_START = ("least_outstanding_requests", "weighted_random")
# Only rules of EventBridge tell the singular from the plural, its Scheduler takes either:
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rate-expressions.html,
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#rate-based
_RATE = re.compile(r"rate\(([1-9]\d*) (?:minute|hour|day)(s?)\)")
_KEYS = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
_TASK, _QUEUE = "AWS::ECS::TaskDefinition", "AWS::SQS::Queue"


def refused_texts(step: Step) -> Iterator[Refusal]:
    """Refuse names, words and combinations that the service behind a resource does not take."""
    for logical_id, resource in step.given.items():
        properties, kind = resource.get("Properties"), str(resource.get("Type"))
        if isinstance(properties, Mapping):
            yield from step.refuse_each(
                logical_id, (*_patterns(kind, properties), *_combinations(step, kind, properties))
            )


def _patterns(kind: str, properties: Mapping[str, Any]) -> Iterator[Fault]:
    for path, (pattern, remedy) in _PATTERNS.get(kind, {}).items():
        for text in values_at(properties, path):
            if isinstance(text, str) and "${" not in text and not re.fullmatch(pattern, text):
                yield path, f"is {shortened(text)}", remedy


def _combinations(step: Step, kind: str, properties: Mapping[str, Any]) -> Iterator[Fault]:
    if (judge := _JUDGES.get(kind)) is not None:
        yield from judge(properties)
    if kind == _QUEUE:
        yield from _queue(step, properties)


def _task(properties: Mapping[str, Any]) -> Iterator[Fault]:
    for log in tables([*values_at(properties, "ContainerDefinitions[].LogConfiguration")]):
        options = log.get("Options", {}) if log.get("LogDriver") == "awslogs" else None
        if isinstance(options, Mapping) and not is_function(options) and "awslogs-group" not in options:
            yield "LogConfiguration.Options", "lacks awslogs-group, which awslogs needs", "add it"


def _rule(properties: Mapping[str, Any]) -> Iterator[Fault]:
    conditions = properties.get("Conditions")
    if conditions == []:
        yield "Conditions", "is empty, and a rule needs a condition", "say which requests it is for"
    fields = Counter(each for each in values_at(properties, "Conditions[].Field") if isinstance(each, str))
    for field in ("path-pattern", "host-header", "http-request-method", "source-ip"):
        if fields[field] > 1:
            yield "Conditions", f"has {fields[field]} conditions of {field}", "put their values into one"
    yield from _redirects(properties.get("Actions"))
    for values in values_at(properties, "Conditions[].*.Values"):
        if values == []:
            yield "Conditions", "has a condition without values", "say what it compares with, or leave it out"


def _redirects(actions: Any) -> Iterator[Fault]:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RedirectActionConfig.html."""
    same = {"Protocol": "#{protocol}", "Host": "#{host}", "Port": "#{port}", "Path": "/#{path}"}
    for config in (each.get("RedirectConfig") for each in tables(actions) if each.get("Type") == "redirect"):
        if isinstance(config, Mapping) and all(config.get(key, default) == default for key, default in same.items()):
            fault = "redirects to where the request came from"
            yield "Actions.RedirectConfig", fault, "change the protocol, the host, the port or the path"


def _queue(step: Step, properties: Mapping[str, Any]) -> Iterator[Fault]:
    is_fifo, name = keeps_order(properties), properties.get("QueueName")
    if is_fifo is None:
        return
    if isinstance(name, str):
        base = name.removesuffix(".fifo")
        if is_fifo is not name.endswith(".fifo"):
            fault = f"is {name}, and the queue is {'a' if is_fifo else 'no'} FIFO queue"
            yield "QueueName", fault, "end the name in .fifo, and the name of no other queue"
        elif not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", base) or len(name) > 80:
            yield "QueueName", f"is {shortened(name)}", "use up to 80 letters, digits, hyphens and underscores"
    target = properties.get("RedrivePolicy", {})
    dead = referenced(target.get("deadLetterTargetArn")) if isinstance(target, Mapping) else None
    other = step.after.resources.get(dead or "", {})
    if other.get("Type") == _QUEUE and keeps_order(other.get("Properties", {})) is (not is_fifo):
        kinds = ("FIFO", "standard") if is_fifo else ("standard", "FIFO")
        fault = f"leads from a {kinds[0]} queue to a {kinds[1]} one"
        yield "RedrivePolicy.deadLetterTargetArn", fault, "make both the same"


def _table(properties: Mapping[str, Any]) -> Iterator[Fault]:
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


def _parameter(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if properties.get("Type") == "SecureString":
        yield "Type", "is SecureString, which CloudFormation cannot create", "use a Secrets Manager secret"


def _events(properties: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _expression(text := properties.get("ScheduleExpression"), ("rate", "cron"))
    if isinstance(text, str) and (rate := _RATE.fullmatch(text)) and (rate[1] == "1") is bool(rate[2]):
        yield "ScheduleExpression", f"is {text}", "write one in the singular and more in the plural, as in rate(1 hour)"


def _scheduler(properties: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _expression(properties.get("ScheduleExpression"), ("rate", "cron", "at"))
    zone = properties.get("ScheduleExpressionTimezone")
    if isinstance(zone, str) and _zones() and zone not in _zones():
        yield "ScheduleExpressionTimezone", f"is {zone}, which is not a time zone", "name one such as Europe/Berlin"


@functools.cache
def _zones() -> set[str]:
    """Names of time zones, as this machine knows them; none where it has no list. Looking for them takes a while."""
    return available_timezones()


def _expression(text: Any, kinds: Sequence[str]) -> Iterator[Fault]:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html."""
    if not isinstance(text, str):
        return
    where, shape = "ScheduleExpression", re.fullmatch(r"(\w+)\((.*)\)", text)
    if shape is None or shape[1] not in kinds:
        yield where, f"is {shortened(text)}", f"write {' or '.join(f'{each}(…)' for each in kinds)}"
    elif shape[1] == "rate":
        if not _RATE.fullmatch(text):
            yield where, f"is {text}", "write a number and a unit, such as rate(1 hour) or rate(5 minutes)"
    elif shape[1] == "cron":
        fields = shape[2].split()
        if len(fields) != len(_CRON):
            yield where, f"has {len(fields)} fields", "write minutes, hours, day, month, weekday and year"
        elif (fields[2] == "?") is (fields[4] == "?"):
            yield where, f"is {text}", "write ? for either the day of the month or the weekday, not for both or none"
        for field, (name, least, most) in zip(fields, _CRON, strict=False):
            numbers = [int(each) for part in field.split(",") for each in re.findall(r"\d+", re.split("[/#]", part)[0])]
            if odd := [each for each in numbers if not least <= each <= most]:
                yield where, f"has {odd[0]} for the {name}", f"choose {least} to {most}"


def keeps_order(properties: Mapping[str, Any]) -> bool | None:
    """Whether a queue or a topic is a FIFO one; None where only CloudFormation knows."""
    given = properties.get("FifoQueue", properties.get("FifoTopic", False))
    return None if isinstance(given, Mapping | list) else is_on(given)


def _group(properties: Mapping[str, Any]) -> Iterator[Fault]:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Matcher.html."""
    most = 4 if properties.get("Protocol") in ("HTTP", "HTTPS") else 5
    attributes = {str(each.get("Key")): each.get("Value") for each in tables(properties.get("TargetGroupAttributes"))}
    slow, algorithm = (attributes.get(key) for key in ("slow_start.duration_seconds", "load_balancing.algorithm.type"))
    if isinstance(slow, str | int) and str(slow) != "0" and str(algorithm) in _NO_SLOW_START:
        yield "TargetGroupAttributes", f"has a slow start, which {algorithm} does not allow", "leave out one of them"
    for codes in values_at(properties, "Matcher.HttpCode"):
        if isinstance(codes, str) and not re.fullmatch(rf"[2-{most}]\d\d([,-][2-{most}]\d\d)*", codes):
            remedy = f"name statuses from 200 to {most}99, such as 200,204 or 200-299"
            yield "Matcher.HttpCode", f"is {shortened(codes)}", remedy


_JUDGES: Judges = {
    _TASK: _task,
    "AWS::ElasticLoadBalancingV2::ListenerRule": _rule,
    "AWS::ElasticLoadBalancingV2::TargetGroup": _group,
    "AWS::DynamoDB::Table": _table,
    "AWS::SSM::Parameter": _parameter,
    "AWS::Events::Rule": _events,
    "AWS::Scheduler::Schedule": _scheduler,
}

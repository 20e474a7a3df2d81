"""Numbers, lengths, counts and words beyond what a property takes: AWS's schemas, and rows of its own.

Most are drawn from the schemas of the resource types. The others are a minimum or maximum of the service's reference
or its page of quotas: API_SetQueueAttributes (SQS), API_CreateSchedule (Scheduler), API_CreateRole (IAM),
API_PutMetricAlarm and API_PutCompositeAlarm (CloudWatch), API_PutRule and the quotas of EventBridge,
API_PutMetricFilter (CloudWatch Logs), API_CreateProject (CodeBuild), API_CreatePipeline, API_ActionDeclaration and
API_OutputArtifact (CodePipeline), API_CreateStateMachine (Step Functions), API_PutLifecyclePolicy (ECR),
API_CreateWebACL (WAF),
API_CreateFunction (Lambda), API_CreateService (ECS), API_PutParameter (Systems Manager), API_TargetGroupAttribute and
API_LoadBalancerAttribute (Elastic Load Balancing), API_RequestCertificate (Certificate Manager), API_RotationRulesType
(Secrets Manager), API_IncreaseStreamRetentionPeriod (Kinesis), API_CreateDBInstance (RDS). What AWS raises on request
is not a limit but a quota: see ``quotas.py``.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Any

from nova_infra.checks.rule import as_list, as_text
from nova_infra.operations.changes.resource_types import Bounds, limits
from nova_infra.operations.changes.stated_values import certain_entries, is_function, may_be_left_out, table, values_at
from nova_infra.operations.planner.model import Consequence, Refusal
from nova_infra.operations.planner.step import Fault, Step

# Type, and path of a property, to the least and the most that it may be. ``[]`` stands for every one of a list.
_NUMBERS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "AWS::SQS::Queue": {"RedrivePolicy.maxReceiveCount": (1, 1000)},
    "AWS::WAFv2::WebACL": {"Rules[].Statement.RateBasedStatement.Limit": (10, 2_000_000_000)},
    "AWS::Lambda::Function": {
        "Timeout": (1, 900),
        "MemorySize": (128, 10_240),
        "EphemeralStorage.Size": (512, 10_240),
    },
    "AWS::ECS::Service": {"HealthCheckGracePeriodSeconds": (0, 2_147_483_647), "DesiredCount": (0, 2_147_483_647)},
    "AWS::ECS::TaskDefinition": {"ContainerDefinitions[].StartTimeout": (2, 120)},
    "AWS::ElasticLoadBalancingV2::ListenerRule": {
        "Actions[].ForwardConfig.TargetGroups[].Weight": (0, 999),
        "Actions[].ForwardConfig.TargetGroupStickinessConfig.DurationSeconds": (1, 604_800),
    },
    "AWS::SecretsManager::Secret": {"GenerateSecretString.PasswordLength": (1, 4096)},
    "AWS::SecretsManager::RotationSchedule": {"RotationRules.AutomaticallyAfterDays": (1, 1000)},
    "AWS::CloudFormation::WaitCondition": {"Timeout": (0, 43_200)},
    "AWS::CloudFormation::CustomResource": {"ServiceTimeout": (1, 3600)},
    "AWS::Route53::RecordSet": {"TTL": (0, 2_147_483_647)},
    "AWS::CodePipeline::Pipeline": {"Stages[].Actions[].RunOrder": (1, 999)},
    "AWS::Kinesis::Stream": {"RetentionPeriodHours": (24, 8760)},
    "AWS::RDS::DBInstance": {"BackupRetentionPeriod": (0, 35)},
}
# The same of attributes, which are lists of keys and values. A slow start of 0 is none.
_ATTRIBUTES: Mapping[str, tuple[str, Mapping[str, tuple[int, int]]]] = {
    "AWS::ElasticLoadBalancingV2::TargetGroup": (
        "TargetGroupAttributes",
        {
            "deregistration_delay.timeout_seconds": (0, 3600),
            "slow_start.duration_seconds": (30, 900),
            "stickiness.lb_cookie.duration_seconds": (1, 604_800),
            "stickiness.app_cookie.duration_seconds": (1, 604_800),
        },
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        "LoadBalancerAttributes",
        {"idle_timeout.timeout_seconds": (1, 4000), "client_keep_alive.seconds": (60, 604_800)},
    ),
}
# Type, and path of a property, to the most characters that it may have.
_LENGTHS: Mapping[str, Mapping[str, int]] = {
    "AWS::IAM::ManagedPolicy": {"ManagedPolicyName": 128, "Description": 1000},
    "AWS::CloudWatch::CompositeAlarm": {"AlarmName": 255, "AlarmDescription": 1024, "AlarmRule": 10_240},
    "AWS::CodePipeline::Pipeline": {
        "Name": 100,
        "Stages[].Name": 100,
        "Stages[].Actions[].Name": 100,
        "Stages[].Actions[].OutputArtifacts[].Name": 100,
        "Stages[].Actions[].Configuration.*": 1000,
    },
    "AWS::WAFv2::WebACL": {"Name": 128},
    "AWS::SNS::Topic": {"DisplayName": 100},
}
# Type, and path of a property, to its words, where the schema has none: API_CreateDBInstance, the Budgets API's Budget,
# API Gateway's API_QuotaSettings.
_WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "AWS::RDS::DBInstance": {"MonitoringInterval": ("0", "1", "5", "10", "15", "30", "60")},
    "AWS::Budgets::Budget": {"Budget.TimeUnit": ("DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY", "CUSTOM")},
    "AWS::ApiGateway::UsagePlan": {"Quota.Period": ("DAY", "WEEK", "MONTH")},
}
# Type, and path of a list, to the most that it may hold.
_COUNTS: Mapping[str, Mapping[str, int]] = {
    "AWS::CloudWatch::Alarm": {"AlarmActions": 5, "OKActions": 5, "InsufficientDataActions": 5},
    "AWS::CloudWatch::CompositeAlarm": {"AlarmActions": 5, "OKActions": 5, "InsufficientDataActions": 5},
    "AWS::CertificateManager::Certificate": {"SubjectAlternativeNames": 100},
    "AWS::ElasticLoadBalancingV2::ListenerRule": {"Actions[].ForwardConfig.TargetGroups": 5},
    "AWS::CodeBuild::Project": {"SecondarySources": 12, "VpcConfig.SecurityGroupIds": 5, "VpcConfig.Subnets": 16},
    "AWS::SQS::Queue": {"RedriveAllowPolicy.sourceQueueArns": 10},
    "AWS::ECS::Service": {
        "LoadBalancers": 5,
        "NetworkConfiguration.AwsvpcConfiguration.SecurityGroups": 5,
        "NetworkConfiguration.AwsvpcConfiguration.Subnets": 16,
    },
    "AWS::DynamoDB::Table": {"LocalSecondaryIndexes": 5},
}
# What a task cannot have on Fargate, and in a network of mode awsvpc: API_RegisterTaskDefinition,
# API_ContainerDefinition, API_LinuxParameters and https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html.
_CONTAINER = "ContainerDefinitions[]"
_NOT_ON_FARGATE = (
    *("IpcMode", "PlacementConstraints", "Volumes[].DockerVolumeConfiguration", "Volumes[].Host.SourcePath"),
    *(f"{_CONTAINER}.LinuxParameters.{each}" for each in ("Devices", "MaxSwap", "SharedMemorySize", "Swappiness")),
    f"{_CONTAINER}.LinuxParameters.Tmpfs",
    f"{_CONTAINER}.DockerSecurityOptions",
)
_NOT_WITH_AWSVPC = tuple(f"{_CONTAINER}.{each}" for each in ("DnsServers", "ExtraHosts", "Hostname", "Links"))
_ON_FARGATE = {f"{_CONTAINER}.LinuxParameters.Capabilities.Add[]": ("SYS_PTRACE",), "PidMode": ("task",)}
_MOST_CHILDREN = 100
_STANDARD_PARAMETER = 4096
_MOST_TAGS = 50


def beyond_limits(step: Step) -> Iterator[Refusal]:
    """Refuse properties beyond what the service behind a resource takes."""
    for logical_id, resource in step.given.items():
        properties = resource.get("Properties")
        if isinstance(properties, Mapping):
            yield from step.refuse_each(logical_id, _faults(str(resource.get("Type")), properties))


def unknown_words(step: Step) -> Iterator[Consequence]:
    """Warn about words that AWS may or may not have added since its schemas were read."""
    for logical_id, resource in step.given.items():
        if (growing := _limits(str(resource.get("Type")), grows=True)) is None:
            continue
        for path, value, limit in _limited(resource.get("Properties"), growing):
            if _is_no_word(value, limit.words):
                what = f"is {value}, which AWS's schema did not have when it was read: correct it if it is not new"
                yield step.note(f"{logical_id}.{path}", f"{what}; {_nearest(value, limit.words)}", hurts=True)


@dataclass
class _LimitedPlace:
    """Where a property may be: its own limit, and what is below it, by name; ``[]`` stands for every entry."""

    path: str = ""
    limit: Bounds | None = None
    below: dict[str, "_LimitedPlace"] = field(default_factory=dict)


def _limited(value: Any, place: _LimitedPlace) -> Iterator[tuple[str, Any, Bounds]]:
    """Each value that has a limit of its own: its path, itself, and the limit."""
    if place.limit is not None and not is_function(value):
        yield place.path, value, place.limit
    if (entry := place.below.get("[]")) is not None:
        for each in as_list(value):
            yield from _limited(each, entry)
    elif place.below and isinstance(value, dict):
        any_name = None if is_function(value) else place.below.get("*")
        for name, each in value.items():
            if (part := place.below.get(name, any_name)) is not None:
                yield from _limited(each, part)


@cache
def _limits(kind: str, *, grows: bool = False) -> _LimitedPlace | None:
    """The limits of a type's properties; of words either those that AWS adds to, or the others. None without any."""
    numbers = {path: Bounds("number", *bounds) for path, bounds in _NUMBERS.get(kind, {}).items()}
    lengths = {path: Bounds("text", most=most) for path, most in _LENGTHS.get(kind, {}).items()}
    counts = {path: Bounds("list", most=most) for path, most in _COUNTS.get(kind, {}).items()}
    words = {path: Bounds("words", words=each) for path, each in _WORDS.get(kind, {}).items()}
    top = _LimitedPlace()
    for path, limit in {**limits(kind), **numbers, **lengths, **counts, **words}.items():
        place, at = top, ""
        for name in path.replace("[]", ".[]").split(".") if limit.grows is grows else ():
            at += name if name == "[]" or not at else f".{name}"
            place = place.below.setdefault(name, _LimitedPlace(at))
        place.limit = limit if place is not top else None
    return top if top.below else None


def _faults(kind: str, properties: Mapping[str, Any]) -> Iterator[Fault]:
    of_instances = kind == "AWS::Lambda::Function" and "CapacityProviderConfig" in properties
    known = _limits(kind)
    for path, value, limit in _limited(properties, known) if known is not None else ():
        # On instances of its own a function may be larger, as the schema says.
        yield from _beyond(path, value, limits(kind).get(path, limit) if of_instances else limit)
    yield from _of_attributes(kind, properties)
    yield from _of_tags(properties.get("Tags"))
    yield from _of_kind(kind, properties)


def _of_attributes(kind: str, properties: Mapping[str, Any]) -> Iterator[Fault]:
    name, known = _ATTRIBUTES.get(kind, ("", {}))
    for each in as_list(properties.get(name)):
        key = each.get("Key") if isinstance(each, Mapping) else None
        switched_off = (key, str(each.get("Value"))) == ("slow_start.duration_seconds", "0") if key else False
        if isinstance(key, str) and key in known and not switched_off:
            yield from _number(f"{name}.{key}", each.get("Value"), Bounds("number", *known[key]))


def _of_kind(kind: str, properties: Mapping[str, Any]) -> Iterator[Fault]:
    """Limits that only one type has."""
    if kind == "AWS::ECS::TaskDefinition":
        yield from _of_task(properties)
    if kind == "AWS::CloudWatch::CompositeAlarm":
        children = set(re.findall(r"ALARM\(\"?([^\")]+)", as_text(properties.get("AlarmRule", ""))))
        if len(children) > _MOST_CHILDREN:
            fault = f"refers to {len(children)} alarms, but AWS allows {_MOST_CHILDREN}"
            yield "AlarmRule", fault, "combine some of them in composite alarms of their own"
    if kind == "AWS::SSM::Parameter" and properties.get("Tier", "Standard") == "Standard":
        value = properties.get("Value")
        if isinstance(value, str) and len(value.encode()) > _STANDARD_PARAMETER:
            fault = f"has {len(value.encode()):,} bytes, and a standard parameter holds {_STANDARD_PARAMETER:,}"
            yield "Value", fault, "make its Tier Advanced, which holds 8,192"
    if kind == "AWS::WAFv2::WebACL":
        places = Counter(place for place in values_at(properties, "Rules[].Priority") if isinstance(place, int | str))
        if twice := [place for place, count in places.items() if count > 1]:
            yield "Rules.Priority", f"has {twice[0]} twice", "give each rule a priority of its own"


def _of_task(properties: Mapping[str, Any]) -> Iterator[Fault]:
    is_fargate = "FARGATE" in as_list(properties.get("RequiresCompatibilities"))
    for absent, paths, where in (
        (is_fargate, _NOT_ON_FARGATE, "Fargate"),
        (properties.get("NetworkMode") == "awsvpc", _NOT_WITH_AWSVPC, "awsvpc"),
    ):
        for path in paths if absent else ():
            if any(value not in ([], {}, "", None) for value in values_at(properties, path)):
                yield path, f"is set, and a task with {where} has none", "leave it out"
    for path, words in _ON_FARGATE.items() if is_fargate else ():
        for value in values_at(properties, path):
            if _is_no_word(value, words):
                yield path, f"is {value}", choice(words)


def _beyond(path: str, value: Any, limit: Bounds) -> Iterator[Fault]:
    """What is wrong with a value by its limit; words are judged only where AWS adds no new ones."""
    match limit.of, value:
        case "words", _:
            if not limit.grows and _is_no_word(value, limit.words):
                yield path, f"is {value}", choice(limit.words)
        case "number", _:
            yield from _number(path, value, limit)
        case "list", list():
            count = len(certain_entries(value))
            if limit.most is not None and count > limit.most:
                yield path, f"has {count} entries, but AWS allows {limit.most:,}", "divide them"
            elif len(value) < (limit.least or 0):
                yield path, f"has {len(value)} entries, but AWS needs {limit.least:,}", "add what is missing"
        case "text", str():
            yield from _text(path, value, limit)


def _number(path: str, value: Any, limit: Bounds) -> Iterator[Fault]:
    number = int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value) else value
    if not isinstance(number, int | float) or isinstance(number, bool):
        return
    least, most = limit.least, limit.most
    if (least is not None and number < least) or (most is not None and number > most):
        bounds = (f"{least:,} to {most:,}" if most is not None else f"at least {least:,}") if least is not None else ""
        yield path, f"is {number:,}", f"choose {bounds or f'at most {most:,}'}"


def _text(path: str, text: str, limit: Bounds) -> Iterator[Fault]:
    if "${" in text:
        return
    if limit.most is not None and len(text) > limit.most:
        yield path, f"has {len(text):,} characters, but AWS allows {limit.most:,}", "shorten it"
    elif len(text) < (limit.least or 0):
        yield path, f"has {len(text)} characters, but AWS needs {limit.least:,}", "write more"
    elif limit.pattern and not re.search(limit.pattern, text):
        yield path, f"is {text[:60]}", f"write what AWS's pattern takes, {limit.pattern[:100]}"


def _is_no_word(value: Any, words: Sequence[str]) -> bool:
    return isinstance(value, str | int) and "{" not in str(value) and _written(value) not in words


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def choice(words: Sequence[str]) -> str:
    """The remedy of a value that has to be one of some words."""
    *others, last = words
    return f"make it {', '.join(others)} or {last}" if others else f"make it {last}"


def _nearest(value: Any, words: Sequence[str]) -> str:
    near = get_close_matches(str(value).upper(), {each.upper(): each for each in words}, n=1, cutoff=0.7)
    return f"the nearest is {next(each for each in words if each.upper() == near[0])}" if near else choice(words[:12])


def _of_tags(tags: Any) -> Iterator[Fault]:
    """Tags that no service takes: https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html."""
    pairs = (
        [(each.get("Key"), each.get("Value")) for each in certain_entries(tags) if isinstance(each, Mapping)]
        if isinstance(tags, list)
        else [pair for pair in table(tags).items() if not may_be_left_out(pair[1])]
    )
    if len(pairs) > _MOST_TAGS:
        yield "Tags", f"has {len(pairs)} tags, but AWS allows {_MOST_TAGS}", "remove some"
    for key, value in pairs:
        if isinstance(key, str) and key.lower().startswith("aws:"):
            yield "Tags", f"has {key}, and AWS keeps names that begin with aws: for itself", "rename it"
        for part, what, most in ((key, "a key", 128), (value, "a value", 256)):
            if isinstance(part, str) and len(part) > most:
                yield "Tags", f"has {what} of {len(part)} characters, but AWS allows {most}", "shorten it"

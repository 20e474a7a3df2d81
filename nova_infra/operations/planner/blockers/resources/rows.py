"""Names and words by pattern, and properties that exclude or need one another: a row for each, by type.

Each is a pattern, a list of valid values or a sentence of the service's API reference, such as API_CreateTargetGroup,
API_CreateRule (Elastic Load Balancing), API_CreateTable (DynamoDB), API_CreateSecret (Secrets Manager),
API_PutMetricAlarm, API_PutCompositeAlarm (CloudWatch), API_PutTargets (EventBridge), API_EFSVolumeConfiguration (ECS),
API_PutBucketWebsite (S3), API_ResourceRecordSet (Route 53), API_CreateDBInstance (RDS), API_CreateUserPool (Cognito).
What takes more than a row is in ``services/`` and ``network/properties``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.documents.text import shortened
from nova_infra.operations.changes.stated_values import is_function, is_given, may_be_given, tables, values_at
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Fault, Step

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


def refused_rows(step: Step) -> Iterator[Refusal]:
    """Refuse names, words and combinations that the service behind a resource does not take."""
    for logical_id, resource in step.given.items():
        properties, kind = resource.get("Properties"), str(resource.get("Type"))
        if isinstance(properties, Mapping) and not is_function(properties):
            yield from step.refuse_each(logical_id, (*_patterns(kind, properties), *_combinations(kind, properties)))


def _patterns(kind: str, properties: Mapping[str, Any]) -> Iterator[Fault]:
    for path, (pattern, remedy) in _PATTERNS.get(kind, {}).items():
        for text in values_at(properties, path):
            if isinstance(text, str) and "${" not in text and not re.fullmatch(pattern, text):
                yield path, f"is {shortened(text)}", remedy


def _combinations(kind: str, properties: Mapping[str, Any]) -> Iterator[Fault]:
    for path, names in _APART.get(kind, {}).items():
        for each in _objects(properties, path.strip()):
            if len(found := [name for name in names if is_given(each, name)]) > 1:
                fault = f"is set together with {found[1]}"
                yield ".".join(filter(None, [path.strip(), found[0]])), fault, "keep one of them"
    for path, pairs in _NEEDS.get(kind, {}).items():
        for each in _objects(properties, path):
            for name, needed in pairs:
                others = needed.split("|")
                if is_given(each, name) and not any(may_be_given(each, one) for one in others):
                    fault = f"is missing or off, and {name} needs it"
                    yield ".".join(filter(None, [path, needed.partition("|")[0]])), fault, "add it"


def _objects(properties: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
    return tables([*values_at(properties, path)]) if path else [properties]

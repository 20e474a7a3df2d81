"""What the rehearsal knows of CloudFormation: resource types, and the values that their properties may have.

A type is either played, and then every property of it that a template uses must be listed here, or it is known and not
rehearsed, which the report says. Anything else is an error that names the resource and the property: what is left out
silently would make the rehearsal promise more than it has seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from nova_infra.rehearsal.cloudformation.shapes import (
    ANY,
    FLAG,
    TEXT,
    Attributes,
    Each,
    Number,
    Only,
    check_shape,
    unknown,
)

NOT_REHEARSED = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": "autoscaling under load",
    "AWS::CertificateManager::": "TLS",
    "AWS::ECS::ClusterCapacityProviderAssociations": "Spot and its interruptions",
    "AWS::Chatbot::": "messages to chat rooms",
    "AWS::CloudWatch::Dashboard": "dashboards",
    "AWS::CodePipeline::Webhook": "what starts the pipeline",
    "AWS::ElasticLoadBalancingV2::ListenerCertificate": "TLS",
    "AWS::EC2::": "networks and security groups",
    "AWS::ECR::": "image repositories",
    "AWS::Events::": "messages about deployments",
    "AWS::IAM::": "IAM",
    "AWS::KMS::": "encryption",
    "AWS::Lambda::EventInvokeConfig": "how often a function is asked again",
    "AWS::Logs::": "log groups",
    "AWS::S3::": "buckets",
    "AWS::SQS::QueuePolicy": "IAM",
    "AWS::Scheduler::": "the time at which jobs start: each runs once, when it has been deployed",
    "AWS::SNS::Subscription": "who subscribes to a topic",
    "AWS::SNS::TopicPolicy": "IAM",
    "AWS::SSM::Parameter": "parameters in Systems Manager",
    "AWS::WAFv2::": "the firewall",
}
"""Type, or the service that a type begins with, to what is not rehearsed of it."""

_TARGETS = {"TargetGroupArn!": TEXT, "Weight": Number(0, 999)}
_ACTION = {
    "Type!": Only(("forward", "fixed-response", "redirect")),
    "TargetGroupArn": TEXT,
    "ForwardConfig": {
        "TargetGroups!": Each(_TARGETS),
        "TargetGroupStickinessConfig": {"Enabled": Only(("false",)), "DurationSeconds": ANY},
    },
    "FixedResponseConfig": {"StatusCode!": Number(200, 599), "ContentType": TEXT, "MessageBody": TEXT},
    "RedirectConfig": {
        "StatusCode!": Only(("HTTP_301", "HTTP_302")),
        "Protocol": Only(("HTTP", "HTTPS", "#{protocol}")),
        "Host": TEXT,
        "Port": TEXT,
        "Path": TEXT,
        "Query": TEXT,
    },
    "Order": ANY,
}
_METRIC = {"Namespace": TEXT, "MetricName": TEXT, "Dimensions": Each({"Name!": TEXT, "Value!": TEXT})}
_PERIOD = Only(tuple(str(60 * minutes) for minutes in range(1, 1441)))
_DEPLOYMENT = {
    "Strategy": Only(("ROLLING", "CANARY", "LINEAR", "BLUE_GREEN")),
    "BakeTimeInMinutes": Number(0, 1440),
    "CanaryConfiguration": {"CanaryPercent": Number(0.1, 100), "CanaryBakeTimeInMinutes": Number(0, 1440)},
    "LinearConfiguration": {"StepPercent": Number(3, 100), "StepBakeTimeInMinutes": Number(0, 1440)},
    "Alarms": {"AlarmNames": Each(TEXT), "Enable": FLAG, "Rollback": FLAG},
    "DeploymentCircuitBreaker": {
        "Enable": FLAG,
        "Rollback": FLAG,
        "ResetOnHealthyTask": FLAG,
        "ThresholdConfiguration": {
            "Type": Only(("COUNT", "BOUNDED_PERCENT", "UNBOUNDED_PERCENT")),
            "Value": Number(1),
        },
    },
    "LifecycleHooks": Each(
        {
            "TargetType": Only(("PAUSE", "AWS_LAMBDA")),
            "HookTargetArn": TEXT,
            "RoleArn": ANY,
            "HookDetails": {"header!": TEXT, "value!": TEXT, "urls!": Each(TEXT)},
            "LifecycleStages!": Each(
                Only(
                    (
                        *("PRE_SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT"),
                        *("PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"),
                    )
                )
            ),
            "TimeoutConfiguration": {"TimeoutInMinutes": Number(1, 20160), "Action": Only(("ROLLBACK", "CONTINUE"))},
        }
    ),
    "MinimumHealthyPercent": Number(0, 100),
    "MaximumPercent": Number(100, 200),
}
_CONTAINER = {
    "Name": TEXT,
    "Image": TEXT,
    "Command": Each(TEXT),
    "Essential": FLAG,
    "DependsOn": ANY,
    "Environment": Each({"Name!": TEXT, "Value!": TEXT}),
    "Secrets": Each({"Name!": TEXT, "ValueFrom": ANY}),
    "PortMappings": Each({"ContainerPort!": Number(1, 65535), "Protocol": Only(("tcp",)), "Name": ANY}),
    "HealthCheck": {
        "Command!": Each(TEXT),
        "Interval": Number(5, 300),
        "Timeout": Number(2, 60),
        "Retries": Number(1, 10),
        "StartPeriod": Number(0, 300),
    },
    "StopTimeout": Number(0, 120),
    "LogConfiguration": ANY,
    "DockerLabels": ANY,
    "EntryPoint": Each(TEXT),
    "User": TEXT,
    "WorkingDirectory": TEXT,
    "Cpu": ANY,
    "Memory": Number(4),
    "MemoryReservation": ANY,
    "MountPoints": ANY,
    "ReadonlyRootFilesystem": ANY,
    "LinuxParameters": ANY,
}
_RULE_CONFIGURATION = {
    "Cron": TEXT,
    "TimeZone": TEXT,
    # The one comparison whose outcome is known here: the pipeline that is played is the one that would be deployed.
    "Variable": Only(("#{Compare.PIPELINE}",)),
    "Operator": Only(("NE",)),
    "Value": Only(("same",)),
}
_STAGE_ACTION = {
    "Name!": TEXT,
    "RunOrder": Number(1, 999),
    "ActionTypeId!": {
        "Category!": TEXT,
        "Owner": ANY,
        "Provider!": TEXT,
        "Version": ANY,
    },
    "Configuration": ANY,  # By provider: see the pipeline module.
    "InputArtifacts": ANY,
    "OutputArtifacts": ANY,
    "Namespace": TEXT,
    "Region": ANY,
    "RoleArn": ANY,
    "TimeoutInMinutes": Number(5, 86400),
}
_STAGE = {
    "Name!": TEXT,
    "Actions!": Each(_STAGE_ACTION),
    "OnFailure": {
        "Result": Only(("ROLLBACK", "RETRY")),
        "RetryConfiguration": {"RetryMode": Only(("FAILED_ACTIONS", "ALL_ACTIONS"))},
    },
    "BeforeEntry": {
        "Conditions": Each(
            {
                "Result": Only(("FAIL", "SKIP")),
                "Rules!": Each(
                    {
                        "Name": TEXT,
                        "RuleTypeId": {
                            "Category": ANY,
                            "Owner": ANY,
                            "Provider": Only(("DeploymentWindow", "VariableCheck")),
                            "Version": ANY,
                        },
                        "Configuration!": _RULE_CONFIGURATION,
                    }
                ),
            }
        )
    },
}

BEFORE_DEPLOY = "Custom::NovaBeforeDeploy"
"""Runs a command in a task definition's newest revision; what depends on it waits for its success."""

PLAYED: dict[str, dict[str, Any]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": {
        "ResourceId": TEXT,
        "MinCapacity": Number(0),
        "MaxCapacity": Number(0),
        "ScalableDimension": Only(("ecs:service:DesiredCount",)),
        "ServiceNamespace": Only(("ecs",)),
        "RoleARN": ANY,
        "ScheduledActions": ANY,
    },
    "AWS::CloudWatch::Alarm": {
        **_METRIC,
        "AlarmName": TEXT,
        "AlarmDescription": ANY,
        "AlarmActions": Each(TEXT),
        "OKActions": Each(TEXT),
        "ComparisonOperator": Only(
            (
                "GreaterThanThreshold",
                "GreaterThanOrEqualToThreshold",
                "LessThanThreshold",
                "LessThanOrEqualToThreshold",
            )
        ),
        "EvaluationPeriods": Number(1),
        "DatapointsToAlarm": Number(1),
        "Threshold": Number(float("-inf")),
        "ActionsEnabled": FLAG,
        "TreatMissingData": Only(("missing", "ignore", "breaching", "notBreaching")),
        "Period": _PERIOD,
        "Statistic": TEXT,
        "ExtendedStatistic": TEXT,
        "Metrics": Each(
            {
                "Id!": TEXT,
                "Expression": TEXT,
                "Label": ANY,
                "Period": _PERIOD,
                "ReturnData": FLAG,
                "MetricStat": {"Metric!": _METRIC, "Period!": _PERIOD, "Stat!": TEXT},
            }
        ),
        "Tags": ANY,
    },
    "AWS::CloudWatch::CompositeAlarm": {
        "AlarmName": TEXT,
        "AlarmDescription": ANY,
        "AlarmRule": TEXT,
        "AlarmActions": Each(TEXT),
        "OKActions": Each(TEXT),
        "ActionsEnabled": FLAG,
    },
    "AWS::CodeBuild::Project": {
        "Name": ANY,
        "Description": ANY,
        "Artifacts": {"Type": Only(("CODEPIPELINE",))},
        "Cache": ANY,
        "EncryptionKey": ANY,
        "Environment!": {
            "ComputeType": ANY,
            "Image": ANY,
            "ImagePullCredentialsType": ANY,
            "PrivilegedMode": FLAG,
            "Type": ANY,
            "EnvironmentVariables": Each({"Name!": TEXT, "Value!": TEXT, "Type": Only(("PLAINTEXT",))}),
        },
        "LogsConfig": ANY,
        "ServiceRole": ANY,
        "Source!": {"Type": Only(("CODEPIPELINE",)), "BuildSpec!": TEXT},
        "TimeoutInMinutes": ANY,
    },
    "AWS::CodePipeline::Pipeline": {
        "Name": TEXT,
        "ArtifactStore": ANY,
        "ArtifactStores": ANY,
        "PipelineType": ANY,
        "ExecutionMode": Only(("SUPERSEDED", "QUEUED", "PARALLEL")),
        "RestartExecutionOnUpdate": ANY,
        "RoleArn": ANY,
        "Stages": Each(_STAGE),
        "Triggers": ANY,
        "DisableInboundStageTransitions": Each({"StageName!": TEXT, "Reason!": TEXT}),
    },
    "AWS::CodeStarNotifications::NotificationRule": {
        "Name": ANY,
        "DetailType": ANY,
        "Status": Only(("ENABLED",)),
        "Resource": TEXT,
        "EventTypeIds": Each(
            Only(
                (
                    "codepipeline-pipeline-pipeline-execution-failed",
                    "codepipeline-pipeline-pipeline-execution-succeeded",
                    "codepipeline-pipeline-manual-approval-needed",
                )
            )
        ),
        "Targets": Each({"TargetAddress!": TEXT, "TargetType": Only(("SNS",))}),
        "Tags": ANY,
    },
    "AWS::ECS::Cluster": {"ClusterName": TEXT, "ClusterSettings": ANY, "CapacityProviders": ANY},
    "AWS::ECS::Service": {
        "ServiceName": TEXT,
        "Cluster": TEXT,
        "TaskDefinition": TEXT,
        "DesiredCount": Number(0),
        "DeploymentConfiguration": _DEPLOYMENT,
        "DeploymentController": {"Type": Only(("ECS",))},
        "HealthCheckGracePeriodSeconds": Number(0),
        "LoadBalancers": Each(
            {
                "TargetGroupArn": TEXT,
                "ContainerName": TEXT,
                "ContainerPort": Number(1, 65535),
                "AdvancedConfiguration": {
                    "AlternateTargetGroupArn": TEXT,
                    "ProductionListenerRule": TEXT,
                    "TestListenerRule": TEXT,
                    "RoleArn": ANY,
                },
            }
        ),
        "LaunchType": Only(("FARGATE",)),
        "CapacityProviderStrategy": ANY,
        "PlatformVersion": ANY,
        "NetworkConfiguration": ANY,
        "EnableECSManagedTags": ANY,
        "EnableExecuteCommand": ANY,
        "PropagateTags": ANY,
        "AvailabilityZoneRebalancing": ANY,
        "Tags": ANY,
    },
    "AWS::ECS::TaskDefinition": {
        "Family": TEXT,
        "ContainerDefinitions": Each(_CONTAINER),
        "Cpu": ANY,
        "Memory": Number(1),
        "EphemeralStorage": ANY,
        "ExecutionRoleArn": ANY,
        "TaskRoleArn": ANY,
        "NetworkMode": Only(("awsvpc",)),
        "RequiresCompatibilities": ANY,
        "RuntimePlatform": ANY,
        "Volumes": Each({"Name": TEXT}),
        "Tags": ANY,
    },
    "AWS::ElasticLoadBalancingV2::Listener": {
        "LoadBalancerArn": TEXT,
        "Protocol": Only(("HTTP", "HTTPS")),
        "Port": Number(1, 65535),
        "DefaultActions": Each(_ACTION),
        "Certificates": ANY,
        "SslPolicy": ANY,
    },
    "AWS::ElasticLoadBalancingV2::ListenerRule": {
        "ListenerArn": TEXT,
        "Priority": Number(1, 50000),
        "Conditions": Each(
            {
                "Field!": Only(("path-pattern", "host-header", "http-header", "http-request-method", "query-string")),
                "HttpRequestMethodConfig": {"Values!": Each(TEXT)},
                "QueryStringConfig": {"Values!": Each({"Key": TEXT, "Value!": TEXT})},
                "HttpHeaderConfig": {"HttpHeaderName!": TEXT, "Values!": Each(TEXT)},
                "Values": Each(TEXT),
                "PathPatternConfig": {"Values!": Each(TEXT)},
                "HostHeaderConfig": {"Values!": Each(TEXT)},
            }
        ),
        "Actions": Each(_ACTION),
    },
    "AWS::Lambda::Function": {
        "Code!": {"ZipFile!": TEXT},
        "FunctionName": TEXT,
        "Handler!": Only(("index.handler",)),
        "Runtime!": Only(tuple(f"python3.{minor}" for minor in range(10, 15))),
        "Description": ANY,
        "LoggingConfig": ANY,
        "Role": ANY,
        "Timeout": Number(1, 900),
    },
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {
        "Name": ANY,
        "Scheme": ANY,
        "Type": Only(("application",)),
        "IpAddressType": ANY,
        "SecurityGroups": ANY,
        "Subnets": ANY,
        "LoadBalancerAttributes": Attributes(
            {
                "deletion_protection.enabled": ANY,
                "idle_timeout.timeout_seconds": Only(("60",)),
                "routing.http.drop_invalid_header_fields.enabled": ANY,
                "access_logs.s3.enabled": ANY,
                "access_logs.s3.bucket": ANY,
                "access_logs.s3.prefix": ANY,
            }
        ),
        "Tags": ANY,
    },
    "AWS::ElasticLoadBalancingV2::TargetGroup": {
        "Name": ANY,
        "HealthCheckEnabled": Only(("true",)),
        "HealthCheckPath": TEXT,
        "HealthCheckPort": Only(("traffic-port",)),
        "HealthCheckProtocol": Only(("HTTP",)),
        "HealthCheckIntervalSeconds": Number(5, 300),
        "HealthCheckTimeoutSeconds": Number(2, 120),
        "HealthyThresholdCount": Number(2, 10),
        "UnhealthyThresholdCount": Number(2, 10),
        "Matcher": {"HttpCode": TEXT, "GrpcCode": ANY},
        "Port": ANY,
        "Protocol": Only(("HTTP",)),
        "ProtocolVersion": Only(("HTTP1",)),
        "TargetType": Only(("ip",)),
        "TargetGroupAttributes": Attributes(
            {"deregistration_delay.timeout_seconds": Number(0, 3600), "stickiness.enabled": Only(("false",))}
        ),
        "VpcId": ANY,
        "Tags": ANY,
    },
    BEFORE_DEPLOY: {
        "ServiceToken": ANY,
        "ServiceTimeout": ANY,
        "Cluster!": TEXT,
        "Family!": TEXT,
        "Container!": TEXT,
        "Command!": Each(TEXT),
        "Key!": TEXT,
        "Done": ANY,
        "Subnets": ANY,
        "SecurityGroups": ANY,
        "LogGroup": ANY,
        "LogPrefix": ANY,
    },
    "AWS::Route53::RecordSet": {
        "Name!": TEXT,
        "Type": Only(("A", "AAAA")),
        "AliasTarget": {"DNSName!": TEXT, "HostedZoneId": ANY, "EvaluateTargetHealth": ANY},
        "HostedZoneId": ANY,
    },
    "AWS::SQS::Queue": {
        "QueueName": TEXT,
        "VisibilityTimeout": Number(0, 43200),
        "RedrivePolicy": {"deadLetterTargetArn!": TEXT, "maxReceiveCount!": Number(1, 1000)},
        "MessageRetentionPeriod": ANY,
        "ReceiveMessageWaitTimeSeconds": ANY,
        "SqsManagedSseEnabled": ANY,
        "KmsMasterKeyId": ANY,
        "Tags": ANY,
    },
    "AWS::StepFunctions::StateMachine": {
        "DefinitionString!": TEXT,
        "StateMachineName": TEXT,
        "StateMachineType": Only(("STANDARD",)),
        "LoggingConfiguration": ANY,
        "TracingConfiguration": ANY,
        "RoleArn": ANY,
        "Tags": ANY,
    },
    "AWS::SNS::Topic": {"TopicName": TEXT, "KmsMasterKeyId": ANY, "DisplayName": ANY, "Tags": ANY},
}
"""Played types, and what their properties may say. A name that ends in ``!`` has to be there."""

ATTRIBUTES: dict[str, Collection[str]] = {
    "AWS::CloudWatch::Alarm": ("Arn",),
    "AWS::CloudWatch::CompositeAlarm": ("Arn",),
    "AWS::ECS::Cluster": ("Arn",),
    "AWS::ECS::Service": ("Name", "ServiceArn"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        "CanonicalHostedZoneID",
        "DNSName",
        "LoadBalancerArn",
        "LoadBalancerFullName",
        "LoadBalancerName",
        "SecurityGroups",
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("TargetGroupArn", "TargetGroupFullName", "TargetGroupName"),
    "AWS::SNS::Topic": ("TopicArn", "TopicName"),
}
"""What ``Fn::GetAtt`` may ask of the played types whose attributes lead to something that is played."""

_SECTIONS = ("Resources", "Parameters", "Conditions", "Mappings", "Outputs", "Metadata", "Description")
_CHECKED_BY_CLOUDFORMATION = ("Rules", "AWSTemplateFormatVersion")
_RESOURCE_KEYS = (
    "Type",
    "Properties",
    "Condition",
    "DependsOn",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Metadata",
)


_PLAYED_SERVICES = frozenset(
    [*(resource_type.split("::")[1] for resource_type in PLAYED), "AppMesh", "CloudFormation", "CodeDeploy"]
) - {"Route53", "SNS"}
"""Services of which an unknown type may change what is played, so that it is refused. Others stand beside it."""


def area_not_rehearsed(resource_type: str) -> str | None:
    """What is not rehearsed of a type: empty for what says nothing, None where it is played or unknown."""
    if resource_type in PLAYED:
        return None
    for known, area in NOT_REHEARSED.items():
        if resource_type == known or (known.endswith("::") and resource_type.startswith(known)):
            return area
    provider, _, rest = resource_type.partition("::")
    service = rest.partition("::")[0]
    if provider == "Custom" or resource_type == "AWS::CloudFormation::CustomResource":
        return "custom resources"
    if provider != "AWS" or service in _PLAYED_SERVICES or not rest.partition("::")[2]:
        return None
    return "" if resource_type == "AWS::CDK::Metadata" else f"{service} ({rest.partition('::')[2]})"


def check_template(template: Mapping[str, Any], stack: str) -> None:
    """Refuse a template with a section, a type of resource or an attribute of a resource that is not known.

    Args:
        template: The template, as written.
        stack: Name of the stack, for messages.

    Raises:
        UnresolvableError: It has one.
    """
    for section in template:
        if section not in (*_SECTIONS, *_CHECKED_BY_CLOUDFORMATION):
            raise unknown(f"{stack}.{section}", "is a section that the rehearsal does not know")
    for logical_id, resource in template.get("Resources", {}).items():
        resource_type = str(resource.get("Type"))
        if resource_type not in PLAYED and area_not_rehearsed(resource_type) is None:
            raise unknown(f"{stack}.{logical_id}", f"has type {resource_type}, which the rehearsal does not know")
        for key in resource:
            if key not in _RESOURCE_KEYS:
                raise unknown(f"{stack}.{logical_id}.{key}", "is not something that the rehearsal knows")


def check_properties(resource_type: str, properties: Mapping[str, Any], where: str) -> None:
    """Refuse a resource of a played type with a property or value that is not known.

    Args:
        resource_type: Its type.
        properties: Its properties, resolved.
        where: Its name, for messages.

    Raises:
        UnresolvableError: It has one.
    """
    if resource_type in PLAYED:
        check_shape(properties, PLAYED[resource_type], where)

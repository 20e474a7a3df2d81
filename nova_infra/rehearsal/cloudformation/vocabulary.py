"""Which resource types the rehearsal plays, takes for granted or does not know; refuses unknown properties.

A type is either played, and then every property of it that a template uses must be listed here, or it is not rehearsed,
which the report says. A property that is not known is an error that names it: what is left out silently would make the
rehearsal promise more than it has seen.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from nova_infra.rehearsal.cloudformation.left_out import INSTANCES, KIND, check_readable
from nova_infra.rehearsal.cloudformation.played.alarms import ALARMS
from nova_infra.rehearsal.cloudformation.played.load_balancing import LOAD_BALANCING
from nova_infra.rehearsal.cloudformation.played.pipelines import PIPELINES
from nova_infra.rehearsal.cloudformation.played.services import SERVICES
from nova_infra.rehearsal.cloudformation.shapes import ANY, check_shape, unknown

NOT_REHEARSED = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": "autoscaling under load",
    "AWS::CertificateManager::": "TLS",
    "AWS::ECS::CapacityProvider": INSTANCES,
    "AWS::ECS::ClusterCapacityProviderAssociations": "",
    "AWS::ECS::PrimaryTaskSet": "services deployed by EXTERNAL",
    "AWS::ECS::TaskSet": "services deployed by EXTERNAL",
    "AWS::Chatbot::": "messages to chat rooms",
    "AWS::CloudWatch::Dashboard": "dashboards",
    "AWS::CodeDeploy::": "services deployed by CODE_DEPLOY",
    "AWS::CloudFormation::WaitCondition": "signals that CloudFormation waits for",
    "AWS::CloudFormation::WaitConditionHandle": "signals that CloudFormation waits for",
    "AWS::CodeBuild::ReportGroup": "test reports",
    "AWS::CodePipeline::Webhook": "what starts the pipeline",
    "AWS::ElasticLoadBalancingV2::ListenerCertificate": "TLS",
    "AWS::ElasticLoadBalancingV2::TrustStore": "TLS",
    "AWS::ElasticLoadBalancingV2::TrustStoreRevocation": "TLS",
    "AWS::EC2::": "networks and security groups",
    "AWS::ECR::": "image repositories",
    "AWS::Events::": "messages about deployments",
    "AWS::IAM::": "IAM",
    "AWS::KMS::": "encryption",
    "AWS::Lambda::EventInvokeConfig": "retries of functions",
    "AWS::Lambda::Alias": "function versions",
    "AWS::Lambda::EventSourceMapping": "what calls functions",
    "AWS::Lambda::LayerVersion": "function layers",
    "AWS::Lambda::LayerVersionPermission": "IAM",
    "AWS::Lambda::Permission": "IAM",
    "AWS::Lambda::Url": "what calls functions",
    "AWS::Lambda::Version": "function versions",
    "AWS::Logs::": "log groups",
    "AWS::S3::": "bucket policies, lifecycles and events",
    "AWS::SQS::QueueInlinePolicy": "IAM",
    "AWS::SQS::QueuePolicy": "IAM",
    "AWS::Scheduler::": "job schedules: each job ran once, after its deployment",
    "AWS::SNS::Subscription": "who subscribes to a topic",
    "AWS::SNS::TopicInlinePolicy": "IAM",
    "AWS::SNS::TopicPolicy": "IAM",
    "AWS::DynamoDB::": "table throughput, backups and replicas",
    "AWS::SecretsManager::": "secret rotation and policies",
    "AWS::SSM::Parameter": "",
    "AWS::WAFv2::": "most rules of the firewall",
}
"""Type, or the service that a type begins with, to the part of it that is not rehearsed."""


PLAYED: dict[str, dict[str, Any]] = {**ALARMS, **LOAD_BALANCING, **PIPELINES, **SERVICES}
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
_OF_GROUPS = ("CreationPolicy", "UpdatePolicy")
"""What else resources may have that does not affect what is played, such as groups of instances."""
_TYPE = re.compile(r"[A-Za-z0-9]{2,64}(::[A-Za-z0-9]{2,64}){2}(::MODULE)?")
_NAMES = {
    "ApplicationAutoScaling": "ScalableTarget ScalingPolicy",
    "CloudWatch": "Alarm AlarmMuteRule AnomalyDetector CompositeAlarm Dashboard InsightRule Integration LogAlarm "
    "MetricStream OTelEnrichment ResourceMetricsConfiguration View",
    "CodeBuild": "Fleet Project ReportGroup SourceCredential",
    "CodePipeline": "CustomActionType Pipeline Webhook",
    "ECS": "CapacityProvider Cluster ClusterCapacityProviderAssociations Daemon DaemonTaskDefinition "
    "ExpressGatewayService PrimaryTaskSet Service TaskDefinition TaskSet",
    "ElasticLoadBalancingV2": "Listener ListenerCertificate ListenerRule LoadBalancer TargetGroup TrustStore "
    "TrustStoreRevocation",
    "Lambda": "Alias CapacityProvider CodeSigningConfig EventInvokeConfig EventSourceMapping Function LayerVersion "
    "LayerVersionPermission MicrovmImage NetworkConnector Permission ResourcePolicy Url Version WebFunction "
    "WebFunctionEndpoint WebFunctionRevision",
    "SQS": "Queue QueueInlinePolicy QueuePolicy",
    "StepFunctions": "Activity StateMachine StateMachineAlias StateMachineVersion",
}
"""The types of the services that are played: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/."""


def area_not_rehearsed(resource_type: str) -> str | None:
    """What is not rehearsed of a type: empty if it changes nothing, None if it is played or no type at all."""
    if resource_type in PLAYED:
        return None
    if resource_type.startswith(KIND):
        return resource_type.removeprefix(KIND)
    for known, area in NOT_REHEARSED.items():
        if resource_type == known or (known.endswith("::") and resource_type.startswith(known)):
            return area
    if resource_type.startswith("Custom::") or resource_type == "AWS::CloudFormation::CustomResource":
        return "custom resources"
    if not _TYPE.fullmatch(resource_type):
        return None
    provider, service, kind = resource_type.split("::", 2)
    if provider != "AWS":
        return f"resources that AWS does not define ({resource_type})"
    return "" if resource_type == "AWS::CDK::Metadata" else f"{service} ({kind})"


def may_not_exist(resource_type: str) -> bool:
    """Whether a type is none that is known of a service that is played: it is newer than this list, or misspelt."""
    provider, service, kind = (*resource_type.split("::", 2), "", "")[:3]
    return provider == "AWS" and kind not in _NAMES.get(service, kind).split()


def check_template(template: Mapping[str, Any], stack: str) -> None:
    """Refuse a template with a section, a type of resource or an attribute of a resource that is not known."""
    check_readable(dict(template), stack)
    for section in template:
        if section not in (*_SECTIONS, *_CHECKED_BY_CLOUDFORMATION):
            raise unknown(f"{stack}.{section}", "is a section that the rehearsal does not know")
    for logical_id, resource in template.get("Resources", {}).items():
        if not isinstance(resource, Mapping):
            raise unknown(f"{stack}.{logical_id}", "is a loop, which the rehearsal does not know")
        resource_type = str(resource.get("Type"))
        if resource_type not in PLAYED and area_not_rehearsed(resource_type) is None:
            raise unknown(f"{stack}.{logical_id}", f"has type {resource_type}, which the rehearsal does not know")
        for key in resource:
            if key not in _RESOURCE_KEYS and not (key in _OF_GROUPS and resource_type not in PLAYED):
                raise unknown(f"{stack}.{logical_id}.{key}", "is not something that the rehearsal knows")


def check_properties(resource_type: str, properties: Mapping[str, Any], where: str) -> None:
    """Refuse a resource of a played type with a property or value that is not known."""
    if resource_type in PLAYED:
        check_shape(properties, {**PLAYED[resource_type], "Tags": ANY}, where)

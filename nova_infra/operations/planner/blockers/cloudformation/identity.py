"""Refuses two resources that are the same for AWS, such as two records of one name: by what identifies a type.

From the types' pages in the CloudFormation template reference, "Return values" and the properties that name them, and
for load balancers from https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html
(DuplicateListener) and API_CreateRule.html (PriorityInUse).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nova_infra.operations.changes.template_values import value_at
from nova_infra.operations.planner.model import StackKey

Scope = Literal["region", "account", "world"]


@dataclass(frozen=True)
class Identity:
    """What makes a resource of a type unique.

    Attributes:
        properties: Paths, with slashes, of what it consists of; where the first is not set, AWS makes a name. What
            stands at one of two places has the same last part in both.
        scope: Where it has to be unique.
        kind: Types with the same kind share their names; the type itself where it is empty.
        named: Whether it is a name somebody chose, so that a replacement would need another one.
    """

    properties: tuple[str, ...]
    scope: Scope = "region"
    kind: str = ""
    named: bool = True


_ELB = "AWS::ElasticLoadBalancingV2"

IDENTITIES: dict[str, Identity] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": Identity(
        ("ResourceId", "ScalableDimension", "ServiceNamespace"), named=False
    ),
    "AWS::AutoScaling::AutoScalingGroup": Identity(("AutoScalingGroupName",)),
    "AWS::Backup::BackupVault": Identity(("BackupVaultName",)),
    "AWS::Chatbot::SlackChannelConfiguration": Identity(("ConfigurationName",), "account"),
    "AWS::CloudWatch::Alarm": Identity(("AlarmName",), kind="alarm"),
    "AWS::CloudWatch::CompositeAlarm": Identity(("AlarmName",), kind="alarm"),
    "AWS::CloudWatch::Dashboard": Identity(("DashboardName",), "account"),
    "AWS::CodeBuild::Project": Identity(("Name",)),
    "AWS::CodePipeline::Pipeline": Identity(("Name",)),
    "AWS::CodeStarNotifications::NotificationRule": Identity(("Name",)),
    "AWS::DynamoDB::GlobalTable": Identity(("TableName",), kind="table"),
    "AWS::DynamoDB::Table": Identity(("TableName",), kind="table"),
    "AWS::EC2::KeyPair": Identity(("KeyName",)),
    "AWS::EC2::LaunchTemplate": Identity(("LaunchTemplateName",)),
    "AWS::EC2::SecurityGroup": Identity(("GroupName", "VpcId")),
    "AWS::ECR::Repository": Identity(("RepositoryName",)),
    "AWS::ECS::CapacityProvider": Identity(("Name",)),
    "AWS::ECS::Cluster": Identity(("ClusterName",)),
    "AWS::ECS::Service": Identity(("ServiceName", "Cluster")),
    "AWS::ElastiCache::CacheCluster": Identity(("ClusterName",)),
    "AWS::ElastiCache::ReplicationGroup": Identity(("ReplicationGroupId",)),
    "AWS::ElastiCache::ServerlessCache": Identity(("ServerlessCacheName",)),
    "AWS::ElastiCache::SubnetGroup": Identity(("CacheSubnetGroupName",)),
    f"{_ELB}::Listener": Identity(("Port", "LoadBalancerArn"), named=False),
    f"{_ELB}::ListenerRule": Identity(("Priority", "ListenerArn"), named=False),
    f"{_ELB}::LoadBalancer": Identity(("Name",)),
    f"{_ELB}::TargetGroup": Identity(("Name",)),
    "AWS::Events::ApiDestination": Identity(("Name",)),
    "AWS::Events::Connection": Identity(("Name",)),
    "AWS::Events::EventBus": Identity(("Name",)),
    "AWS::Events::Rule": Identity(("Name", "EventBusName")),
    "AWS::IAM::Group": Identity(("GroupName",), "account"),
    "AWS::IAM::InstanceProfile": Identity(("InstanceProfileName",), "account"),
    "AWS::IAM::ManagedPolicy": Identity(("ManagedPolicyName",), "account"),
    "AWS::IAM::OIDCProvider": Identity(("Url",), "account", named=False),
    "AWS::IAM::Role": Identity(("RoleName",), "account"),
    "AWS::IAM::User": Identity(("UserName",), "account"),
    "AWS::Kinesis::Stream": Identity(("Name",)),
    "AWS::KinesisFirehose::DeliveryStream": Identity(("DeliveryStreamName",)),
    "AWS::KMS::Alias": Identity(("AliasName",)),
    "AWS::Lambda::Function": Identity(("FunctionName",)),
    "AWS::Logs::LogGroup": Identity(("LogGroupName",)),
    "AWS::OpenSearchService::Domain": Identity(("DomainName",)),
    "AWS::Pipes::Pipe": Identity(("Name",)),
    "AWS::RDS::DBCluster": Identity(("DBClusterIdentifier",)),
    "AWS::RDS::DBInstance": Identity(("DBInstanceIdentifier",)),
    "AWS::RDS::DBSubnetGroup": Identity(("DBSubnetGroupName",)),
    "AWS::Route53::RecordSet": Identity(("Name", "Type", "HostedZoneId", "SetIdentifier"), "account", named=False),
    "AWS::S3::Bucket": Identity(("BucketName",), "world"),
    "AWS::Scheduler::Schedule": Identity(("Name", "GroupName")),
    "AWS::Scheduler::ScheduleGroup": Identity(("Name",)),
    "AWS::SecretsManager::Secret": Identity(("Name",)),
    "AWS::ServiceDiscovery::HttpNamespace": Identity(("Name",)),
    "AWS::ServiceDiscovery::PrivateDnsNamespace": Identity(("Name", "Vpc")),
    "AWS::ServiceDiscovery::Service": Identity(("Name", "NamespaceId", "DnsConfig/NamespaceId")),
    "AWS::SNS::Topic": Identity(("TopicName",)),
    "AWS::SQS::Queue": Identity(("QueueName",)),
    "AWS::SSM::Parameter": Identity(("Name",)),
    "AWS::StepFunctions::StateMachine": Identity(("StateMachineName",)),
    "AWS::Synthetics::Canary": Identity(("Name",)),
    "AWS::WAFv2::WebACL": Identity(("Name", "Scope")),
}
"""Type to its identity. A type that is missing has no name of its own, or its names are not compared."""


def identity(resource: Mapping[str, Any], key: StackKey, meaning: Callable[[Any], str]) -> str | None:
    """What only one resource can be; None if the template does not state it."""
    known = IDENTITIES.get(resource["Type"])
    properties = resource.get("Properties", {})
    if known is None or not isinstance(properties, Mapping) or known.properties[0] not in properties:
        return None
    place = {"region": key[:2], "account": key[:1], "world": ()}[known.scope]
    stated = {path: value_at(properties, path) for path in known.properties}
    # Cloud Map takes a namespace at either of two places, and CDK writes it to both.
    by_name = {path.rpartition("/")[2]: value for path, value in reversed(stated.items()) if value is not None}
    values = [meaning(by_name.get(path, "")).rstrip(".") for path in known.properties if "/" not in path]
    return " ".join([known.kind or resource["Type"], *place, *values])

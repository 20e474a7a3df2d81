"""More of what excludes or needs something else, or is none of the words that a type has, each beside its twin."""

import json
from typing import Any

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")
ELB = "AWS::ElasticLoadBalancingV2::"
GROUP = {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}}
OWN = {"GeoMatchStatement": {"CountryCodes": ["DE"]}}
PORT = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "10.0.0.0/8"}


def task(**more: Any) -> dict[str, Any]:
    container = {
        key: more.pop(key) for key in list(more) if key in ("LinuxParameters", "Links", "Hostname", "ExtraHosts")
    }
    size = {"RequiresCompatibilities": ["FARGATE"], "NetworkMode": "awsvpc", "Cpu": "256", "Memory": "512"}
    return {**size, "ContainerDefinitions": [{"Name": "app", "Image": "a", "Essential": True, **container}], **more}


def linux(**parameters: Any) -> dict[str, Any]:
    return task(LinuxParameters=parameters)


def rollout(**more: Any) -> dict[str, Any]:
    return {"DeploymentConfiguration": more}


def rules(*each: dict[str, Any]) -> dict[str, Any]:
    return {"Rules": [{"Name": f"rule-{place}", "Priority": place, **rule} for place, rule in enumerate(each)]}


def answer(**config: Any) -> dict[str, Any]:
    redirect = {"StatusCode": "HTTP_301", "Protocol": "HTTPS", **config}
    return {"Actions": [{"Type": "redirect", "RedirectConfig": redirect}], "Priority": 3}


def machine(kind: str) -> dict[str, Any]:
    return {"DefinitionString": json.dumps({"StartAt": "A", "States": {"A": {"Type": kind, "End": True}}})}


def index(kind: str) -> dict[str, Any]:
    return {"GlobalSecondaryIndexes": [{"Projection": {"ProjectionType": kind, "NonKeyAttributes": ["name"]}}]}


def filters(**more: Any) -> dict[str, Any]:
    return {"MetricTransformations": [{"MetricName": "a", "MetricNamespace": "Shop", "MetricValue": "1", **more}]}


def attributes(**each: str) -> dict[str, Any]:
    return {"LoadBalancerAttributes": [{"Key": key.replace("_S3_", ".s3."), "Value": each[key]} for key in each]}


# Type, what is refused, the place of it, and its twin, which is not.
CASES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("AWS::ECS::TaskDefinition", linux(SharedMemorySize=64), "SharedMemorySize", linux(InitProcessEnabled=True)),
    ("AWS::ECS::TaskDefinition", linux(Devices=[{"HostPath": "/dev/x"}]), "Devices", linux(Devices=[])),
    (
        "AWS::ECS::TaskDefinition",
        linux(Capabilities={"Add": ["NET_ADMIN"]}),
        "Add[]",
        linux(Capabilities={"Add": ["SYS_PTRACE"]}),
    ),
    (
        "AWS::ECS::TaskDefinition",
        task(Links=["db"]),
        "Links",
        task(Links=["db"], NetworkMode="bridge", RequiresCompatibilities=["EC2"]),
    ),
    ("AWS::ECS::TaskDefinition", task(Hostname="a"), "Hostname", task()),
    ("AWS::ECS::TaskDefinition", task(PidMode="host"), "PidMode", task(PidMode="task")),
    ("AWS::ECS::TaskDefinition", task(IpcMode="task"), "IpcMode", task(IpcMode={"Ref": "AWS::NoValue"})),
    (
        "AWS::ECS::TaskDefinition",
        task(Volumes=[{"Name": "v", "EFSVolumeConfiguration": {"AuthorizationConfig": {"IAM": "ENABLED"}}}]),
        "TransitEncryption",
        task(Volumes=[{"Name": "v", "EFSVolumeConfiguration": {"FilesystemId": "fs-1"}}]),
    ),
    (
        "AWS::ECS::TaskDefinition",
        task(Volumes=[{"Name": "v", "Host": {"SourcePath": "/a"}}]),
        "SourcePath",
        task(Volumes=[{"Name": "v", "Host": {}}]),
    ),
    ("AWS::ECS::Service", rollout(Strategy="FAST"), "Strategy", rollout(Strategy="LINEAR")),
    ("AWS::ECS::Service", rollout(BakeTimeInMinutes=1441), "BakeTimeInMinutes", rollout(BakeTimeInMinutes=1440)),
    (
        "AWS::ECS::Service",
        rollout(LinearConfiguration={"StepPercent": 2}),
        "StepPercent",
        rollout(LinearConfiguration={"StepPercent": 3}),
    ),
    ("AWS::ECS::Service", {"NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": []}}}, "Subnets", {}),
    (f"{ELB}ListenerRule", answer(Port="0"), "Port", answer(Port="#{port}")),
    (f"{ELB}ListenerRule", answer(StatusCode="HTTP_307"), "StatusCode", answer(StatusCode="HTTP_302")),
    (f"{ELB}TargetGroup", {"TargetType": "lambda", "Port": 80}, "Port", {"TargetType": "lambda"}),
    (f"{ELB}LoadBalancer", {"Scheme": "public"}, "Scheme", {"Scheme": "internal"}),
    (
        f"{ELB}LoadBalancer",
        attributes(access_logs_S3_enabled="true"),
        "LoadBalancerAttributes",
        attributes(access_logs_S3_enabled="true", access_logs_S3_bucket="b"),
    ),
    (
        "AWS::EC2::Route",
        {"RouteTableId": "r", "DestinationCidrBlock": "0.0.0.0/0"},
        "GatewayId",
        {"RouteTableId": "r", "VpcEndpointId": "v"},
    ),
    ("AWS::EC2::FlowLog", {"MaxAggregationInterval": 300}, "MaxAggregationInterval", {"MaxAggregationInterval": 600}),
    (
        "AWS::EC2::SecurityGroup",
        {"SecurityGroupIngress": [{**PORT, "SourceSecurityGroupId": "sg"}]},
        "CidrIp",
        {"SecurityGroupIngress": [PORT]},
    ),
    (
        "AWS::CloudWatch::CompositeAlarm",
        {"ActionsSuppressor": "a"},
        "WaitPeriod",
        {"ActionsSuppressor": "a", "ActionsSuppressorWaitPeriod": 60, "ActionsSuppressorExtensionPeriod": 60},
    ),
    ("AWS::CloudWatch::Alarm", {"TreatMissingData": "good"}, "TreatMissingData", {"TreatMissingData": "ignore"}),
    (
        "AWS::Logs::MetricFilter",
        filters(DefaultValue=0, Dimensions=[{"Key": "a", "Value": "$.a"}]),
        "DefaultValue",
        filters(DefaultValue=0),
    ),
    ("AWS::Logs::MetricFilter", filters(MetricNamespace="a:b"), "MetricNamespace", filters(MetricNamespace="a/b")),
    (
        "AWS::SNS::Topic",
        {"ContentBasedDeduplication": True},
        "ContentBasedDeduplication",
        {"ContentBasedDeduplication": True, "FifoTopic": True},
    ),
    (
        "AWS::SQS::Queue",
        {"FifoQueue": True, "FifoThroughputLimit": "perMessageGroupId"},
        "DeduplicationScope",
        {"FifoQueue": True, "FifoThroughputLimit": "perQueue"},
    ),
    (
        "AWS::SQS::Queue",
        {"RedriveAllowPolicy": {"redrivePermission": "byQueue"}},
        "sourceQueueArns",
        {"RedriveAllowPolicy": {"redrivePermission": "denyAll"}},
    ),
    ("AWS::SQS::Queue", {"MaximumMessageSize": 1_048_577}, "MaximumMessageSize", {"MaximumMessageSize": 1_048_576}),
    (
        "AWS::KMS::Key",
        {"EnableKeyRotation": True, "RotationPeriodInDays": 30},
        "RotationPeriodInDays",
        {"EnableKeyRotation": True, "RotationPeriodInDays": 90},
    ),
    (
        "AWS::KMS::Alias",
        {"AliasName": "alias/a", "TargetKeyId": "alias/b"},
        "TargetKeyId",
        {"AliasName": "alias/a", "TargetKeyId": "1234-abcd"},
    ),
    (
        "AWS::S3::Bucket",
        {"WebsiteConfiguration": {"IndexDocument": "a", "RedirectAllRequestsTo": {"HostName": "b"}}},
        "RedirectAllRequestsTo",
        {"WebsiteConfiguration": {"IndexDocument": "a"}},
    ),
    (
        "AWS::S3::Bucket",
        {"CorsConfiguration": {"CorsRules": [{"AllowedMethods": ["PATCH"]}]}},
        "AllowedMethods[]",
        {"CorsConfiguration": {"CorsRules": [{"AllowedMethods": ["PUT"]}]}},
    ),
    (
        "AWS::ECR::Repository",
        {"ImageTagMutability": "immutable"},
        "ImageTagMutability",
        {"ImageTagMutability": "IMMUTABLE"},
    ),
    ("AWS::DynamoDB::Table", index("ALL"), "NonKeyAttributes", index("INCLUDE")),
    (
        "AWS::RDS::DBInstance",
        {"MasterUserPassword": "long enough", "ManageMasterUserPassword": True},
        "MasterUserPassword",
        {"MasterUserPassword": "long enough", "ManageMasterUserPassword": False},
    ),
    (
        "AWS::RDS::DBInstance",
        {"MultiAZ": True, "AvailabilityZone": "a"},
        "AvailabilityZone",
        {"MultiAZ": False, "AvailabilityZone": "a"},
    ),
    ("AWS::RDS::DBInstance", {"BackupRetentionPeriod": 36}, "BackupRetentionPeriod", {"BackupRetentionPeriod": 35}),
    (
        "AWS::RDS::DBCluster",
        {"ServerlessV2ScalingConfiguration": {"MinCapacity": 4, "MaxCapacity": 2}},
        "MinCapacity",
        {"ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 2}},
    ),
    (
        "AWS::ElastiCache::ReplicationGroup",
        {"AuthToken": "a"},
        "TransitEncryptionEnabled",
        {"AuthToken": "a", "TransitEncryptionEnabled": True},
    ),
    (
        "AWS::EFS::FileSystem",
        {"KmsKeyId": "alias/files", "Encrypted": False},
        "Encrypted",
        {"KmsKeyId": "alias/files", "Encrypted": True},
    ),
    (
        "AWS::Cognito::UserPool",
        {"UsernameAttributes": ["email"], "AliasAttributes": ["email"]},
        "UsernameAttributes",
        {"UsernameAttributes": ["email"]},
    ),
    (
        "AWS::Kinesis::Stream",
        {"ShardCount": 1, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}},
        "ShardCount",
        {"ShardCount": 1},
    ),
    (
        "AWS::EFS::FileSystem",
        {"ThroughputMode": "provisioned"},
        "ProvisionedThroughputInMibps",
        {"ThroughputMode": "elastic"},
    ),
    ("AWS::Route53::RecordSet", {"Weight": 1}, "SetIdentifier", {"Weight": 1, "SetIdentifier": "a"}),
    ("AWS::CodeBuild::Project", {"Source": {"Type": "NO_SOURCE"}}, "BuildSpec", {"Source": {"Type": "CODEPIPELINE"}}),
    (
        "AWS::CodePipeline::Pipeline",
        {"Stages": [{"Name": "Build it"}, {}]},
        "Name",
        {"Stages": [{"Name": "Build.it"}, {}]},
    ),
    ("AWS::StepFunctions::StateMachine", machine("Job"), "DefinitionString", machine("Map")),
    (
        "AWS::StepFunctions::StateMachine",
        {"LoggingConfiguration": {"Level": "WARN"}},
        "Level",
        {"LoggingConfiguration": {"Level": "ERROR"}},
    ),
    (
        "AWS::WAFv2::WebACL",
        rules({"Statement": GROUP, "Action": {"Block": {}}}),
        "Action",
        rules({"Statement": GROUP, "OverrideAction": {"None": {}}}),
    ),
    (
        "AWS::WAFv2::WebACL",
        rules({"Statement": OWN, "OverrideAction": {"None": {}}}),
        "OverrideAction",
        rules({"Statement": OWN, "Action": {"Block": {}}}),
    ),
    ("AWS::WAFv2::WebACL", rules({"Name": "a"}, {"Name": "a"}), "Name", rules({"Name": "a"}, {"Name": "b"})),
    (
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        {"PolicyType": "StepScaling"},
        "StepScalingPolicyConfiguration",
        {
            "PolicyType": "StepScaling",
            "StepScalingPolicyConfiguration": {"StepAdjustments": [{"ScalingAdjustment": 1}]},
        },
    ),
    (
        "AWS::CertificateManager::Certificate",
        {"DomainName": "a.example.com", "ValidationMethod": "CNAME"},
        "ValidationMethod",
        {"DomainName": "a.example.com", "ValidationMethod": "DNS"},
    ),
]


def places(kind: str, properties: dict[str, Any]) -> list[str]:
    template = {"Resources": {"It": {"Type": kind, "Properties": properties}}}
    found = plan([], [[StackTemplate(KEY, template)]]).refusals
    assert all(each.fault and each.remedy for each in found)
    return [each.where.rpartition(".")[2] for each in found]


def test_what_aws_would_refuse_is_refused_at_its_place() -> None:
    assert [
        (kind, where)
        for kind, fault, where, _ in CASES
        if not any(each.endswith(where) for each in places(kind, fault))
    ] == []


def test_the_twin_of_each_is_taken() -> None:
    assert [(kind, found) for kind, _, _, twin in CASES if (found := places(kind, twin))] == []

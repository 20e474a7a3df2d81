"""Properties that exclude or need one another: what AWS would refuse is refused beforehand, and its twin is not."""

from typing import Any

import pytest

from nova_infra.operations.planner import Refusal, StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")
ELB = "AWS::ElasticLoadBalancingV2::"
FORWARD = {"Type": "forward", "TargetGroupArn": "arn"}
ANSWER = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "ContentType": "text/xml"}}
LOGIN = {"Type": "authenticate-oidc", "Order": 1}
WEB = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "10.0.0.0/8"}
COOKIE = "stickiness.app_cookie.cookie_name"
SCALING = "TargetTrackingScalingPolicyConfiguration"
BASES = [{"CapacityProvider": name, "Base": 1} for name in ("FARGATE", "FARGATE_SPOT")]
MACHINE = '{"StartAt": "A", "States": {"A": {"Type": "Pass", %s}}}'


def condition(field: str, value: str) -> dict[str, Any]:
    name = "".join(map(str.capitalize, field.split("-")))
    return {"Conditions": [{"Field": field, f"{name}Config": {"Values": [value]}}], "Actions": [FORWARD]}


def trust(**statement: Any) -> dict[str, Any]:
    given = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
    return {"AssumeRolePolicyDocument": {"Statement": [{**given, **statement}]}}


def group(**rule: Any) -> dict[str, Any]:
    return {"GroupDescription": "web", "SecurityGroupIngress": [WEB, {**WEB, **rule}]}


# Type, properties that AWS refuses, where; and what to change for AWS to take them.
CASES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("AWS::CloudWatch::Alarm", {"Statistic": "Sum", "ExtendedStatistic": "p95"}, "Statistic", {"Statistic": None}),
    ("AWS::CloudWatch::Alarm", {"MetricName": "a", "Metrics": [], "Threshold": 1}, "MetricName", {"Metrics": None}),
    ("AWS::CloudWatch::Alarm", {"MetricName": "a"}, "Threshold", {"ThresholdMetricId": "b"}),
    ("AWS::CloudWatch::Alarm", {"ExtendedStatistic": "99"}, "ExtendedStatistic", {"ExtendedStatistic": "p99"}),
    (
        "AWS::SecretsManager::Secret",
        {"SecretString": "a", "GenerateSecretString": {}},
        "SecretString",
        {"SecretString": None},
    ),
    (
        "AWS::SecretsManager::Secret",
        {"GenerateSecretString": {"GenerateStringKey": "a"}},
        "GenerateSecretString.SecretStringTemplate",
        {"GenerateSecretString": {"PasswordLength": 20}},
    ),
    (
        "AWS::SQS::Queue",
        {"KmsMasterKeyId": "a", "SqsManagedSseEnabled": True},
        "KmsMasterKeyId",
        {"KmsMasterKeyId": None},
    ),
    (
        "AWS::SQS::Queue",
        {"KmsMasterKeyId": "a", "SqsManagedSseEnabled": "true"},
        "KmsMasterKeyId",
        {"SqsManagedSseEnabled": "false"},
    ),
    ("AWS::SQS::Queue", {"ContentBasedDeduplication": True}, "ContentBasedDeduplication", {"FifoQueue": True}),
    (
        "AWS::SQS::Queue",
        {"RedrivePolicy": {"maxReceiveCount": 3}},
        "RedrivePolicy.deadLetterTargetArn",
        {"RedrivePolicy": None},
    ),
    ("AWS::SNS::Topic", {"DisplayName": "a" * 101}, "DisplayName", {"DisplayName": "a" * 100}),
    ("AWS::SNS::Subscription", {"Protocol": "https", "Endpoint": "http://a.example"}, "Endpoint", {"Protocol": "http"}),
    (
        "AWS::SNS::Subscription",
        {"Protocol": "email", "Endpoint": "example.com"},
        "Endpoint",
        {"Endpoint": "a@example.com"},
    ),
    (
        "AWS::SNS::Subscription",
        {"Protocol": "lambda", "RawMessageDelivery": True},
        "RawMessageDelivery",
        {"Protocol": "sqs"},
    ),
    (
        "AWS::Events::Rule",
        {"ScheduleExpression": "cron(60 0 * * ? *)"},
        "ScheduleExpression",
        {"ScheduleExpression": "cron(59 0 * * ? *)"},
    ),
    (
        "AWS::Events::Rule",
        {"ScheduleExpression": "cron(0 24 * * ? *)"},
        "ScheduleExpression",
        {"ScheduleExpression": "cron(0 0-23/2 * * ? *)"},
    ),
    (
        "AWS::Events::Rule",
        {"ScheduleExpression": "cron(0 0 ? * 8 *)"},
        "ScheduleExpression",
        {"ScheduleExpression": "cron(0 0 ? * FRI-MON *)"},
    ),
    (
        "AWS::Scheduler::Schedule",
        {"ScheduleExpression": "cron(0 0 L 13 ? *)"},
        "ScheduleExpression",
        {"ScheduleExpression": "cron(0 0 L 12 ? *)"},
    ),
    (
        "AWS::Scheduler::Schedule",
        {"ScheduleExpression": "cron(0 0 1 1 ? 1969)"},
        "ScheduleExpression",
        {"ScheduleExpression": "cron(0 0 ? 1 6#3 2199)"},
    ),
    (
        "AWS::Scheduler::Schedule",
        {"StartDate": "2027-02-01T00:00:00Z", "EndDate": "2027-01-01T00:00:00Z"},
        "EndDate",
        {"EndDate": None},
    ),
    (
        "AWS::Events::Rule",
        {"EventPattern": {"source": "aws.ecs"}},
        "EventPattern.source",
        {"EventPattern": {"source": ["aws.ecs"]}},
    ),
    (
        "AWS::Events::Rule",
        {"EventPattern": {"source": ["a"]}, "Targets": [{"Input": "{}", "InputPath": "$.a"}]},
        "Targets[].Input",
        {"Targets": [{"Input": "{}"}]},
    ),
    (
        "AWS::Events::Rule",
        {"ScheduleExpression": "rate(5 minutes)", "Targets": [{"Input": "hello"}]},
        "Targets.Input",
        {"Targets": [{"Input": '"hello"'}]},
    ),
    ("AWS::KMS::Key", {"KeySpec": "RSA_2048", "EnableKeyRotation": True}, "EnableKeyRotation", {"KeySpec": None}),
    ("AWS::KMS::Key", {"KeyUsage": "SIGN_VERIFY"}, "KeyUsage", {"KeySpec": "ECC_NIST_P256"}),
    (
        "AWS::DynamoDB::Table",
        {"BillingMode": "PAY_PER_REQUEST", "ProvisionedThroughput": {}},
        "ProvisionedThroughput",
        {"BillingMode": "PROVISIONED"},
    ),
    (
        "AWS::DynamoDB::Table",
        {"KeySchema": [{"AttributeName": "a", "KeyType": "RANGE"}]},
        "KeySchema",
        {"KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}]},
    ),
    (
        f"{ELB}ListenerRule",
        {"Actions": [FORWARD, ANSWER | {"FixedResponseConfig": {"StatusCode": "200"}}]},
        "Actions",
        {"Actions": [LOGIN, FORWARD]},
    ),
    (f"{ELB}ListenerRule", {"Actions": [LOGIN]}, "Actions", {"Actions": [FORWARD]}),
    (f"{ELB}ListenerRule", {"Actions": [ANSWER]}, "Actions[].FixedResponseConfig.ContentType", {"Actions": [FORWARD]}),
    (
        f"{ELB}ListenerRule",
        condition("host-header", "a b.example"),
        "Conditions[].HostHeaderConfig.Values[]",
        condition("host-header", "*.b.example"),
    ),
    (
        f"{ELB}ListenerRule",
        condition("path-pattern", "/a b"),
        "Conditions[].PathPatternConfig.Values[]",
        condition("path-pattern", "/a?b"),
    ),
    (
        f"{ELB}ListenerRule",
        condition("source-ip", "10.0.0.1"),
        "Conditions[].SourceIpConfig.Values[]",
        condition("source-ip", "2001:db8::/32"),
    ),
    (f"{ELB}Listener", {"Protocol": "HTTP", "SslPolicy": "a"}, "SslPolicy", {"SslPolicy": None}),
    (f"{ELB}TargetGroup", {"ProtocolVersion": "HTTP3"}, "ProtocolVersion", {"ProtocolVersion": "HTTP2"}),
    (f"{ELB}TargetGroup", {"HealthCheckPort": "http"}, "HealthCheckPort", {"HealthCheckPort": "8080"}),
    (f"{ELB}TargetGroup", {"Matcher": {"GrpcCode": "0"}}, "Matcher.GrpcCode", {"ProtocolVersion": "GRPC"}),
    (
        f"{ELB}TargetGroup",
        {"TargetGroupAttributes": [{"Key": "slow_start", "Value": "30"}]},
        "TargetGroupAttributes[].Key",
        {"TargetGroupAttributes": [{"Key": "target_health_state.unhealthy.draining_interval_seconds", "Value": "30"}]},
    ),
    (
        f"{ELB}TargetGroup",
        {"TargetGroupAttributes": [{"Key": COOKIE, "Value": "AWSALB"}]},
        f"TargetGroupAttributes.{COOKIE}",
        {"TargetGroupAttributes": [{"Key": COOKIE, "Value": "SESSION"}]},
    ),
    (
        "AWS::ECS::Service",
        {"LaunchType": "FARGATE", "PlacementStrategies": [{"Type": "random"}]},
        "PlacementStrategies",
        {"PlacementStrategies": []},
    ),
    (
        "AWS::ECS::Service",
        {"CapacityProviderStrategy": BASES},
        "CapacityProviderStrategy.Base",
        {"CapacityProviderStrategy": BASES[:1]},
    ),
    (
        "AWS::ECS::Service",
        {
            "DeploymentController": {"Type": "CODE_DEPLOY"},
            "DeploymentConfiguration": {"DeploymentCircuitBreaker": {"Enable": True}},
        },
        "DeploymentConfiguration.DeploymentCircuitBreaker",
        {"DeploymentController": {"Type": "ECS"}},
    ),
    (
        "AWS::S3::Bucket",
        {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled"}]}},
        "LifecycleConfiguration.Rules",
        {"LifecycleConfiguration": {"Rules": [{"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}]}},
    ),
    (
        "AWS::S3::Bucket",
        {"ReplicationConfiguration": {"Role": "a"}},
        "ReplicationConfiguration",
        {"VersioningConfiguration": {"Status": "Enabled"}},
    ),
    ("AWS::SSM::Parameter", {"Value": "a" * 8193, "Tier": "Advanced"}, "Value", {"Value": "a" * 8192}),
    ("AWS::SSM::Parameter", {"Value": "abc", "AllowedPattern": "^[0-9]+$"}, "Value", {"Value": "12"}),
    (
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        {SCALING: {"PredefinedMetricSpecification": {"PredefinedMetricType": "ALBRequestCountPerTarget"}}},
        f"{SCALING}.PredefinedMetricSpecification.ResourceLabel",
        {SCALING: {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}},
    ),
    ("AWS::EC2::VPCEndpoint", {"SubnetIds": ["subnet-1"]}, "SubnetIds", {"VpcEndpointType": "Interface"}),
    ("AWS::EC2::SecurityGroup", group(), "SecurityGroupIngress", group(FromPort=79)),
    (
        "AWS::EC2::SecurityGroup",
        group(CidrIp="10.0.0.0/33"),
        "SecurityGroupIngress.CidrIp",
        group(CidrIp="10.0.0.0/32"),
    ),
    (
        "AWS::EC2::SecurityGroup",
        group(FromPort=79, Description="für"),
        "SecurityGroupIngress.Description",
        group(FromPort=79, Description="for"),
    ),
    (
        "AWS::WAFv2::WebACL",
        {"DefaultAction": {"Allow": {}, "Block": {}}},
        "DefaultAction.Allow",
        {"DefaultAction": {"Allow": {}}},
    ),
    ("AWS::IAM::Role", trust(Resource="*"), "AssumeRolePolicyDocument.Statement.Resource", trust()),
    (
        "AWS::IAM::Role",
        trust(Action="s3:GetObject"),
        "AssumeRolePolicyDocument.Statement.Action",
        trust(Action=["sts:AssumeRole", "sts:TagSession"]),
    ),
    (
        "AWS::IAM::Role",
        trust(Principal={"Service": "*"}),
        "AssumeRolePolicyDocument.Statement.Principal.Service",
        trust(Principal={"AWS": "*"}),
    ),
    (
        "AWS::StepFunctions::StateMachine",
        {"DefinitionString": MACHINE % '"A": 1'},
        "DefinitionString",
        {"DefinitionString": MACHINE % '"End": true'},
    ),
    (
        "AWS::StepFunctions::StateMachine",
        {"DefinitionString": MACHINE % '"Next": "B"'},
        "DefinitionString",
        {"DefinitionString": MACHINE % '"Next": "A"'},
    ),
    ("AWS::StepFunctions::StateMachine", {"StateMachineName": "a b"}, "StateMachineName", {"StateMachineName": "a-b"}),
    (
        "AWS::CodeBuild::Project",
        {"Environment": {"Type": "LINUX"}},
        "Environment.Type",
        {"Environment": {"Type": "ARM_LAMBDA_CONTAINER"}},
    ),
    (
        "AWS::CodeBuild::Project",
        {"Environment": {"ComputeType": "SMALL"}},
        "Environment.ComputeType",
        {"Environment": {"ComputeType": "BUILD_LAMBDA_1GB"}},
    ),
    ("AWS::CodeBuild::Project", {"Name": "a b"}, "Name", {"Name": "a-b"}),
    (
        "AWS::CertificateManager::Certificate",
        {"DomainName": "a.*.example.com"},
        "DomainName",
        {"DomainName": "*.example.com"},
    ),
    (
        "AWS::CertificateManager::Certificate",
        {"DomainName": "a" * 60 + ".example.com"},
        "DomainName",
        {"DomainName": "a" * 40 + ".example.com"},
    ),
    ("AWS::Route53::RecordSet", {"TTL": "-1"}, "TTL", {"TTL": "0"}),
    ("AWS::Events::Rule", {"Description": "carts"}, "EventPattern", {"ScheduleExpression": "rate(5 minutes)"}),
    (
        "AWS::S3::Bucket",
        {"ObjectLockEnabled": True, "VersioningConfiguration": {"Status": "Suspended"}},
        "ObjectLockEnabled",
        {"VersioningConfiguration": None},
    ),
]


def refusals(kind: str, properties: dict[str, Any]) -> list[Refusal]:
    given = {key: value for key, value in properties.items() if value is not None}
    return plan([], [[StackTemplate(KEY, {"Resources": {"It": {"Type": kind, "Properties": given}}})]]).refusals


@pytest.mark.parametrize(
    ("kind", "properties", "where", "change"), CASES, ids=[f"{case[0]} {case[2]}" for case in CASES]
)
def test_what_aws_would_refuse_is_refused_with_its_place_and_its_twin_is_not(
    kind: str, properties: dict[str, Any], where: str, change: dict[str, Any]
) -> None:
    [found] = refusals(kind, properties)
    assert found.where == f"It.{where}"
    assert found.fault
    assert found.remedy
    assert refusals(kind, {**properties, **change}) == []

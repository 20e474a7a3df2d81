"""Stacks around tasks, of which AWS would refuse nothing: each has one resource, It, and those that it needs."""

from typing import Any

ELB = "AWS::ElasticLoadBalancingV2::"


def it(kind: str, **properties: Any) -> dict[str, Any]:
    """A resource of a template."""
    return {"Type": kind, "Properties": properties}


def allow(*actions: str) -> dict[str, Any]:
    """A statement for everything."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*"}


def role(service: str, *actions: str) -> dict[str, Any]:
    """A role that a service assumes."""
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
    policy = {"PolicyName": "p", "PolicyDocument": {"Statement": [allow(*actions)]}}
    return it("AWS::IAM::Role", AssumeRolePolicyDocument=trust, Policies=[policy], MaxSessionDuration=7200)


def arn(logical_id: str) -> dict[str, Any]:
    """A reference to a resource's ARN."""
    return {"Fn::GetAtt": [logical_id, "Arn"]}


LOG = {"awslogs-group": "/carts", "awslogs-region": "eu-north-1", "awslogs-stream-prefix": "app"}
TASK = it(
    "AWS::ECS::TaskDefinition",
    Family="carts",
    RequiresCompatibilities=["FARGATE"],
    NetworkMode="awsvpc",
    Cpu="256",
    Memory="512",
    EphemeralStorage={"SizeInGiB": 30},
    RuntimePlatform={"CpuArchitecture": "ARM64"},
    Volumes=[{"Name": "files"}],
    ExecutionRoleArn=arn("Start"),
    ContainerDefinitions=[
        {
            "Name": "app",
            "Image": "210987654321.dkr.ecr.eu-north-1.amazonaws.com/shop/carts:0123",
            "Essential": True,
            "Cpu": 128,
            "Memory": 256,
            "StopTimeout": 60,
            "PortMappings": [{"ContainerPort": 8080, "HostPort": 8080}],
            "LogConfiguration": {"LogDriver": "awslogs", "Options": LOG},
            "HealthCheck": {"Command": ["CMD", "up"], "Interval": 10, "Timeout": 4, "Retries": 2, "StartPeriod": 20},
            "Environment": [{"Name": "LEVEL", "Value": "info"}],
            "Secrets": [
                {"Name": "TOKEN", "ValueFrom": {"Fn::Join": ["", [{"Ref": "Token"}, ":field::"]]}},
                {"Name": "LIMIT", "ValueFrom": "/carts/limit"},
            ],
            "MountPoints": [{"SourceVolume": "files", "ContainerPath": "/files"}],
            "DependsOn": [{"ContainerName": "log", "Condition": "START"}],
        },
        {
            "Name": "log",
            "Image": "ghcr.io/acme/log:1",
            "RepositoryCredentials": {"CredentialsParameter": {"Ref": "Token"}},
            "Essential": False,
        },
    ],
)
LOGGED = {
    "Name": "app",
    "Image": "210987654321.dkr.ecr.eu-north-1.amazonaws.com/shop/carts:0123",
    "LogConfiguration": {"LogDriver": "awslogs", "Options": LOG},
    "Secrets": [{"Name": "LIMIT", "ValueFrom": "/carts/limit"}],
}
START = ("ecr:*", "logs:CreateLogStream", "secretsmanager:GetSecretValue", "ssm:GetParameters", "ecs:RunTask")
STACKS: dict[str, dict[str, Any]] = {
    "a task": {
        "It": TASK,
        "Start": role("ecs-tasks.amazonaws.com", *START),
        "Token": it("AWS::SecretsManager::Secret", SecretString='{"field": "a"}'),
    },
    "a secret": {
        "Task": TASK,
        "Start": role("ecs-tasks.amazonaws.com", *START),
        "It": it(
            "AWS::SecretsManager::Secret",
            GenerateSecretString={"SecretStringTemplate": '{"user": "a"}', "GenerateStringKey": "field"},
        ),
        "Token": it("AWS::SecretsManager::SecretTargetAttachment", SecretId={"Ref": "It"}),
    },
    "an execution role": {
        "It": role("ecs-tasks.amazonaws.com", *START),
        "Task": it("AWS::ECS::TaskDefinition", ExecutionRoleArn=arn("It"), ContainerDefinitions=[LOGGED]),
    },
    "a service": {
        "It": it(
            "AWS::ECS::Service",
            ServiceName="carts",
            Cluster="shop",
            PlatformVersion="1.4.0",
            TaskDefinition={"Ref": "Task"},
            DesiredCount=2,
            HealthCheckGracePeriodSeconds=20,
            CapacityProviderStrategy=[{"CapacityProvider": "FARGATE_SPOT", "Weight": 3}],
            DeploymentConfiguration={
                "Strategy": "CANARY",
                "MinimumHealthyPercent": 100,
                "MaximumPercent": 200,
                "BakeTimeInMinutes": 7,
                "CanaryConfiguration": {"CanaryPercent": 10, "CanaryBakeTimeInMinutes": 4},
                "LifecycleHooks": [
                    {"RoleArn": arn("Hook"), "HookTargetArn": arn("Smoke"), "LifecycleStages": ["POST_SCALE_UP"]}
                ],
            },
            LoadBalancers=[
                {
                    "ContainerName": "app",
                    "ContainerPort": 8080,
                    "AdvancedConfiguration": {"RoleArn": arn("Hook"), "ProductionListenerRule": {"Ref": "Rule"}},
                }
            ],
            NetworkConfiguration={"AwsvpcConfiguration": {"SecurityGroups": [arn("Group")], "Subnets": ["subnet-1"]}},
            Tags=[{"Key": "team", "Value": "shop"}],
        ),
        "Task": it(
            "AWS::ECS::TaskDefinition",
            ContainerDefinitions=[{"Name": "app", "Image": "a:1", "PortMappings": [{"ContainerPort": 8080}]}],
        ),
        "Hook": role("ecs.amazonaws.com", "lambda:InvokeFunction", "elasticloadbalancing:ModifyRule"),
        "Smoke": it("AWS::Lambda::Function", Role=arn("Runs")),
        "Runs": role("lambda.amazonaws.com", "logs:*"),
        "Rule": it(f"{ELB}ListenerRule", Priority=5),
        "Group": it("AWS::EC2::SecurityGroup", SecurityGroupIngress=[{"IpProtocol": "-1"}]),
    },
    "a task of a service": {
        "It": it(
            "AWS::ECS::TaskDefinition",
            ContainerDefinitions=[{"Name": "app", "Image": "a:1", "PortMappings": [{"ContainerPort": 8080}]}],
        ),
        "Service": it(
            "AWS::ECS::Service",
            TaskDefinition={"Ref": "It"},
            LoadBalancers=[{"ContainerName": "app", "ContainerPort": 8080}],
        ),
    },
    "a security group": {
        "It": it(
            "AWS::EC2::SecurityGroup",
            SecurityGroupEgress=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}],
            SecurityGroupIngress=[{"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8081, "CidrIp": "10.0.0.0/8"}],
        ),
        "Service": it(
            "AWS::ECS::Service",
            LoadBalancers=[{"ContainerName": "app", "ContainerPort": 8080}],
            NetworkConfiguration={"AwsvpcConfiguration": {"SecurityGroups": [arn("It")]}},
        ),
    },
}
